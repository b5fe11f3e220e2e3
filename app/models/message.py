"""Messages: short news for a person outside of a reply (a verdict, a companion, a failed photo)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Message(Identified, Base):
    """Told in the chat while WeChat's window is open, and shown in the mini-program in any case.

    `wechat_user_id` addresses somebody not bound yet. `fault` is why the chat did not take it.
    """

    __tablename__ = "messages"
    __table_args__ = (Index(None, "person_id", "created_at"),)

    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    wechat_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    kind: Mapped[str]
    text: Mapped[str]
    subject: Mapped[str | None]
    created_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    fault: Mapped[str | None]
