"""Exemptions: leave from a duty, asked for by its holder or put in by an operator."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Coded


class ExemptionKind(StrEnum):
    """免巡原因类别."""

    leave = "leave"
    closure = "closure"


class ExemptionState(StrEnum):
    """Only a granted one takes days off a duty."""

    asked = "asked"
    granted = "granted"
    declined = "declined"


class Exemption(Coded, Base):
    """免巡; without an obligation it is about all that the holder owes. Both days count."""

    __tablename__ = "exemptions"

    holder_person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    holder_organisation_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("organisations.id"), index=True
    )
    obligation_id: Mapped[UUID | None] = mapped_column(ForeignKey("obligations.id"), index=True)
    from_on: Mapped[date]
    to_on: Mapped[date]
    kind: Mapped[ExemptionKind]
    reason: Mapped[str]
    state: Mapped[ExemptionState] = mapped_column(default=ExemptionState.granted)
    approved_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    recorded_at: Mapped[datetime]
