"""What closed unmet last week: week and month windows, told to managers once, in the digest."""

import random
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import Exemption, ExemptionKind, Obligation, Organisation, Period, Person, Reminder
from app.services import progress, standings
from app.services.reminders import planning
from app.settings import Settings
from tests.conftest import Lake, Member
from tests.factories import LONG_AGO, a_person
from tests.services.duty_book import (
    NEW_YEAR,
    an_obligation,
    at,
    delivered,
    doubtful,
    follows,
    how_many,
    june,
    planned,
    planned_since_monday,
    told_on,
    walked,
    with_template,
)

NOTHING = {"behind": 0, "people": 0, "calls": 0, "reviews": 0, "unmet": 0}
ONE = NOTHING | {"unmet": 1}


@pytest.fixture
async def mailing(session: AsyncSession, settings: Settings, wang: Member) -> Settings:
    """Settings with which followers can be sent to; Wang, who manages all, is one."""
    await follows(session, wang.person)
    return with_template(settings)


async def weekly(session: AsyncSession, holder: Person | Organisation, **given: Any) -> Obligation:
    """One patrol a week, anywhere."""
    return await an_obligation(session, holder, period=Period.week, **given)


async def digests(
    session: AsyncSession, settings: Settings, day: date, **given: Any
) -> dict[str, Mapping[str, int]]:
    """By code: the figures of the digests that are planned on the day."""
    await planned_since_monday(session, day)
    found = await planning.plan(session, settings, now=at(day), **given)
    await session.commit()
    return {each.code: each.figures for each in found.notices if each.kind.value == "digest"}


# -- what is not met ---------------------------------------------------------------------------


async def test_a_week_missed_is_told_on_the_next_monday_even_alone(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)

    found = await planning.plan(session, mailing, now=at(june(8)))
    await session.commit()

    assert [(each.code, each.kind.value, each.channel, each.about) for each in found.notices] == [
        ("WANG", "digest", "template", "上周有1项未完成")
    ]
    (kept,) = await session.scalars(select(Reminder.figures))
    assert kept == ONE


async def test_a_week_that_was_met_is_nothing_to_tell(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    # On its last day; a day of the week before, or of this one, would not do.
    await walked(session, li.person, june(7))

    assert await digests(session, mailing, june(8)) == {}


async def test_days_of_other_weeks_do_not_fill_it(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    await walked(session, li.person, date(2026, 5, 31), june(8))

    assert await digests(session, mailing, june(8)) == {"WANG": ONE}


async def test_two_patrols_of_a_day_are_one_of_two(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person, times=2)
    await walked(session, li.person, june(3), june(3))

    assert await digests(session, mailing, june(8)) == {"WANG": ONE}


@pytest.mark.parametrize(("pending", "unmet"), [(3, 1), (4, 0)])
async def test_what_awaits_a_review_counts_as_done(
    session: AsyncSession, mailing: Settings, li: Member, pending: int, unmet: int
) -> None:
    # Wednesday counts already; another day that is pending would fill the week.
    await weekly(session, li.person, times=2)
    await walked(session, li.person, june(3))
    await doubtful(session, li.person, june(pending), received_at=at(june(8), 8))

    found = await digests(session, mailing, june(8))

    assert found == {"WANG": NOTHING | {"reviews": 1, "unmet": unmet}}


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(1, 7, {}), (1, 4, {}), (1, 3, {"WANG": ONE})]
)
async def test_leave_counts_as_the_rule_has_it(
    session: AsyncSession,
    mailing: Settings,
    li: Member,
    first: int,
    last: int,
    expected: dict[str, Any],
) -> None:
    # With three of seven days left nothing is owed, with four of them one patrol is.
    await weekly(session, li.person)
    session.add(
        Exemption(
            code="X1",
            holder_person_id=li.person.id,
            from_on=june(first),
            to_on=june(last),
            kind=ExemptionKind.leave,
            reason="外出",
            recorded_at=LONG_AGO,
        )
    )
    await session.commit()

    assert await digests(session, mailing, june(8)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"months": "7-9"}, {}),
        ({"months": "6-9"}, {"WANG": ONE}),
        ({"times": 0}, {}),
        ({"starts_on": june(8)}, {}),
        ({"starts_on": june(5)}, {}),
        ({"starts_on": june(4)}, {"WANG": ONE}),
        ({"ends_on": date(2026, 5, 31)}, {}),
        ({"ends_on": june(3)}, {}),
        ({"ends_on": june(4)}, {"WANG": ONE}),
        ({"retired_on": june(4)}, {}),
        ({"retired_on": june(5)}, {"WANG": ONE}),
    ],
)
async def test_nothing_owed_is_never_unmet(
    session: AsyncSession,
    mailing: Settings,
    li: Member,
    given: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    await weekly(session, li.person, **given)

    assert await digests(session, mailing, june(8)) == expected


@pytest.mark.parametrize(
    ("from_on", "to_on", "expected"),
    [
        (None, date(2026, 5, 31), {}),
        (None, june(3), {}),
        (None, june(4), {"WANG": ONE}),
        (june(5), None, {}),
        (june(4), None, {"WANG": ONE}),
    ],
)
async def test_whoever_left_or_came_in_the_week_owes_for_their_days(
    session: AsyncSession,
    mailing: Settings,
    lake: Lake,
    from_on: date | None,
    to_on: date | None,
    expected: dict[str, Any],
) -> None:
    somebody = await a_person(
        session, organisation_id=lake.east_branch.id, from_on=from_on, to_on=to_on
    )
    await weekly(session, somebody)

    assert await digests(session, mailing, june(8)) == expected


async def test_a_day_that_came_late_is_seen(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    assert await digests(session, mailing, june(8), dry_run=True) == {"WANG": ONE}
    await walked(session, li.person, june(5))

    assert await digests(session, mailing, june(8)) == {}


# -- which windows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (Period.week, {"WANG": ONE}),
        (Period.month, {"WANG": ONE}),
        (Period.quarter, {}),
        (Period.half_year, {}),
        (Period.year, {}),
    ],
)
async def test_only_short_windows_are_told(
    session: AsyncSession,
    mailing: Settings,
    li: Member,
    period: Period,
    expected: dict[str, Any],
) -> None:
    # All of them ended between 29 December and 4 January.
    await an_obligation(session, li.person, period=period, starts_on=date(2025, 1, 1))

    assert await digests(session, mailing, date(2026, 1, 5)) == expected


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 3, 30), {}),
        # The office is closed on Monday 6 April; March ended on the Tuesday before.
        (date(2026, 4, 7), {"WANG": ONE}),
        (date(2026, 4, 13), {}),
        # May ended on a Sunday.
        (june(1), {"WANG": ONE}),
        (june(8), {}),
    ],
)
async def test_a_month_is_told_after_the_week_in_which_it_ended(
    session: AsyncSession, mailing: Settings, li: Member, day: date, expected: dict[str, Any]
) -> None:
    await an_obligation(session, li.person, starts_on=date(2025, 1, 1))
    await walked(session, li.person, date(2026, 4, 8))

    assert await digests(session, mailing, day) == expected


async def test_a_week_and_a_month_that_ended_in_it_are_two(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    await an_obligation(session, li.person)
    # Counts for the week, and not for the month that ended before.
    await walked(session, li.person, date(2026, 4, 1))

    assert await digests(session, mailing, date(2026, 4, 7)) == {"WANG": ONE}
    assert await digests(session, mailing, june(1)) == {"WANG": NOTHING | {"unmet": 2}}


# -- who, when, how often ----------------------------------------------------------------------


async def test_managers_hear_of_those_below_them(
    session: AsyncSession, mailing: Settings, lake: Lake, li: Member, zhao: Member
) -> None:
    await follows(session, zhao.person)
    villager = await a_person(session, organisation_id=lake.village.id)
    for holder in (li.person, villager, lake.village, zhao.person):
        await weekly(session, holder)

    assert await digests(session, mailing, june(8)) == {
        "WANG": NOTHING | {"unmet": 4},
        "ZHAO": NOTHING | {"unmet": 3},
    }


async def test_nobody_is_told_twice(session: AsyncSession, mailing: Settings, li: Member) -> None:
    await weekly(session, li.person, ends_on=june(7))

    first = await planned(session, mailing, june(8))
    second = await planned(session, mailing, june(8))
    later = await told_on(session, mailing, june(9), june(30))

    assert first == [("WANG", "digest", "template")]
    assert (second, later) == ([], [])
    assert await how_many(session, Reminder) == 1


async def test_week_by_week_each_is_told_once(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person, starts_on=june(1), ends_on=june(21))
    await walked(session, li.person, june(10))

    told = await told_on(session, mailing, june(1), june(30))

    assert told == [
        (june(8), "WANG", "digest", "template"),
        (june(22), "WANG", "digest", "template"),
    ]


async def test_a_monday_off_is_made_up_for_on_tuesday(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # From Monday 30 March to Sunday 5 April; Monday 6 April is off.
    await weekly(session, li.person, starts_on=date(2026, 3, 30), ends_on=date(2026, 4, 5))

    told = await told_on(session, mailing, date(2026, 3, 30), date(2026, 4, 17))

    assert told == [(date(2026, 4, 7), "WANG", "digest", "template")]


async def test_other_days_do_not_look(
    session: AsyncSession, mailing: Settings, li: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def looked(*_given: Any) -> None:
        pytest.fail("closed windows were read on a day without a digest")

    monkeypatch.setattr(standings, "unmet", looked)
    await weekly(session, li.person)

    assert await told_on(session, mailing, june(9), june(12)) == []


async def test_a_past_monday_is_planned_as_it_was(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person, ends_on=june(21))
    await walked(session, li.person, june(10))
    now = june(29)

    dry = {
        day: await digests(session, mailing, now, as_of=at(day), dry_run=True)
        for day in (june(8), june(9), june(15), june(22))
    }

    assert dry == {june(8): {"WANG": ONE}, june(9): {}, june(15): {}, june(22): {"WANG": ONE}}
    assert await how_many(session, Reminder) == 0
    assert await digests(session, mailing, now, as_of=at(june(8))) == {"WANG": ONE}


async def test_with_all_else_in_one_message(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    await an_obligation(session, li.person, times=10)
    await doubtful(session, li.person, date(2026, 5, 20))
    # Slices of three days: two of them are over.
    found = await planning.plan(session, mailing, now=at(june(8)))

    assert [(each.code, each.about) for each in found.notices if each.code == "WANG"] == [
        ("WANG", "上周有1项未完成；1项落后；1条待核")
    ]


# -- against the facts, one at a time ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_as_many_as_by_the_facts(
    session: AsyncSession, mailing: Settings, lake: Lake, seed: int
) -> None:
    dice = random.Random(seed)  # noqa: S311
    people = [
        await a_person(
            session,
            organisation_id=lake.east_branch.id,
            from_on=dice.choice((None, None, date(2026, 5, 27), june(4))),
            to_on=dice.choice((None, None, None, june(12))),
        )
        for _ in range(5)
    ]
    duties = []
    holders: list[Person | Organisation] = [*people, lake.east_branch]
    for holder in holders * 4:
        given: dict[str, Any] = {"period": dice.choice((Period.week, Period.month))}
        given["times"] = dice.choice((0, 1, 2, 3, 5))
        given["months"] = dice.choice((None, None, None, "6-9", "11-5"))
        given["starts_on"] = dice.choice((NEW_YEAR, NEW_YEAR, date(2026, 5, 28), june(6)))
        given["ends_on"] = dice.choice((None, None, None, june(4), june(11)))
        given["retired_on"] = dice.choice((None, None, None, None, june(5)))
        duties.append(await an_obligation(session, holder, **given))
    for n, person in enumerate(people[:3]):
        first = date(2026, 5, 20) + timedelta(days=dice.randrange(25))
        session.add(
            Exemption(
                code=f"X{n}",
                holder_person_id=person.id,
                from_on=first,
                to_on=first + timedelta(days=dice.randrange(9)),
                kind=ExemptionKind.leave,
                reason="外出",
                recorded_at=LONG_AGO,
            )
        )
    await session.commit()
    for person in people:
        for n in dice.sample(range(26), 3):
            day = date(2026, 5, 20) + timedelta(days=n)
            await (walked if dice.random() < 0.7 else doubtful)(session, person, day)
    expected: Counter[date] = Counter()
    for monday in (june(1), june(8), june(15)):
        ends = {Period.week: monday - timedelta(days=1)}
        if monday == june(1):
            ends[Period.month] = date(2026, 5, 31)
        asked = {(each.id, ends[each.period]) for each in duties if each.period in ends}
        standing = await progress.of(session, asked)
        expected[monday] = sum(
            each.done + each.pending < each.window.owed for each in standing.values()
        )

    found: Counter[date] = Counter()
    for monday in expected:
        assert clock.is_workday(monday)
        plan = await planning.plan(
            session, mailing, now=at(june(22)), as_of=at(monday), dry_run=True
        )
        (figures,) = [each.figures for each in plan.notices if each.code == "WANG"]
        found[monday] = figures["unmet"]

    assert found == expected
    assert expected.total() > 0


# -- when nobody planned on the first workday ---------------------------------------------------


async def test_a_digest_that_an_outage_swallowed_comes_when_somebody_plans_again(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    assert await digests(session, mailing, june(8)) == {"WANG": ONE}
    await delivered(session)

    # Nothing ran from Tuesday until Wednesday of the week after.
    assert await digests(session, mailing, june(17)) == {"WANG": ONE}
    await delivered(session)
    assert await digests(session, mailing, june(18)) == {}


async def test_a_dry_run_takes_no_digest_away(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)
    assert await digests(session, mailing, june(8)) == {"WANG": ONE}
    await delivered(session)

    assert await digests(session, mailing, june(17), dry_run=True) == {"WANG": ONE}
    assert await digests(session, mailing, june(17)) == {"WANG": ONE}


async def test_as_at_a_later_day_there_is_no_digest_to_make_up_for(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await weekly(session, li.person)

    assert await digests(session, mailing, june(29), as_of=at(june(17)), dry_run=True) == {}
