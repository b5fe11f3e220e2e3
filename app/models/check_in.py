"""Check-ins: "I was here at this time", where that was, and what we make of it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Source(StrEnum):
    """Which door it came through."""

    mini_program = "mini_program"
    chat = "chat"
    paper = "paper"


class Verdict(StrEnum):
    """核验结论: 有效, 待核, 无效."""

    accepted = "accepted"
    flagged = "flagged"
    rejected = "rejected"


class CheckIn(Base):
    """One visit, with its place as the maps were then.

    `id` is the phone's (chat: ours). lon and lat are WGS-84; `raw_*` is what came in `datum`, so
    that a wrong belief about the datum can be mended later. `grid_cell_ids` are all covering cells
    of every kind and their ancestors. `place` is what the answer shows of cell, stele and reach.
    `stele_*` is about the stele named, `nearest_stele_*` about the nearest one; `*_within` whether
    it was within the stele's radius (for a stele that is named: plus what the position is unsure).
    """

    __tablename__ = "check_ins"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "person_id", "at"),
        Index(None, "organisation_id", "at"),
        Index(None, "grid_cell_id", "at"),
        Index(None, "reach_id", "at"),
        Index(None, "stele_id", "at"),
        Index(None, "nearest_stele_id", "at"),
        Index(None, "patrol_id", "at"),
        Index(None, "person_id", "raw_lon", "raw_lat", "at"),
        Index(None, "device", "person_id", "at", postgresql_where=text("device IS NOT NULL")),
        # What lies in a box on a map.
        Index("ix_check_ins_position", text("point(lon, lat)"), postgresql_using="gist"),
        # Of a manager's cells: few enough to gather, or so many that none need be looked for.
        Index("ix_check_ins_grid_cell_ids", "grid_cell_ids", postgresql_using="gin"),
        # What waits for a review.
        Index(
            "ix_check_ins_flagged",
            "received_at",
            postgresql_where=text("verdict = 'flagged' AND withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    patrol_id: Mapped[UUID] = mapped_column(ForeignKey("patrols.id"))
    source: Mapped[Source]
    at: Mapped[datetime]
    taken_on: Mapped[date]
    received_at: Mapped[datetime] = mapped_column(index=True)
    lon: Mapped[float]
    lat: Mapped[float]
    accuracy_m: Mapped[float | None]
    datum: Mapped[str]
    raw_lon: Mapped[float]
    raw_lat: Mapped[float]
    grid_cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"))
    grid_cell_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"))
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"))
    stele_distance_m: Mapped[float | None]
    stele_within: Mapped[bool | None]
    nearest_stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"))
    nearest_stele_distance_m: Mapped[float | None]
    nearest_stele_within: Mapped[bool | None]
    place: Mapped[dict[str, Any]]
    note: Mapped[str | None]
    device: Mapped[str | None]
    photos_expected: Mapped[int | None]
    no_photo_reason: Mapped[str | None]
    verdict: Mapped[Verdict]
    evidence: Mapped[list[dict[str, Any]]]
    rules_version: Mapped[int]
    reviewed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    content_digest: Mapped[bytes]


class CheckInVerdict(Identified, Base):
    """A fact: what was concluded of a check-in, by the rules or by a reviewer, from when to when.

    A review has a `reviewer_id` and a reason; it outranks every later recomputation.
    """

    __tablename__ = "check_in_verdicts"

    check_in_id: Mapped[UUID] = mapped_column(ForeignKey("check_ins.id"), index=True)
    verdict: Mapped[Verdict]
    rules_version: Mapped[int | None]
    reviewer_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    reason: Mapped[str | None]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
