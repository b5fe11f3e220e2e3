"""Reminders by hand: a manager has somebody told now, within the limits that planning keeps.

Hours, leave to send, one message a day, the week's and the slice's number hold. Only the days
between two messages about the same duty do not: that is what the manager asks for.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.domain.duties import Progress
from app.errors import Busy, NotFound, WrongState
from app.models import (
    Obligation,
    Organisation,
    Person,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
    uuid7,
)
from app.services import access, audit, progress, standings
from app.services.access import Caller
from app.services.reminders import channels, claiming, lists
from app.services.reminders.lists import Shown
from app.services.reports import behind, report
from app.settings import Settings

_OWN = (ReminderKind.due_soon, ReminderKind.behind, ReminderKind.review)
_COSTS_NOTHING = (ReminderState.dropped, ReminderState.call_list)


async def remind(
    session: AsyncSession, caller: Caller, code: str, settings: Settings, *, now: datetime
) -> Shown:
    """Have the person told of all that is behind and theirs to see to; goes out on commit. Audited.

    Raises `NotFound` for who is not the caller's to look after; `WrongState` says why nobody is to
    be disturbed now; `Busy` while reminders are being planned.
    """
    manager = access.person_of(caller)
    person, home = await _overseen(session, caller, code)
    today = clock.day_of(now)
    if not person.is_on_roster(today):
        raise WrongState("这位人员已不在名册上。")
    if not claiming.is_sending_time(settings, now):
        raise WrongState(f"现在不是提醒时间，没有发。提醒时间：工作日 {settings.reminders.hours}。")
    # Planning decides from what was sent before: not both at once.
    if not await standings.hold_at_once(session):
        raise Busy("系统正在计算提醒，请一分钟后再试。", retry_after=60)
    await _refuse_too_many(session, person, today, settings)
    _, why = (await channels.channel_of(session, [person.id], settings, now=now))[person.id]
    if why:
        raise WrongState(f"发不了：{why}。请打电话。")
    found = await _behind(session, caller, person, now=now, settings=settings)
    if not found:
        raise WrongState("现在没有需要其处理的落后任务，没有发。")
    most = settings.reminders.most_a_slice
    often = await _told(session, person, found)
    fresh = {id_: each for id_, each in found.items() if often.get(id_, 0) < most}
    if not fresh:
        raise WrongState(f"本期已提醒{most}次，没有再发。请打电话。")
    reminder = Reminder(
        id=uuid7(),
        person_id=person.id,
        day=today,
        kind=ReminderKind.behind,
        planned_at=now,
        figures={},
        state=ReminderState.queued,
        try_at=now,
        attempts=0,
    )
    session.add(reminder)
    await session.flush()
    items = [_item(reminder, id_, each) for id_, each in fresh.items()]
    session.add_all(items)
    codes = await _codes(session, fresh)
    await audit.record(
        session,
        manager,
        "remind",
        f"person:{person.code}",
        now=now,
        via="api" if caller.login else "web",
        after={"reminder": str(reminder.id), "obligations": sorted(codes.values())},
    )
    await queue.defer_once(session, "deliver_reminders", lock="deliver_reminders")
    return Shown(reminder, person, home, [(each, codes[each.obligation_id]) for each in items])


async def _overseen(
    session: AsyncSession, caller: Caller, code: str
) -> tuple[Person, Organisation]:
    conditions = await lists.overseen_by(session, caller)
    row = (
        await session.execute(
            select(Person, Organisation)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(Person.code == code, *conditions)
        )
    ).one_or_none()
    if row is None:
        raise NotFound("没有找到这位人员。")
    person, home = row
    return person, home


async def _refuse_too_many(
    session: AsyncSession, person: Person, today: date, settings: Settings
) -> None:
    """Raise `WrongState` when today or this week have had their messages."""
    monday = today - timedelta(days=today.weekday())
    rows = (
        await session.execute(
            select(Reminder.day, Reminder.kind, Reminder.state).where(
                Reminder.person_id == person.id,
                Reminder.day.between(monday, monday + timedelta(days=6)),
            )
        )
    ).all()
    if any(day == today for day, _, _ in rows):
        raise WrongState("今天已经提醒过，一人一天最多一条。")
    most = settings.reminders.most_a_week
    if sum(kind in _OWN and state not in _COSTS_NOTHING for _, kind, state in rows) >= most:
        raise WrongState(f"本周已提醒{most}次，没有再发。请打电话。")


async def _behind(
    session: AsyncSession, caller: Caller, person: Person, *, now: datetime, settings: Settings
) -> Mapping[UUID, Progress]:
    """What is behind and for this person to see to, as the list of who is behind has it.

    Without those that pending days fill: they wait for a review, and not for a patrol.
    """
    today = clock.day_of(now)
    asked = await report.ask(session, caller, now=now)
    rows = (await behind.report(session, asked, settings)).rows
    codes = [row["obligation"] for row in rows if row["contact"] == person.code]
    ids = (await session.scalars(select(Obligation.id).where(Obligation.code.in_(codes)))).all()
    standing = await progress.of(session, {(id_, today) for id_ in ids})
    return {
        id_: each
        for (id_, _), each in standing.items()
        if each.due_by_now > each.done + each.pending
    }


async def _told(
    session: AsyncSession, person: Person, found: Mapping[UUID, Progress]
) -> Mapping[UUID, int]:
    """How often the person was told of the slice of each that is not met."""
    slices = [(id_, each.window.from_on, each.done + 1) for id_, each in found.items()]
    item = ReminderItem
    rows = await session.execute(
        select(item.obligation_id, func.count())
        .join(Reminder, Reminder.id == item.reminder_id)
        .where(
            tuple_(item.obligation_id, item.window_from, item.slice).in_(slices),
            item.kind == ReminderKind.behind,
            Reminder.person_id == person.id,
            Reminder.state != ReminderState.dropped,
        )
        .group_by(item.obligation_id)
    )
    return dict(rows.all())


def _item(reminder: Reminder, obligation_id: UUID, found: Progress) -> ReminderItem:
    return ReminderItem(
        reminder_id=reminder.id,
        obligation_id=obligation_id,
        kind=ReminderKind.behind,
        window_from=found.window.from_on,
        slice=found.done + 1,
        due_on=found.next_due_on,
        done=found.done,
        owed=found.window.owed,
        behind=found.behind,
    )


async def _codes(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    rows = await session.execute(
        select(Obligation.id, Obligation.code).where(Obligation.id.in_(ids))
    )
    return dict(rows.all())
