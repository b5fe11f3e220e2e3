"""Claiming: which reminders go out now, by which channel, decided and committed before any call."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import Table, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.models import (
    Channel,
    Delivery,
    DeliveryState,
    Person,
    Reminder,
    ReminderState,
    on_roster,
    uuid7,
)
from app.services.reminders import channels, leases, permits, still_standing, wording
from app.services.reminders.attempts import FREQUENCY_LIMIT, NO_ANSWER, Send, list_for_call
from app.services.reminders.channels import Rung
from app.services.reminders.wording import Standing, Worded
from app.settings import Settings

# WeChat knows a `client_msg_id` again for ten minutes; some are lost on the way.
KNOWN_AGAIN = timedelta(minutes=9)
AGAIN_AFTER = timedelta(minutes=1)
MOST_TOO_OFTEN = 2

# Core's insert: a row of the ORM's costs as much as its send.
_DELIVERIES = cast(Table, Delivery.__table__)

CAUGHT_UP = "发送前已完成，不再提醒"
_GOING = (
    ReminderState.sending,
    ReminderState.sent,
    ReminderState.confirmed,
    ReminderState.unknown,
)


async def claim(
    session: AsyncSession,
    settings: Settings,
    *,
    now: datetime,
    holder: UUID,
    most: int,
    only: Collection[UUID] | None = None,
) -> tuple[int, list[Send]]:
    """Take up to `most` reminders whose time has come: how many were looked at, and what to send.

    The others are dropped, put on the call list, or put off, each with its reason. The caller
    commits before it sends anything. `holder` has the lease of everybody in what is returned.
    """
    reminders = await _due(session, settings, now=now, most=most, only=only)
    if not reminders:
        return 0, []
    open_ones, tried = await _deliveries(session, reminders)
    standing = await still_standing.of(session, reminders, settings, now=now)
    informed = await _on_roster([each for each in reminders if each.figures], session, now)
    going, lost = [], []
    for reminder in reminders:
        before = open_ones.get(reminder.id)
        unanswered = before is not None and before.answered_at is None
        if not standing.get(reminder.id) and reminder.person_id not in informed:
            if before is not None:
                before.state = DeliveryState.unknown if unanswered else DeliveryState.refused
            reminder.state, reminder.reason = ReminderState.dropped, CAUGHT_UP
        elif before is not None and unanswered and not _may_repeat(before, now):
            before.state, before.reason = DeliveryState.unknown, NO_ANSWER
            lost.append(reminder)
        else:
            going.append(reminder)
    for reminder in lost:
        reminder.state, reminder.reason = ReminderState.unknown, NO_ANSWER
        reminder.sent_at = reminder.sent_at or reminder.claimed_at
    await list_for_call(session, [(each, NO_ANSWER) for each in lost], now=now)
    worded = await wording.of(session, going, standing)
    rungs = await _choose(session, going, standing, open_ones, tried, settings, now=now)
    sends = await _start(session, rungs, open_ones, worded, now=now, holder=holder)
    await session.flush()
    return len(reminders), sends


async def _on_roster(
    reminders: Sequence[Reminder], session: AsyncSession, now: datetime
) -> set[UUID]:
    """Whoever of those that figures are for is still there to read them."""
    if not reminders:
        return set()
    people = await session.scalars(
        select(Person.id).where(
            Person.id.in_([each.person_id for each in reminders]), on_roster(clock.day_of(now))
        )
    )
    return set(people)


async def _due(
    session: AsyncSession,
    settings: Settings,
    *,
    now: datetime,
    most: int,
    only: Collection[UUID] | None,
) -> list[Reminder]:
    """Reminders whose time has come, locked, one a person; those that another is at are left."""
    other = aliased(Reminder)
    today = clock.start_of(clock.day_of(now))
    told_today = exists().where(
        other.person_id == Reminder.person_id,
        other.id != Reminder.id,
        other.as_of.is_(None),
        other.claimed_at >= today,
        other.state.in_(_GOING),
    )
    # What has begun inside the hours: what became of it has to be found out.
    may_go = or_(Reminder.as_of.is_not(None), Reminder.state == ReminderState.sending)
    if is_sending_time(settings, now):
        may_go = or_(may_go, ~told_today)
    given = [] if only is None else [Reminder.id.in_(only)]
    rows = await session.scalars(
        select(Reminder)
        .where(
            Reminder.state.in_((ReminderState.queued, ReminderState.sending)),
            Reminder.try_at <= now,
            may_go,
            *given,
        )
        .order_by(Reminder.try_at, Reminder.id)
        .limit(most)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    people: set[UUID] = set()
    first = []
    for reminder in rows:
        if reminder.person_id not in people:
            people.add(reminder.person_id)
            first.append(reminder)
    return first


def is_sending_time(settings: Settings, at: datetime) -> bool:
    """Whether people may be disturbed at that instant: a workday, in its hours at the lake."""
    there = at.astimezone(clock.LAKE)
    in_hours = any(begin <= there.time() < end for begin, end in settings.reminders.spans)
    return in_hours and clock.is_workday(there.date())


async def _deliveries(
    session: AsyncSession, reminders: Sequence[Reminder]
) -> tuple[Mapping[UUID, Delivery], Mapping[UUID, Sequence[Delivery]]]:
    """By reminder: the attempt that is not settled, and those that are."""
    open_ones: dict[UUID, Delivery] = {}
    tried: dict[UUID, list[Delivery]] = defaultdict(list)
    begun = [reminder.id for reminder in reminders if reminder.attempts]
    if begun:
        rows = await session.scalars(
            select(Delivery)
            .where(Delivery.reminder_id.in_(begun))
            .order_by(Delivery.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for row in rows:
            if row.state is DeliveryState.sending:
                open_ones[row.reminder_id] = row
            else:
                tried[row.reminder_id].append(row)
    return open_ones, tried


def _may_repeat(delivery: Delivery, now: datetime) -> bool:
    """Whether WeChat would know it again, had it taken it."""
    return delivery.channel is Channel.template and now - delivery.started_at < KNOWN_AGAIN


def _exhausted(tried: Sequence[Delivery]) -> set[Channel]:
    """The channels that said no for good, or that said too often that it was too often."""
    too_often = [row.channel for row in tried if row.errcode == FREQUENCY_LIMIT]
    for_good = {row.channel for row in tried if row.errcode != FREQUENCY_LIMIT}
    return for_good | {each for each in too_often if too_often.count(each) >= MOST_TOO_OFTEN}


async def _choose(
    session: AsyncSession,
    reminders: Sequence[Reminder],
    standing: Mapping[UUID, Sequence[Standing]],
    open_ones: Mapping[UUID, Delivery],
    tried: Mapping[UUID, Sequence[Delivery]],
    settings: Settings,
    *,
    now: datetime,
) -> list[tuple[Reminder, Rung]]:
    """Each one's next rung; whoever has none goes to the call list."""
    ladders, reasons = await channels.ladders_of(
        session, {each.person_id for each in reminders}, settings, now=now
    )
    chosen, unreachable = [], []
    for reminder in reminders:
        exhausted = _exhausted(tried.get(reminder.id, ()))
        ladder = [rung for rung in ladders[reminder.person_id] if rung.channel not in exhausted]
        before = open_ones.get(reminder.id)
        if before is not None and before.answered_at is None:
            # Only the very same call is known again.
            ladder = [rung for rung in ladder if rung.wechat_user_id == before.wechat_user_id]
            ladder = [rung for rung in ladder if rung.channel is before.channel]
        if ladder:
            chosen.append((reminder, ladder[0]))
            continue
        if before is not None:
            before.state = DeliveryState.refused if before.answered_at else DeliveryState.unknown
        settled = [row.reason for row in tried.get(reminder.id, ()) if row.reason]
        reason = settled[-1] if settled else reasons.get(reminder.person_id, channels.TRIED_ALL)
        reminder.state, reminder.reason = ReminderState.call_list, reason
        if standing.get(reminder.id):
            # A digest or a review alone is nothing to telephone about.
            unreachable.append((reminder, reason))
    await list_for_call(session, unreachable, now=now)
    return chosen


async def _start(
    session: AsyncSession,
    chosen: Sequence[tuple[Reminder, Rung]],
    open_ones: Mapping[UUID, Delivery],
    worded: Mapping[UUID, Worded],
    *,
    now: datetime,
    holder: UUID,
) -> list[Send]:
    """Take leases and permits, and write down what is about to be sent."""
    leased = await leases.take(
        session, {rung.wechat_user_id for _, rung in chosen}, holder=holder, now=now
    )
    paid = await permits.take(
        session,
        {rung.permit_id for _, rung in chosen if rung.permit_id and rung.wechat_user_id in leased},
        now=now,
    )
    sends: list[Send] = []
    new: list[dict[str, Any]] = []
    for reminder, rung in chosen:
        free = rung.wechat_user_id in leased
        if not free or (rung.permit_id is not None and rung.permit_id not in paid):
            # Something else is being sent to them, or took the permit: in a minute.
            reminder.try_at = now + AGAIN_AFTER
            continue
        before = open_ones.get(reminder.id)
        delivery_id, client_msg_id = uuid7(), uuid4().hex
        doubtful = before is not None and before.answered_at is None
        if before is not None and _is_same(before, rung):
            delivery_id = before.id
            if now - before.started_at < KNOWN_AGAIN:
                client_msg_id = before.client_msg_id
            else:
                before.client_msg_id, before.started_at = client_msg_id, now
            before.permit_id = rung.permit_id
            before.answered_at = before.errcode = before.reason = None
        else:
            if before is not None:
                before.state = DeliveryState.refused
            delivery = {
                "id": delivery_id,
                "reminder_id": reminder.id,
                "channel": rung.channel,
                "wechat_user_id": rung.wechat_user_id,
                "template_id": rung.template_id,
                "permit_id": rung.permit_id,
                "client_msg_id": client_msg_id,
                "state": DeliveryState.sending,
                "started_at": now,
            }
            new.append(delivery)
        sends.append(
            Send(
                reminder.id,
                delivery_id,
                rung,
                client_msg_id,
                worded[reminder.id],
                doubtful,
            )
        )
    idle = leased - {send.rung.wechat_user_id for send in sends}
    await leases.release(session, idle, holder=holder)
    await session.flush()
    if new:
        await session.execute(insert(_DELIVERIES), new)
    if sends:
        await session.execute(
            update(Reminder)
            .where(Reminder.id.in_([send.reminder_id for send in sends]))
            .values(
                state=ReminderState.sending,
                claimed_at=now,
                try_at=now + leases.AT_MOST,
                attempts=Reminder.attempts + 1,
                reason=None,
            )
            .execution_options(synchronize_session=False)
        )
    return sends


def _is_same(before: Delivery, rung: Rung) -> bool:
    return (before.channel, before.wechat_user_id, before.template_id) == (
        rung.channel,
        rung.wechat_user_id,
        rung.template_id,
    )
