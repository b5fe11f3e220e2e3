"""Patrols: one outing, with its companions and the line walked."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base
from app.models.post import AreaKind


class PatrolKind(StrEnum):
    """巡河方式."""

    foot = "foot"
    vehicle = "vehicle"
    boat = "boat"
    drone = "drone"
    site_meeting = "site_meeting"


class PatrolState(StrEnum):
    """Open until it is finished by the walker or closed by us."""

    open = "open"
    finished = "finished"


class PatrolOrigin(StrEnum):
    """Where the patrol came from."""

    phone = "phone"
    self_made = "self_made"
    paper = "paper"


class Findings(StrEnum):
    """What was seen; `none` is a full result."""

    none = "none"
    some = "some"


class Patrol(Base):
    """An outing. `id` is the phone's, or ours for self-made and paper patrols.

    `organisation_id` is the walker's then. A self-made patrol is the person's one patrol of a day
    that check-ins without a patrol join. A paper patrol (`code`, `area_*`) was entered afterwards.
    """

    __tablename__ = "patrols"
    __table_args__ = (
        Index(None, "started_at", "id"),
        Index(None, "person_id", "started_at"),
        Index(None, "organisation_id", "started_at"),
        Index(
            "uq_patrols_self_made",
            "person_id",
            "started_on",
            unique=True,
            postgresql_where=text("origin = 'self_made'"),
        ),
        Index("ix_patrols_open", "started_at", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str | None] = mapped_column(unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"))
    kind: Mapped[PatrolKind] = mapped_column(default=PatrolKind.foot)
    state: Mapped[PatrolState]
    origin: Mapped[PatrolOrigin]
    started_at: Mapped[datetime]
    started_on: Mapped[date]
    finished_at: Mapped[datetime | None]
    closed_by_us: Mapped[bool] = mapped_column(default=False)
    reach_id: Mapped[UUID | None] = mapped_column(ForeignKey("reaches.id"), index=True)
    area_kind: Mapped[AreaKind | None]
    grid_cell_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"), index=True)
    stele_id: Mapped[UUID | None] = mapped_column(ForeignKey("steles.id"), index=True)
    findings: Mapped[Findings | None]
    note: Mapped[str | None]
    distance_m: Mapped[float] = mapped_column(default=0)
    duration_s: Mapped[int | None]
    points_kept: Mapped[int] = mapped_column(default=0)
    points_marked: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int | None]
    content_digest: Mapped[bytes | None]
    received_at: Mapped[datetime]
    retired_on: Mapped[date | None]
