"""Late entries as they cross the wire."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, InstanceOf
from starlette.datastructures import UploadFile

from app.models import AreaKind, LateEntryState, PatrolKind
from app.schemas.edits import Cell, one_of
from app.schemas.fields import AnyDay, Instant, Reason, Strict
from app.services.dataset import labels
from app.services.dataset.tables import PATROLS
from app.services.late_entries import NewEntry
from app.services.late_entry_lists import Shown

_AREAS = PATROLS.column("area_kind").labels or {}


class NewLateEntry(Strict):
    """What the paper says (as in patrols.csv), how long and how far, and why it comes late."""

    person_code: Cell
    on: AnyDay
    area_kind: Annotated[Cell, one_of(_AREAS)]
    area_code: Cell | None = None
    kind: Annotated[Cell | None, one_of(labels.PATROL_KINDS)] = None
    minutes: Annotated[int, Field(strict=True, ge=0, le=1440)] | None = None
    metres: Annotated[int, Field(strict=True, ge=0, le=100_000)] | None = None
    note: Cell | None = None
    reason: Reason

    def said(self, id_: UUID) -> NewEntry:
        """As the service takes it."""
        paper = self.model_dump(exclude={"minutes", "metres", "reason"})
        return NewEntry(id_, paper, self.minutes, self.metres, self.reason)


class NewPaper(Strict):
    """The form that carries the photo of the paper."""

    file: InstanceOf[UploadFile]


class NewVerdict(Strict):
    """What the second manager says, and why."""

    verdict: Literal["accepted", "declined"]
    reason: Reason


class LateEntry(BaseModel):
    """A late entry as it now stands; people are named by their codes."""

    id: UUID
    person: str
    on: date
    area_kind: AreaKind
    area_code: str | None
    kind: PatrolKind
    minutes: int | None
    metres: int | None
    note: str | None
    reason: str
    has_photo: bool
    state: LateEntryState
    entered_by: str
    entered_at: Instant
    decided_by: str | None
    decided_at: Instant | None
    decision_reason: str | None
    patrol_id: UUID | None

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """From the database."""
        row = shown.entry
        return cls(
            id=row.id,
            person=shown.person_code,
            on=row.walked_on,
            area_kind=row.area_kind,
            area_code=shown.area_code,
            kind=row.kind,
            minutes=row.minutes,
            metres=row.metres,
            note=row.note,
            reason=row.reason,
            has_photo=row.image_sha256 is not None,
            state=row.state,
            entered_by=shown.entered_by,
            entered_at=row.entered_at,
            decided_by=shown.decided_by,
            decided_at=row.decided_at,
            decision_reason=row.decision_reason,
            patrol_id=row.patrol_id,
        )
