"""Tracks as they are shown: a GeoJSON line with a time for each of its points."""

from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel

from app.schemas.fields import Instant
from app.schemas.shapes import line_of
from app.services.track_lines import Line


class TrackTimes(BaseModel):
    """What is said of the line; `times` are those of its coordinates, in their order."""

    patrol: UUID
    started_at: Instant
    finished_at: Instant | None
    distance_m: float
    times: list[Instant]


class Track(BaseModel):
    """A GeoJSON feature; the geometry is null when no point counts, a point when one does."""

    type: Literal["Feature"] = "Feature"
    geometry: dict[str, Any] | None
    properties: TrackTimes

    @classmethod
    def of(cls, line: Line) -> Self:
        """From what a service found."""
        patrol = line.patrol
        return cls(
            geometry=line_of([(fix.lon, fix.lat) for fix in line.fixes]),
            properties=TrackTimes(
                patrol=patrol.id,
                started_at=patrol.started_at,
                finished_at=patrol.finished_at,
                distance_m=round(patrol.distance_m, 2),
                times=[fix.at for fix in line.fixes],
            ),
        )
