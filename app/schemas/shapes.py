"""Shapes as they cross the wire: GeoJSON in the datum in which a request is answered."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from app.domain import datum as datums
from app.domain import geometry
from app.domain.datum import Datum
from app.schemas.fields import answer_datum

if TYPE_CHECKING:  # loaded by `geometry` when it calculates
    from shapely.geometry.base import BaseGeometry


def shape_of(wkb: bytes) -> dict[str, Any]:
    """The GeoJSON geometry of what the database keeps as WKB."""
    return _written(geometry.from_wkb(wkb))


def point_of(lon: float, lat: float) -> dict[str, Any]:
    """A GeoJSON point from WGS-84 degrees."""
    return {"type": "Point", "coordinates": _moved(lon, lat)}


def line_of(points: Sequence[tuple[float, float]]) -> dict[str, Any] | None:
    """A GeoJSON line through WGS-84 points, a point where there is one, null without any."""
    if len(points) < 2:
        return point_of(*points[0]) if points else None
    return {"type": "LineString", "coordinates": [_moved(*point) for point in points]}


def feature(shape: Mapping[str, Any] | None, **properties: Any) -> dict[str, Any]:
    """A GeoJSON feature."""
    return {"type": "Feature", "geometry": shape, "properties": properties}


def collection(features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A GeoJSON feature collection; `datum` says in whose degrees, as positions do."""
    return {"type": "FeatureCollection", "datum": answer_datum.get(), "features": list(features)}


def _moved(lon: float, lat: float) -> list[float]:
    return list(datums.to_gcj02(lon, lat) if answer_datum.get() is Datum.gcj02 else (lon, lat))


def _written(shape: "BaseGeometry") -> dict[str, Any]:
    import shapely  # noqa: PLC0415  as in geometry

    if answer_datum.get() is Datum.gcj02:
        shape = shapely.transform(shape, datums.array_to_gcj02)
    written: dict[str, Any] = orjson.loads(shapely.to_geojson(shape))
    return written
