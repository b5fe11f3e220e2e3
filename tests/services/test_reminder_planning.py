"""Who is told what on which day: due soon, behind, not twice, not too often, nobody for nothing."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Call, Period, Reminder, ReminderItem, ReminderState, StaleStanding, Standing
from app.services.reminders import channels, planning
from app.settings import Settings
from tests.conftest import Member
from tests.services.duty_book import (
    an_obligation,
    at,
    delivered,
    doubtful,
    follows,
    how_many,
    june,
    planned,
    told_on,
    walked,
    with_template,
)


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    """Settings with which followers can be sent to."""
    return with_template(settings)


async def test_due_soon_is_told_once_a_week_before_the_end(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person)
    await follows(session, li.person)

    told = await told_on(session, mailing, june(1), june(30))

    assert told == [(june(23), "LI", "due_soon", "template")]


async def test_a_slice_of_two_weeks_is_told_two_workdays_ahead(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # 15 June is a Monday; three days before it, Friday, there is one workday left.
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)

    told = await told_on(session, mailing, june(1), june(15))

    assert told == [(june(11), "LI", "due_soon", "template")]


async def test_before_a_day_off_it_is_told_on_the_workday_before(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # The slice ends on Saturday 27 June; 20 June is inside the Dragon Boat days off (19-21).
    await an_obligation(session, li.person, starts_on=june(1), ends_on=june(27))
    await follows(session, li.person)

    told = await told_on(session, mailing, june(8), june(27))

    assert told == [(june(18), "LI", "due_soon", "template")]


async def test_a_slice_below_two_weeks_is_not_announced(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # Slices of 13 and 14 active days.
    await an_obligation(session, li.person, times=2, starts_on=june(4))
    await an_obligation(session, li.person, times=1, period=Period.week)
    await follows(session, li.person)
    await walked(session, li.person, june(5))

    told = await told_on(session, mailing, june(4), june(16))

    assert told == []


async def test_after_an_outage_due_soon_is_still_told_while_the_slice_runs(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person)
    await follows(session, li.person)

    assert await planned(session, mailing, june(30)) == [("LI", "due_soon", "template")]


async def test_whoever_is_ahead_or_has_walked_is_left_alone(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=3, period=Period.quarter, starts_on=june(1))
    await an_obligation(session, li.person)
    await follows(session, li.person)
    await walked(session, li.person, june(2))

    assert await told_on(session, mailing, june(3), june(30)) == []


async def test_behind_is_told_a_week_apart_three_times_then_telephoned_once(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # Two a quarter: the first slice ends on 16 May.
    await an_obligation(session, li.person, times=2, period=Period.quarter)
    await follows(session, li.person)
    tired = "本期已提醒3次"

    told = await told_on(session, mailing, date(2026, 5, 10), june(19))

    assert told == [
        (date(2026, 5, 11), "LI", "due_soon", "template"),
        (date(2026, 5, 18), "LI", "behind", "template"),
        (date(2026, 5, 25), "LI", "behind", "template"),
        (june(1), "LI", "behind", "template"),
        (june(8), "LI", "behind", tired),
    ]
    calls = (await session.scalars(select(Call))).all()
    assert [(call.person_id, call.reason, call.day) for call in calls] == [
        (li.person.id, tired, june(8))
    ]


async def test_a_new_slice_not_met_is_told_anew(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # Slices of 10 days end on the 10th, 20th, 30th.
    await an_obligation(session, li.person, times=3)
    await follows(session, li.person)
    first = await told_on(session, mailing, june(1), june(12))
    await walked(session, li.person, june(13))

    assert first == [(june(11), "LI", "behind", "template")]
    assert await told_on(session, mailing, june(14), june(30)) == [
        (june(22), "LI", "behind", "template"),
        (june(29), "LI", "behind", "template"),
    ]


async def test_after_the_last_active_day_it_is_told_once(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # The season is over on 31 May, the year is not.
    await an_obligation(session, li.person, times=1, period=Period.year, months="1-5")
    await follows(session, li.person)

    assert await told_on(session, mailing, date(2026, 5, 30), june(30)) == [
        (june(1), "LI", "behind", "template")
    ]


async def test_two_messages_a_week_are_the_most(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    # Their first slices end on 15, 16 and 17 June, a Monday and the days after.
    await follows(session, li.person)
    for day in (1, 3, 5):
        await an_obligation(session, li.person, times=2, starts_on=june(day))

    told = await told_on(session, mailing, june(16), june(26))

    assert [day for day, *_ in told] == [june(16), june(17), june(22), june(23)]


async def test_all_duties_of_a_person_are_in_one_message(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    soon = await an_obligation(session, li.person, code="A")
    behind = await an_obligation(session, li.person, code="B", times=2)
    await follows(session, li.person)

    await planning.plan(session, mailing, now=at(june(23)))

    (reminder,) = await session.scalars(select(Reminder))
    assert (reminder.person_id, reminder.day, reminder.kind, reminder.state) == (
        li.person.id,
        june(23),
        "behind",
        "queued",
    )
    items = await session.scalars(select(ReminderItem).order_by(ReminderItem.due_on))
    assert [
        (i.obligation_id, i.kind, i.window_from, i.slice, i.due_on, i.done, i.owed, i.behind)
        for i in items
    ] == [
        (behind.id, "behind", june(1), 1, june(15), 0, 2, 1),
        (soon.id, "due_soon", june(1), 1, june(30), 0, 1, 0),
    ]


async def test_nobody_is_told_of_what_pending_days_would_fill(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, code="A", times=2)
    await an_obligation(session, li.person, code="B")
    await follows(session, li.person)
    await doubtful(session, li.person, june(10))

    assert await planned(session, mailing, june(23)) == []


async def test_who_is_more_behind_than_pending_days_is_told(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=3)
    await follows(session, li.person)
    await doubtful(session, li.person, june(10))

    assert await planned(session, mailing, june(22)) == [("LI", "behind", "template")]


async def test_planning_again_plans_nothing(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member
) -> None:
    await an_obligation(session, li.person)
    await an_obligation(session, zhou.person)
    await follows(session, li.person)

    first = await planned(session, mailing, june(23))
    again = [await planned(session, mailing, june(23)) for _ in range(2)]

    assert first == [
        ("LI", "due_soon", "template"),
        ("ZHOU", "due_soon", channels.ONLY_MINI_PROGRAM),
    ]
    assert again == [[], []]
    assert await how_many(session, Reminder) == 2
    assert await how_many(session, Call) == 1


async def test_what_was_dropped_was_not_told(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)
    await planned(session, mailing, june(16))
    (reminder,) = await session.scalars(select(Reminder))
    reminder.state = ReminderState.dropped
    await session.commit()

    assert await planned(session, mailing, june(16)) == []
    assert await planned(session, mailing, june(17)) == [("LI", "behind", "template")]


async def test_a_clock_gone_back_tells_nobody_twice(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)
    assert await planned(session, mailing, june(18)) == [("LI", "behind", "template")]
    await delivered(session)

    assert await planned(session, mailing, june(16)) == []
    assert await told_on(session, mailing, june(17), june(24)) == []
    assert await planned(session, mailing, june(25)) == [("LI", "behind", "template")]


async def test_a_clock_gone_far_ahead_does_not_silence_anybody(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)
    assert await planned(session, mailing, date(2026, 9, 16)) == [("LI", "behind", "template")]

    assert await planned(session, mailing, june(16)) == [("LI", "behind", "template")]


async def test_a_day_off_plans_nothing(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)

    found = await planning.plan(session, mailing, now=at(june(20)))

    assert (found.day, found.is_workday, found.notices) == (june(20), False, ())
    assert await how_many(session, StaleStanding) == 1


async def test_a_dry_run_says_the_same_and_writes_nothing(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member
) -> None:
    await an_obligation(session, li.person, code="A")
    await an_obligation(session, zhou.person, code="B", times=2)
    await follows(session, li.person)

    dry = await planning.plan(session, mailing, now=at(june(23)), dry_run=True)
    counts = [
        await how_many(session, each)
        for each in (Reminder, ReminderItem, Call, Standing, StaleStanding)
    ]
    wet = await planning.plan(session, mailing, now=at(june(23)))

    def said(found: planning.Plan) -> list[tuple[str, str, str, str]]:
        return [(n.code, n.name, n.kind.value, n.about) for n in found.notices]

    assert counts == [0, 0, 0, 0, 2]
    assert said(dry) == [
        ("LI", "示例李", "due_soon", "A 0/1 2026-06-30到期"),
        ("ZHOU", "示例周", "behind", "B 0/2 落后1次"),
    ]
    assert said(wet) == said(dry)


async def test_as_of_another_day_counts_up_to_it(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)
    await walked(session, li.person, june(18))
    today = june(25)

    past = await planning.plan(session, mailing, now=at(today), as_of=at(june(16)))
    future = await planning.plan(session, mailing, now=at(today), as_of=at(date(2026, 7, 17)))

    assert [(n.code, n.kind.value) for n in past.notices] == [("LI", "behind")]
    assert [(n.code, n.kind.value) for n in future.notices] == [("LI", "behind")]
    rows = await session.scalars(select(Reminder).order_by(Reminder.day))
    assert [(row.day, row.as_of, row.planned_at) for row in rows] == [
        (june(16), at(june(16)), at(today)),
        (date(2026, 7, 17), at(date(2026, 7, 17)), at(today)),
    ]
    assert await planned(session, mailing, today) == []


async def test_whoever_has_gone_is_not_told(
    session: AsyncSession, mailing: Settings, li: Member, zhou: Member
) -> None:
    ended = await an_obligation(session, li.person, times=2)
    await an_obligation(session, zhou.person, times=2)
    await an_obligation(session, li.person, times=2, ends_on=june(15))
    ended.retired_on = zhou.person.retired_on = june(16)
    await session.commit()

    assert await planned(session, mailing, june(16)) == []
    assert await planned(session, mailing, june(16) + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("hour", "minute", "told"),
    [(8, 59, 0), (9, 0, 1), (11, 29, 1), (11, 30, 0), (14, 30, 1), (17, 30, 0), (22, 0, 0)],
)
async def test_the_worker_plans_in_sending_hours_only_and_has_it_delivered(
    session: AsyncSession, mailing: Settings, li: Member, hour: int, minute: int, told: int
) -> None:
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)

    await planning.tick(session, mailing, now=at(june(16), hour, minute))

    jobs = await session.scalars(
        text("SELECT task_name FROM procrastinate_jobs WHERE task_name LIKE '%reminders'")
    )
    assert await how_many(session, Reminder) == told
    assert jobs.all() == ["deliver_reminders"] * told


async def test_limits_are_settings(session: AsyncSession, settings: Settings, li: Member) -> None:
    mailing = with_template(settings, most_a_slice=1, apart_days=2)
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)

    assert await told_on(session, mailing, june(16), june(24)) == [
        (june(16), "LI", "behind", "template"),
        (june(18), "LI", "behind", "本期已提醒1次"),
    ]
