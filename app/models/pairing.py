"""Pairings: a department with reaches and villages."""

from datetime import date
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Pairing(Identified, Base):
    """A department looks after a reach, a village, or a village's reach; both days count."""

    __tablename__ = "pairings"

    department_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    village_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    retired_on: Mapped[date | None]
