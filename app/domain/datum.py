"""Datums: GCJ-02, which Chinese maps speak, and WGS-84, which everything of ours speaks."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

# The Krasovsky 1940 ellipsoid, as the shift is defined on it.
_A = 6378245.0
_EE = 0.00669342162296594323

# The shift exists inside this rectangle only (west, south, east, north).
_CHINA = (72.004, 0.8293, 137.8347, 55.8271)

# The shift changes by less than 1 % of a step, so each round gains more than two digits.
_ROUNDS = 4


class Datum(StrEnum):
    """In which datum a position or drawing was made."""

    gcj02 = "gcj02"
    wgs84 = "wgs84"


def is_in_china(lon: float, lat: float) -> bool:
    """Whether the usual rectangle around China, borders included, holds the point (degrees)."""
    west, south, east, north = _CHINA
    return west <= lon <= east and south <= lat <= north


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Shift a WGS-84 point (degrees) to GCJ-02; outside China nothing moves."""
    if not is_in_china(lon, lat):
        return lon, lat
    d_lon, d_lat = _shift(lon, lat, math)
    return lon + d_lon, lat + d_lat


def to_wgs84(lon: float, lat: float, datum: Datum) -> tuple[float, float]:
    """Give a point in `datum` (degrees) as WGS-84, exact to 1 mm; outside China nothing moves."""
    if datum is Datum.wgs84 or not is_in_china(lon, lat):
        return lon, lat
    wgs_lon, wgs_lat = lon, lat
    for _ in range(_ROUNDS):
        d_lon, d_lat = _shift(wgs_lon, wgs_lat, math)
        wgs_lon, wgs_lat = lon - d_lon, lat - d_lat
    return wgs_lon, wgs_lat


def array_to_gcj02(points: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Shift an (n, 2) array of WGS-84 lon/lat degrees to GCJ-02, as `to_gcj02` does one."""
    import numpy  # noqa: PLC0415 - who has an array has it loaded; one point does without

    inside = _are_in_china(points)
    shifted = points + numpy.column_stack(_shift(points[:, 0], points[:, 1], numpy))
    return numpy.where(inside[:, None], shifted, points)


def array_to_wgs84(points: NDArray[numpy.float64], datum: Datum) -> NDArray[numpy.float64]:
    """Give an (n, 2) array of lon/lat degrees in `datum` as WGS-84, as `to_wgs84` does one."""
    if datum is Datum.wgs84:
        return points
    import numpy  # noqa: PLC0415 - as above

    inside = _are_in_china(points)
    wgs = points
    for _ in range(_ROUNDS):
        wgs = points - numpy.column_stack(_shift(wgs[:, 0], wgs[:, 1], numpy))
    return numpy.where(inside[:, None], wgs, points)


def _are_in_china(points: NDArray[numpy.float64]) -> NDArray[numpy.bool_]:
    west, south, east, north = _CHINA
    lon, lat = points[:, 0], points[:, 1]
    inside: NDArray[numpy.bool_] = (west <= lon) & (lon <= east) & (south <= lat) & (lat <= north)
    return inside


def _shift(lon: Any, lat: Any, maths: Any) -> tuple[Any, Any]:
    """Tell by how many degrees GCJ-02 lies off at a WGS-84 point.

    One formula for floats (`maths` is math: fast for one point) and arrays (`maths` is numpy).
    """
    sin, sqrt, pi = maths.sin, maths.sqrt, math.pi
    x, y = lon - 105.0, lat - 35.0
    ripple = 20.0 * sin(6 * pi * x) + 20.0 * sin(2 * pi * x)
    north_m = (
        -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
        + (ripple + 20.0 * sin(pi * y) + 40.0 * sin(pi * y / 3)) * 2.0 / 3.0
        + (160.0 * sin(pi * y / 12) + 320.0 * sin(pi * y / 30)) * 2.0 / 3.0
    )  # fmt: skip
    east_m = (
        300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
        + (ripple + 20.0 * sin(pi * x) + 40.0 * sin(pi * x / 3)) * 2.0 / 3.0
        + (150.0 * sin(pi * x / 12) + 300.0 * sin(pi * x / 30)) * 2.0 / 3.0
    )  # fmt: skip
    phi = lat * (pi / 180.0)
    w = 1.0 - _EE * sin(phi) ** 2
    degree_north_m = _A * (1.0 - _EE) / (w * sqrt(w)) * (pi / 180.0)
    degree_east_m = _A / sqrt(w) * maths.cos(phi) * (pi / 180.0)
    return east_m / degree_east_m, north_m / degree_north_m
