"""Who hears of it: holders, liaisons, managers, the level above; digests, reviews, the call list."""

from datetime import date

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Call, Period, Person, Reminder, ReminderItem, ReminderState, Role
from app.services.reminders import planning
from app.settings import Settings
from tests.conftest import Lake, Member
from tests.factories import a_person, an_organisation
from tests.services.duty_book import (
    a_liaison,
    an_obligation,
    at,
    delivered,
    doubtful,
    follows,
    june,
    planned,
    told_on,
    walked,
    with_template,
)

TIRED = "本期已提醒3次"
BOUND_NOWHERE = "未绑定微信"


@pytest.fixture
def mailing(settings: Settings) -> Settings:
    """Settings with which followers can be sent to."""
    return with_template(settings)


async def _calls(session: AsyncSession) -> list[tuple[str, str, date, bool]]:
    """Code, reason, day, open."""
    rows = await session.execute(
        select(Person.code, Call)
        .join(Call, Call.person_id == Person.id)
        .order_by(Call.opened_at, Person.code)
        .execution_options(populate_existing=True)
    )
    return [(code, call.reason, call.day, call.closed_at is None) for code, call in rows]


# -- whom a shortfall is told to ---------------------------------------------------------------


@pytest.mark.usefixtures("zhao", "wang")
async def test_an_organisations_duty_is_told_to_all_its_liaisons(
    session: AsyncSession, mailing: Settings, lake: Lake
) -> None:
    for code in ("FIRST", "SECOND"):
        person = await a_person(session, code=code, organisation_id=lake.east_branch.id)
        await a_liaison(session, person, lake.village)
    await an_obligation(session, lake.village, times=2)

    assert await planned(session, mailing, june(16)) == [
        ("FIRST", "behind", BOUND_NOWHERE),
        ("SECOND", "behind", BOUND_NOWHERE),
    ]


@pytest.mark.usefixtures("wang")
async def test_without_a_liaison_its_managers_are_told(
    session: AsyncSession, mailing: Settings, lake: Lake, zhao: Member
) -> None:
    former = await a_person(session, organisation_id=lake.village.id)
    post = await a_liaison(session, former, lake.village)
    post.to_on = june(15)
    await follows(session, zhao.person)
    await an_obligation(session, lake.village, times=2)

    assert await planned(session, mailing, june(16)) == [("ZHAO", "behind", "template")]


@pytest.mark.usefixtures("qian")
async def test_without_managers_the_nearest_ancestor_is_told(
    session: AsyncSession, mailing: Settings, lake: Lake, li: Member, wang: Member
) -> None:
    group = await an_organisation(session, parent_id=lake.east_branch.id)
    await follows(session, wang.person, li.person)
    await an_obligation(session, group, times=2)

    managers = await planned(session, mailing, june(16))
    await a_liaison(session, li.person, lake.east_branch)
    nearer = await planned(session, mailing, june(17))

    assert managers == [("WANG", "behind", "template")]
    assert nearer == [("LI", "behind", "template")]


async def test_where_only_an_admin_is_left_the_admin_is_told(
    session: AsyncSession, mailing: Settings, lake: Lake, qian: Member
) -> None:
    await follows(session, qian.person)
    await an_obligation(session, lake.east_branch, times=2)

    assert await planned(session, mailing, june(16)) == [("QIAN", "behind", "template")]


# -- one level above ---------------------------------------------------------------------------


async def _items(session: AsyncSession, day: date) -> list[tuple[str, str, int, int]]:
    """Code, kind, slice and behind of what was planned for the day."""
    rows = await session.execute(
        select(Person.code, ReminderItem.kind, ReminderItem.slice, ReminderItem.behind)
        .select_from(Reminder)
        .join(Person, Person.id == Reminder.person_id)
        .join(ReminderItem, ReminderItem.reminder_id == Reminder.id)
        .where(Reminder.day == day)
        .order_by(Person.code, ReminderItem.kind)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def test_two_behind_goes_up_once_after_being_told(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member, qian: Member
) -> None:
    # Slices of three days; on 8 June two of them are over.
    await an_obligation(session, li.person, times=10)
    await follows(session, li.person, wang.person, qian.person)
    first = await planned(session, mailing, june(8))
    again = await planned(session, mailing, june(9))
    await delivered(session)
    after = await told_on(session, mailing, june(10), june(12))

    assert first == [
        ("LI", "behind", "template"),
        ("WANG", "digest", "template"),
    ]
    assert again == []
    assert after == [(june(10), "WANG", "escalation", "template")]
    assert await _items(session, june(10)) == [("WANG", "escalation", 1, 3)]


async def test_one_behind_goes_up_after_fourteen_days(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    # The first slice ends on 16 May.
    await an_obligation(session, li.person, times=2, period=Period.quarter)
    await follows(session, li.person, wang.person)

    told = await told_on(session, mailing, date(2026, 5, 18), june(3))

    assert [(day, code) for day, code, kind, _ in told if kind == "escalation"] == [
        (june(1), "WANG")  # together with the week's digest
    ]
    assert [(day, kind) for day, code, kind, _ in told if code == "LI"] == [
        (date(2026, 5, 18), "behind"),
        (date(2026, 5, 25), "behind"),
        (june(1), "behind"),
    ]


async def test_what_pending_days_leave_is_what_goes_up(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    await an_obligation(session, li.person, times=10)
    await follows(session, li.person, wang.person)
    await doubtful(session, li.person, june(3), received_at=at(june(8), 8))
    told = await told_on(session, mailing, june(8), june(9))

    # Two slices were over on Monday and Tuesday, the third on Wednesday.
    assert [(day, code, kind) for day, code, kind, _ in told] == [
        (june(8), "LI", "behind"),
        (june(8), "WANG", "digest"),
    ]
    assert await planned(session, mailing, june(10)) == [("WANG", "escalation", "template")]


async def test_above_a_manager_is_the_next_organisation(
    session: AsyncSession, mailing: Settings, lake: Lake, zhao: Member, wang: Member
) -> None:
    await an_obligation(session, lake.village, times=10)
    await an_obligation(session, zhao.person, times=10)
    await follows(session, zhao.person, wang.person)
    await planned(session, mailing, june(9))
    await delivered(session)

    assert await planned(session, mailing, june(10)) == [("WANG", "escalation", "template")]
    assert await _items(session, june(10)) == [
        ("WANG", "escalation", 1, 3),
        ("WANG", "escalation", 1, 3),
    ]


async def test_above_a_liaison_are_the_managers_of_the_organisation(
    session: AsyncSession, mailing: Settings, lake: Lake, li: Member, zhao: Member, wang: Member
) -> None:
    await a_liaison(session, li.person, lake.village)
    await an_obligation(session, lake.village, times=10)
    await follows(session, li.person, zhao.person, wang.person)
    first = await planned(session, mailing, june(9))
    await delivered(session)

    assert first == [("LI", "behind", "template")]
    assert await planned(session, mailing, june(10)) == [("ZHAO", "escalation", "template")]


async def test_nothing_goes_up_before_it_was_told(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    await an_obligation(session, li.person, times=10)
    await follows(session, li.person, wang.person)
    await planned(session, mailing, june(9))
    # WeChat is down: it waits, and so does whoever is above.
    assert await planned(session, mailing, june(10)) == []
    await delivered(session)

    assert await planned(session, mailing, june(11)) == [("WANG", "escalation", "template")]


async def test_whoever_is_on_the_call_list_counts_as_told(
    session: AsyncSession, mailing: Settings, lake: Lake, wang: Member
) -> None:
    somebody = await a_person(session, code="UNBOUND", organisation_id=lake.east_branch.id)
    await an_obligation(session, somebody, times=10)
    await follows(session, wang.person)

    assert await planned(session, mailing, june(9)) == [("UNBOUND", "behind", BOUND_NOWHERE)]
    assert await planned(session, mailing, june(10)) == [("WANG", "escalation", "template")]


# -- digests and reviews -----------------------------------------------------------------------


async def test_a_digest_comes_on_the_first_workday_if_something_needs_doing(
    session: AsyncSession,
    mailing: Settings,
    li: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
) -> None:
    await an_obligation(session, li.person, code="A", times=2)
    await an_obligation(session, li.person, code="B", times=2)
    await an_obligation(session, zhou.person, times=2)
    await follows(session, li.person, wang.person, zhao.person)
    # Monday 22 June is the first workday after the Dragon Boat days; Zhao's village owes nothing.
    friday = await planned(session, mailing, june(18))
    monday = await planned(session, mailing, june(22))

    assert [kind for code, kind, _ in friday if code == "WANG"] == []
    assert ("WANG", "digest", "template") in monday
    assert [code for code, *_ in monday] == ["WANG"]
    (figures,) = await session.scalars(select(Reminder.figures).where(Reminder.kind == "digest"))
    assert figures == {"behind": 3, "people": 2, "calls": 1, "reviews": 0, "unmet": 0}
    assert await planned(session, mailing, june(22)) == []
    assert [row for row in await planned(session, mailing, june(23)) if row[1] == "digest"] == []


async def test_nothing_to_do_no_digest(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    await an_obligation(session, li.person, times=2)
    await walked(session, li.person, june(3))
    await follows(session, wang.person)

    assert await planned(session, mailing, june(22)) == []


async def test_a_review_is_due_in_three_workdays_then_goes_to_the_level_above(
    session: AsyncSession,
    mailing: Settings,
    lake: Lake,
    zhao: Member,
    wang: Member,
) -> None:
    villager = await a_person(session, organisation_id=lake.village.id)
    await follows(session, zhao.person, wang.person)
    # Received on Tuesday; Wednesday, Thursday and Monday are its three workdays.
    await doubtful(session, villager, june(16))
    told = await told_on(session, mailing, june(17), june(26))

    assert told == [
        (june(22), "WANG", "digest", "template"),
        (june(22), "ZHAO", "digest", "template"),
        (june(23), "WANG", "review", "template"),
    ]
    (figures,) = await session.scalars(select(Reminder.figures).where(Reminder.kind == "review"))
    assert figures["reviews"] == 1
    # Another one is news, and says how many there are.
    await doubtful(session, villager, june(17))
    assert await planned(session, mailing, june(25)) == [("WANG", "review", "template")]
    assert (
        await session.scalar(
            select(Reminder.figures["reviews"].as_integer()).where(Reminder.day == june(25))
        )
        == 2
    )


async def test_with_nobody_above_reviews_go_to_the_reviewers(
    session: AsyncSession, mailing: Settings, li: Member, wang: Member
) -> None:
    await follows(session, wang.person)
    await doubtful(session, li.person, june(16))

    assert await planned(session, mailing, june(23)) == [("WANG", "review", "template")]


# -- the call list -----------------------------------------------------------------------------


async def test_who_cannot_be_reached_is_listed_once(
    session: AsyncSession, mailing: Settings, lake: Lake
) -> None:
    somebody = await a_person(session, code="UNBOUND", organisation_id=lake.east_branch.id)
    await an_obligation(session, somebody, code="A", times=2)
    first = await planned(session, mailing, june(16))
    later = await told_on(session, mailing, june(17), june(30))

    assert first == [("UNBOUND", "behind", BOUND_NOWHERE)]
    assert later == []
    assert await _calls(session) == [("UNBOUND", BOUND_NOWHERE, june(16), True)]
    (reminder,) = await session.scalars(select(Reminder))
    assert (reminder.state, reminder.reason) == (ReminderState.call_list, BOUND_NOWHERE)


async def test_whoever_catches_up_leaves_the_list(
    session: AsyncSession, mailing: Settings, lake: Lake
) -> None:
    somebody = await a_person(session, code="UNBOUND", organisation_id=lake.east_branch.id)
    await an_obligation(session, somebody, code="A", times=2)
    await planned(session, mailing, june(16))

    await walked(session, somebody, june(17))
    await planned(session, mailing, june(17))

    assert await _calls(session) == [("UNBOUND", BOUND_NOWHERE, june(16), False)]


async def test_a_duty_that_is_due_soon_stays_on_the_list_until_it_is_done_or_over(
    session: AsyncSession, mailing: Settings, lake: Lake
) -> None:
    for code in ("ONE", "TWO"):
        person = await a_person(session, code=code, organisation_id=lake.east_branch.id)
        await an_obligation(session, person)
        if code == "ONE":
            one = person
    await planned(session, mailing, june(23))
    await walked(session, one, june(24))
    await planned(session, mailing, june(24))
    open_ones = [code for code, _, _, is_open in await _calls(session) if is_open]
    await planned(session, mailing, date(2026, 7, 1))

    assert open_ones == ["TWO"]
    assert [code for code, _, _, is_open in await _calls(session) if is_open] == []


async def test_after_the_telephone_call_three_times_stay_three_times(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, times=2, period=Period.quarter)
    await follows(session, li.person)
    await told_on(session, mailing, date(2026, 5, 18), june(8))
    assert await _calls(session) == [("LI", TIRED, june(8), True)]
    await session.execute(update(Call).values(phoned_at=at(june(9))))
    await session.commit()

    assert await told_on(session, mailing, june(9), june(30)) == []
    assert await _calls(session) == [("LI", TIRED, june(8), True)]


async def test_a_message_about_another_duty_goes_beside_the_call(
    session: AsyncSession, mailing: Settings, li: Member
) -> None:
    await an_obligation(session, li.person, code="OLD", times=2, period=Period.quarter)
    await follows(session, li.person)
    await told_on(session, mailing, date(2026, 5, 18), june(7))
    await an_obligation(session, li.person, code="NEW", times=10, starts_on=june(1))

    found = await planning.plan(session, mailing, now=at(june(8)))

    assert [(n.code, n.kind.value, n.channel, n.to_call, n.about) for n in found.notices] == [
        ("LI", "behind", "template", TIRED, "NEW 0/10 落后2次")
    ]
    assert await _calls(session) == [("LI", TIRED, june(8), True)]


async def test_managers_are_not_telephoned_about_a_digest(
    session: AsyncSession, mailing: Settings, li: Member, lake: Lake
) -> None:
    await a_person(session, code="BOSS", organisation_id=lake.committee.id, role=Role.manager)
    await an_obligation(session, li.person, times=2)
    await follows(session, li.person)
    await planned(session, mailing, june(16))

    assert await planned(session, mailing, june(22)) == [("BOSS", "digest", BOUND_NOWHERE)]
    assert await _calls(session) == []
