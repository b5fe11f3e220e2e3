"""Distances, lengths and areas are those on the ellipsoid."""

import math

import numpy
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj.geod import Geod

from app.domain import geometry

near_the_lake = st.tuples(st.floats(102.8, 103.2), st.floats(24.7, 25.1))


def test_a_degree_at_the_equator_has_its_known_length() -> None:
    # A quarter meridian of WGS-84 is 10 001 965.7293 m; a degree of the equator 111 319.4908 m.
    assert geometry.distance_m(0, 0, 0, 90) == pytest.approx(10_001_965.7293, abs=0.001)
    assert geometry.distance_m(0, 0, 1, 0) == pytest.approx(111_319.4908, abs=0.001)


def test_many_distances_at_once_equal_single_ones() -> None:
    a, b = [102.9, 103.0, 103.1], [24.8, 24.9, 25.0]
    assert list(geometry.distances_m(a, b, 103, 24.9)) == [
        geometry.distance_m(x, y, 103, 24.9) for x, y in zip(a, b, strict=True)
    ]


def test_a_path_is_the_sum_of_its_legs() -> None:
    lons, lats = [103.0, 103.01, 103.01], [24.9, 24.9, 24.92]
    legs = geometry.distance_m(103, 24.9, 103.01, 24.9) + geometry.distance_m(
        103.01, 24.9, 103.01, 24.92
    )
    assert geometry.path_length_m(lons, lats) == pytest.approx(legs)
    line = shapely.LineString(zip(lons, lats, strict=True))
    assert geometry.length_m(line) == pytest.approx(legs)
    assert geometry.path_length_m([103], [24.9]) == 0
    assert geometry.path_length_m([], []) == 0


def test_an_area_is_that_on_the_ellipsoid_however_the_rings_turn() -> None:
    # Zone between two parallels of the WGS-84 ellipsoid, by the closed formula.
    a, f = 6378137.0, 1 / 298.257223563
    e = math.sqrt(f * (2 - f))

    def q(lat: float) -> float:
        s = e * math.sin(math.radians(lat))
        return math.sin(math.radians(lat)) / (1 - s * s) + math.atanh(s) / e

    zone = math.radians(0.001) * a * a * (1 - e * e) / 2 * (q(24.901) - q(24.9))
    square = shapely.box(103, 24.9, 103.001, 24.901)
    assert geometry.area_m2(square) == pytest.approx(zone, rel=1e-5)
    assert geometry.area_m2(square.reverse()) == geometry.area_m2(square)


def test_holes_and_islands_are_reckoned_with() -> None:
    outer, hole = (
        shapely.box(103, 24.9, 103.01, 24.91),
        shapely.box(103.002, 24.902, 103.004, 24.904),
    )
    island = shapely.box(103.02, 24.9, 103.03, 24.91)
    area = geometry.area_m2(outer.difference(hole))
    assert area == pytest.approx(geometry.area_m2(outer) - geometry.area_m2(hole))
    assert geometry.area_m2(shapely.union(outer, island)) == pytest.approx(
        geometry.area_m2(outer) + geometry.area_m2(island)
    )


def test_many_areas_at_once_equal_single_ones() -> None:
    outer = shapely.box(103, 24.9, 103.01, 24.91)
    holed = outer.difference(shapely.box(103.002, 24.902, 103.004, 24.904))
    islands = shapely.union(outer, shapely.box(103.02, 24.9, 103.03, 24.91))
    shapes = [outer, holed, islands, outer.reverse()]
    assert geometry.areas_m2(numpy.array(shapes)) == [geometry.area_m2(one) for one in shapes]


@given(near_the_lake, near_the_lake, near_the_lake)
def test_the_distance_to_a_line_is_the_least_to_any_of_its_points(
    point: tuple[float, float], start: tuple[float, float], end: tuple[float, float]
) -> None:
    line = shapely.LineString([start, end])
    steps = 200
    sampled = min(
        geometry.distance_m(
            *point,
            start[0] + (end[0] - start[0]) * step / steps,
            start[1] + (end[1] - start[1]) * step / steps,
        )
        for step in range(steps + 1)
    )
    gap = geometry.distance_m(*start, *end) / steps
    exact = geometry.distance_to_line_m(*point, line)
    assert exact - sampled < 0.003 * sampled + 0.01
    assert sampled - exact <= gap + 0.003 * sampled + 0.01


def test_a_line_north_is_met_at_a_right_angle() -> None:
    line = shapely.LineString([(103.01, 24.8), (103.01, 25.0)])
    assert geometry.distance_to_line_m(103, 24.9, line) == pytest.approx(
        geometry.distance_m(103, 24.9, 103.01, 24.9), abs=0.001
    )
    assert geometry.nearest_point(103, 25.1, line) == geometry.Position(103.01, 25.0)


def test_an_edge_belongs_to_the_polygon_and_a_hole_does_not() -> None:
    ring = shapely.box(103, 24.9, 103.01, 24.91).difference(
        shapely.box(103.004, 24.904, 103.006, 24.906)
    )
    shapely.prepare(ring)
    found = [
        geometry.covers(ring, lon, lat)
        for lon, lat in [(103.001, 24.901), (103, 24.905), (103.005, 24.905), (103.011, 24.905)]
    ]
    assert found == [True, True, False, False]


def test_a_box_is_written_north_east_first() -> None:
    line = shapely.LineString([(103.5, 24.25), (102.75, 24.9)])
    assert geometry.box_literal(line) == "(103.5,24.9),(102.75,24.25)"
    assert geometry.box_literal(shapely.Point(103.5, 24.25)) == "(103.5,24.25),(103.5,24.25)"


@given(near_the_lake, st.floats(1, 5000), st.floats(0, 360))
def test_whatever_is_within_the_radius_is_inside_the_box(
    centre: tuple[float, float], radius_m: float, azimuth: float
) -> None:
    lon, lat, _ = Geod(ellps="WGS84").fwd(*centre, azimuth, radius_m)
    corners = geometry.around(*centre, radius_m).strip("()").replace("),(", ",").split(",")
    east, north, west, south = map(float, corners)
    assert west <= lon <= east
    assert south <= lat <= north


def test_a_box_around_nothing_is_the_point() -> None:
    assert geometry.around(103.5, 24.25, 0) == "(103.5,24.25),(103.5,24.25)"
