"""The newest that a caller may see: found by many indexes, and what the plain condition finds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    ApiKey,
    CheckIn,
    Companion,
    Organisation,
    Patrol,
    PatrolKind,
    PatrolOrigin,
    PatrolState,
    Person,
    Role,
    Source,
    Verdict,
)
from app.services import newest, visibility
from app.services.access import Caller
from tests.conftest import Lake
from tests.factories import a_person

START = datetime(2026, 6, 1, tzinfo=UTC)
PATROLS = 40


async def a_history(session: AsyncSession, lake: Lake, dice: Random) -> list[Person]:
    """Patrols with up to two check-ins, of anybody's in any cells at any stele, many at once."""
    homes = (lake.east_branch, lake.west_branch, lake.village, lake.enterprise)
    people = [await a_person(session, organisation_id=home.id) for home in homes]
    cells = [lake.shore, lake.east, lake.east_inner, lake.west]
    steles = [lake.stele.id, lake.west_stele.id, None, None]

    def moment() -> datetime:
        return START + timedelta(hours=dice.randrange(12))

    for _ in range(PATROLS):
        who, at = dice.choice(people), moment()
        patrol = Patrol(
            id=UUID(int=dice.getrandbits(128)),
            person_id=who.id,
            organisation_id=dice.choice(homes).id,
            kind=PatrolKind.foot,
            state=PatrolState.finished,
            origin=PatrolOrigin.phone,
            started_at=at,
            started_on=at.date(),
            received_at=at,
            retired_on=at.date() if dice.random() < 0.1 else None,
        )
        session.add(patrol)
        await session.flush()
        if dice.random() < 0.2:
            other = dice.choice([each for each in people if each is not who])
            session.add(
                Companion(
                    patrol_id=patrol.id,
                    person_id=other.id,
                    organisation_id=other.organisation_id,
                    added_at=at,
                    declined_at=at if dice.random() < 0.3 else None,
                )
            )
        for _ in range(dice.randrange(3)):
            covering = dice.sample(cells, dice.randrange(3))
            session.add(_a_check_in(dice, patrol, moment(), covering, dice.choice(steles)))
    await session.commit()
    return people


def _a_check_in(
    dice: Random, patrol: Patrol, at: datetime, covering: Sequence[Any], stele: UUID | None
) -> CheckIn:
    return CheckIn(
        id=UUID(int=dice.getrandbits(128)),
        person_id=patrol.person_id,
        organisation_id=patrol.organisation_id,
        patrol_id=patrol.id,
        source=Source.mini_program,
        at=at,
        taken_on=at.date(),
        received_at=at,
        lon=103.0,
        lat=24.9,
        datum="wgs84",
        raw_lon=103.0,
        raw_lat=24.9,
        grid_cell_id=covering[0].id if covering else None,
        grid_cell_ids=[cell.id for cell in covering],
        stele_id=stele,
        place={},
        verdict=dice.choice(list(Verdict)),
        evidence=[],
        rules_version=1,
        content_digest=b"",
    )


def callers(people: Sequence[Person], lake: Lake) -> list[Caller]:
    """Everybody as a member and as a manager, an admin, and programs."""

    def as_(person: Person, role: Role) -> Caller:
        return Caller(
            person=Person(id=person.id, organisation_id=person.organisation_id, role=role)
        )

    def program(organisation: Organisation) -> Caller:
        return Caller(api_key=ApiKey(organisation_id=organisation.id))

    return [
        *(as_(person, role) for person in people for role in Role),
        program(lake.committee),
        program(lake.enterprise),
        program(lake.west_branch),
    ]


async def everything(session: AsyncSession, table: Any, at: Any, *conditions: Any) -> list[UUID]:
    """What the plain conditions find, in one go."""
    statement = select(table.id).where(*conditions).order_by(at.desc(), table.id.desc())
    return list(await session.scalars(statement))


async def paged(session: AsyncSession, caller: Caller, find: Any, at: Any, **given: Any) -> Any:
    """What all pages of three hold together."""
    found: list[UUID] = []
    after = None
    while page := await find(session, caller, newest.Asked(3, after, **given)):
        found += page
        id_ = at.class_.id
        after = (await session.execute(select(at, id_).where(id_ == page[-1]))).one()
    return found


@pytest.mark.parametrize("stretch", [0, 1, 1000])
@pytest.mark.parametrize("seed", range(3))
async def test_pages_hold_what_the_plain_condition_finds(
    session: AsyncSession, lake: Lake, monkeypatch: pytest.MonkeyPatch, seed: int, stretch: int
) -> None:
    """However short the walk is, so that either way is taken."""
    monkeypatch.setattr(newest, "_STRETCH", 4 * stretch)
    monkeypatch.setattr(newest, "_STRETCH_FOR_EACH", stretch)
    monkeypatch.setattr(newest, "_FURTHER", 2)
    people = await a_history(session, lake, Random(seed))  # noqa: S311
    sizes = set()
    for caller in callers(people, lake):
        for mine in (False, True):
            within = [CheckIn.at < START + timedelta(hours=9)]
            only = [CheckIn.verdict != Verdict.rejected]
            visible = await visibility.check_ins_for(session, caller, mine=mine)
            expected = await everything(session, CheckIn, CheckIn.at, visible, *within, *only)
            assert expected == await paged(
                session, caller, newest.check_ins, CheckIn.at, within=within, only=only, mine=mine
            )
            sizes.add(len(expected))
            kept = [Patrol.retired_on.is_(None)]
            visible = await visibility.patrols_for(session, caller, mine=mine)
            expected = await everything(session, Patrol, Patrol.started_at, visible, *kept)
            assert expected == await paged(
                session, caller, newest.patrols, Patrol.started_at, within=[], only=kept, mine=mine
            )
            sizes.add(len(expected))
    assert len(sizes) > 10
