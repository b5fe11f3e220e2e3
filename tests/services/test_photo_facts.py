"""Earlier uses of a photo: who, where, and that finding them stays quick."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.evidence import PhotoFact, PhotoUse
from app.domain.perceptual_hash import bands
from app.models import CheckIn, Image, Patrol, PatrolOrigin, PatrolState, Photo, Source, Verdict
from app.services import photo_facts
from tests.conftest import Member

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
HASH = 0x0123_4567_89AB_CDEF


async def a_check_in(session: AsyncSession, member: Member, **given: Any) -> CheckIn:
    patrol = Patrol(
        id=uuid4(),
        person_id=member.person.id,
        organisation_id=member.person.organisation_id,
        state=PatrolState.finished,
        origin=PatrolOrigin.phone,
        started_at=NOON,
        started_on=NOON.date(),
        received_at=NOON,
    )
    session.add(patrol)
    await session.flush()
    defaults = {
        "id": uuid4(),
        "person_id": member.person.id,
        "organisation_id": member.person.organisation_id,
        "patrol_id": patrol.id,
        "source": Source.mini_program,
        "at": NOON,
        "taken_on": NOON.date(),
        "received_at": NOON,
        "lon": 103.0,
        "lat": 24.9,
        "datum": "wgs84",
        "raw_lon": 103.0,
        "raw_lat": 24.9,
        "grid_cell_ids": [],
        "place": {},
        "verdict": Verdict.accepted,
        "evidence": [],
        "rules_version": 1,
        "content_digest": b"",
    }
    check_in = CheckIn(**defaults | given)
    session.add(check_in)
    await session.commit()
    return check_in


async def an_image(
    session: AsyncSession, perceptual_hash: int | None = None, **given: Any
) -> Image:
    parts = dict(
        zip(
            ("band_0", "band_1", "band_2", "band_3"),
            bands(perceptual_hash) if perceptual_hash is not None else (None,) * 4,
            strict=True,
        )
    )
    defaults = {
        "sha256": os.urandom(32),
        "size": 1,
        "content_type": "image/jpeg",
        "width": 8,
        "height": 8,
        "received_at": NOON,
        "perceptual_hash": perceptual_hash,
    }
    image = Image(**defaults | parts | given)
    session.add(image)
    await session.commit()
    return image


async def a_photo(
    session: AsyncSession, check_in: CheckIn, image: Image, minutes: int, **given: Any
) -> Photo:
    photo = Photo(
        id=uuid4(),
        check_in_id=check_in.id,
        person_id=check_in.person_id,
        sha256=image.sha256,
        source=Source.mini_program,
        received_at=NOON + timedelta(minutes=minutes),
        **given,
    )
    session.add(photo)
    await session.commit()
    return photo


def use_of(check_in: CheckIn) -> PhotoUse:
    return PhotoUse(check_in.person_id, check_in.patrol_id, check_in.lon, check_in.lat)


async def test_same_bytes_count_for_whoever_came_later(
    session: AsyncSession, li: Member, zhou: Member
) -> None:
    image = await an_image(session)
    first = await a_check_in(session, li)
    second = await a_check_in(session, zhou, lon=102.97)
    third = await a_check_in(session, li)
    for minute, check_in in enumerate((first, second, third)):
        await a_photo(session, check_in, image, minute)
    facts = await photo_facts.facts_of(session, [first.id, second.id, third.id])
    assert facts == {
        first.id: [PhotoFact("image/jpeg", None, [], None)],
        second.id: [PhotoFact("image/jpeg", None, [use_of(first)], None)],
        third.id: [PhotoFact("image/jpeg", None, [use_of(second), use_of(first)], None)],
    }


async def test_withdrawn_check_ins_and_ones_own_do_not_count(
    session: AsyncSession, li: Member, zhou: Member
) -> None:
    image, near = await an_image(session, HASH), await an_image(session, HASH ^ 1)
    withdrawn = await a_check_in(session, zhou, withdrawn_at=NOON)
    later = await a_check_in(session, li)
    await a_photo(session, withdrawn, image, 0)
    await a_photo(session, later, image, 1)
    await a_photo(session, later, near, 2)
    facts = await photo_facts.facts_of(session, [later.id])
    assert facts == {later.id: [PhotoFact("image/jpeg", None, [], [])] * 2}


@pytest.mark.parametrize(
    ("flipped", "bits", "is_near"),
    [
        (0, 3, True),
        (1, 3, True),
        (1 << 63 | 1 << 40 | 1 << 3, 3, True),
        (1 << 63 | 1 << 40 | 1 << 20 | 1 << 3, 3, False),
        (0b1111, 3, False),
        (0b111, 2, False),
        (0b11, 2, True),
        (1, 0, False),
    ],
)
async def test_near_same_is_at_most_three_bits(
    session: AsyncSession, li: Member, zhou: Member, flipped: int, bits: int, is_near: bool
) -> None:
    changed = HASH ^ flipped
    changed -= 1 << 64 if changed >> 63 else 0
    first, second = await a_check_in(session, li), await a_check_in(session, zhou)
    await a_photo(session, first, await an_image(session, HASH), 0)
    image = await an_image(session, changed)
    await a_photo(session, second, image, 1)
    facts = await photo_facts.facts_of(session, [first.id, second.id], near_same_bits=bits)
    assert facts == {
        first.id: [PhotoFact("image/jpeg", None, [], [])],
        second.id: [PhotoFact("image/jpeg", None, [], [use_of(first)] if is_near else [])],
    }


async def test_exif_goes_before_what_the_phone_says(session: AsyncSession, li: Member) -> None:
    check_in = await a_check_in(session, li)
    said, taken = NOON + timedelta(hours=1), NOON + timedelta(hours=2)
    await a_photo(session, check_in, await an_image(session), 0, taken_at=said)
    await a_photo(session, check_in, await an_image(session, taken_at=taken), 1, taken_at=said)
    facts = await photo_facts.facts_of(session, [check_in.id])
    assert [fact.taken_at for fact in facts[check_in.id]] == [said, taken]


async def test_no_photos_no_facts(session: AsyncSession, li: Member) -> None:
    check_in = await a_check_in(session, li)
    assert await photo_facts.facts_of(session, [check_in.id, uuid4()]) == {}
    assert await photo_facts.facts_of(session, []) == {}


async def test_touched_are_its_users_and_later_near_ones(session: AsyncSession, li: Member) -> None:
    image = await an_image(session, HASH)
    near = await an_image(session, HASH ^ 0b101)
    other = await an_image(session, ~HASH)
    before, user, after, apart = [await a_check_in(session, li) for _ in range(4)]
    await a_photo(session, before, near, 0)
    await a_photo(session, user, image, 1)
    await a_photo(session, after, near, 2)
    await a_photo(session, apart, other, 3)
    assert set(await photo_facts.touched_by(session, image.sha256)) == {user.id, after.id}
    assert set(await photo_facts.touched_by(session, other.sha256)) == {apart.id}


def scans(plan: dict[str, Any]) -> set[tuple[str, str]]:
    """Each table that a plan reads, and how."""
    here = {(plan["Relation Name"], plan["Node Type"])} if "Relation Name" in plan else set()
    return here.union(*(scans(part) for part in plan.get("Plans", ())))


async def test_among_a_hundred_thousand_images_nothing_is_walked_through(
    session: AsyncSession, li: Member
) -> None:
    check_in = await a_check_in(session, li)
    photo = await a_photo(session, check_in, await an_image(session, HASH), 0)
    await session.execute(
        text(
            """
            INSERT INTO images (sha256, size, content_type, width, height, received_at,
              perceptual_hash, band_0, band_1, band_2, band_3)
            SELECT sha256(n::text::bytea), 1, 'image/jpeg', 1, 1, now(), hash,
              (hash >> 48)::bit(16)::int - 32768, (hash >> 32)::bit(16)::int - 32768,
              (hash >> 16)::bit(16)::int - 32768, hash::bit(16)::int - 32768
            FROM generate_series(1, 100000) n,
              LATERAL (SELECT hashint8extended(n, 1) AS hash) h
            """
        )
    )
    await session.execute(
        text(
            """
            INSERT INTO check_ins
            SELECT (json_populate_record(c, json_build_object('id', gen_random_uuid()))).*
            FROM check_ins c, generate_series(1, 2000) WHERE c.id = :id
            """
        ),
        {"id": check_in.id},
    )
    await session.execute(
        text(
            """
            INSERT INTO photos (id, check_in_id, person_id, sha256, source, received_at)
            SELECT gen_random_uuid(), c.id, :person_id, sha256(n::text::bytea), 'chat', now()
            FROM generate_series(1, 20) k,
              LATERAL (SELECT id, 20 * row_number() OVER () + k AS n FROM check_ins) c
            """
        ),
        {"person_id": li.person.id},
    )
    for table in ("images", "photos", "check_ins"):
        await session.execute(text(f"ANALYZE {table}"))
    for statement, given in (
        (photo_facts._USES, {"check_in_ids": [check_in.id], "most": 100, "bits": 3}),
        (photo_facts._PHOTOS, {"check_in_ids": [check_in.id]}),
        (photo_facts._TOUCHED, {"sha256": photo.sha256, "bits": 3}),
    ):
        plan = await session.scalar(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), given)
        walked = {table for table, how in scans(plan[0]["Plan"]) if how == "Seq Scan"}
        assert walked == set()
    assert isinstance(check_in.id, UUID)
