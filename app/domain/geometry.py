"""Geometry: positions, distances, lengths and areas on the ellipsoid, in WGS-84.

shapely, pyproj and numpy are loaded by the first who calculates: together they take as long as half
a bare web framework. A web process calls `load` while its first requests come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from app import packages

if TYPE_CHECKING:
    import numpy
    from numpy.typing import ArrayLike, NDArray
    from pyproj.geod import Geod
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True)
class Position:
    """A point on earth: WGS-84 degrees, by definition."""

    lon: float
    lat: float


def load() -> None:
    """Load the libraries now (0.2 s), from any thread."""
    import shapely  # noqa: F401

    _geod()


@cache
def _geod() -> Geod:
    packages.announce("pyproj")  # of which coordinate systems and their database are 6 MB
    from pyproj.geod import Geod

    return Geod(ellps="WGS84")


def distance_m(a_lon: float, a_lat: float, b_lon: float, b_lat: float) -> float:
    """Geodesic distance in metres between two points (degrees)."""
    return float(_geod().inv(a_lon, a_lat, b_lon, b_lat)[2])


def distances_m(
    a_lon: ArrayLike, a_lat: ArrayLike, b_lon: ArrayLike, b_lat: ArrayLike
) -> NDArray[numpy.float64]:
    """Geodesic distances in metres, element by element; a single value pairs with all."""
    import numpy

    arrays = numpy.broadcast_arrays(
        *(numpy.atleast_1d(numpy.asarray(side, float)) for side in (a_lon, a_lat, b_lon, b_lat))
    )
    # pyproj may write into what it is given, and broadcast views share their memory.
    a, b, c, d = (numpy.array(side) for side in arrays)
    result: NDArray[numpy.float64] = _geod().inv(a, b, c, d)[2]
    return result


def path_length_m(lon: ArrayLike, lat: ArrayLike) -> float:
    """Geodesic length in metres of the path through the points in their order (0 for one)."""
    import numpy

    lons, lats = numpy.asarray(lon, float), numpy.asarray(lat, float)
    if len(lons) < 2:
        return 0.0
    return float(distances_m(lons[:-1], lats[:-1], lons[1:], lats[1:]).sum())


def length_m(line: BaseGeometry) -> float:
    """Geodesic length in metres of a (multi)line."""
    return float(_geod().geometry_length(line))


def area_m2(polygon: BaseGeometry) -> float:
    """Area in square metres on the ellipsoid of a (multi)polygon, however its rings turn."""
    import shapely

    turned = shapely.orient_polygons(polygon, exterior_cw=False)
    return float(_geod().geometry_area_perimeter(turned)[0])


def areas_m2(polygons: NDArray[numpy.object_]) -> list[float]:
    """Areas as `area_m2` has them, of many (multi)polygons at once."""
    import numpy
    import shapely

    turned = shapely.orient_polygons(polygons, exterior_cw=False)
    is_simple = (shapely.get_type_id(turned) == shapely.GeometryType.POLYGON) & (
        shapely.get_num_interior_rings(turned) == 0
    )
    points, owners = shapely.get_coordinates(turned, return_index=True)
    starts = numpy.searchsorted(owners, numpy.arange(len(turned) + 1)).tolist()
    areas = []
    for polygon, simple, start, end in zip(
        turned, is_simple.tolist(), starts[:-1], starts[1:], strict=True
    ):
        if simple:
            # pyproj may write into what it is given: each ring is a copy of its own.
            lons, lats = points[start:end, 0].copy(), points[start:end, 1].copy()
            areas.append(float(_geod().polygon_area_perimeter(lons, lats)[0]))
        else:
            areas.append(float(_geod().geometry_area_perimeter(polygon)[0]))
    return areas


def nearest_point(lon: float, lat: float, line: BaseGeometry) -> Position:
    """The point of `line` nearest to the given one.

    Degrees of longitude are shorter than those of latitude, so both are brought to one scale first;
    for lines within some tens of kilometres that is exact to a hair.
    """
    import numpy
    import shapely

    scale = float(numpy.cos(numpy.radians(lat)))
    if scale < 1e-9:  # at a pole every meridian is as near as the next
        scale = 1e-9

    def scaled(points: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
        return points * (scale, 1.0)

    flat: Any = shapely.transform(line, scaled)
    link = shapely.shortest_line(flat, shapely.Point(lon * scale, lat))
    x, y = shapely.get_coordinates(link)[0]
    return Position(float(x) / scale, float(y))


def distance_to_line_m(lon: float, lat: float, line: BaseGeometry) -> float:
    """Geodesic distance in metres from a point (degrees) to the nearest point of a geometry."""
    nearest = nearest_point(lon, lat, line)
    return distance_m(lon, lat, nearest.lon, nearest.lat)


def covers(polygon: BaseGeometry, lon: float, lat: float) -> bool:
    """Whether the polygon (best prepared) holds the point, its edge included, holes excluded."""
    import shapely

    return bool(shapely.intersects_xy(polygon, lon, lat))


def holds_inside(polygon: BaseGeometry, lon: float, lat: float) -> bool:
    """Whether the polygon (best prepared) holds the point, its edge excluded."""
    import shapely

    return bool(shapely.contains_xy(polygon, lon, lat))


def from_wkb(wkb: bytes) -> BaseGeometry:
    """The geometry that the database keeps as WKB."""
    import shapely

    return shapely.from_wkb(wkb)


def prepare(shape: BaseGeometry) -> None:
    """Make many questions to the same shape quick."""
    import shapely

    shapely.prepare(shape)


def box_literal(geometry: BaseGeometry) -> str:
    """The bounds as text of PostgreSQL's `box`: `(east,north),(west,south)`."""
    west, south, east, north = geometry.bounds
    return f"({east!r},{north!r}),({west!r},{south!r})"


def around(lon: float, lat: float, radius_m: float) -> str:
    """A box (as `box_literal`) that holds everything within `radius_m` metres of the point."""
    lons, lats, _ = _geod().fwd([lon] * 4, [lat] * 4, [0, 90, 180, 270], [radius_m * 1.001] * 4)
    return (
        f"({max(lons)!r},{max(lats)!r}),({min(lons)!r},{min(lats)!r})"
        if radius_m > 0
        else f"({lon!r},{lat!r}),({lon!r},{lat!r})"
    )


def geojson_of(wkbs: Sequence[bytes]) -> list[str]:
    """Each shape as GeoJSON (RFC 7946): outer rings anticlockwise, 7 decimals, which is 1 cm."""
    import numpy
    import shapely

    shapes: Any = shapely.orient_polygons(shapely.from_wkb(wkbs), exterior_cw=False)
    shapes = shapely.transform(shapes, lambda points: numpy.round(points, 7))
    return [str(text) for text in shapely.to_geojson(shapes)]


def geojson_of_point(lon: float, lat: float) -> str:
    """The same of a point."""
    return f'{{"type":"Point","coordinates":[{round(lon, 7)},{round(lat, 7)}]}}'


def meeting(
    wkbs: Sequence[bytes], boxes: Sequence[tuple[float, float, float, float]]
) -> list[bool]:
    """Whether each shape meets one of the boxes (west, south, east, north), edges included."""
    import numpy
    import shapely

    shapes = shapely.from_wkb(wkbs)
    meets = numpy.zeros(len(wkbs), bool)
    for west, south, east, north in boxes:
        if west < east and south < north:
            area = shapely.box(west, south, east, north)
        else:  # a polygon without an inside is none
            area = shapely.LineString([(west, south), (east, north)])
            area = shapely.Point(west, south) if (west, south) == (east, north) else area
        meets |= shapely.intersects(shapes, area)
    return [bool(each) for each in meets]
