"""Posts: what a person is responsible for, from when to when, and who stands in."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, and_, or_
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


def is_held(day: date) -> ColumnElement[bool]:
    """Whether a post is somebody's on that day, for a statement."""
    return and_(
        or_(Post.from_on.is_(None), Post.from_on <= day),
        or_(Post.to_on.is_(None), Post.to_on >= day),
        or_(Post.retired_on.is_(None), Post.retired_on > day),
    )
