"""Conversations: what a chat is about just now, and what was sent before we might read it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Conversation(Base):
    """The short memory of one chat: a scanned stele, the last check-in, a question we asked."""

    __tablename__ = "conversations"

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), primary_key=True)
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"), index=True)
    stele_token: Mapped[str | None]
    stele_named_at: Mapped[datetime | None]
    check_in_id: Mapped[UUID | None] = mapped_column(ForeignKey("check_ins.id"), index=True)
    check_in_sent_at: Mapped[datetime | None]
    note_taken: Mapped[bool] = mapped_column(default=False)
    question: Mapped[dict[str, Any] | None]
    asked_at: Mapped[datetime | None]
    photo_told_at: Mapped[datetime | None]


class HeldMessage(Identified, Base):
    """Something sent by somebody not yet bound or without consent; unread until then."""

    __tablename__ = "held_messages"
    __table_args__ = (
        Index(
            "ix_held_messages_waiting",
            "wechat_user_id",
            "received_at",
            postgresql_where=text("released_at IS NULL"),
        ),
    )

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    kind: Mapped[str]
    content: Mapped[dict[str, Any]]
    sent_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
    released_at: Mapped[datetime | None]
