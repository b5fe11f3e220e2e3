"""Tracks: which points of a walk count, and how far they lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.domain.geometry import distance_m

_LEAST_ACCURATE_M = 100.0
_AHEAD = timedelta(minutes=5)
_FASTEST_M_S = 120 / 3.6
_GPS_JUMP_M = 50.0

Reason = Literal["inaccurate", "too_fast", "duplicate", "future", "outside"]


@dataclass(frozen=True, slots=True)
class Fix:
    """One point of the line walked: WGS-84 degrees."""

    seq: int
    at: datetime
    lon: float
    lat: float
    accuracy_m: float | None


def marks(
    fixes: Sequence[Fix], received_at: Sequence[datetime], *, started_at: datetime
) -> list[Reason | None]:
    """Why each fix does not count, None for those that do; `fixes` in the order of (at, seq).

    `received_at` is when each arrived. Marked are: worse than 100 m; later than it arrived; before
    the patrol; the same instant as the kept one before; a jump from it that nobody walks or drives.
    """
    reasons = [
        _of_itself(fix, started_at, received)
        for fix, received in zip(fixes, received_at, strict=True)
    ]
    usable = [n for n, reason in enumerate(reasons) if reason is None]
    # A first fix that is far off must not throw out all that follow: it counts only if one of the
    # next two agrees with it.
    while len(usable) > 1 and all(_is_jump(fixes[usable[0]], fixes[n]) for n in usable[1:3]):
        reasons[usable.pop(0)] = "too_fast"
    kept: Fix | None = None
    for n in usable:
        fix = fixes[n]
        if kept is not None and fix.at == kept.at:
            reasons[n] = "duplicate"
        elif kept is not None and _is_jump(kept, fix):
            reasons[n] = "too_fast"
        else:
            kept = fix
    return reasons


def _of_itself(fix: Fix, started_at: datetime, received_at: datetime) -> Reason | None:
    if fix.at > received_at + _AHEAD:
        return "future"
    if fix.at < started_at - _AHEAD:
        return "outside"
    if fix.accuracy_m is not None and fix.accuracy_m > _LEAST_ACCURATE_M:
        return "inaccurate"
    return None


def _is_jump(a: Fix, b: Fix) -> bool:
    seconds = (b.at - a.at).total_seconds()
    return distance_m(a.lon, a.lat, b.lon, b.lat) - _GPS_JUMP_M > _FASTEST_M_S * seconds
