"""GCJ-02 and WGS-84 convert into each other as the public reference does, to the millimetre."""

import numpy
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import datum
from app.domain.datum import Datum
from app.domain.geometry import distance_m

in_china = st.tuples(st.floats(73, 137), st.floats(1, 55))
outside_china = st.one_of(
    st.tuples(st.floats(-180, 72), st.floats(-90, 90)),
    st.tuples(st.floats(138, 180), st.floats(-90, 90)),
    st.tuples(st.floats(-180, 180), st.floats(-90, 0.8)),
    st.tuples(st.floats(-180, 180), st.floats(56, 90)),
)


@given(in_china)
def test_the_shift_is_the_reference_s(point: tuple[float, float]) -> None:
    lon, lat = point
    reference = prcoords.wgs_gcj((lat, lon))
    assert datum.to_gcj02(lon, lat) == pytest.approx((reference.lon, reference.lat), abs=1e-12)


@given(in_china)
def test_the_way_back_is_exact_to_a_millimetre(point: tuple[float, float]) -> None:
    lon, lat = point
    back = datum.to_wgs84(*datum.to_gcj02(lon, lat), Datum.gcj02)
    assert distance_m(*back, lon, lat) < 0.001


@given(in_china)
def test_the_way_back_is_the_reference_s(point: tuple[float, float]) -> None:
    lon, lat = point
    reference = prcoords.gcj_wgs_bored((lat, lon))
    ours = datum.to_wgs84(lon, lat, Datum.gcj02)
    # The reference stops refining below 1e-5 degrees, which leaves it some millimetres off.
    assert distance_m(*ours, reference.lon, reference.lat) < 0.05


@given(outside_china)
def test_nothing_moves_outside_china(point: tuple[float, float]) -> None:
    assert datum.to_gcj02(*point) == point
    assert datum.to_wgs84(*point, Datum.gcj02) == point


@given(st.tuples(st.floats(-180, 180), st.floats(-90, 90)))
def test_wgs84_is_left_as_it_is(point: tuple[float, float]) -> None:
    assert datum.to_wgs84(*point, Datum.wgs84) == point


def test_at_the_lake_the_two_are_hundreds_of_metres_apart() -> None:
    shifted = datum.to_gcj02(102.99, 24.90)
    assert distance_m(*shifted, 102.99, 24.90) == pytest.approx(370, abs=20)


@given(st.lists(st.one_of(in_china, outside_china), min_size=1, max_size=20))
def test_arrays_convert_as_single_points_do(points: list[tuple[float, float]]) -> None:
    array = numpy.array(points)
    there = datum.array_to_gcj02(array)
    back = datum.array_to_wgs84(array, Datum.gcj02)
    assert there == pytest.approx(numpy.array([datum.to_gcj02(*p) for p in points]), abs=1e-12)
    assert back == pytest.approx(
        numpy.array([datum.to_wgs84(*p, Datum.gcj02) for p in points]), abs=1e-12
    )
    assert (datum.array_to_wgs84(array, Datum.wgs84) == array).all()
