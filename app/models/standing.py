"""Standings: where each obligation stands in the window of now, as an index for planning."""

from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Computed, Date, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Standing(Base):
    """A hint, made again from the facts whenever they change; nobody is told figures from here.

    `slices` are the last days of the window's slices (none while the obligation is not open),
    `done` the days that count in it so far, `active` how many days can. It is right on the days
    from `good_from` to `good_to`. No foreign key: a million rows are made at once, and obligations
    are never deleted.
    """

    __tablename__ = "standings"
    __table_args__ = (
        Index(None, "next_due_on", postgresql_where=text("next_due_on IS NOT NULL")),
        Index(None, "good_to", "good_from"),
    )

    obligation_id: Mapped[UUID] = mapped_column(primary_key=True)
    window_from: Mapped[date]
    good_from: Mapped[date]
    good_to: Mapped[date]
    active: Mapped[int]
    slices: Mapped[list[date]] = mapped_column(ARRAY(Date))
    done: Mapped[int]
    next_due_on: Mapped[date | None] = mapped_column(
        Date, Computed("slices[done + 1]", persisted=True)
    )


class StaleStanding(Base):
    """An obligation whose standing is to be made again; any number of rows for one."""

    __tablename__ = "stale_standings"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    obligation_id: Mapped[UUID] = mapped_column(index=True)
