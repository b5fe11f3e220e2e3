"""Waterbodies: the lake and its rivers."""

from enum import StrEnum

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Box, Coded


class WaterbodyKind(StrEnum):
    """水体类别."""

    river = "river"
    lake = "lake"


class Waterbody(Coded, Base):
    """A lake or river; `geometry` is WKB in WGS-84 lon/lat degrees."""

    __tablename__ = "waterbodies"
    __table_args__ = (Index(None, "bounds", postgresql_using="gist"),)

    name: Mapped[str]
    kind: Mapped[WaterbodyKind]
    geometry: Mapped[bytes]
    bounds: Mapped[str] = mapped_column(Box)
