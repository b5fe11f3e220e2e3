"""A 64-bit hash of how a picture looks: near-same pictures differ in few bits.

The signs, around their median, of the 8×8 lowest frequencies (cosine transform) of the picture at
32×32 grey values. Recompression and resizing move at most two of the bits on the pictures we tried
(see tests/domain/test_perceptual_hash.py); gradients between neighbours moved up to nine.
"""

import math
import statistics
from collections.abc import Sequence
from operator import mul

SIDE = 32
_LOW = 8
_DARK = 20
_FLAT = 6

_COSINES = [
    [math.cos(math.pi * (2 * x + 1) * u / (2 * SIDE)) for x in range(SIDE)] for u in range(_LOW)
]


def perceptual_hash(grey: Sequence[int]) -> int | None:
    """The hash of 32×32 grey values (0..255, row by row), as PostgreSQL's signed 64-bit bigint.

    None for a dark or flat picture: a lens cap resembles every other lens cap.
    """
    if statistics.fmean(grey) < _DARK or statistics.pstdev(grey) < _FLAT:
        return None
    rows = [grey[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE)]
    across = [[_dot(row, wave) for wave in _COSINES] for row in rows]
    columns = list(zip(*across, strict=True))
    waves = [_dot(column, wave) for wave in _COSINES for column in columns]
    middle = statistics.median(waves)
    bits = 0
    for wave in waves:
        bits = bits << 1 | (wave > middle)
    return _signed(bits, 64)


def bands(value: int) -> tuple[int, int, int, int]:
    """The hash in four parts of 16 bits, signed: hashes at most 3 bits apart share a part."""
    first, second, third, fourth = ((value >> shift) & 0xFFFF for shift in (48, 32, 16, 0))
    return _signed(first, 16), _signed(second, 16), _signed(third, 16), _signed(fourth, 16)


def distance(one: int, other: int) -> int:
    """In how many of the 64 bits two hashes differ."""
    return ((one ^ other) & (1 << 64) - 1).bit_count()


def _dot(values: Sequence[float], wave: Sequence[float]) -> float:
    return math.fsum(map(mul, values, wave))


def _signed(bits: int, width: int) -> int:
    return bits - (1 << width) if bits >> (width - 1) else bits
