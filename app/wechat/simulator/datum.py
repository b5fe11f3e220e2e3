"""WGS-84 to GCJ-02, as a phone's map shows a position (its own copy: it checks ours)."""

from math import cos, pi, sin, sqrt

AXIS = 6378245.0
ECCENTRICITY = 0.00669342162296594323


def outside_china(lon: float, lat: float) -> bool:
    """Where maps are not shifted."""
    return not (72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271)


def _wave(x: float, *terms: tuple[float, float]) -> float:
    return sum(weight * sin(x * rate) for weight, rate in terms) * 2.0 / 3.0


def to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """The shifted (lon, lat) in degrees."""
    if outside_china(lon, lat):
        return lon, lat
    x, y = lon - 105.0, lat - 35.0
    root = sqrt(abs(x))
    both = _wave(x * pi, (20.0, 6.0), (20.0, 2.0))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    north += _wave(y * pi, (20.0, 1.0), (40.0, 1 / 3), (160.0, 1 / 12), (320.0, 1 / 30))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    east += _wave(x * pi, (20.0, 1.0), (40.0, 1 / 3), (150.0, 1 / 12), (300.0, 1 / 30))
    phi = lat * pi / 180.0
    magic = 1 - ECCENTRICITY * sin(phi) ** 2
    d_lat = north * 180.0 * magic * sqrt(magic) / (AXIS * (1 - ECCENTRICITY) * pi)
    d_lon = east * 180.0 * sqrt(magic) / (AXIS * cos(phi) * pi)
    return lon + d_lon, lat + d_lat
