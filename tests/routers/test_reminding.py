"""Reminding somebody now: who is told of what, and every reason why nobody is."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.models import (
    AuditEntry,
    Period,
    Person,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
)
from app.services import standings
from app.settings import Settings
from app.state import State
from tests.conftest import Lake, Member
from tests.services.duty_book import (
    a_liaison,
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

TODAY = june(17)  # a Wednesday
NOTHING_LEFT = "现在没有需要其处理的落后任务，没有发。"


@pytest.fixture
def state(state: State, settings: Settings) -> State:
    return {**state, "settings": with_template(settings)}


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(at(TODAY, 10), tick=False) as traveller:
        yield traveller


@pytest.fixture
async def late(session: AsyncSession, li: Member) -> Member:
    """Li owes ten a month, has walked once, and follows the service account."""
    await an_obligation(session, li.person, code="A", times=10)
    await walked(session, li.person, june(3))
    await follows(session, li.person)
    return li


async def remind(member: Member, code: str = "LI") -> httpx.Response:
    return await member.client.post(f"/api/v1/people/{code}/reminders")


async def refused(member: Member, code: str = "LI") -> str:
    answer = await remind(member, code)
    assert answer.status_code == 409, answer.text
    return str(answer.json()["detail"])


async def reminders(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Reminder)) or 0


async def test_what_is_behind_is_told_and_written_down(
    session: AsyncSession, late: Member, wang: Member
) -> None:
    answer = await remind(wang)

    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    assert (told["person"]["code"], told["kind"], told["state"], told["day"]) == (
        "LI",
        "behind",
        "queued",
        "2026-06-17",
    )
    # Ten slices of three days: five have ended before the 17th.
    assert told["obligations"] == [
        {
            "code": "A",
            "kind": "behind",
            "window_from": "2026-06-01",
            "slice": 2,
            "due_on": "2026-06-06",
            "done": 1,
            "owed": 10,
            "behind": 4,
        }
    ]
    (entry,) = await session.scalars(select(AuditEntry).where(AuditEntry.action == "remind"))
    assert (entry.actor_id, entry.subject, entry.via) == (wang.person.id, "person:LI", "api")
    assert entry.after == {"reminder": told["id"], "obligations": ["A"]}
    jobs = await session.scalar(
        text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'deliver_reminders'")
    )
    assert jobs == 1
    assert late.person.id == (await session.scalars(select(Reminder.person_id))).one()


async def test_once_a_day(session: AsyncSession, late: Member, wang: Member) -> None:  # noqa: ARG001
    assert (await remind(wang)).status_code == 201
    assert await refused(wang) == "今天已经提醒过，一人一天最多一条。"
    await session.execute(update(Reminder).values(state=ReminderState.dropped))
    await session.commit()
    assert await refused(wang) == "今天已经提醒过，一人一天最多一条。"
    assert await reminders(session) == 1


async def test_planning_and_a_push_make_one_message(
    session: AsyncSession, settings: Settings, late: Member, wang: Member
) -> None:
    assert (await remind(wang)).status_code == 201
    assert "LI" not in [
        code for code, _, _ in await planned(session, with_template(settings), TODAY)
    ]
    assert late.person.code == "LI"


async def test_a_push_may_follow_within_the_seven_days_but_not_beyond_the_week(
    session: AsyncSession, clock: time_machine.Traveller, late: Member, wang: Member
) -> None:
    clock.move_to(at(june(16), 10))
    assert (await remind(wang)).status_code == 201
    await delivered(session)
    clock.shift(timedelta(days=1))
    assert (await remind(wang)).status_code == 201
    await delivered(session)
    clock.shift(timedelta(days=1))
    assert await refused(wang) == "本周已提醒2次，没有再发。请打电话。"
    clock.shift(timedelta(days=4))  # Monday; the same slice a third time, then no more
    assert (await remind(wang)).status_code == 201
    await delivered(session)
    clock.shift(timedelta(days=1))
    assert await refused(wang) == "本期已提醒3次，没有再发。请打电话。"
    # With the next slice it begins anew.
    await walked(session, late.person, june(22))
    assert (await remind(wang)).status_code == 201


@pytest.mark.parametrize(
    ("day", "hour"), [(TODAY, 8), (TODAY, 12), (TODAY, 18), (june(20), 10), (june(19), 10)]
)
async def test_in_working_hours_only(
    session: AsyncSession,
    clock: time_machine.Traveller,
    late: Member,  # noqa: ARG001
    wang: Member,
    day: date,
    hour: int,
) -> None:
    """The 20th is a Saturday, the 19th of June 2026 the Dragon Boat festival."""
    clock.move_to(at(day, hour))
    assert await refused(wang) == (
        "现在不是提醒时间，没有发。提醒时间：工作日 9:00-11:30,14:30-17:30。"
    )
    assert await reminders(session) == 0


async def test_who_cannot_be_reached_is_to_be_telephoned(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    await an_obligation(session, li.person, code="A", times=10)
    assert await refused(wang) == "发不了：没有关注服务号，小程序也没有可发次数。请打电话。"
    assert await reminders(session) == 0


async def test_nothing_behind_is_nothing_to_tell(
    session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    await follows(session, li.person, zhou.person)
    assert await refused(wang) == NOTHING_LEFT
    # What only waits for a review is not theirs to do.
    await an_obligation(session, zhou.person, code="B", times=2, period=Period.month)
    assert (await remind(wang, "ZHOU")).status_code == 201
    await session.execute(delete(ReminderItem))
    await session.execute(delete(Reminder))
    await doubtful(session, zhou.person, june(5))
    assert await refused(wang, "ZHOU") == NOTHING_LEFT


async def test_a_liaison_is_told_of_the_organisations(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member, wang: Member
) -> None:
    await an_obligation(session, lake.east_branch, code="E", times=10)
    await a_liaison(session, li.person, lake.east_branch)
    await follows(session, li.person, zhou.person)
    answer = await remind(wang)
    assert [each["code"] for each in answer.json()["obligations"]] == ["E"]
    assert await refused(wang, "ZHOU") == NOTHING_LEFT


async def test_who_is_not_theirs_is_unknown(
    session: AsyncSession,
    late: Member,
    zhao: Member,
    zhou: Member,
    program: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
) -> None:
    assert (await remind(zhao)).status_code == 404
    assert (await remind(zhao, "NOBODY")).status_code == 404
    assert (await remind(zhou)).status_code == 403
    assert (await remind(late)).status_code == 403
    for client in (program, stranger):
        assert (await client.post("/api/v1/people/LI/reminders")).status_code == 403
    assert await reminders(session) == 0


async def test_who_left_the_roster_is_not_disturbed(
    session: AsyncSession, late: Member, wang: Member
) -> None:
    await session.execute(update(Person).where(Person.id == late.person.id).values(to_on=june(16)))
    await session.commit()
    assert await refused(wang) == "这位人员已不在名册上。"


async def test_while_planning_runs_nobody_pushes(
    engine: AsyncEngine, session: AsyncSession, late: Member, wang: Member
) -> None:
    async with AsyncSession(engine) as planning, planning.begin():
        await standings.hold(planning)
        answer = await remind(wang)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert (await remind(wang)).status_code == 201
    (kind,) = await session.scalars(select(Reminder.kind))
    assert kind is ReminderKind.behind
    assert late.person.code == "LI"
