"""Posts: what a person is responsible for, from when to when, and who stands in."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Coded


class PostKind(StrEnum):
    """职务."""

    general_chief = "general_chief"
    chief = "chief"
    reach_chief = "reach_chief"
    assistant = "assistant"
    liaison = "liaison"
    grid_worker = "grid_worker"
    enterprise_chief = "enterprise_chief"


class AreaKind(StrEnum):
    """What kind of place a post, an obligation or a paper patrol is about."""

    any = "any"
    waterbody = "waterbody"
    reach = "reach"
    grid_cell = "grid_cell"
    stele = "stele"
    paired = "paired"


class Post(Coded, Base):
    """A post; its area, if any, is one of waterbody, reach, grid cell or stele."""

    __tablename__ = "posts"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    kind: Mapped[PostKind]
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    area_kind: Mapped[AreaKind | None]
    waterbody_id: Mapped[UUID | None] = mapped_column(ForeignKey("waterbodies.id"), index=True)
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    grid_cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"), index=True)
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"), index=True)
    deputy_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
