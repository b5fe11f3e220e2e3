"""Alarms: what the operator has been told is wrong, so that each is told once."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Alarm(Base):
    """One standing fault; cleared when it is over, so that the next one is told again."""

    __tablename__ = "alarms"

    name: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    raised_at: Mapped[datetime]
    told_at: Mapped[datetime | None]


class Milestone(Base):
    """When something last happened that the operator counts on (a backup, a callback)."""

    __tablename__ = "milestones"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
