"""Grid cells: areas with one responsible organisation and person; cells nest."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Computed, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Box, Coded


class GridCellKind(StrEnum):
    """网格类别."""

    river_cleaning = "river_cleaning"
    wetland_protection = "wetland_protection"
    sanitation = "sanitation"
    general = "general"


class GridCell(Coded, Base):
    """A cell; `geometry` is a WKB (multi)polygon in WGS-84, `area_m2` its area on the ellipsoid.

    `lineage` holds the ids from the outermost ancestor down to the cell itself, so that neither a
    check-in nor a report has to climb the tree.
    """

    __tablename__ = "grid_cells"
    __table_args__ = (Index(None, "bounds", postgresql_using="gist"),)

    name: Mapped[str]
    kind: Mapped[GridCellKind]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("grid_cells.id"), index=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    geometry: Mapped[bytes]
    geometry_digest: Mapped[bytes] = mapped_column(Computed("sha256(geometry)", persisted=True))
    bounds: Mapped[str] = mapped_column(Box)
    area_m2: Mapped[float]
    lineage: Mapped[list[UUID]]
