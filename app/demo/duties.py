"""Who walks how often: the table of demo/README.md."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from app.demo import dataset
from app.demo.calendar import When, evenly, last_days, monthly, once_in, only, weekly
from app.demo.people import MINI_ONLY
from app.models import PatrolKind

# Until the day before there was paper, and the pilot of two villages.
EVERYBODY_FROM = date(2026, 6, 1)
PILOT = frozenset(f"P{n:03}" for n in range(71, 81)) - {"P077"}
_SUMMER_SEASON, _BIRDS = range(5, 11), (11, 12, 1, 2, 3)
_AUGUST, _JULY = date(2026, 8, 1), date(2026, 7, 1)


@dataclass(frozen=True, slots=True)
class Duty:
    """A duty as the demo's people fulfil it.

    `walkers` and `areas` (kind, code) take turns. `chat`: the share that comes by the chat;
    `scans`: the share that names its stele by the code on it. `track_m`: metres walked (from, to)
    where the phone records a line. `minutes`: how long they are out.
    """

    code: str
    holder: str
    walkers: Sequence[str]
    areas: Sequence[tuple[str, str]]
    when: When
    chat: float = 0.5
    scans: float = 0.0
    track_m: tuple[int, int] | None = None
    minutes: tuple[int, int] = (20, 60)
    kinds: Sequence[PatrolKind] = (PatrolKind.foot,)
    workdays: bool = False
    photo: bool = True


@cache
def table() -> Sequence[Duty]:
    """Every duty that anybody fulfils; the first come first where a day is free for one only."""
    return [*_enterprises(), *_villages(), *_departments(), *_special(), *_chiefs()]


@cache
def walkers() -> frozenset[str]:
    """Everybody who is out at some time or other, by the table or by a trick."""
    return frozenset(code for duty in table() for code in duty.walkers) | {"P137", "P113"}


def _with_phone(*codes: str) -> list[str]:
    return [code for code in codes if code in dataset.phones()]


def _enterprises() -> list[Duty]:
    steady, around, behind = monthly(0.97), monthly(0.75), monthly(0.3)
    rhythms: dict[int, When] = dict.fromkeys((1, 2, 4, 7, 10, 14, 15), steady)
    rhythms |= dict.fromkeys((3, 5, 8, 9, 11, 13, 18, 19), around)
    rhythms |= {6: behind, 16: behind, 12: monthly(2, since=_AUGUST), 21: only(date(2026, 7, 9))}
    return [
        Duty(
            code=f"RW-QY{n:02}",
            holder=f"QY{n:02}",
            walkers=[f"P{115 + n}"],
            areas=[("stele", f"YZH-E{n:02}")],
            when=when,
            # Who does not follow has no chat.
            chat=0.0 if f"P{115 + n}" in MINI_ONLY else 1.0,
            # The model of the year sends his position from the map, always the same.
            scans=0.0 if n == 1 else 0.6,
        )
        for n, when in sorted(rhythms.items())
    ]


def _villages() -> list[Duty]:
    duties = []
    areas = {
        row["code"]: (row["area_kind"], row["area_code"]) for row in dataset.rows("obligations")
    }
    for n in range(1, 14):
        secretary, committee, head, member, worker = (f"P{46 + 5 * n + k:03}" for k in range(5))
        village = f"CUN{n:02}"
        branch = _with_phone(committee, head, member)
        when = monthly(0.98 if n in {1, 3, 5, 8, 10} else 0.75)
        if n in {3, 6}:
            branch = {3: [committee, head], 6: [head, member]}[n]
        elif n == 11:
            branch, when = [committee], monthly(0.9, until=_JULY)
        elif n == 13:
            branch, when = [committee], last_days(0.3)
        code = f"RW-{village}-ZB"
        duties.append(Duty(code, f"{village}-ZB", branch, [areas[code]], when, track_m=(800, 2000)))
        code = f"RW-{village}-HDZ"
        duties.append(
            Duty(
                code,
                secretary,
                [secretary],
                [areas[code]],
                monthly(0.85),
                chat=0.0,
                track_m=(1000, 3000),
                minutes=(30, 80),
            )
        )
        code = f"RW-{village}-WG"
        if code in areas and worker in dataset.phones():
            season = weekly(0.9, months=_SUMMER_SEASON, summer=0.7)
            duties.append(Duty(code, worker, [worker], [areas[code]], season, track_m=(500, 1500)))
        elif code in areas:  # somebody goes in their place
            season = weekly(0.5, months=_SUMMER_SEASON)
            duties.append(Duty(f"{code}-DX", worker, [committee], [areas[code]], season, chat=1.0))
    return duties


def _departments() -> list[Duty]:
    people = {
        f"BM{n:02}": _with_phone(*(f"P{7 + 4 * n + k:03}" for k in range(4))) for n in range(1, 11)
    }
    rhythms: dict[str, When] = dict.fromkeys(("BM03", "BM04"), evenly(0.7))
    rhythms |= dict.fromkeys(("BM01", "BM02", "BM05", "BM07", "BM10"), evenly(0.5))
    rhythms |= {"BM09": evenly(0.35), "BM06": evenly(0.2), "BM08": only(date(2026, 7, 16))}
    duties = []
    for code, when in sorted(rhythms.items()):
        reaches = [
            ("reach", row["reach_code"])
            for row in dataset.rows("pairings")
            if row["department_code"] == code and row["reach_code"]
        ]
        duty = Duty(
            f"PAIR-{code}",
            code,
            people[code],
            reaches,
            when,
            chat=0.7,
            track_m=(800, 2000),
            workdays=True,
        )
        if code == "BM06":
            duty = replace(
                duty, walkers=["P031"], chat=0.0, track_m=None, kinds=(PatrolKind.site_meeting,)
            )
        elif code == "BM08":
            duty = replace(duty, walkers=["P042"])
        duties.append(duty)
    return duties


def _special() -> list[Duty]:
    """Duties with rules of their own, and the outings that must not count for them."""
    boat, foot = (PatrolKind.boat,), (PatrolKind.foot,)
    lake, bank, west = ("grid_cell", "W-HN"), ("grid_cell", "W-AE-02"), ("grid_cell", "W-AWN")
    birds = weekly(0.9, months=_BIRDS, since=date(2026, 11, 1))
    return [
        Duty(
            "RW-HN-LAN",
            "P025",
            ["P025"],
            [lake],
            weekly(0.8, months=_SUMMER_SEASON),
            chat=0.0,
            track_m=(4000, 7000),
            minutes=(45, 80),
            kinds=boat,
        ),
        Duty(
            "RW-HN-LAN-BX",
            "P025",
            ["P025"],
            [lake],
            only(date(2026, 6, 24), date(2026, 9, 9)),
            chat=0.0,
            kinds=foot,
        ),
        Duty(
            "RW-HS-NIAO",
            "BM04",
            ["P023", "P024", "P025", "P026"],
            [("grid_cell", "W-HS")],
            birds,
            chat=0.5,
            workdays=True,
        ),
        Duty("RW-AE-BJ", "P037", ["P037"], [bank], monthly(1.6), chat=0.0, minutes=(25, 50)),
        Duty(
            "RW-AE-BJ-DUAN",
            "P037",
            ["P037"],
            [bank],
            only(date(2026, 10, 14)),
            chat=0.0,
            minutes=(12, 12),
        ),
        Duty(
            "RW-AE-BJ-WZ",
            "P037",
            ["P037"],
            [bank],
            only(date(2026, 10, 28)),
            chat=0.0,
            minutes=(30, 30),
            photo=False,
        ),
        Duty("RW-AWN-BJ", "P041", ["P041"], [west], monthly(1.4), chat=0.0, track_m=(600, 2000)),
        Duty(
            "RW-AWN-BJ-DUAN",
            "P041",
            ["P041"],
            [west],
            only(date(2026, 9, 22)),
            chat=0.0,
            track_m=(300, 300),
        ),
    ]


def _chiefs() -> list[Duty]:
    chiefs = {
        "YZDH": "P003",
        "QXH": "P007",
        "BYH": "P008",
        "YCH": "P009",
        "SY1": "P027",
        "SY2": "P031",
    }
    duties = []
    for river, person in chiefs.items():
        chance = 1.0 if person == "P009" else 0.9
        when = once_in(3, chance, last_week=person == "P008")
        area = ("grid_cell", f"W-{river}")
        duties.append(Duty(f"RW-{river}-HZ", person, [person], [area], when, chat=0.6))
    kinds = (PatrolKind.vehicle, PatrolKind.boat)
    for code, person, times in (("RW-ZHZ1", "P001", 1), ("RW-ZHZ2", "P002", 2)):
        when = once_in(6, 1.0, times=times)
        duties.append(Duty(code, person, [person], [("any", "")], when, chat=0.0, kinds=kinds))
    return duties
