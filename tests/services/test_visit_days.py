"""Visits by day: marked by the database, counted again by a job, exact for readers at any time."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import CheckIn, StaleVisitDay, VisitDay
from app.services import bookkeeping, visit_days
from app.services.access import Caller
from app.services.reports import coverage
from app.services.reports.report import ask
from app.settings import Settings
from tests.conftest import Lake, Member

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 6, 15), date(2026, 6, 14)


async def visited(member: Member, at: str, lon: float = 103.01) -> UUID:
    id_ = uuid4()
    here = {"lon": lon, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    with time_machine.travel(NOON, tick=False):
        url = f"/api/v1/check-ins/{id_}"
        answer = await member.client.put(url, json={"at": at, "position": here})
    assert (answer.status_code, answer.json()["verdict"]) == (201, "accepted")
    return id_


async def marks(session: AsyncSession) -> list[date]:
    return list(await session.scalars(select(StaleVisitDay.day).order_by(StaleVisitDay.id)))


async def kept(session: AsyncSession) -> set[tuple[UUID, date, int]]:
    rows = await session.execute(select(VisitDay.grid_cell_id, VisitDay.day, VisitDay.visits))
    return {(cell_id, day, visits) for cell_id, day, visits in rows}


async def counted(session: AsyncSession, person: Member) -> dict[str, int]:
    """By cell, as the report has it."""
    asked = await ask(
        session, Caller(person=person.person), now=NOON, from_on=YESTERDAY, to_on=TODAY
    )
    return {row["code"]: row["visits"] for row in (await coverage.report(session, asked)).rows}


async def test_every_covering_cell_has_the_visit_on_the_day_at_the_lake(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    await visited(li, "2026-06-14T23:59:59+08:00")
    await visited(li, "2026-06-15T00:00:00+08:00")
    await visited(li, "2026-06-15T08:00:00+08:00", lon=103.019)

    assert await marks(session) == [YESTERDAY, TODAY, TODAY]
    assert not await visit_days.recount(session)
    assert await marks(session) == []
    assert await kept(session) == {
        (lake.shore.id, YESTERDAY, 1),
        (lake.east.id, YESTERDAY, 1),
        (lake.east_inner.id, YESTERDAY, 1),
        (lake.shore.id, TODAY, 2),
        (lake.east.id, TODAY, 2),
        (lake.east_inner.id, TODAY, 1),
    }


@pytest.mark.parametrize(
    "change",
    [
        update(CheckIn).values(verdict="rejected"),
        update(CheckIn).values(withdrawn_at=NOON),
        update(CheckIn).values(grid_cell_ids=[]),
        text("DELETE FROM check_in_verdicts"),
    ],
)
async def test_readers_need_not_wait_for_the_job(
    session: AsyncSession, qian: Member, li: Member, change: Any
) -> None:
    everywhere = {"G-0": 1, "G-1": 1, "G-1-1": 1, "G-2": 0}
    nowhere = dict.fromkeys(everywhere, 0)
    await visited(li, "2026-06-15T08:00:00+08:00")
    assert await counted(session, qian) == everywhere
    await visit_days.recount(session)
    assert await counted(session, qian) == everywhere

    await session.execute(change)
    if "check_in_verdicts" in str(change):
        await session.execute(delete(CheckIn))
    assert await marks(session) == [TODAY]
    assert await counted(session, qian) == nowhere
    await visit_days.recount(session)
    assert await counted(session, qian) == nowhere
    assert await kept(session) == set()


async def test_what_changes_no_visit_marks_no_day(session: AsyncSession, li: Member) -> None:
    await visited(li, "2026-06-15T08:00:00+08:00")
    await visit_days.recount(session)

    await session.execute(update(CheckIn).values(note="水清", evidence=[], rules_version=9))
    await session.execute(update(CheckIn).values(verdict="flagged"))
    await session.execute(update(CheckIn).values(verdict="rejected"))

    assert await marks(session) == [TODAY]


async def test_a_wrong_day_is_found(session: AsyncSession, settings: Settings, li: Member) -> None:
    await visited(li, "2026-06-15T08:00:00+08:00")
    await visit_days.recount(session)
    quiet = [line async for line in bookkeeping.faults(session, settings, _unheard, now=NOON)]
    await session.execute(text("UPDATE visit_days SET visits = 7, day = '2026-06-14'"))

    loud = [line async for line in bookkeeping.faults(session, settings, _unheard, now=NOON)]

    cells = ("G-0", "G-1", "G-1-1")
    assert quiet == []
    assert loud == [
        *(f"网格到访不符：{cell}，2026-06-14，记为 7 次，应为 0 次" for cell in cells),
        *(f"网格到访不符：{cell}，2026-06-15，记为 0 次，应为 1 次" for cell in cells),
    ]


def _unheard(_step: str, _done: int) -> None:
    pass
