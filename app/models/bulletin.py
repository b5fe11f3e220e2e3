"""Bulletins: an office's periodic report, from draft to the signed one that never changes."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class BulletinState(StrEnum):
    """草稿, 定稿."""

    draft = "draft"
    final = "final"


class Bulletin(Identified, Base):
    """月通报, 季通报 of an organisation; `period` is `2026-06` or `2026-Q2`.

    A draft has texts only, its figures are asked of the reports each time. A final one has all it
    says in `content`, `digest` is the SHA-256 of that; `remarks` are by code of the unit.
    """

    __tablename__ = "bulletins"
    __table_args__ = (
        UniqueConstraint("organisation_id", "period"),
        CheckConstraint(
            "(state = 'final') = (content IS NOT NULL AND digest IS NOT NULL "
            "AND known_at IS NOT NULL AND signed_by_id IS NOT NULL)",
            name="final_is_whole",
        ),
    )

    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    period: Mapped[str]
    state: Mapped[BulletinState]
    version: Mapped[int]
    opening: Mapped[str]
    closing: Mapped[str]
    remarks: Mapped[dict[str, Any]]
    drafted_at: Mapped[datetime]
    drafted_by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    edited_at: Mapped[datetime]
    known_at: Mapped[datetime | None]
    content: Mapped[dict[str, Any] | None]
    digest: Mapped[bytes | None]
    signed_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
