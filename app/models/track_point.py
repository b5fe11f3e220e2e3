"""Track points: the line walked on a patrol, as the phone saw it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Mark(StrEnum):
    """Why a point does not count for the distance; it is kept all the same."""

    inaccurate = "inaccurate"
    too_fast = "too_fast"
    duplicate = "duplicate"
    future = "future"
    outside = "outside"


class TrackPoint(Base):
    """One fix; lon and lat are WGS-84, `raw_*` what the phone sent in `datum`."""

    __tablename__ = "track_points"

    patrol_id: Mapped[UUID] = mapped_column(ForeignKey("patrols.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    lon: Mapped[float]
    lat: Mapped[float]
    accuracy_m: Mapped[float | None]
    datum: Mapped[str]
    raw_lon: Mapped[float]
    raw_lat: Mapped[float]
    mark: Mapped[Mark | None]
    received_at: Mapped[datetime]
