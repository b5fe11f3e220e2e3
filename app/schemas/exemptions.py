"""Asking for leave, and deciding about it."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.models import ExemptionKind, ExemptionState, HolderKind
from app.schemas.edits import Cell, one_of
from app.schemas.fields import AnyDay, Code, Day, Reason, Strict
from app.services.dataset import labels
from app.services.dataset.rows import Row
from app.services.edits import Wish


class NewExemption(Strict):
    """From when to when (both days count), why, and from which duty; from all if left out."""

    from_on: Day = Field(alias="from")
    to_on: Day = Field(alias="to")
    kind: ExemptionKind
    reason: Reason
    obligation_code: Code | None = None


class Exemption(BaseModel):
    """A leave; it takes effect when `state` is granted."""

    id: UUID
    code: str
    from_on: date = Field(serialization_alias="from")
    to_on: date = Field(serialization_alias="to")
    kind: ExemptionKind
    reason: str
    obligation_code: str | None
    state: ExemptionState


class NewDecision(Strict):
    """Yes or no, and why; also other days, or for whom. A new one says all but the duty."""

    state: Literal["granted", "declined"]
    reason: Reason
    holder_kind: Annotated[Cell | None, one_of(labels.HOLDER_KINDS)] = None
    holder_code: Cell | None = None
    obligation_code: Cell | None = None
    from_on: AnyDay | None = Field(None, alias="from")
    to_on: AnyDay | None = Field(None, alias="to")
    kind: Annotated[Cell | None, one_of(labels.EXEMPTION_KINDS)] = None

    def wish(self, if_match: str | None) -> Wish:
        """By the dataset's columns."""
        said = self.model_dump(by_alias=True, exclude={"reason", "state"})
        return Wish(said, self.reason, if_match=if_match)


class DecidedExemption(BaseModel):
    """A leave, whose it is, and who granted it."""

    id: UUID
    code: str
    holder_kind: HolderKind
    holder_code: str
    obligation_code: str | None
    from_on: date = Field(alias="from")
    to_on: date = Field(alias="to")
    kind: ExemptionKind
    reason: str | None
    state: ExemptionState
    approved_by: str | None
    retired_on: date | None

    @classmethod
    def of(cls, row: Row, *, with_reason: bool = True) -> Self:
        """From the database; why somebody is on leave is no business of programs."""
        said = row.said if with_reason else {**row.said, "reason": None}
        return cls(**said, id=row.id, retired_on=row.retired_on)
