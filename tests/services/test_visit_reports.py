"""Coverage, effort and reminders say what the reference says, whatever people do."""

from datetime import date, datetime, timedelta
from typing import Any

import time_machine
from hypothesis import HealthCheck, given, settings
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import clock
from app.models import Person
from app.services import visit_days
from app.services.access import Caller
from app.services.reports import coverage, effort, reminders
from app.services.reports.report import Asked, By, Report, ask
from tests.conftest import Lake, Member
from tests.databases import taken_back
from tests.reference import visits as reference
from tests.reference.visits import Question, World
from tests.services import duty_histories, visit_histories, visit_reading
from tests.services.duty_histories import STARTS_AT, History, Step

RANGES = (
    (date(2025, 12, 1), date(2026, 1, 31)),
    (date(2026, 1, 1), date(2026, 12, 31)),
    (date(2025, 12, 28), date(2025, 12, 31)),
)
A_CELL = ("code", "month", "visits", "days", "last_visit_on", "days_since")
SCOPES = {None: None, "EAST": ("EAST",), "GWH": ("GWH", "EAST", "WEST", "VILLAGE", "ENT")}


def question(asked: Asked) -> Question:
    return Question(
        asked.from_on, asked.to_on, asked.as_of, asked.known_at, SCOPES[asked.organisation]
    )


def without_rates_over_one(report: Report) -> None:
    for row in (*report.rows, report.totals):
        for name in ("coverage", "caught_up_rate"):
            assert row.get(name) is None or 0 <= row[name] <= 1


async def compare(session: AsyncSession, world: World, asked: Asked) -> None:
    """All three reports with the reference."""
    found = await coverage.report(session, asked)
    rows, totals = reference.coverage(world, question(asked))
    assert [{name: row[name] for name in A_CELL} for row in found.rows] == rows
    assert found.totals == totals
    without_rates_over_one(found)

    spoken = await reminders.report(session, asked)
    rows, totals = reference.reminders(world, question(asked))
    names = reminders.KINDS.values()
    assert spoken.rows == [
        {"code": row["code"], "name": name, **row} for row, name in zip(rows, names, strict=True)
    ]
    assert spoken.totals == totals
    without_rates_over_one(spoken)

    for by in By:
        await compare_effort(session, world, asked_by(asked, by))


def asked_by(asked: Asked, by: By) -> Asked:
    return Asked(**{name: getattr(asked, name) for name in Asked.__slots__} | {"by": by})


async def compare_effort(session: AsyncSession, world: World, asked: Asked) -> None:
    found = await effort.report(session, asked)
    by_code, totals = reference.effort(world, question(asked), asked.by.value)
    said = {
        row["code"]: {name: row[name] for name in ("outings", "patrol_days", "km", "hours")}
        for row in found.rows
    }
    assert said == by_code, asked.by
    assert [row["code"] for row in found.rows] == sorted(by_code)
    assert found.totals == totals


async def asked_of(session: AsyncSession, person: Person, now: datetime, **given: Any) -> Asked:
    return await ask(session, Caller(person=person), now=now, **given)


async def whole_coverage(session: AsyncSession, person: Person, now: datetime) -> list[Any]:
    asked = await asked_of(session, person, now, from_on=date(2025, 12, 1), to_on=date(2026, 3, 1))
    found = await coverage.report(session, asked)
    return [{name: row[name] for name in A_CELL} for row in found.rows]


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=visit_histories.steps)
async def test_histories_read_as_the_reference_reads_them(
    steps: list[Step],
    connection: AsyncConnection,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
    qian: Member,
) -> None:
    async with taken_back(connection, session):
        with time_machine.travel(STARTS_AT, tick=False) as traveller:
            await duty_histories.owe(session, lake, li, zhou, chen)
            history = History([li, zhou, chen], wang, session, traveller)
            await visit_histories.share(history, lake)
            moments = []
            for n, step in enumerate(steps):
                await visit_histories.take(history, step)
                moments.append(history.now)
                if n % 4 == 3:
                    await visit_days.recount(session)
                    assert [each async for each in visit_days.differences(session)] == []
            world = await visit_reading.read(session)
            today = clock.day_of(history.now)
            for n, (first, last) in enumerate(RANGES):
                for organisation in SCOPES:
                    for as_of in (today, today - timedelta(days=3)):
                        for known_at in (None, moments[len(moments) * (n + 1) // 4]):
                            asked = await asked_of(
                                session, qian.person, history.now, from_on=first, to_on=last,
                                as_of=as_of, known_at=known_at, organisation=organisation,
                            )  # fmt: skip
                            await compare(session, world, asked)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=visit_histories.steps)
async def test_what_coverage_said_then_can_be_asked_for_later(
    steps: list[Step],
    connection: AsyncConnection,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
    qian: Member,
) -> None:
    async with taken_back(connection, session):
        with time_machine.travel(STARTS_AT, tick=False) as traveller:
            history = History([li, zhou, chen], wang, session, traveller)
            await duty_histories.owe(session, lake, li, zhou, chen)
            said = []
            for step in steps:
                if visit_histories.DEEDS[step[0]] is visit_histories.retire_a_cell:
                    continue  # of places only what stands now is known
                await visit_histories.take(history, step)
                said.append((history.now, await whole_coverage(session, qian.person, history.now)))
            for then, rows in said:
                asked = await asked_of(
                    session, qian.person, history.now, from_on=date(2025, 12, 1),
                    to_on=date(2026, 3, 1), as_of=clock.day_of(then), known_at=then,
                )  # fmt: skip
                found = await coverage.report(session, asked)
                assert [{name: row[name] for name in A_CELL} for row in found.rows] == rows, then
