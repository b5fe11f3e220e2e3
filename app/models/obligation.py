"""Obligations: who owes how many patrols, where, in which period."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Coded
from app.models.post import AreaKind


class HolderKind(StrEnum):
    """Who owes."""

    person = "person"
    organisation = "organisation"


class Period(StrEnum):
    """周期."""

    year = "year"
    half_year = "half_year"
    quarter = "quarter"
    month = "month"
    week = "week"


class PhotoRule(StrEnum):
    """Whether a patrol without a photo counts."""

    required = "required"
    wanted = "wanted"
    none = "none"


class Obligation(Coded, Base):
    """A holder owes `times` patrols every `period` in an area, in the months of the season."""

    __tablename__ = "obligations"
    __table_args__ = (
        CheckConstraint(
            "num_nonnulls(holder_person_id, holder_organisation_id) = 1", name="one_holder"
        ),
    )

    holder_person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    holder_organisation_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("organisations.id"), index=True
    )
    area_kind: Mapped[AreaKind]
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    grid_cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"), index=True)
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"), index=True)
    times: Mapped[int]
    period: Mapped[Period]
    starts_on: Mapped[date]
    ends_on: Mapped[date | None]
    months: Mapped[str | None]
    min_minutes: Mapped[int | None]
    min_metres: Mapped[int | None]
    kinds: Mapped[list[str] | None]
    photo: Mapped[PhotoRule] = mapped_column(default=PhotoRule.wanted)
    letter_id: Mapped[UUID | None] = mapped_column(ForeignKey("letters.id"), index=True)
