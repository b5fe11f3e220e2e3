"""Companions: who came along on somebody else's patrol."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Companion(Base):
    """Somebody who walked along; they may say "I was not there" within seven days."""

    __tablename__ = "companions"

    patrol_id: Mapped[UUID] = mapped_column(ForeignKey("patrols.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True, index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    added_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
