"""Steles: markers at a point with a code and a QR code, and the prints of that QR code."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Box, Coded, Identified


class SteleKind(StrEnum):
    """界碑或公示牌."""

    boundary_stone = "boundary_stone"
    notice_board = "notice_board"


class Stele(Coded, Base):
    """A marker; `bounds` is its point as a degenerate box, so that one kind of index serves all."""

    __tablename__ = "steles"
    __table_args__ = (Index(None, "bounds", postgresql_using="gist"),)

    name: Mapped[str]
    kind: Mapped[SteleKind] = mapped_column(default=SteleKind.boundary_stone)
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    short_name: Mapped[str | None]
    text: Mapped[str | None]
    radius_m: Mapped[float] = mapped_column(default=100)
    placed_on: Mapped[date | None]
    lon: Mapped[float]
    lat: Mapped[float]
    bounds: Mapped[str] = mapped_column(Box)


class StelePrint(Identified, Base):
    """One edition of a stele's QR code; check-ins by a revoked one are flagged."""

    __tablename__ = "stele_prints"
    __table_args__ = (UniqueConstraint("stele_id", "version"),)

    stele_id: Mapped[UUID] = mapped_column(ForeignKey("steles.id"))
    version: Mapped[int]
    printed_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
