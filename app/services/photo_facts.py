"""What is known of the photos on check-ins: their kind, their time, and earlier uses."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.evidence import PhotoFact, PhotoUse

# So many earlier uses of one photo are looked at: bounded, whatever picture makes the rounds.
_MOST_USES = 100

_PHOTOS = text(
    """
    SELECT p.check_in_id, p.id, i.content_type, coalesce(i.taken_at, p.taken_at) AS taken_at,
      i.perceptual_hash IS NOT NULL AS hashed
    FROM photos p JOIN images i ON i.sha256 = p.sha256
    WHERE p.check_in_id = ANY(:check_in_ids)
    ORDER BY p.received_at, p.id
    """
)

# Later is who was received later; the id decides between two of one instant.
_EARLIER_USE = """
      SELECT c.person_id, c.patrol_id, c.lon, c.lat, o.id AS photo_id, o.check_in_id
      FROM photos o JOIN check_ins c ON c.id = o.check_in_id AND c.withdrawn_at IS NULL
      WHERE o.sha256 = {sha256} AND o.check_in_id <> p.check_in_id
        AND (o.received_at, o.id) < (p.received_at, p.id)
      ORDER BY o.received_at DESC LIMIT :most
"""

# Two hashes at most 3 bits apart share one of four bands; UNION names each neighbour once.
_NEIGHBOUR = """
      SELECT sha256 FROM (
        {bands}
      ) n
      WHERE n.sha256 <> i.sha256
        AND bit_count((n.perceptual_hash # i.perceptual_hash)::bit(64)) <= :bits
"""
_NEIGHBOUR = _NEIGHBOUR.format(
    bands="\n        UNION\n        ".join(
        f"SELECT sha256, perceptual_hash FROM images WHERE band_{n} = i.band_{n}"  # noqa: S608
        for n in range(4)
    )
)

_USES = text(
    f"""
    SELECT p.id, false AS near, u.*
    FROM photos p CROSS JOIN LATERAL ({_EARLIER_USE.format(sha256="p.sha256")}) u
    WHERE p.check_in_id = ANY(:check_in_ids)
    UNION ALL
    SELECT p.id, true AS near, u.*
    FROM photos p
    JOIN images i ON i.sha256 = p.sha256 AND i.perceptual_hash IS NOT NULL
    CROSS JOIN LATERAL ({_NEIGHBOUR}) m
    CROSS JOIN LATERAL ({_EARLIER_USE.format(sha256="m.sha256")}) u
    WHERE p.check_in_id = ANY(:check_in_ids)
    """  # noqa: S608  put together from our own text alone
)

_TOUCHED = text(
    f"""
    SELECT p.check_in_id FROM photos p WHERE p.sha256 = :sha256
    UNION
    SELECT p.check_in_id
    FROM images i CROSS JOIN LATERAL ({_NEIGHBOUR}) m JOIN photos p ON p.sha256 = m.sha256
    WHERE i.sha256 = :sha256 AND i.perceptual_hash IS NOT NULL
      AND p.received_at >= (SELECT min(received_at) FROM photos WHERE sha256 = :sha256)
    """  # noqa: S608
)


async def facts_of(
    session: AsyncSession, check_in_ids: Collection[UUID], *, near_same_bits: int = 3
) -> Mapping[UUID, Sequence[PhotoFact]]:
    """The photos of each check-in that has any, in the order they came, two statements for all.

    Uses are those received before, on other check-ins that were not withdrawn, by anyone; near
    ones differ in at most `near_same_bits` (0 to 3) of 64 bits and are not the same bytes.
    """
    ids = list(check_in_ids)
    photos = (await session.execute(_PHOTOS, {"check_in_ids": ids})).all()
    if not photos:
        return {}
    same: Mapping[UUID, list[PhotoUse]] = defaultdict(list)
    near: Mapping[UUID, list[PhotoUse]] = defaultdict(list)
    bounds: dict[str, Any] = {"most": _MOST_USES, "bits": near_same_bits}
    for row in await session.execute(_USES, {"check_in_ids": ids, **bounds}):
        use = PhotoUse(row.person_id, row.patrol_id, row.lon, row.lat)
        (near if row.near else same)[row.id].append(use)
    facts: Mapping[UUID, list[PhotoFact]] = defaultdict(list)
    for photo in photos:
        facts[photo.check_in_id].append(
            PhotoFact(
                content_type=photo.content_type,
                taken_at=photo.taken_at,
                same=same[photo.id],
                near=near[photo.id] if photo.hashed else None,
            )
        )
    return facts


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier photo that one resembles: the same bytes, or `near`ly the same picture."""

    of_photo_id: UUID
    near: bool
    photo_id: UUID
    check_in_id: UUID
    patrol_id: UUID
    person_id: UUID


async def earlier_of(
    session: AsyncSession, check_in_id: UUID, *, near_same_bits: int = 3, most: int = 4
) -> Sequence[Earlier]:
    """The latest photos on other check-ins that those of this one resemble, some for each."""
    bounds: dict[str, Any] = {"most": most, "bits": near_same_bits}
    rows = await session.execute(_USES, {"check_in_ids": [check_in_id], **bounds})
    found = [
        Earlier(row.id, row.near, row.photo_id, row.check_in_id, row.patrol_id, row.person_id)
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.of_photo_id, each.near))


async def touched_by(
    session: AsyncSession, sha256: bytes, *, near_same_bits: int = 3
) -> Sequence[UUID]:
    """The check-ins whose evidence may change when this image's hash becomes known.

    Those that use it, and those where a near-same one came after it but was hashed before it.
    """
    rows = await session.scalars(_TOUCHED, {"sha256": sha256, "bits": near_same_bits})
    return rows.all()
