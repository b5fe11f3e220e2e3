"""Asking for leave."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from app.models import ExemptionKind, ExemptionState
from app.schemas.fields import Code, Day, Reason, Strict


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
