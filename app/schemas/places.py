"""Places: what the maps know of a point."""

from typing import Self

from pydantic import BaseModel

from app.models import GridCellKind
from app.schemas.fields import Position
from app.services.places import Place as Found


class CellHere(BaseModel):
    """A grid cell that covers the point."""

    code: str
    name: str
    kind: GridCellKind


class SteleHere(BaseModel):
    """A stele near the point, and how far it is."""

    code: str
    name: str
    position: Position
    radius_m: float
    distance_m: float


class ReachHere(BaseModel):
    """The nearest reach within 200 m."""

    code: str
    name: str
    distance_m: float


class Place(BaseModel):
    """Cells from the outermost in, steles from the nearest on; empty outside of every area."""

    position: Position
    grid_cells: list[CellHere]
    steles: list[SteleHere]
    reach: ReachHere | None

    @classmethod
    def of(cls, lon: float, lat: float, accuracy_m: float | None, found: Found) -> Self:
        """From WGS-84 degrees and what a service found there."""
        return cls(
            position=Position.of(lon, lat, accuracy_m),
            grid_cells=[
                CellHere(code=cell.code, name=cell.name, kind=GridCellKind(cell.kind))
                for cell in found.cells
            ],
            steles=[
                SteleHere(
                    code=stele.code,
                    name=stele.name,
                    position=Position.of(stele.lon, stele.lat),
                    radius_m=stele.radius_m,
                    distance_m=round(stele.distance_m, 1),
                )
                for stele in found.steles
            ],
            reach=ReachHere(
                code=found.reach.code,
                name=found.reach.name,
                distance_m=round(found.reach.distance_m, 1),
            )
            if found.reach
            else None,
        )
