"""Tricks, and honest look-alikes: what each does, when, and what the evidence must say of it.

The days count back from the demo's first start, so that the reviews are fresh.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from shapely.geometry import Point

from app import clock
from app.demo import dataset, ground
from app.demo.ground import Spot
from app.demo.plan import Code, Outing, Picture, Visit, picked_on_map
from app.models import PatrolKind, Verdict

_OUTSIDE_M = 900


@dataclass(frozen=True, slots=True)
class Review:
    """What a manager said, or the sender's one answer (`verdict` None), on that day."""

    person: str
    days_ago: int
    words: str
    verdict: Verdict | None
    hour: int = 10


@dataclass(frozen=True, slots=True)
class Trick:
    """Outings in the order in which they were received, and what must come of their visits.

    `failed` names, by the visit's key, the checks that must fail; of every other visit none may.
    """

    key: str
    outings: Sequence[Outing]
    failed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reviewed: str = ""
    reviews: Sequence[Review] = ()


def every(first_day: date) -> list[Trick]:
    """All of them, for a demo first started on that day."""
    return [*_tricks(first_day), *_look_alikes(first_day)]


def kept_free(tricks: Sequence[Trick]) -> set[tuple[str, date]]:
    """Who is busy with them, and on which days."""
    return {
        (person, outing.on)
        for trick in tricks
        for outing in trick.outings
        for person in [outing.person, *outing.companions, *(v.person for v in outing.visits)]
    }


def _tricks(day: date) -> list[Trick]:
    e03, e06, e09 = (_stele(n) for n in (3, 6, 9))
    reused = Picture("trick/P118", fixed=True)
    copied = Picture("trick/P130", fixed=True)
    fixed = _inside("grid_cell", "W-YZDH-05")
    days = (24, 21, 18, 15, 12, 8, 4)
    pinned = [_phone(f"P057/{n}", "P057", day, n, fixed, accuracy_m=12.0) for n in days]
    west = _inside("grid_cell", "W-AWN-03")
    jump = [
        _visit("P041/1", "P041", _at(day, 17, 9, 20), west),
        _visit("P041/2", "P041", _at(day, 17, 9, 24), ground.moved(west, 4000, -8062)),
    ]
    return [
        Trick(
            "P118",
            [
                _chat("P118/1", "P118", day, 70, e03, pictures=[reused]),
                _chat("P118/2", "P118", day, 41, e03, pictures=[reused]),
            ],
            {"P118/2": frozenset({"photo_reused"})},
            reviewed="P118/2",
            reviews=[
                Review("P010", 38, "照片与上月的相同，请重新到场拍摄（示例）", Verdict.rejected),
                Review("P118", 38, "当天手机没有拍成，用了旧照片，下次注意（示例）", None, hour=15),
            ],
        ),
        Trick(
            "P134",
            [
                _chat("P130/1", "P130", day, 36, _stele(15), pictures=[copied]),
                _chat(
                    "P134/1",
                    "P134",
                    day,
                    33,
                    _stele(19),
                    pictures=[Picture("trick/P130", fixed=True, smaller=True)],
                ),
            ],
            {"P134/1": frozenset({"photo_near_same"})},
        ),
        Trick(
            "P126",
            [
                _phone(
                    "P126/1",
                    "P126",
                    day,
                    28,
                    ground.moved(_stele(11), 4000, 0),
                    accuracy_m=20.0,
                    stele="YZH-E11",
                )
            ],
            {"P126/1": frozenset({"stele_distance", "stele_nearest"})},
            reviewed="P126/1",
            reviews=[
                Review("P010", 28, "离界碑约4公里，请说明情况（示例）", Verdict.flagged, hour=16),
                Review("P126", 27, "示例：界碑临时移位", None, hour=9),
                Review("P010", 27, "情况属实，界碑临时移位（示例）", Verdict.accepted, hour=11),
            ],
        ),
        Trick(
            "P123",
            [_phone("P123/1", "P123", day, 25, e09, accuracy_m=15.0, stele="YZH-E08")],
            {"P123/1": frozenset({"stele_distance", "stele_nearest"})},
        ),
        Trick("P057", pinned, {"P057/4": frozenset({"identical_coordinates"})}),
        Trick(
            "P085",
            [
                _phone(
                    "P085/1",
                    "P085",
                    day,
                    20,
                    _inside("grid_cell", "W-QXH-09"),
                    device="demo-shared",
                ),
                _phone(
                    "P095/1",
                    "P095",
                    day,
                    20,
                    _inside("grid_cell", "W-BYH-05"),
                    minute=50,
                    device="demo-shared",
                ),
            ],
            {"P095/1": frozenset({"device"})},
        ),
        Trick(
            "P041",
            [_patrol("P041", "P041", day, 17, jump)],
            {"P041/2": frozenset({"speed"})},
            reviewed="P041/2",
            reviews=[
                Review("P039", 16, "4分钟走不了9公里，请以实际位置为准（示例）", Verdict.rejected)
            ],
        ),
        Trick(
            "P029",
            [_phone("P029/1", "P029", day, 15, _outside(), accuracy_m=0.0)],
            {"P029/1": frozenset({"accuracy"})},
        ),
        Trick(
            "P113",
            [
                _phone(
                    "P113/1",
                    "P113",
                    day,
                    12,
                    _inside("grid_cell", "W-YCH-13"),
                    pictures=[Picture("trick/P113", fixed=True, taken_at=_at(day, 52, 10, 0))],
                )
            ],
            {"P113/1": frozenset({"photo_taken"})},
        ),
        Trick(
            "P121",
            [_chat("P121/1", "P121", day, 9, e06, stele="YZH-E06", code="called in")],
            {"P121/1": frozenset({"stele_print"})},
        ),
        Trick(
            "P137",
            [_chat("P137/1", "P137", day, 6, _stele(22), stele="YZH-E22", code="forged")],
            {"P137/1": frozenset({"stele_code"})},
        ),
    ]


def _look_alikes(day: date) -> list[Trick]:
    bank = _inside("grid_cell", "W-YZDH-09")
    group = Picture("trick/P062", fixed=True)
    together = [
        _visit(
            f"P062/{person}",
            person,
            _at(day, 13, 9, 30 + n),
            ground.moved(bank, 3.0 * n, 2.0 * n),
            pictures=[group],
            device="demo-P062",
        )
        for n, person in enumerate(("P062", "P061", "P063", "P065"))
    ]
    queue = [
        _visit(
            f"P065/{n}",
            "P065",
            _at(day, 11, 9, 10 + 12 * n),
            ground.moved(bank, 60.0 * n, 80.0 * n),
            days_late=6,
        )
        for n in (1, 2, 0)
    ]
    return [
        Trick(
            "P122",
            [
                _chat(
                    f"P122/{n}",
                    "P122",
                    day,
                    n,
                    _stele(7),
                    stele="YZH-E07",
                    code="good",
                    pictures=[Picture("trick/P122", fixed=True, again=again)],
                )
                for again, n in enumerate((53, 31, 10))
            ],
        ),
        Trick(
            "P125",
            [
                _phone(
                    "P125/1",
                    "P125",
                    day,
                    8,
                    ground.moved(_stele(10), 54, 72),
                    accuracy_m=60.0,
                    stele="YZH-E10",
                )
            ],
        ),
        Trick("P065", [_patrol("P065", "P065", day, 11, queue, days_late=6)]),
        Trick(
            "P062",
            [_patrol("P062", "P062", day, 13, together, companions=("P061", "P063", "P065"))],
        ),
    ]


def _at(day: date, days_ago: int, hour: int, minute: int) -> datetime:
    on = datetime.combine(day - timedelta(days=days_ago), time(hour, minute), clock.LAKE)
    return on.astimezone(UTC)


def moment_of(day: date, review: Review) -> datetime:
    """When a review or an answer was given."""
    return _at(day, review.days_ago, review.hour, 12)


def _stele(number: int) -> Spot:
    point = dataset.geometry("stele", f"YZH-E{number:02}")
    return point.x, point.y


def _inside(kind: str, code: str) -> Spot:
    point = dataset.geometry(kind, code).representative_point()
    return point.x, point.y


def _outside() -> Spot:
    """So far to the east of the lake's middle that every cell is 900 m away."""
    everything = dataset.geometry("grid_cell", "W0")
    spot = ground.moved((103.005, 24.91), 0, 0)
    while everything.distance(Point(spot)) * math.cos(math.radians(24.9)) * 111_320 < _OUTSIDE_M:
        spot = ground.moved(spot, 50, 0)
    return spot


def _visit(
    key: str,
    person: str,
    at: datetime,
    spot: Spot,
    *,
    accuracy_m: float = 15.0,
    stele: str | None = None,
    pictures: Sequence[Picture] = (),
    device: str | None = None,
    days_late: int = 0,
) -> Visit:
    """By the mini-program, in WGS-84."""
    return Visit(
        key=key,
        person=person,
        at=at,
        received_at=at + timedelta(days=days_late, seconds=5),
        lon=round(spot[0], 6),
        lat=round(spot[1], 6),
        datum="wgs84",
        accuracy_m=accuracy_m,
        stele=stele,
        photos_expected=len(pictures) or None,
        pictures=pictures,
        device=device or f"demo-{person}",
    )


def _phone(
    key: str,
    person: str,
    day: date,
    days_ago: int,
    spot: Spot,
    *,
    minute: int = 10,
    accuracy_m: float = 15.0,
    stele: str | None = None,
    pictures: Sequence[Picture] = (),
    device: str | None = None,
) -> Outing:
    """One visit by the mini-program, on a patrol of its own."""
    at = _at(day, days_ago, 9, minute)
    visit = _visit(
        key,
        person,
        at,
        spot,
        accuracy_m=accuracy_m,
        stele=stele,
        pictures=pictures,
        device=device,
    )
    return _patrol(key, person, day, days_ago, [visit])


def _patrol(
    key: str,
    person: str,
    day: date,
    days_ago: int,
    visits: Sequence[Visit],
    *,
    companions: Sequence[str] = (),
    days_late: int = 0,
) -> Outing:
    finished_at = _at(day, days_ago, 10, 10)
    return Outing(
        key=key,
        person=person,
        on=day - timedelta(days=days_ago),
        chat=False,
        kind=PatrolKind.foot,
        reach=None,
        started_at=_at(day, days_ago, 9, 0),
        finished_at=finished_at,
        received_at=finished_at + timedelta(days=days_late, seconds=9),
        visits=visits,
        track=(),
        companions=companions,
        some=False,
        note=None,
    )


def _chat(
    key: str,
    person: str,
    day: date,
    days_ago: int,
    spot: Spot,
    *,
    stele: str | None = None,
    code: Code = "",
    pictures: Sequence[Picture] = (),
) -> Outing:
    """One visit by the chat, picked on its map."""
    at = _at(day, days_ago, 9, 20)
    lon, lat = picked_on_map(spot)
    visit = Visit(
        key=key,
        person=person,
        at=at,
        received_at=at + timedelta(seconds=2),
        lon=lon,
        lat=lat,
        datum="gcj02",
        accuracy_m=None,
        stele=stele,
        code=code,
        pictures=pictures,
    )
    return Outing(
        key=key,
        person=person,
        on=day - timedelta(days=days_ago),
        chat=True,
        kind=PatrolKind.foot,
        reach=None,
        started_at=at,
        finished_at=at,
        received_at=visit.received_at,
        visits=[visit],
        track=(),
        companions=(),
        some=False,
        note=None,
    )
