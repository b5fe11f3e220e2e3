"""Late entries: patrols entered by a manager from paper, which a second person accepts."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base
from app.models.patrol import PatrolKind
from app.models.post import AreaKind


class LateEntryState(StrEnum):
    """Only an accepted one becomes a patrol."""

    entered = "entered"
    accepted = "accepted"
    declined = "declined"


class LateEntry(Base):
    """补录; `id` is the client's. `image_sha256` is the photo of the paper."""

    __tablename__ = "late_entries"
    __table_args__ = (Index(None, "entered_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    walked_on: Mapped[date]
    area_kind: Mapped[AreaKind]
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    grid_cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"), index=True)
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"), index=True)
    kind: Mapped[PatrolKind] = mapped_column(default=PatrolKind.foot)
    minutes: Mapped[int | None]
    metres: Mapped[int | None]
    note: Mapped[str | None]
    reason: Mapped[str]
    image_sha256: Mapped[bytes | None] = mapped_column(ForeignKey("images.sha256"), index=True)
    state: Mapped[LateEntryState] = mapped_column(default=LateEntryState.entered)
    entered_by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    entered_at: Mapped[datetime]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    decided_at: Mapped[datetime | None]
    decision_reason: Mapped[str | None]
    patrol_id: Mapped[UUID | None] = mapped_column(ForeignKey("patrols.id"), index=True)
    content_digest: Mapped[bytes]
