"""Memberships: in which organisation a person was, from when to when."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Membership(Identified, Base):
    """A fact: appended, revoked, never changed. Open ends are null; both days count."""

    __tablename__ = "memberships"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    recorded_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
