"""Shapes: raw GeoJSON geometry turned into valid geometry in WGS-84, or told what is wrong."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy
import orjson
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from app.domain.datum import Datum, array_to_wgs84
from app.services.dataset.faults import Fault
from app.services.dataset.sheets import Sheet

COLUMN = "geometry"
_KINDS = {
    "Point": "点",
    "LineString": "线",
    "MultiLineString": "多线",
    "Polygon": "面",
    "MultiPolygon": "多面",
}
_REASONS = {
    "Self-intersection": "图形自相交",
    "Ring Self-intersection": "图形边界与自身相接",
    "Hole lies outside shell": "洞在外边界之外",
    "Holes are nested": "洞里套洞",
    "Nested shells": "多个面互相套叠",
    "Interior is disconnected": "图形内部被切断",
    "Duplicate Rings": "有重复的边界",
    "Too few points in geometry component": "点太少，不成图形",
    "Invalid Coordinate": "坐标无效",
}
_DEPTHS = {"Point": 1, "LineString": 2, "Polygon": 3, "MultiLineString": 3, "MultiPolygon": 4}

Geometries = NDArray[numpy.object_]


def read_shapes(
    sheet: Sheet, raw: Sequence[Any], datum: Datum, area: BaseGeometry | None
) -> list[Fault]:
    """Give the sheet its geometry (WGS-84, polygons' rings turned as RFC 7946 has them).

    `area` is the area of interest. Every feature whose geometry will not do is a fault.
    """
    faults: list[Fault] = []
    by_type: dict[str, list[int]] = defaultdict(list)
    for row, shape in enumerate(raw):
        kind = shape.get("type") if isinstance(shape, dict) else None
        if isinstance(kind, str) and kind in sheet.table.shapes:
            by_type[kind].append(row)
        else:
            wanted = "、".join(_KINDS[name] for name in _KINDS if name in sheet.table.shapes)
            what = "没有图形" if shape is None else f"图形类型 {str(kind)[:30]} 不对"
            faults.append(sheet.fault(row, COLUMN, f"{what}，须为{wanted}"))
    geometry: Geometries = numpy.full(len(raw), None, object)
    for kind, rows in by_type.items():
        geometry[rows] = _built(kind, [raw[row].get("coordinates") for row in rows])

    usable = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    flagged = {row for rows in by_type.values() for row in rows}
    faults += [
        sheet.fault(row, COLUMN, "坐标写法不对：点数不足、首尾不闭合，或不是数字")
        for row in _rows(~usable)
        if row in flagged
    ]
    bounds = shapely.bounds(geometry)
    with numpy.errstate(invalid="ignore"):
        on_earth = (
            (bounds[:, 0] >= -180) & (bounds[:, 2] <= 180)
            & (bounds[:, 1] >= -90) & (bounds[:, 3] <= 90)
        )  # fmt: skip
    for row in _rows(usable & ~on_earth):
        faults.append(sheet.fault(row, COLUMN, "坐标不是经纬度，或经度纬度写反了（经度在前）"))
    usable &= on_earth

    for row in _rows(usable & ~shapely.is_valid(geometry)):
        faults.append(sheet.fault(row, COLUMN, _why_invalid(geometry[row])))
        usable[row] = False
    for row in _rows(usable & (shapely.get_dimensions(geometry) == 1)):
        place = _crossing(geometry[row])
        if place is not None:
            faults.append(sheet.fault(row, COLUMN, f"线自相交，{_at(*place)}"))
            usable[row] = False

    geometry[~usable] = None
    if datum is Datum.gcj02:
        geometry = shapely.transform(geometry, lambda points: array_to_wgs84(points, datum))
    geometry = shapely.orient_polygons(geometry)
    if area is not None:
        shapely.prepare(area)
        outside = usable & ~shapely.covers(area, geometry)
        faults += [
            sheet.fault(row, COLUMN, _where_outside(geometry[row], area)) for row in _rows(outside)
        ]
    sheet.geometry = geometry
    return faults


def _rows(marked: NDArray[numpy.bool_]) -> list[int]:
    rows: list[int] = numpy.flatnonzero(marked).tolist()
    return rows


def hexes(geometry: Geometries) -> list[str]:
    """WKB of each as text of PostgreSQL's `bytea`."""
    return ["\\x" + text for text in shapely.to_wkb(geometry, hex=True)]


def boxes(geometry: Geometries) -> list[str]:
    """Bounds of each as text of PostgreSQL's `box`."""
    return [
        f"({east!r},{north!r}),({west!r},{south!r})"
        for west, south, east, north in shapely.bounds(geometry).tolist()
    ]


def _built(kind: str, coordinates: list[Any]) -> Geometries:
    """Make geometries of one type: all at once if they are well formed, else one by one."""
    try:
        points, offsets = _ragged(coordinates, _DEPTHS[kind])
        if kind.endswith("Polygon"):
            # Closing a ring is left to its maker: an open one may be a broken file.
            ends = offsets[0]
            if (points[ends[:-1]] != points[ends[1:] - 1]).any():
                raise ValueError("an open ring")
        made: Geometries = shapely.from_ragged_array(
            shapely.GeometryType[kind.upper()], points, offsets or None
        )
    except (TypeError, ValueError, IndexError, shapely.errors.GEOSException):
        return numpy.array([_one(kind, value) for value in coordinates] + [None], object)[:-1]
    return made


def _ragged(coordinates: list[Any], depth: int) -> tuple[NDArray[numpy.float64], tuple[Any, ...]]:
    """Flatten nested lists to points and the offsets between them, innermost first."""
    offsets: list[NDArray[numpy.int64]] = []
    for _ in range(depth - 1):
        counts = [len(part) for part in coordinates]
        if 0 in counts:
            raise ValueError("an empty part")
        offsets.append(numpy.concatenate([[0], numpy.cumsum(counts)]))
        coordinates = [inner for part in coordinates for inner in part]
    points = numpy.array(coordinates)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or points.dtype.kind not in "if":
        raise ValueError("not points")
    return points[:, :2].astype(float), tuple(reversed(offsets))


def _one(kind: str, coordinates: Any) -> BaseGeometry | None:
    try:
        text = orjson.dumps({"type": kind, "coordinates": coordinates})
        geometry: BaseGeometry = shapely.force_2d(shapely.from_geojson(text))
    except (shapely.errors.GEOSException, ValueError):
        return None
    return geometry


def _why_invalid(geometry: BaseGeometry) -> str:
    said = shapely.is_valid_reason(geometry)
    match = re.fullmatch(r"([^\[]*)\[(\S+) (\S+)\]", said)
    if not match:
        return "图形无效"
    reason = _REASONS.get(match[1], "图形无效")
    return f"{reason}，{_at(float(match[2]), float(match[3]))}"


def _crossing(line: BaseGeometry) -> tuple[float, float] | None:
    """Where one of the line's parts first crosses or retraces itself, if it does."""
    for part in shapely.get_parts(line):
        if shapely.is_simple(part):
            continue
        points = shapely.get_coordinates(shapely.remove_repeated_points(part))
        segments = shapely.linestrings(numpy.stack([points[:-1], points[1:]], axis=1))
        firsts, seconds = shapely.STRtree(segments).query(segments, predicate="intersects")
        for first, second in sorted(zip(firsts.tolist(), seconds.tolist(), strict=True)):
            if second <= first:
                continue
            shared = shapely.intersection(segments[first], segments[second])
            joined = second == first + 1 or (
                first == 0 and second == len(segments) - 1 and (points[0] == points[-1]).all()
            )
            if joined and shared.geom_type == "Point":
                continue
            x, y = shapely.get_coordinates(shared)[0].tolist()
            return x, y
        x, y = points[0].tolist()
        return x, y
    return None


def _where_outside(geometry: BaseGeometry, area: BaseGeometry) -> str:
    rest = shapely.difference(geometry, area)
    x, y = shapely.get_coordinates(shapely.point_on_surface(rest))[0].tolist()
    return f"超出了责任区域（XUNHE_AREA_OF_INTEREST），例如{_at(x, y)}"


def _at(lon: float, lat: float) -> str:
    return f"在经度 {lon:.6f}、纬度 {lat:.6f} 附近"
