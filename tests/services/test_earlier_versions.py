"""What decides about duties can be read as it was before it was changed."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AreaKind,
    EarlierVersion,
    Obligation,
    Patrol,
    PatrolOrigin,
    PatrolState,
    Period,
    Rulebook,
    uuid7,
)
from tests.conftest import Lake, Member


async def test_a_changed_obligation_leaves_what_it_was(session: AsyncSession, li: Member) -> None:
    obligation = Obligation(
        code="O-1",
        holder_person_id=li.person.id,
        area_kind=AreaKind.any,
        times=6,
        period=Period.year,
        starts_on=date(2026, 1, 1),
    )
    session.add(obligation)
    await session.commit()

    obligation.times = 4
    await session.commit()
    obligation.times = 2
    await session.commit()

    kept = (
        await session.execute(
            select(EarlierVersion.subject, EarlierVersion.content["times"])
            .where(EarlierVersion.row_id == obligation.id)
            .order_by(EarlierVersion.id)
        )
    ).all()
    assert [tuple(row) for row in kept] == [("obligations", 6), ("obligations", 4)]


async def test_an_update_that_changes_nothing_leaves_nothing(
    session: AsyncSession, li: Member
) -> None:
    obligation = Obligation(
        code="O-1",
        holder_person_id=li.person.id,
        area_kind=AreaKind.any,
        times=6,
        period=Period.year,
        starts_on=date(2026, 1, 1),
    )
    session.add(obligation)
    await session.commit()

    await session.execute(Obligation.__table__.update().values(times=6))  # type: ignore[attr-defined]  # a mapped class has a table
    await session.commit()

    assert (await session.scalars(select(EarlierVersion.id))).all() == []


async def _kept(session: AsyncSession) -> list[tuple[str, UUID, dict[str, Any]]]:
    rows = await session.execute(
        select(EarlierVersion.subject, EarlierVersion.row_id, EarlierVersion.content).order_by(
            EarlierVersion.id
        )
    )
    return [(subject, row_id, content) for subject, row_id, content in rows]


async def test_of_places_and_people_only_what_decides_is_kept(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    """No name, no phone, no shape; and nothing where nothing of it changed."""
    gone = date(2026, 6, 1)
    home = lake.east_branch.id
    li.person.phone, li.person.name = "19900009999", "示例丽"
    lake.stele.text, lake.reach.short_name = "新", "东"
    session.add_all([li.person, lake.stele, lake.reach])
    await session.commit()
    assert await _kept(session) == []

    li.person.organisation_id = lake.west_branch.id
    await session.commit()
    for row in (lake.west_branch, li.person, lake.reach, lake.east_inner, lake.stele):
        row.retired_on = gone
        session.add(row)
        await session.commit()

    up, water = str(lake.committee.id), str(lake.reach.waterbody_id)
    assert await _kept(session) == [
        ("people", li.person.id, {"organisation_id": str(home), "retired_on": None}),
        ("organisations", lake.west_branch.id, {"parent_id": up, "retired_on": None}),
        (
            "people",
            li.person.id,
            {"organisation_id": str(lake.west_branch.id), "retired_on": None},
        ),
        ("reaches", lake.reach.id, {"waterbody_id": water, "retired_on": None}),
        (
            "grid_cells",
            lake.east_inner.id,
            {"parent_id": str(lake.east.id), "retired_on": None},
        ),
        ("steles", lake.stele.id, {"reach_id": str(lake.reach.id), "retired_on": None}),
    ]


async def test_the_rulebook_keeps_from_when_it_counted(session: AsyncSession) -> None:
    book = Rulebook(
        id=1,
        opened_on=date(2026, 1, 1),
        count_from=date(2026, 3, 1),
        pairing_duty="department",
        judged_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    session.add(book)
    await session.commit()
    book.judged_at = datetime(2026, 2, 1, tzinfo=UTC)
    await session.commit()
    book.count_from = None
    await session.commit()

    assert await _kept(session) == [("rulebook", UUID(int=1), {"count_from": "2026-03-01"})]


async def test_of_an_outing_it_is_kept_that_it_was_open_and_that_it_was_withdrawn(
    session: AsyncSession, li: Member
) -> None:
    """And nothing of what each check-in changes."""
    started_at = datetime(2026, 6, 1, 1, tzinfo=UTC)
    patrol = Patrol(
        id=uuid7(),
        person_id=li.person.id,
        organisation_id=li.person.organisation_id,
        state=PatrolState.open,
        origin=PatrolOrigin.phone,
        started_at=started_at,
        started_on=date(2026, 6, 1),
        received_at=started_at,
    )
    session.add(patrol)
    await session.commit()
    patrol.distance_m, patrol.points_kept = 900, 12
    await session.commit()
    assert await _kept(session) == []

    patrol.state, patrol.finished_at = PatrolState.finished, started_at
    await session.commit()
    patrol.retired_on = date(2026, 6, 2)
    await session.commit()
    patrol.retired_on = None
    await session.commit()

    assert await _kept(session) == [
        ("patrols", patrol.id, {"state": "open", "retired_on": None}),
        ("patrols", patrol.id, {"state": "finished", "retired_on": None}),
        ("patrols", patrol.id, {"state": "finished", "retired_on": "2026-06-02"}),
    ]
