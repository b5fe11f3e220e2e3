"""Standings: where each obligation stands in the window of now, as an index for planning."""

from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Computed, Date, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Standing(Base):
    """A hint, made again from the facts whenever they change; nobody is told figures from here.

    `slices` are the last days of the window's slices, `done` the days that count in it so far.
    """

    __tablename__ = "standings"
    __table_args__ = (
        Index(None, "next_due_on", postgresql_where=text("next_due_on IS NOT NULL")),
        Index(None, "window_to"),
    )

    obligation_id: Mapped[UUID] = mapped_column(ForeignKey("obligations.id"), primary_key=True)
    window_from: Mapped[date]
    window_to: Mapped[date]
    slices: Mapped[list[date]] = mapped_column(ARRAY(Date))
    done: Mapped[int]
    next_due_on: Mapped[date | None] = mapped_column(
        Date, Computed("slices[done + 1]", persisted=True)
    )


class StaleStanding(Base):
    """An obligation whose standing is to be made again; any number of rows for one."""

    __tablename__ = "stale_standings"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    obligation_id: Mapped[UUID] = mapped_column(ForeignKey("obligations.id"), index=True)
