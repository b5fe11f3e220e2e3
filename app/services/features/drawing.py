"""Drawing: rows of the database as GeoJSON, a page at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.engine import RowMapping

from app import clock
from app.domain import geometry
from app.services.features.collection import Collection


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature; `geometry` is GeoJSON, written already."""

    id: str
    geometry: str
    properties: Mapping[str, Any]


def drawn(collection: Collection, rows: Sequence[RowMapping]) -> list[Feature]:
    """The rows that `finding` read, as features."""
    names = [each.name for each in collection.properties]
    if rows and "geometry" in rows[0]:
        shapes = geometry.geojson_of([row["geometry"] for row in rows])
    else:
        shapes = [geometry.geojson_of_point(row["lon"], row["lat"]) for row in rows]
    return [
        Feature(str(row["feature_id"]), shape, {name: _shown(row[f"is_{name}"]) for name in names})
        for row, shape in zip(rows, shapes, strict=True)
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, datetime):
        return value.astimezone(clock.LAKE).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
