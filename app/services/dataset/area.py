"""Area: the deployment's area of interest, read from the file that the setting names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from app.services.dataset.faults import BadDataset

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


def read_area_of_interest(path: Path) -> BaseGeometry:
    """The union of the polygons in a GeoJSON file (WGS-84); raises `BadDataset` naming the file."""
    import shapely  # noqa: PLC0415 - for those who have such an area

    try:
        document = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        if document["type"] == "FeatureCollection":
            parts = [feature["geometry"] for feature in document["features"]]
        else:
            parts = [document["geometry"] if document["type"] == "Feature" else document]
        area = shapely.union_all(shapely.from_geojson([orjson.dumps(part) for part in parts]))
    except (OSError, KeyError, TypeError, ValueError, shapely.errors.GEOSException):
        area = None
    if area is None or area.geom_type not in ("Polygon", "MultiPolygon") or area.is_empty:
        raise BadDataset(
            reason=f"XUNHE_AREA_OF_INTEREST：{path} 读不出面（Polygon 或 MultiPolygon）"
        )
    return area
