"""The plan of the year: the outings that the table of duties comes to, a pure function of days."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from app import clock
from app.demo import dataset, ground
from app.demo.calendar import SEED, days_of, month_after
from app.demo.duties import EVERYBODY_FROM, PILOT, Duty, table
from app.demo.ground import Spot
from app.domain.datum import to_gcj02
from app.models import PatrolKind

YEAR = timedelta(days=365)
PHOTO_DAYS = 60
Code = Literal["", "good", "called in", "forged"]
_NOTES_SOME = (
    "岸边有少量塑料袋，已清理",
    "水边有几个饮料瓶，已带走",
    "护栏有一处松动，已告知村里",
    "水面有少量落叶，已打捞",
    "公示牌有污渍，已擦拭",
)
_NOTES_NONE = ("水面清洁，无异常", "一切正常", None, None, None)


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo to be drawn: the same `scene` gives the same picture.

    `fixed`: whatever else there is; `smaller`: re-encoded at 97 % of its size; `again`: the same
    scene once more, a little later. `taken_at` is what the phone says.
    """

    scene: str
    fixed: bool = False
    smaller: bool = False
    again: int = 0
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One "I was here". lon, lat are what the phone says, in `datum`.

    `code`: the print of the named stele that was scanned. `pictures` are those that arrive.
    """

    key: str
    person: str
    at: datetime
    received_at: datetime
    lon: float
    lat: float
    datum: str
    accuracy_m: float | None
    stele: str | None = None
    code: Code = ""
    note: str | None = None
    photos_expected: int | None = None
    pictures: Sequence[Picture] = ()
    device: str | None = None

    @property
    def id(self) -> UUID:
        """The same in every run."""
        return id_of("check-in", self.key)


@dataclass(frozen=True, slots=True)
class Outing:
    """One outing: by chat a single visit, by the mini-program a patrol, perhaps with a track."""

    key: str
    person: str
    on: date
    chat: bool
    kind: PatrolKind
    reach: str | None
    started_at: datetime
    finished_at: datetime
    received_at: datetime
    visits: Sequence[Visit]
    track: Sequence[tuple[datetime, float, float, float]]
    companions: Sequence[str]
    some: bool
    note: str | None

    @property
    def id(self) -> UUID:
        """The patrol's, the same in every run."""
        return id_of("patrol", self.key)


def id_of(kind: str, key: str) -> UUID:
    """The id of a thing of the plan."""
    return uuid5(NAMESPACE_URL, f"urn:xunhe:demo:{SEED}:{kind}:{key}")


@dataclass(frozen=True, slots=True)
class _Draft:
    duty: Duty
    number: int
    person: str
    area: tuple[str, str]
    on: date

    @property
    def key(self) -> str:
        return f"{self.duty.holder}/{self.duty.code}/{self.on:%Y-%m}/{self.number}"


def outings(today: date, kept_free: Collection[tuple[str, date]] = ()) -> Iterator[list[Outing]]:
    """The outings of `[today - 365 d, yesterday]`, month by month.

    `kept_free`: people and days on which something else is to happen.
    """
    month = (today - YEAR).replace(day=1)
    turns: dict[str, int] = {}
    # Turns are counted from a fixed month on, wherever the window begins.
    begin = date(2025, 9, 1)
    for first in _months(min(begin, month), today):
        busy = set(kept_free)
        drafts = list(_drafts(first, busy, turns))
        made = [_outing(draft, busy, today) for draft in drafts]
        yield [outing for outing in made if today - YEAR <= outing.on < today]


def _months(first: date, today: date) -> Iterator[date]:
    while first < today:
        yield first
        first = month_after(first)


def _drafts(month: date, busy: set[tuple[str, date]], turns: dict[str, int]) -> Iterator[_Draft]:
    """Who goes where on which day; nobody goes twice a day."""
    paper = _paper_of(month)
    for duty in table():
        if month < EVERYBODY_FROM and not PILOT.issuperset(duty.walkers):
            continue
        number = 0
        for wished in duty.when(duty.holder, duty.code, month):
            turn = turns.get(duty.code, -1) + 1
            person = duty.walkers[turn % len(duty.walkers)]
            area = duty.areas[turn % len(duty.areas)]
            if (person, area[1]) in paper or (duty.holder, area[1]) in paper:
                continue
            luck = Random(f"{SEED}/{duty.code}/{wished}")  # noqa: S311 - a story
            monday = wished + timedelta(days=1)
            if wished.weekday() == 6 and luck.random() < 0.4 and monday.month == month.month:
                wished = monday
            on = _free_day(wished, person, duty, busy)
            if on is None:
                continue
            turns[duty.code] = turn
            busy.add((person, on))
            yield _Draft(duty, number, person, area, on)
            number += 1


def _free_day(
    wished: date, person: str, duty: Duty, busy: Collection[tuple[str, date]]
) -> date | None:
    """The day wished for, or the next one of the month on which it can be."""
    days = days_of(wished.replace(day=1))
    for on in [day for day in days if day >= wished] + [day for day in days if day < wished][::-1]:
        if (person, on) in busy or _is_exempt(duty, person, on):
            continue
        if duty.workdays and not clock.is_workday(on):
            continue
        return on
    return None


def _is_exempt(duty: Duty, person: str, on: date) -> bool:
    """On leave, or the duty is suspended; an exempt holder is not out."""
    return any(
        row["holder_code"] in {duty.holder, person}
        and row["obligation_code"] in {"", duty.code}
        and date.fromisoformat(row["from"]) <= on <= date.fromisoformat(row["to"])
        for row in dataset.rows("exemptions")
    )


def _paper_of(month: date) -> set[tuple[str, str]]:
    """Holders (people, and their organisations) and areas with a paper patrol in that month."""
    home = {row["code"]: row["organisation_code"] for row in dataset.rows("people")}
    found = set()
    for row in dataset.rows("patrols"):
        if row["on"].startswith(f"{month:%Y-%m}"):
            found |= {
                (row["person_code"], row["area_code"]),
                (home[row["person_code"]], row["area_code"]),
            }
    return found


def _outing(draft: _Draft, busy: set[tuple[str, date]], today: date) -> Outing:
    """Fill in where, when exactly, how, with whom."""
    duty, person, on = draft.duty, draft.person, draft.on
    luck = Random(f"{SEED}/{draft.key}/{on}")  # noqa: S311 - a story
    kind = luck.choice(duty.kinds)
    chat = luck.random() < duty.chat
    scanned = luck.random() < duty.scans and draft.area[0] == "stele"
    started_at = _hour(on, luck, mornings=kind is PatrolKind.boat)
    minutes = luck.randint(*duty.minutes)
    place = _spot(draft, luck, chat=chat)
    line: list[Spot] = []
    if duty.track_m is not None and not chat:
        metres = luck.uniform(*duty.track_m)
        minutes = max(minutes, round(metres / (90 if kind is PatrolKind.boat else 65)))
        line = ground.line_of(*draft.area, place, metres, luck)
    finished_at = started_at + timedelta(minutes=minutes)
    late = luck.randint(1, 6) if luck.random() < 1 / 15 and not chat else 0
    received_at = finished_at + timedelta(days=late, seconds=luck.randint(2, 40))
    some = luck.random() < 0.15
    note = luck.choice(_NOTES_SOME if some else _NOTES_NONE)
    recent = duty.photo and (today - on).days <= PHOTO_DAYS
    lost = luck.random() < 1 / 20 and not chat
    error = luck.uniform(60, 90) if luck.random() < 1 / 40 else None
    along = _companions(draft, busy, luck) if luck.random() < 1 / 12 else []
    # Who walks a line may stop twice.
    stops = [1 / 3, 5 / 6] if line and luck.random() < 0.6 else [0.0 if chat else 1 / 2]
    visits = []
    for number, share in enumerate(stops):
        at = started_at + (finished_at - started_at) * share
        where = line[int(len(line) * share)] if line else place
        lon, lat, accuracy = _as_sent(where, luck, chat=chat, error=error)
        photos = luck.randint(1, 2)  # drawn in any case: the dice must fall alike on every day
        if not recent:
            photos = 0
        key = f"{draft.key}/{number}"
        pictures = [Picture(f"{key}/{n}") for n in range(max(0, photos - (lost and number == 0)))]
        visits.append(
            Visit(
                key=key,
                person=person,
                at=at,
                received_at=received_at if late else at + timedelta(seconds=luck.randint(1, 9)),
                lon=lon,
                lat=lat,
                datum="gcj02" if chat else "wgs84",
                accuracy_m=accuracy,
                stele=draft.area[1] if scanned else None,
                code="good" if scanned else "",
                note=note if chat else None,
                photos_expected=photos if recent and not chat else None,
                pictures=pictures,
                device=None if chat else f"demo-{person}",
            )
        )
    return Outing(
        key=draft.key,
        person=person,
        on=on,
        chat=chat,
        kind=kind,
        reach=draft.area[1] if draft.area[0] == "reach" else None,
        started_at=started_at,
        finished_at=finished_at,
        received_at=received_at,
        visits=visits,
        track=_timed(line, started_at, finished_at, luck),
        companions=along,
        some=some,
        note=note,
    )


def _hour(on: date, luck: Random, *, mornings: bool) -> datetime:
    begin, span = (8 * 60, 210) if mornings or luck.random() < 0.55 else (14 * 60 + 30, 210)
    minutes = begin + luck.randrange(span)
    midnight = datetime.combine(on, time(), clock.LAKE).astimezone(UTC)
    return midnight + timedelta(minutes=minutes, seconds=luck.randrange(60))


def _spot(draft: _Draft, luck: Random, *, chat: bool) -> Spot:
    """Where they stand; in the chat often the very place of last time."""
    often = 1.0 if draft.duty.code == "RW-QY01" else 0.6
    if chat and luck.random() < often:
        luck = Random(f"{SEED}/{draft.duty.code}/{draft.area}/{draft.person}")  # noqa: S311 - a story
        return ground.astray(ground.place_of(*draft.area, luck), luck, 35)
    place = ground.place_of(*draft.area, luck)
    return ground.astray(place, luck, 35) if chat else place


def _as_sent(
    spot: Spot, luck: Random, *, chat: bool, error: float | None
) -> tuple[float, float, float | None]:
    """What the phone says of the spot: GCJ-02 from the chat's map, else WGS-84 with accuracy."""
    if chat:
        lon, lat = picked_on_map(spot)
        return lon, lat, None
    if error is not None:
        lon, lat = ground.moved(spot, error * 0.7, error * 0.7)
        return round(lon, 6), round(lat, 6), round(error + 5, 1)
    lon, lat = ground.astray(spot, luck, 15)
    return round(lon, 6), round(lat, 6), round(luck.uniform(8, 40), 1)


def picked_on_map(spot: Spot) -> Spot:
    """The spot in GCJ-02 as somebody picks it on the chat's map."""
    lon, lat = to_gcj02(*spot)
    return round(lon, 5), round(lat, 5)


def _companions(draft: _Draft, busy: set[tuple[str, date]], luck: Random) -> list[str]:
    """One or two others of the same duty who are not out themselves that day."""
    others = [
        code for code in draft.duty.walkers if code != draft.person and (code, draft.on) not in busy
    ]
    along = luck.sample(others, min(len(others), luck.randint(1, 2)))
    busy |= {(code, draft.on) for code in along}
    return along


def _timed(
    line: Sequence[Spot], begin: datetime, end: datetime, luck: Random
) -> list[tuple[datetime, float, float, float]]:
    """The fixes of a line: when, where, how accurate."""
    step = (end - begin) / max(1, len(line) - 1)
    found = []
    for n, spot in enumerate(line):
        lon, lat = ground.astray(spot, luck, 4)
        found.append(
            (begin + n * step, round(lon, 6), round(lat, 6), round(luck.uniform(5, 25), 1))
        )
    return found
