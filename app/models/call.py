"""Calls: who is to be telephoned because no message reaches them, and who did."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Call(Identified, Base):
    """One open entry a person; ticked off when phoned, closed when there is no need any more."""

    __tablename__ = "calls"
    __table_args__ = (
        Index(
            "uq_calls_open",
            "person_id",
            unique=True,
            postgresql_where=text("phoned_at IS NULL AND closed_at IS NULL"),
        ),
        Index(None, "person_id"),
        Index(None, "opened_at", "id"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    reminder_id: Mapped[UUID | None] = mapped_column(ForeignKey("reminders.id"), index=True)
    reason: Mapped[str]
    day: Mapped[date]
    opened_at: Mapped[datetime]
    phoned_at: Mapped[datetime | None]
    phoned_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    note: Mapped[str | None]
    closed_at: Mapped[datetime | None]
