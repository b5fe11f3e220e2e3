"""What of a reminder still stands before it is sent, by the facts of that moment."""

from datetime import date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Period, Reminder
from app.services.reminders import planning, still_standing
from app.settings import Settings
from tests.conftest import Member
from tests.queries import counted
from tests.services.duty_book import (
    an_obligation,
    at,
    delivered,
    doubtful,
    follows,
    june,
    planned,
    walked,
    with_template,
)

Figures = tuple[str, int, date, int, int, int]


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    """Settings with which followers can be sent to."""
    return with_template(settings)


async def _standing(session: AsyncSession, settings: Settings, now: datetime) -> list[Figures]:
    """Kind, slice, due day, done, owed, behind of what stands of all that waits."""
    reminders = (await session.scalars(select(Reminder).where(Reminder.state == "queued"))).all()
    found = await still_standing.of(session, reminders, settings, now=now)
    return [
        (item.kind.value, item.slice, item.due_on, item.done, item.owed, item.behind)
        for items in found.values()
        for item in items
    ]


async def test_what_nothing_changed_stands(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await planned(session, mailing, june(16))
    await follows(session, li.person)
    assert await _standing(session, mailing, at(june(16))) == []  # it went to the call list

    await an_obligation(session, li.person, times=10)
    await planned(session, mailing, june(17))

    assert await _standing(session, mailing, at(june(17))) == [("behind", 1, june(3), 0, 10, 5)]


async def test_whoever_caught_up_gets_nothing_and_who_did_not_quite_fresh_figures(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member
) -> None:
    await follows(session, li.person, zhou.person)
    await an_obligation(session, li.person, times=2)
    await an_obligation(session, zhou.person, times=10)
    await planned(session, mailing, june(16))
    await walked(session, li.person, june(16))
    await walked(session, zhou.person, june(15), june(16))

    assert await _standing(session, mailing, at(june(16), 15)) == [("behind", 3, june(9), 2, 10, 3)]


async def test_what_awaits_a_review_counts(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await follows(session, li.person)
    await an_obligation(session, li.person, times=2)
    await an_obligation(session, li.person)
    await planned(session, mailing, june(23))
    before = await _standing(session, mailing, at(june(23)))
    await doubtful(session, li.person, june(23))

    assert [kind for kind, *_ in before] == ["behind", "due_soon"]
    assert await _standing(session, mailing, at(june(23), 15)) == []


async def test_due_soon_that_waited_past_its_day_is_no_news(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await follows(session, li.person)
    await an_obligation(session, li.person, times=2, period=Period.quarter)
    await planned(session, mailing, date(2026, 5, 11))

    assert await _standing(session, mailing, at(date(2026, 5, 15))) == [
        ("due_soon", 1, date(2026, 5, 16), 0, 2, 0)
    ]
    assert await _standing(session, mailing, at(date(2026, 5, 18))) == []


async def test_what_waited_into_another_window_is_no_news(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await follows(session, li.person)
    await an_obligation(session, li.person, times=10)
    await planned(session, mailing, june(30))

    assert len(await _standing(session, mailing, at(june(30)))) == 1
    assert await _standing(session, mailing, at(date(2026, 7, 10))) == []


async def test_an_escalation_stands_while_it_is_as_bad(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    await follows(session, li.person, wang.person)
    await an_obligation(session, li.person, times=10)
    await planned(session, mailing, june(9))
    await delivered(session)
    await planned(session, mailing, june(10))
    before = await _standing(session, mailing, at(june(10)))
    await walked(session, li.person, june(8), june(9))

    assert before == [("escalation", 1, june(3), 0, 10, 3)]
    assert await _standing(session, mailing, at(june(10))) == []


async def test_who_has_left_and_what_was_retired_is_left_alone(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member
) -> None:
    await follows(session, li.person, zhou.person)
    duty = await an_obligation(session, li.person, times=2)
    await an_obligation(session, zhou.person, times=2)
    await planned(session, mailing, june(16))
    duty.retired_on = zhou.person.retired_on = june(16)
    await session.commit()

    assert await _standing(session, mailing, at(june(16))) == []


async def test_planned_as_at_another_time_it_is_looked_at_as_at_that_time(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await follows(session, li.person)
    await an_obligation(session, li.person, times=2)
    await walked(session, li.person, june(20))
    await planning.plan(session, mailing, now=at(june(25)), as_of=at(june(16)))

    assert await _standing(session, mailing, at(june(25))) == [("behind", 1, june(15), 0, 2, 1)]


async def test_many_cost_as_many_queries_as_one(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member, zhao: Member
) -> None:
    await follows(session, li.person, zhou.person, zhao.person)
    costs = []
    for n, members in enumerate([[li], [zhou, zhao]]):
        for member in members:
            await an_obligation(session, member.person, times=2)
        await planned(session, mailing, june(16 + n))
        with counted(session) as seen:
            assert len(await _standing(session, mailing, at(june(16 + n)))) == 1 + 2 * n
        costs.append(seen.statements)

    assert costs[0] == costs[1]
