"""Roster conflicts: rows of a file that an import left alone, since a manager edited ours later."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class ConflictState(StrEnum):
    """Open until a manager keeps what was edited, or takes what the file says."""

    open = "open"
    kept = "kept"
    taken = "taken"


class RosterConflict(Identified, Base):
    """One a row of the dataset: the latest that a file said against an edit.

    `said` is the file's row by its columns, plain JSON; null for a row that the file no longer has.
    What was decided is remembered, so that the same file does not ask twice.
    """

    __tablename__ = "roster_conflicts"
    __table_args__ = (UniqueConstraint("stem", "row_id"),)

    stem: Mapped[str]
    row_id: Mapped[UUID]
    place: Mapped[str]
    said: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    written_at: Mapped[datetime]
    edited_at: Mapped[datetime]
    edited_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    found_at: Mapped[datetime]
    state: Mapped[ConflictState] = mapped_column(default=ConflictState.open)
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
