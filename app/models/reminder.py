"""Reminders: what is sent to somebody who falls behind, about which duties, and what came of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class ReminderKind(StrEnum):
    """即将到期, 进度落后, 下级落后, 每周汇总, 待核超期."""

    due_soon = "due_soon"
    behind = "behind"
    escalation = "escalation"
    digest = "digest"
    review = "review"


class ReminderState(StrEnum):
    """How far a reminder has got.

    `dropped`: what it was about was put right before it went out. `call_list`: by no channel.
    """

    queued = "queued"
    sending = "sending"
    sent = "sent"
    confirmed = "confirmed"
    unknown = "unknown"
    dropped = "dropped"
    call_list = "call_list"


class Channel(StrEnum):
    """The rungs of the ladder, in their order."""

    long_term = "long_term"
    template = "template"
    mini_program = "mini_program"
    service_account = "service_account"
    customer_service = "customer_service"


class DeliveryState(StrEnum):
    """What became of one attempt on one channel; `refused` by WeChat, `failed` by event."""

    sending = "sending"
    sent = "sent"
    confirmed = "confirmed"
    refused = "refused"
    failed = "failed"
    unknown = "unknown"


class Reminder(Identified, Base):
    """One message to a person on a day; `kind` is that of its most pressing item.

    `as_of` is set when an operator had it planned as at another time; then that is its present.
    `figures` are those that need no obligation (a digest's, reviews'). `reason` is why it is in
    this state, in words for a manager.
    """

    __tablename__ = "reminders"
    __table_args__ = (
        # Nobody twice a day, whoever plans.
        UniqueConstraint("person_id", "day"),
        Index(
            "ix_reminders_open", "try_at", postgresql_where=text("state IN ('queued', 'sending')")
        ),
        Index(None, "day", "id"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    day: Mapped[date]
    kind: Mapped[ReminderKind]
    planned_at: Mapped[datetime]
    as_of: Mapped[datetime | None]
    figures: Mapped[dict[str, Any]]
    state: Mapped[ReminderState]
    channel: Mapped[Channel | None]
    reason: Mapped[str | None]
    text: Mapped[str | None]
    try_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]


class ReminderItem(Base):
    """One duty in a reminder, as it stood when it was planned; `slice` is the slice not met."""

    __tablename__ = "reminder_items"
    __table_args__ = (Index(None, "obligation_id", "window_from", "slice", "kind"),)

    reminder_id: Mapped[UUID] = mapped_column(ForeignKey("reminders.id"), primary_key=True)
    obligation_id: Mapped[UUID] = mapped_column(ForeignKey("obligations.id"), primary_key=True)
    kind: Mapped[ReminderKind] = mapped_column(primary_key=True)
    window_from: Mapped[date]
    slice: Mapped[int]
    due_on: Mapped[date]
    done: Mapped[int]
    owed: Mapped[int]
    behind: Mapped[int]


class Delivery(Identified, Base):
    """One attempt to send a reminder by one channel, with all the times it was asked again.

    `sending` with `answered_at`: WeChat took nothing yet and is asked again later; without: its
    answer has not come, and may never. `started_at` is when WeChat first saw `client_msg_id`.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index(None, "wechat_user_id", "started_at"),
        Index(None, "msgid", postgresql_where=text("msgid IS NOT NULL")),
        # Texts that WeChat found malformed: an alarm looks for them every minute.
        Index(
            "ix_deliveries_malformed",
            "answered_at",
            postgresql_where=text("errcode IN (45168, 47001, 47003)"),
        ),
    )

    reminder_id: Mapped[UUID] = mapped_column(ForeignKey("reminders.id"), index=True)
    channel: Mapped[Channel]
    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"))
    template_id: Mapped[str | None]
    permit_id: Mapped[UUID | None] = mapped_column(ForeignKey("send_permits.id"), index=True)
    client_msg_id: Mapped[str]
    msgid: Mapped[str | None]
    state: Mapped[DeliveryState]
    errcode: Mapped[int | None]
    reason: Mapped[str | None]
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
