"""Outcomes: what became of each send, by WeChat's answer or, later, by its event."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.models import (
    Call,
    Channel,
    Delivery,
    DeliveryState,
    Reminder,
    ReminderState,
    WechatUser,
)
from app.services.reminders import leases, permits
from app.services.reminders.attempts import FREQUENCY_LIMIT, NO_ANSWER, Send, list_for_call
from app.wechat.errors import Fault, OutcomeUnknown, Refused, TryAgain, WeChatError

log = structlog.get_logger(__name__)

deliveries_total = Counter("xunhe_deliveries_total", "Reminders sent", ["channel", "outcome"])

TOO_OFTEN_FOR = timedelta(hours=6)
LONGEST_PAUSE = timedelta(minutes=15)
NO_PERMIT_LEFT = 43101
_UNFOLLOWED = frozenset({43004, 43019})
_WINDOW_SHUT = frozenset({45015, 45047})
_SAID: Mapping[int, str] = {
    NO_PERMIT_LEFT: "没有可发次数，或本人已关闭订阅",
    43004: "已取消关注服务号",
    43019: "已取消关注服务号",
    45015: "超过48小时没有来信，服务号不能主动发送",
    45047: "主动发送的条数已用完",
    50005: "本人未关注服务号",
    FREQUENCY_LIMIT: "微信限制了发给本人的次数，过几小时再发",
    45009: "今日微信调用次数已用完，明日再发",
    40003: "微信号不属于本服务号，请联系技术人员",
}


class Kind(StrEnum):
    """How a send ended."""

    sent = "sent"
    later = "later"
    too_often = "too_often"
    refused = "refused"
    unknown = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A send with how it ended; `after` for those that are tried again."""

    send: Send
    kind: Kind
    text: str | None
    msgid: str | None = None
    errcode: int | None = None
    reason: str | None = None
    after: timedelta = timedelta(0)
    lost: bool = False


def of_error(send: Send, text: str, error: WeChatError) -> Outcome:
    """What an error of the client means for this send."""
    errcode = error.errcode or None
    reason = _SAID.get(error.errcode)
    if isinstance(error, Refused):
        if error.fault is Fault.content:
            reason = f"消息模板字段不符：{error.field or '未指明'}"
        reason = reason or f"微信不予发送（{error.errcode}）"
        return Outcome(send, Kind.refused, text, errcode=error.errcode, reason=reason)
    if isinstance(error, OutcomeUnknown):
        return Outcome(send, Kind.unknown, text, errcode=errcode, reason=NO_ANSWER)
    if error.errcode == FREQUENCY_LIMIT:
        return Outcome(send, Kind.too_often, text, errcode=errcode, reason=reason)
    after = error.after if isinstance(error, TryAgain) else timedelta(minutes=1)
    lost = isinstance(error, TryAgain) and error.lost
    reason = reason or "微信暂时不通，稍后再发"
    return Outcome(send, Kind.later, text, errcode=errcode, reason=reason, after=after, lost=lost)


# What was sent, which is nearly all: in the order of the ids, as everybody locks them.
_LOCK_DELIVERIES: LiteralString = """
    SELECT FROM deliveries WHERE id = ANY(%(deliveries)s) ORDER BY id FOR UPDATE
"""
_LOCK_REMINDERS: LiteralString = """
    SELECT FROM reminders WHERE id = ANY(%(reminders)s) ORDER BY id FOR UPDATE
"""
_SENT_DELIVERIES: LiteralString = """
    UPDATE deliveries d SET state = 'sent', msgid = u.msgid, errcode = NULL, reason = NULL,
      answered_at = %(now)s
    FROM unnest(CAST(%(deliveries)s AS uuid[]), CAST(%(msgids)s AS text[])) AS u (id, msgid)
    WHERE d.id = u.id AND d.state = 'sending'
"""
_SENT_REMINDERS: LiteralString = """
    UPDATE reminders r SET text = u.text, channel = u.channel, reason = NULL,
      state = CASE WHEN r.state = 'sending' THEN 'sent' ELSE r.state END,
      sent_at = CASE WHEN r.state = 'sending' THEN %(now)s ELSE r.sent_at END
    FROM unnest(CAST(%(reminders)s AS uuid[]), CAST(%(texts)s AS text[]),
      CAST(%(channels)s AS text[])) AS u (id, text, channel)
    WHERE r.id = u.id AND r.state IN ('sending', 'confirmed')
"""


async def book(
    session: AsyncSession, outcomes: Sequence[Outcome], *, now: datetime, holder: UUID
) -> None:
    """Write down what became of sends, in one transaction, and let go of their people.

    What an event has told meanwhile is not written over.
    """
    sent = [outcome for outcome in outcomes if outcome.kind is Kind.sent]
    others = [outcome for outcome in outcomes if outcome.kind is not Kind.sent]
    await _mark_people(session, others)
    if sent:
        said = {
            "now": now,
            "deliveries": [outcome.send.delivery_id for outcome in sent],
            "msgids": [outcome.msgid for outcome in sent],
            "reminders": [outcome.send.reminder_id for outcome in sent],
            "texts": [outcome.text for outcome in sent],
            "channels": [outcome.send.rung.channel.value for outcome in sent],
        }
        await at_once(
            session,
            (_LOCK_DELIVERIES, said),
            (_SENT_DELIVERIES, said),
            (_LOCK_REMINDERS, said),
            (_SENT_REMINDERS, said),
        )
        for outcome in sent:
            deliveries_total.labels(outcome.send.rung.channel, outcome.kind).inc()
    if others:
        await _book_others(session, others, now=now)
    await leases.release(
        session, {outcome.send.rung.wechat_user_id for outcome in outcomes}, holder=holder
    )


async def _book_others(
    session: AsyncSession, outcomes: Sequence[Outcome], *, now: datetime
) -> None:
    by_delivery = {outcome.send.delivery_id: outcome for outcome in outcomes}
    open_ones = await _open(session, by_delivery)
    booked = [by_delivery[delivery.id] for delivery in open_ones]
    await _book_permits(session, booked, open_ones)
    reminders = await _reminders(session, [outcome.send.reminder_id for outcome in outcomes])
    for outcome in outcomes:
        reminder = reminders[outcome.send.reminder_id]
        reminder.text = outcome.text or reminder.text
    for delivery in open_ones:
        outcome = by_delivery[delivery.id]
        _settle(delivery, outcome, now)
        reminder = reminders[delivery.reminder_id]
        if reminder.state is ReminderState.sending:
            _advance(reminder, outcome, now)
        deliveries_total.labels(delivery.channel, outcome.kind).inc()
    unknown = [(each, NO_ANSWER) for each in reminders.values() if _is_unknown(each)]
    await list_for_call(session, unknown, now=now)
    await session.flush()


def _is_unknown(reminder: Reminder) -> bool:
    return reminder.state is ReminderState.unknown


async def _open(session: AsyncSession, ids: Collection[UUID]) -> Sequence[Delivery]:
    """Those of the deliveries that are not settled, locked in the order of their ids."""
    rows = await session.scalars(
        select(Delivery)
        .where(Delivery.id.in_(ids), Delivery.state == DeliveryState.sending)
        .order_by(Delivery.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return rows.all()


async def _reminders(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Reminder]:
    rows = await session.scalars(
        select(Reminder)
        .where(Reminder.id.in_(ids))
        .order_by(Reminder.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {reminder.id: reminder for reminder in rows}


async def _mark_people(session: AsyncSession, outcomes: Sequence[Outcome]) -> None:
    """Whoever WeChat says has unfollowed is no follower until they are heard of again."""
    gone = {
        outcome.send.rung.wechat_user_id
        for outcome in outcomes
        if outcome.kind is Kind.refused and outcome.errcode in _UNFOLLOWED
    }
    if gone:
        await session.execute(
            update(WechatUser).where(WechatUser.id.in_(gone)).values(subscribed=False)
        )


async def _book_permits(
    session: AsyncSession, outcomes: Sequence[Outcome], open_ones: Sequence[Delivery]
) -> None:
    """Those of sends that did not happen are good again; one refused ends all of its template."""
    started = {delivery.id: delivery.started_at for delivery in open_ones}
    unused = {
        outcome.send.rung.permit_id
        for outcome in outcomes
        if outcome.send.rung.permit_id is not None
        and outcome.kind in {Kind.later, Kind.too_often, Kind.refused}
        and outcome.errcode != NO_PERMIT_LEFT
        and not outcome.lost
    }
    await permits.give_back(session, {each for each in unused if each is not None})
    for outcome in outcomes:
        rung = outcome.send.rung
        if outcome.errcode == NO_PERMIT_LEFT and rung.template_id is not None:
            await permits.void(
                session,
                {(rung.wechat_user_id, rung.template_id)},
                granted_by=started[outcome.send.delivery_id],
            )


def _settle(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    delivery.errcode, delivery.reason = outcome.errcode, outcome.reason
    lost = outcome.lost or outcome.send.doubtful
    if outcome.kind is Kind.later:
        if lost:
            delivery.answered_at = None
            return
        delivery.permit_id = None
    else:
        delivery.state = {
            Kind.too_often: DeliveryState.failed,
            Kind.refused: DeliveryState.refused,
            Kind.unknown: DeliveryState.unknown,
        }[outcome.kind]
    delivery.answered_at = now


def _advance(reminder: Reminder, outcome: Outcome, now: datetime) -> None:
    """Where the reminder goes from here; what is queued looks for its next rung when it is due."""
    reminder.channel, reminder.reason = outcome.send.rung.channel, outcome.reason
    match outcome.kind:
        case Kind.unknown:
            reminder.state, reminder.sent_at = ReminderState.unknown, now
        case Kind.refused:
            reminder.state, reminder.try_at = ReminderState.queued, now
        case Kind.too_often:
            reminder.state, reminder.try_at = ReminderState.queued, now + TOO_OFTEN_FOR
        case Kind.later:
            lost = outcome.lost or outcome.send.doubtful
            # One whose answer is lost is not queued: it may be out already.
            reminder.state = ReminderState.sending if lost else ReminderState.queued
            pause = timedelta(minutes=1) if lost else _pause(reminder.attempts)
            reminder.try_at = now + max(outcome.after, pause)


def _pause(attempts: int) -> timedelta:
    """1, 2, 4, 8, 15 minutes."""
    return min(timedelta(minutes=2 ** min(max(attempts - 1, 0), 4)), LONGEST_PAUSE)


# -- events ----------------------------------------------------------------------------------

# How long after a send its event may come, and be matched without an id.
_TELLS_WITHIN = timedelta(hours=1)
_CLOCKS_APART = timedelta(minutes=1)
_UNSETTLED = (DeliveryState.sending, DeliveryState.sent, DeliveryState.unknown)
_FAILED: Mapping[str, str] = {
    "failed:user block": "本人拒收服务号消息",
    "failed: system failed": "微信系统发送失败",
    "failed:system failed": "微信系统发送失败",
    "failed:freq limit": _SAID[FREQUENCY_LIMIT],
}


@dataclass(frozen=True, slots=True)
class Told:
    """What an event says of one send; by `msgid`, or by whose it was and of which template."""

    user: WechatUser
    at: datetime
    channels: frozenset[Channel]
    delivered: bool
    msgid: str | None = None
    template_id: str | None = None
    errcode: int | None = None
    status: str = ""


async def book_told(session: AsyncSession, told: Sequence[Told], *, now: datetime) -> None:
    """Book what WeChat says about sends, whether or not their answers have come yet."""
    candidates = await _candidates(session, told)
    settled: set[UUID] = set()
    failed: list[tuple[Delivery, Told]] = []
    confirmed: list[tuple[Delivery, Told]] = []
    for each in told:
        delivery = _match(each, candidates, settled)
        if delivery is None:
            continue
        settled.add(delivery.id)
        (confirmed if each.delivered else failed).append((delivery, each))
    reminders = await _reminders(
        session, {delivery.reminder_id for delivery, _ in (*confirmed, *failed)}
    )
    for delivery, each in confirmed:
        delivery.state, delivery.confirmed_at = DeliveryState.confirmed, each.at
        delivery.answered_at = delivery.answered_at or now
        delivery.msgid = delivery.msgid or each.msgid
        delivery.reason = delivery.errcode = None
        _confirm(reminders[delivery.reminder_id], delivery, each.at)
    for delivery, each in failed:
        delivery.state, delivery.errcode = DeliveryState.failed, each.errcode
        delivery.answered_at = delivery.answered_at or now
        delivery.msgid = delivery.msgid or each.msgid
        delivery.reason = _why(each)
        _reopen(reminders[delivery.reminder_id], delivery, now)
        if each.errcode == NO_PERMIT_LEFT and delivery.template_id is not None:
            await permits.void(
                session,
                {(delivery.wechat_user_id, delivery.template_id)},
                granted_by=delivery.started_at,
            )
    await session.flush()
    arrived = [delivery.reminder_id for delivery, _ in confirmed]
    if arrived:
        await session.execute(
            update(Call)
            .where(
                Call.reminder_id.in_(arrived),
                Call.reason == NO_ANSWER,
                Call.phoned_at.is_(None),
                Call.closed_at.is_(None),
            )
            .values(closed_at=now)
        )


async def _candidates(session: AsyncSession, told: Sequence[Told]) -> list[Delivery]:
    """Unsettled deliveries of those users, newest first, locked in the order of their ids."""
    if not told:
        return []
    oldest = min(each.at for each in told) - _TELLS_WITHIN
    msgids = [each.msgid for each in told if each.msgid]
    known = select(Delivery.id).where(Delivery.msgid.in_(msgids))
    recent = select(Delivery.id).where(
        Delivery.wechat_user_id.in_({each.user.id for each in told}),
        Delivery.started_at >= oldest - _CLOCKS_APART,
    )
    rows = await session.scalars(
        select(Delivery)
        .where(Delivery.id.in_(known.union(recent)), Delivery.state.in_(_UNSETTLED))
        .order_by(Delivery.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return sorted(rows, key=lambda row: row.started_at, reverse=True)


def _match(each: Told, candidates: Sequence[Delivery], settled: set[UUID]) -> Delivery | None:
    """The delivery the event is about: by its id, else the person's last one without an answer."""
    if each.msgid is not None and Channel.template in each.channels:
        for row in candidates:
            if row.msgid == each.msgid and row.id not in settled:
                return row
    for row in candidates:
        if (
            row.id not in settled
            and row.wechat_user_id == each.user.id
            and row.channel in each.channels
            and row.msgid is None
            and each.template_id in {None, row.template_id}
            and row.started_at - _CLOCKS_APART <= each.at <= row.started_at + _TELLS_WITHIN
        ):
            return row
    return None


def _why(each: Told) -> str:
    if each.errcode is not None and each.errcode in _SAID:
        return _SAID[each.errcode]
    return _FAILED.get(each.status, "微信没有送达")


def _confirm(reminder: Reminder, delivery: Delivery, at: datetime) -> None:
    if reminder.state in {ReminderState.sending, ReminderState.sent, ReminderState.unknown}:
        reminder.state, reminder.confirmed_at = ReminderState.confirmed, at
        reminder.sent_at = reminder.sent_at or delivery.started_at
        reminder.channel, reminder.reason = delivery.channel, None


def _reopen(reminder: Reminder, delivery: Delivery, now: datetime) -> None:
    """It did not arrive: the next rung, or the same one hours later."""
    if reminder.state in {ReminderState.sending, ReminderState.sent, ReminderState.unknown}:
        too_often = delivery.errcode == FREQUENCY_LIMIT
        reminder.state, reminder.reason = ReminderState.queued, delivery.reason
        reminder.try_at = now + (TOO_OFTEN_FOR if too_often else timedelta(0))
        reminder.sent_at = None


def told_of_template(user: WechatUser, msgid: str, status: str, at: datetime) -> Told:
    """TEMPLATESENDJOBFINISH."""
    words = status.strip().lower()
    return Told(
        user,
        at,
        frozenset({Channel.template}),
        words == "success",
        msgid=msgid,
        errcode=FREQUENCY_LIMIT if "freq limit" in words else None,
        status=words,
    )


def told_of_subscription(
    user: WechatUser, template_id: str, errcode: str, at: datetime, *, mini_program: bool
) -> Told:
    """subscribe_msg_sent_event; its `ErrorCode` "0" is success."""
    ours = {Channel.mini_program} if mini_program else {Channel.long_term, Channel.service_account}
    code = int(errcode) if errcode.isascii() and errcode.isdigit() else 0
    return Told(
        user,
        at,
        frozenset(ours),
        errcode in {"", "0"},
        template_id=template_id,
        errcode=code or None,
    )
