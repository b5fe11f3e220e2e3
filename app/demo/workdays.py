"""The demo's next workday: its reminders planned and delivered now, and who was told what."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.domain.reminder_texts import PHRASES
from app.models import (
    Call,
    Channel,
    Obligation,
    Organisation,
    Person,
    Reminder,
    ReminderItem,
    ReminderState,
)
from app.settings import Settings
from app.wechat.client import WeChat

FILE = "demo-workday"
NINE = timedelta(hours=9)
_OPEN = (ReminderState.queued, ReminderState.sending)
_DAYS_SHOWN = 10
_PAUSE_S, _LOOKS = 0.25, 120

CHANNELS: Mapping[Channel, str] = {
    Channel.long_term: "长期订阅消息",
    Channel.template: "模板消息",
    Channel.mini_program: "小程序订阅消息",
    Channel.service_account: "服务号订阅消息",
    Channel.customer_service: "客服消息",
}
STATES: Mapping[ReminderState, str] = {
    ReminderState.queued: "等待发送",
    ReminderState.sending: "正在发送",
    ReminderState.sent: "已发出",
    ReminderState.confirmed: "已送达",
    ReminderState.unknown: "不知道是否送达",
    ReminderState.dropped: "不再需要，没有发",
    ReminderState.call_list: "请打电话",
}


class OtherDay(Exception):
    """The day that was asked for is not the next one: somebody pressed before."""


def next_workday(data_dir: Path, today: date) -> date:
    """The first workday after the one that was pressed last, and after today."""
    day = max(today, _last(data_dir) or today) + timedelta(days=1)
    while not clock.is_workday(day):
        day += timedelta(days=1)
    return day


async def press(
    sessions: async_sessionmaker[AsyncSession],
    wechat: WeChat,
    settings: Settings,
    day: date,
    *,
    now: datetime,
) -> None:
    """Plan the reminders of that workday as at nine o'clock, deliver them, and wait for the end.

    Raises `OtherDay` where it is not the next one.
    """
    # Only here, so that a web process is up sooner.
    from app.services.reminders import delivering, planning  # noqa: PLC0415

    data_dir = settings.data_dir
    if day != next_workday(data_dir, clock.day_of(now)):
        raise OtherDay
    as_of = clock.start_of(day) + NINE
    async with sessions.begin() as session:
        await planning.plan(session, settings, now=now, as_of=as_of)
    (data_dir / FILE).write_text(day.isoformat(), encoding="ascii")
    async with sessions() as session:
        ids = (await session.scalars(_open_of(as_of))).all()
    if ids:
        await delivering.deliver_due(sessions, wechat, settings, now=now, only=ids)
    # The worker may have taken some; and what is sent is confirmed by an event.
    for _ in range(_LOOKS):
        async with sessions() as session:
            if await session.scalar(_open_of(as_of).limit(1)) is None:
                return
        await asyncio.sleep(_PAUSE_S)


async def shown(
    sessions: async_sessionmaker[AsyncSession], data_dir: Path, *, now: datetime
) -> dict[str, Any]:
    """What the page shows: the next workday, who was told on those before, whom to telephone."""
    async with sessions() as session:
        days = (
            await session.scalars(
                select(Reminder.day).distinct().order_by(Reminder.day.desc()).limit(_DAYS_SHOWN)
            )
        ).all()
        last = _last(data_dir)
        listed = sorted({*days, *([last] if last else [])}, reverse=True)[:_DAYS_SHOWN]
        told = await _told(session, listed)
        calls = await _calls(session)
    upcoming = next_workday(data_dir, clock.day_of(now))
    return {
        "next": _named(upcoming),
        "days": [{**_named(day), "told": told.get(day, [])} for day in listed],
        "calls": calls,
    }


async def _told(session: AsyncSession, days: Sequence[date]) -> Mapping[date, list[dict[str, Any]]]:
    rows = (
        await session.execute(
            select(Reminder, Person.code, Person.name, Organisation.name)
            .join(Person, Person.id == Reminder.person_id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(Reminder.day.in_(days))
            .order_by(Reminder.day.desc(), Person.code)
        )
    ).all()
    tasks = await _tasks(session, [reminder.id for reminder, *_ in rows])
    found: dict[date, list[dict[str, Any]]] = {}
    for reminder, code, name, organisation in rows:
        found.setdefault(reminder.day, []).append(
            {
                "code": code,
                "name": name,
                "organisation": organisation,
                "kind": reminder.kind.value,
                "phrase": PHRASES[reminder.kind.value],
                "tasks": tasks.get(reminder.id, []),
                "text": reminder.text,
                "channel": CHANNELS[reminder.channel] if reminder.channel else None,
                "state": reminder.state.value,
                "outcome": STATES[reminder.state],
                "reason": reminder.reason,
            }
        )
    return found


async def _tasks(
    session: AsyncSession, reminder_ids: Sequence[UUID]
) -> Mapping[UUID, list[dict[str, Any]]]:
    rows = await session.execute(
        select(ReminderItem, Obligation.code)
        .join(Obligation, Obligation.id == ReminderItem.obligation_id)
        .where(ReminderItem.reminder_id.in_(reminder_ids))
        .order_by(Obligation.code)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for item, code in rows:
        found.setdefault(item.reminder_id, []).append(
            {
                "code": code,
                "phrase": PHRASES[item.kind.value],
                "done": item.done,
                "owed": item.owed,
                "behind": item.behind,
                "due_on": item.due_on.isoformat(),
            }
        )
    return found


async def _calls(session: AsyncSession) -> list[dict[str, Any]]:
    rows = await session.execute(
        select(Call.reason, Call.day, Person.code, Person.name, Person.phone, Organisation.name)
        .join(Person, Person.id == Call.person_id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(Call.phoned_at.is_(None), Call.closed_at.is_(None))
        .order_by(Call.opened_at.desc(), Person.code)
    )
    return [
        {
            "code": code,
            "name": name,
            "organisation": organisation,
            "phone": phone,
            "reason": reason,
            "day": day.isoformat(),
        }
        for reason, day, code, name, phone, organisation in rows
    ]


def _open_of(as_of: datetime) -> Any:
    return select(Reminder.id).where(Reminder.as_of == as_of, Reminder.state.in_(_OPEN))


def _last(data_dir: Path) -> date | None:
    """The workday that was pressed last."""
    file = data_dir / FILE
    return date.fromisoformat(file.read_text(encoding="ascii")) if file.exists() else None


def _named(day: date) -> dict[str, str]:
    weekday = "一二三四五六日"[day.weekday()]
    return {"day": day.isoformat(), "name": f"{day.month}月{day.day}日（星期{weekday}）"}
