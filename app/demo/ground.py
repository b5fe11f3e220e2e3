"""The ground: places to stand on, errors to make, and lines to walk, in degrees of WGS-84."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from random import Random

import shapely
from shapely.geometry import LineString, Point
from shapely.geometry.base import BaseGeometry

from app.demo import dataset

# Metres to a degree at 24.9° N; good enough for a story.
_NORTH_M, _EAST_M = 110_780.0, 101_050.0
_CLEAR_M = 110.0

Spot = tuple[float, float]


def moved(spot: Spot, east_m: float, north_m: float) -> Spot:
    """The spot so many metres to the east and north."""
    return spot[0] + east_m / _EAST_M, spot[1] + north_m / _NORTH_M


def astray(spot: Spot, dice: Random, error_m: float) -> Spot:
    """The spot with a Gaussian error, in each direction, that adds up to about `error_m`."""
    sigma = error_m / math.sqrt(2)
    east, north = (max(-1.8 * sigma, min(1.8 * sigma, dice.gauss(0, sigma))) for _ in range(2))
    return moved(spot, east, north)


def place_of(kind: str, code: str, dice: Random) -> Spot:
    """Somewhere in the area: at the stele, on the reach, by the water of the cell."""
    if kind == "stele":
        point = dataset.geometry(kind, code)
        return point.x, point.y
    if kind == "any":
        kind, code = "reach", dice.choice(dataset.codes("reach"))
    if kind == "reach":
        line = dataset.geometry(kind, code)
        point = line.interpolate(dice.uniform(0.08, 0.92), normalized=True)
        return point.x, point.y
    inner = _inner(kind, code)
    if banks := _banks(kind, code):
        point = dice.choice(banks).interpolate(dice.uniform(0.1, 0.9), normalized=True)
        return point.x, point.y
    west, south, east, north = inner.bounds
    while True:
        spot = dice.uniform(west, east), dice.uniform(south, north)
        if inner.contains(Point(spot)):
            return spot


def line_of(kind: str, code: str, start: Spot, metres: float, dice: Random) -> list[Spot]:
    """A line of about that length, a fix every 40 m: by the water, to and fro where it is short."""
    line = _way(kind, code, Point(start), dice)
    long_m = _length_m(line)
    step = 40.0
    begin = line.project(Point(start), normalized=True) * long_m
    if kind == "reach":
        begin = max(0.0, min(begin, long_m - metres))
    points = []
    for n in range(max(8, round(metres / step)) + 1):
        # A wave of the way's length: at its end, back again.
        along = (begin + n * step) % (2 * long_m)
        at = line.interpolate(min(along, 2 * long_m - along) / long_m, normalized=True)
        points.append((at.x, at.y))
    return points


def _way(kind: str, code: str, start: Point, dice: Random) -> LineString:
    """The water's line next to `start`, or the longest straight way through it within the area."""
    if kind == "reach":
        return dataset.geometry(kind, code)
    inner = _inner(kind, code)
    pieces = [piece for bank in _banks(kind, code) for piece in shapely.get_parts(bank)]
    if not pieces:
        far = max(inner.bounds[2] - inner.bounds[0], inner.bounds[3] - inner.bounds[1])
        for _ in range(8):
            turn = dice.uniform(0, math.pi)
            east, north = far * math.cos(turn), far * math.sin(turn)
            ray = LineString([(start.x - east, start.y - north), (start.x + east, start.y + north)])
            pieces.extend(shapely.get_parts(inner.intersection(ray)))
        near = [piece for piece in pieces if piece.distance(start) < 1e-7]
        return max(near or pieces, key=lambda piece: piece.length)
    return min(pieces, key=lambda piece: (piece.distance(start), -piece.length))


def _length_m(line: LineString) -> float:
    spots = list(line.coords)
    return sum(
        math.hypot((b[0] - a[0]) * _EAST_M, (b[1] - a[1]) * _NORTH_M) for a, b in pairwise(spots)
    )


@cache
def _banks(kind: str, code: str) -> Sequence[BaseGeometry]:
    """The water's lines within the area."""
    inner = _inner(kind, code)
    reaches = (dataset.geometry("reach", reach) for reach in dataset.codes("reach"))
    return [line for line in map(inner.intersection, reaches) if line.length > 0]


@cache
def _inner(kind: str, code: str) -> BaseGeometry:
    """What lies well inside, so that an honest error does not lead out of the area."""
    shape = dataset.geometry(kind, code)
    for clear in (_CLEAR_M, _CLEAR_M / 2, _CLEAR_M / 4):
        inner = shape.buffer(-clear / _NORTH_M)
        if not inner.is_empty:
            return inner
    return shape
