"""Reaches: stretches of a river or shore that somebody answers for."""

from uuid import UUID

from sqlalchemy import Computed, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Box, Coded


class Reach(Coded, Base):
    """A stretch of water; `geometry` is a WKB line in WGS-84, `length_m` its geodesic length."""

    __tablename__ = "reaches"
    __table_args__ = (Index(None, "bounds", postgresql_using="gist"),)

    name: Mapped[str]
    waterbody_id: Mapped[UUID] = mapped_column(ForeignKey("waterbodies.id"), index=True)
    short_name: Mapped[str | None]
    start: Mapped[str | None]
    end: Mapped[str | None]
    target: Mapped[str | None]
    geometry: Mapped[bytes]
    geometry_digest: Mapped[bytes] = mapped_column(Computed("sha256(geometry)", persisted=True))
    bounds: Mapped[str] = mapped_column(Box)
    length_m: Mapped[float]
