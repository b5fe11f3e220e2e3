"""Facts: gathers what the checks of `domain.evidence` look at, for many check-ins at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from app.database import Question
from app.domain import geometry
from app.domain.evidence import Neighbour
from app.errors import CommandFailed

if TYPE_CHECKING:  # loaded by `geometry` when it calculates
    from shapely.geometry.base import BaseGeometry

_AROUND = """
    SELECT n.n, c.at, c.lon, c.lat, c.accuracy_m
    FROM json_to_recordset(CAST(%(rows)s AS json))
      AS n (n int, id uuid, person_id uuid, at timestamptz)
    CROSS JOIN LATERAL (
      (SELECT at, lon, lat, accuracy_m FROM check_ins
       WHERE person_id = n.person_id AND at <= n.at AND id <> n.id AND withdrawn_at IS NULL
       ORDER BY at DESC LIMIT 1)
      UNION ALL
      (SELECT at, lon, lat, accuracy_m FROM check_ins
       WHERE person_id = n.person_id AND at > n.at AND id <> n.id AND withdrawn_at IS NULL
       ORDER BY at LIMIT 1)
    ) c
"""

_ELSEWHERE = """
    SELECT n.n, c.lon, c.lat
    FROM json_to_recordset(CAST(%(rows)s AS json))
      AS n (n int, person_id uuid, patrol_id uuid, at timestamptz)
    JOIN companions k ON k.person_id = n.person_id AND k.patrol_id <> n.patrol_id
      AND k.removed_at IS NULL AND k.declined_at IS NULL
    JOIN patrols p ON p.id = k.patrol_id AND n.at >= p.started_at
      AND (p.finished_at IS NULL OR p.finished_at >= n.at - interval '12 hours')
    CROSS JOIN LATERAL (
      SELECT at, lon, lat FROM check_ins WHERE patrol_id = p.id AND withdrawn_at IS NULL
      ORDER BY abs(extract(epoch FROM at - n.at)) LIMIT 1
    ) c
    -- As long as nobody said that it ended, the group is known to be out near its check-ins only.
    WHERE CASE WHEN p.finished_at IS NULL OR p.closed_by_us
      THEN abs(extract(epoch FROM c.at - n.at)) <= 1800 ELSE n.at <= p.finished_at END
"""

# At most fifty earlier ones are looked at: enough to see the days, and bounded whatever comes.
_IDENTICAL = """
    SELECT n.n, count(DISTINCT c.taken_on) AS days
    FROM json_to_recordset(CAST(%(rows)s AS json))
      AS n (n int, id uuid, person_id uuid, raw_lon float8, raw_lat float8, at timestamptz,
        day date)
    CROSS JOIN LATERAL (
      SELECT taken_on FROM check_ins
      WHERE person_id = n.person_id AND raw_lon = n.raw_lon AND raw_lat = n.raw_lat
        AND source <> 'chat' AND id <> n.id AND taken_on <> n.day AND withdrawn_at IS NULL
      ORDER BY at DESC LIMIT 50
    ) c
    GROUP BY n.n
"""

# Smaller and larger ids apart, so that a device's own owner's many rows are never walked through.
_SAME_DEVICE = """
    SELECT n.n
    FROM (SELECT *, make_interval(secs => %(apart)s) AS apart
          FROM json_to_recordset(CAST(%(rows)s AS json))
            AS r (n int, person_id uuid, patrol_id uuid, device text, at timestamptz)) AS n
    WHERE EXISTS (
      SELECT FROM check_ins c
      WHERE c.device = n.device AND c.person_id < n.person_id AND c.patrol_id <> n.patrol_id
        AND c.at BETWEEN n.at - n.apart AND n.at + n.apart
    ) OR EXISTS (
      SELECT FROM check_ins c
      WHERE c.device = n.device AND c.person_id > n.person_id AND c.patrol_id <> n.patrol_id
        AND c.at BETWEEN n.at - n.apart AND n.at + n.apart
    )
"""


@dataclass(frozen=True, slots=True)
class Visit:
    """What of a check-in the other records are compared with."""

    id: UUID
    person_id: UUID
    patrol_id: UUID
    at: datetime
    day: Any
    lon: float
    lat: float
    raw_lon: float
    raw_lat: float
    accuracy_m: float | None
    device: str | None
    picked_on_map: bool


@dataclass(slots=True)
class Surroundings:
    """What other records say about a visit."""

    neighbours: list[Neighbour]
    elsewhere_m: float | None = None
    identical_on_days: int = 0
    device_shared: bool | None = None


def questions(visits: Sequence[Visit], *, device_apart_s: int) -> list[Question | None]:
    """What to ask the database (`at_once`) about the visits; for `answered`."""
    measured = [visit for visit in visits if not visit.picked_on_map]
    points = _rows(measured, visits, "id", "person_id", "raw_lon", "raw_lat", "at", "day")
    told = [visit for visit in visits if visit.device]
    devices = _rows(told, visits, "person_id", "patrol_id", "device", "at")
    return [
        (_AROUND, {"rows": _rows(visits, visits, "id", "person_id", "at")}),
        (_ELSEWHERE, {"rows": _rows(visits, visits, "person_id", "patrol_id", "at")}),
        (_IDENTICAL, {"rows": points}) if measured else None,
        (_SAME_DEVICE, {"rows": devices, "apart": device_apart_s}) if told else None,
    ]


def answered(
    visits: Sequence[Visit], answers: Sequence[Sequence[Any]], *, device_apart_s: int
) -> list[Surroundings]:
    """Neighbours in time, the group elsewhere, identical coordinates, a shared device.

    From the answers to the visits' `questions`. Visits of the batch itself count as neighbours of
    those that stand behind them, as if they had been recorded before.
    """
    around, elsewhere, identical, devices = answers
    found = [Surroundings([]) for _ in visits]
    for n, at, lon, lat, accuracy_m in around:
        found[n].neighbours.append(Neighbour(at, lon, lat, accuracy_m))
    _among_themselves(visits, found)
    for n, lon, lat in elsewhere:
        metres = geometry.distance_m(visits[n].lon, visits[n].lat, lon, lat)
        found[n].elsewhere_m = max(metres, found[n].elsewhere_m or 0.0)
    for n, days in identical:
        found[n].identical_on_days = days
    shared = {row.n for row in devices}
    for n, visit in enumerate(visits):
        if visit.device:
            found[n].device_shared = n in shared or _shared_among(visits, n, device_apart_s)
    return found


def _among_themselves(visits: Sequence[Visit], found: Sequence[Surroundings]) -> None:
    """Judge each visit of one batch against those before it in the batch, as if recorded singly."""
    by_person: Mapping[UUID, list[Visit]] = defaultdict(list)
    for n, visit in enumerate(visits):
        earlier = by_person[visit.person_id]
        for side in (
            [other for other in earlier if other.at <= visit.at],
            [other for other in earlier if other.at > visit.at],
        ):
            if side:
                nearest = min(side, key=lambda other: abs((other.at - visit.at).total_seconds()))
                found[n].neighbours.append(
                    Neighbour(nearest.at, nearest.lon, nearest.lat, nearest.accuracy_m)
                )
        earlier.append(visit)


def _shared_among(visits: Sequence[Visit], n: int, apart_s: int) -> bool:
    visit = visits[n]
    return any(
        other.device == visit.device
        and other.person_id != visit.person_id
        and other.patrol_id != visit.patrol_id
        and abs((other.at - visit.at).total_seconds()) <= apart_s
        for other in visits[:n]
    )


def _rows(some: Sequence[Visit], visits: Sequence[Visit], *names: str) -> str:
    """Some of the visits as JSON rows; `n` is their place among all."""
    places = {id(visit): n for n, visit in enumerate(visits)}
    return orjson.dumps(
        [
            {"n": places[id(visit)], **{name: getattr(visit, name) for name in names}}
            for visit in some
        ]
    ).decode()


@lru_cache(maxsize=4)
def area_of_interest(path: Path) -> "BaseGeometry":
    """The deployment's area of interest, read once: at start, so that a bad file is named then.

    Raises `CommandFailed`.
    """
    # Imported where there is an area: it brings along all that imports of datasets need.
    from app.services.dataset.area import read_area_of_interest  # noqa: PLC0415
    from app.services.dataset.faults import BadDataset  # noqa: PLC0415

    try:
        area = read_area_of_interest(path)
    except BadDataset as error:
        raise CommandFailed(str(error)) from None
    geometry.prepare(area)
    return area


def is_in_area(path: Path | None, lon: float, lat: float) -> bool | None:
    """Whether the point lies in the deployment's area of interest; null when there is none."""
    return None if path is None else geometry.covers(area_of_interest(path), lon, lat)
