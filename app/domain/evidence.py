"""Evidence: the checks made on a check-in, and the verdict that follows from them.

Every check answers passed, failed, or null where it cannot be known; null never flags. The rules
are `_CONSEQUENCES`; whoever changes them or a check's meaning raises `RULES_VERSION`.
docs/evidence.md holds the table for readers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from app.domain.geometry import distance_m

RULES_VERSION = 1

Conclusion = Literal["accepted", "flagged", "rejected"]
CodeState = Literal["valid", "bad", "revoked"]

_M_S_PER_KM_H = 1 / 3.6
_SHORTEST_STEP_S = 10.0
_GPS_JUMP_M = 50.0

_CONSEQUENCES: Mapping[str, Conclusion] = {
    "area_of_interest": "flagged",
    "accuracy": "flagged",
    "stele_distance": "flagged",
    "stele_nearest": "flagged",
    "stele_code": "rejected",
    "stele_print": "flagged",
    "clock": "flagged",
    "age": "flagged",
    "patrol_time": "flagged",
    "speed": "flagged",
    "companion_elsewhere": "flagged",
    "identical_coordinates": "flagged",
    "device": "flagged",
    "photo_type": "flagged",
    "photo_taken": "flagged",
    "photo_reused": "flagged",
    "photo_near_same": "flagged",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of the checks; the names carry their units."""

    accuracy_m: float = 200
    assumed_chat_accuracy_m: float = 100
    accuracy_allowance_m: float = 100
    clock_ahead_s: int = 300
    age_days: int = 7
    patrol_grace_s: int = 300
    speed_kmh: float = 120
    identical_days: int = 5
    photo_taken_apart_s: int = 86_400
    near_same_bits: int = 3
    near_same_m: float = 500
    device_shared_s: int = 43_200
    companion_elsewhere_m: float = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `value` and `limit` are in the unit that the check is about."""

    check: str
    passed: bool | None
    value: float | str | None = None
    limit: float | str | None = None

    def as_dict(self) -> dict[str, object]:
        """As it is stored and answered."""
        return {
            "check": self.check,
            "passed": self.passed,
            "value": round(self.value, 1) if isinstance(self.value, float) else self.value,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another check-in of the same walker, next to this one in time."""

    at: datetime
    lon: float
    lat: float
    accuracy_m: float | None


@dataclass(frozen=True, slots=True)
class NamedStele:
    """The stele that the check-in names, how far it is, and how far the nearest one is."""

    distance_m: float
    radius_m: float
    nearest_distance_m: float
    nearest_is_named: bool
    code: CodeState | None


@dataclass(frozen=True, slots=True)
class PhotoUse:
    """An earlier use of the same, or nearly the same, image by somebody."""

    person_id: UUID
    patrol_id: UUID
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class PhotoFact:
    """What is known of one photo of the check-in; `near` is null until its hash could be made."""

    content_type: str
    taken_at: datetime | None
    same: Sequence[PhotoUse] = ()
    near: Sequence[PhotoUse] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the checks look at; `elsewhere_m`: how far off the group was that one was with."""

    at: datetime
    received_at: datetime
    person_id: UUID
    patrol_id: UUID
    lon: float
    lat: float
    accuracy_m: float | None
    picked_on_map: bool
    in_area_of_interest: bool | None
    stele: NamedStele | None
    patrol_times: tuple[datetime, datetime | None] | None
    neighbours: Sequence[Neighbour]
    elsewhere_m: float | None
    identical_on_days: int
    device_shared: bool | None


def allowance_m(accuracy_m: float | None, picked_on_map: bool, limits: Limits) -> float:
    """How far a position may be off: its own accuracy, capped, or what a tap on a map may err."""
    stated = limits.assumed_chat_accuracy_m if picked_on_map else (accuracy_m or 0.0)
    return min(stated, limits.accuracy_allowance_m)


def judge(facts: Facts, limits: Limits) -> tuple[Conclusion, list[Finding]]:
    """All findings in the order of the table, and the verdict."""
    findings = [
        Finding("area_of_interest", facts.in_area_of_interest),
        _accuracy(facts, limits),
        *_stele(facts, limits),
        *_times(facts, limits),
        _speed(facts, limits),
        _elsewhere(facts, limits),
        _identical(facts, limits),
        Finding("device", None if facts.device_shared is None else not facts.device_shared),
        *judge_photos(
            (),
            at=facts.at,
            person_id=facts.person_id,
            patrol_id=facts.patrol_id,
            lon=facts.lon,
            lat=facts.lat,
            limits=limits,
        ),
    ]
    return conclude(findings), findings


def conclude(findings: Sequence[Finding]) -> Conclusion:
    """The worst consequence of what failed."""
    failed = {_CONSEQUENCES[finding.check] for finding in findings if finding.passed is False}
    if "rejected" in failed:
        return "rejected"
    return "flagged" if failed else "accepted"


def _accuracy(facts: Facts, limits: Limits) -> Finding:
    if facts.accuracy_m is None or facts.picked_on_map:
        return Finding("accuracy", None, facts.accuracy_m, limits.accuracy_m)
    # No receiver knows its place to 0 m: simulated positions say so.
    passed = 0 < facts.accuracy_m <= limits.accuracy_m
    return Finding("accuracy", passed, facts.accuracy_m, limits.accuracy_m)


def _stele(facts: Facts, limits: Limits) -> list[Finding]:
    stele = facts.stele
    if stele is None:
        return [
            Finding(name, None)
            for name in ("stele_distance", "stele_nearest", "stele_code", "stele_print")
        ]
    allowance = allowance_m(facts.accuracy_m, facts.picked_on_map, limits)
    within = stele.radius_m + allowance
    nearer_by = 0.0 if stele.nearest_is_named else stele.distance_m - stele.nearest_distance_m
    signature = None if stele.code is None else stele.code != "bad"
    edition = None if stele.code in {None, "bad"} else stele.code != "revoked"
    return [
        Finding("stele_distance", stele.distance_m <= within, stele.distance_m, within),
        # Between two steles the position's own error may decide which one is nearer.
        Finding("stele_nearest", nearer_by <= 2 * allowance, nearer_by, 2 * allowance),
        Finding("stele_code", signature, stele.code),
        Finding("stele_print", edition, stele.code),
    ]


def _times(facts: Facts, limits: Limits) -> list[Finding]:
    ahead = (facts.at - facts.received_at).total_seconds()
    oldest = limits.age_days * 86_400
    findings = [
        Finding("clock", ahead <= limits.clock_ahead_s, max(0.0, ahead), limits.clock_ahead_s),
        Finding("age", -ahead <= oldest, max(0.0, -ahead), oldest),
    ]
    if facts.patrol_times is None:
        return [*findings, Finding("patrol_time", None, None, limits.patrol_grace_s)]
    start, end = facts.patrol_times
    outside = max(start - facts.at, facts.at - end if end else timedelta(0), timedelta(0))
    seconds = outside.total_seconds()
    return [
        *findings,
        Finding("patrol_time", seconds <= limits.patrol_grace_s, seconds, limits.patrol_grace_s),
    ]


def _speed(facts: Facts, limits: Limits) -> Finding:
    if not facts.neighbours:
        return Finding("speed", None, None, limits.speed_kmh)
    fastest = 0.0
    own = allowance_m(facts.accuracy_m, facts.picked_on_map, limits)
    for other in facts.neighbours:
        # A chat position has no accuracy of its own; it was picked on a map.
        theirs = allowance_m(other.accuracy_m, other.accuracy_m is None, limits)
        metres = distance_m(facts.lon, facts.lat, other.lon, other.lat)
        beyond_error = max(0.0, metres - own - theirs - _GPS_JUMP_M)
        seconds = max(abs((facts.at - other.at).total_seconds()), _SHORTEST_STEP_S)
        fastest = max(fastest, beyond_error / seconds / _M_S_PER_KM_H)
    return Finding("speed", fastest <= limits.speed_kmh, fastest, limits.speed_kmh)


def _elsewhere(facts: Facts, limits: Limits) -> Finding:
    limit = limits.companion_elsewhere_m
    passed = None if facts.elsewhere_m is None else facts.elsewhere_m <= limit
    return Finding("companion_elsewhere", passed, facts.elsewhere_m, limit)


def _identical(facts: Facts, limits: Limits) -> Finding:
    if facts.picked_on_map:
        return Finding("identical_coordinates", None, None, limits.identical_days)
    days = facts.identical_on_days
    return Finding(
        "identical_coordinates", days <= limits.identical_days, days, limits.identical_days
    )


def judge_photos(
    photos: Sequence[PhotoFact],
    *,
    at: datetime,
    person_id: UUID,
    patrol_id: UUID,
    lon: float,
    lat: float,
    limits: Limits,
) -> list[Finding]:
    """The findings about the photos of a check-in, which may arrive long after it."""

    # Companions of one patrol send one another their pictures.
    def counts(use: PhotoUse) -> bool:
        return use.person_id == person_id or use.patrol_id != patrol_id

    same = [use for photo in photos for use in photo.same if counts(use)]
    hashed = [photo.near for photo in photos if photo.near is not None]
    near = [use for uses in hashed for use in uses if counts(use)]
    # The same person at the same place takes much the same picture every week: only noted.
    doubtful = [
        use
        for use in near
        if use.person_id != person_id or distance_m(use.lon, use.lat, lon, lat) > limits.near_same_m
    ]
    return [
        _photo_type(photos),
        _photo_taken(photos, at, limits),
        Finding("photo_reused", not same if photos else None, len(same) if photos else None, 0),
        Finding(
            "photo_near_same", not doubtful if hashed else None, len(near) if hashed else None, 0
        ),
    ]


def _photo_type(photos: Sequence[PhotoFact]) -> Finding:
    """Cameras write JPEG or HEIC; a PNG may be a screenshot, which alone proves nothing."""
    types = sorted({photo.content_type for photo in photos})
    known = bool(types) and all(kind in {"image/jpeg", "image/heic"} for kind in types)
    return Finding("photo_type", True if known else None, ", ".join(types) or None)


def _photo_taken(photos: Sequence[PhotoFact], at: datetime, limits: Limits) -> Finding:
    limit = limits.photo_taken_apart_s
    apart = [
        abs((photo.taken_at - at).total_seconds()) for photo in photos if photo.taken_at is not None
    ]
    if not apart:
        return Finding("photo_taken", None, None, limit)
    return Finding("photo_taken", max(apart) <= limit, max(apart), limit)


def renew(
    evidence: Sequence[Mapping[str, object]], findings: Sequence[Finding]
) -> tuple[Conclusion, list[dict[str, object]]]:
    """Stored evidence with some findings replaced, and the verdict that follows now."""
    new = {finding.check: finding.as_dict() for finding in findings}
    renewed = [new.get(str(entry["check"]), dict(entry)) for entry in evidence]
    failed = [
        Finding(str(entry["check"]), passed=False) for entry in renewed if entry["passed"] is False
    ]
    return conclude(failed), renewed
