"""Random histories: what people on the lake do, through the doors they have, one step at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import time_machine
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from app.models import HolderKind, Period, PhotoRule
from app.models.post import AreaKind
from app.services import credits, patrols
from tests.conftest import Lake, Member
from tests.pictures import a_jpeg

# The evening of the last Saturday of a year; the first ISO week of the next begins on Monday.
STARTS_AT = datetime(2025, 12, 27, 12, tzinfo=UTC)
PICTURES = [a_jpeg(seed, (64, 48)) for seed in range(4)]
# On the east bank's stele, off it but in the cell, on the reach only, on the west bank, nowhere.
SPOTS = ((103.01, 24.9), (103.0111, 24.8995), (103.01, 24.907), (102.97, 24.9), (102.9, 24.8))
AGO_H = (0, 1, 3, 9, 26, 100, 200)
ACCURACIES = (10, 60, 0, 150)

PAIRING = UUID(int=7)

Step = tuple[int, int, int, int, int]
steps = st.lists(
    st.tuples(*(st.integers(0, most) for most in (16, 3, 4, 6, 7))), min_size=6, max_size=24
)


@dataclass
class History:
    """Who takes part, and what there is so far that a later step may speak of."""

    people: list[Member]
    manager: Member
    session: AsyncSession
    clock: time_machine.Traveller
    now: datetime = STARTS_AT
    made: int = 0
    dated: int = 0
    patrols: list[tuple[Member, str, datetime]] = field(default_factory=list)
    check_ins: list[tuple[Member, str]] = field(default_factory=list)
    answers: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def new_id(self) -> str:
        self.made += 1
        return str(UUID(int=(0xFACE << 96) | (4 << 76) | (8 << 60) | self.made))

    def pass_time(self, hours: float) -> None:
        self.now += timedelta(hours=hours)
        self.clock.move_to(self.now, tick=False)

    async def take(self, step: Step) -> httpx.Response | None:
        kind, a, b, c, d = step
        self.pass_time((0.25, 1, 5, 14, 30)[b % 5])
        answer = await DEEDS[kind % len(DEEDS)](self, a, b, c, d)
        await self.date_versions()
        return answer

    async def date_versions(self) -> None:
        """What the database dated by its own clock, which does not travel, happened just now."""
        newer = update(models.EarlierVersion).where(models.EarlierVersion.id > self.dated)
        ids = await self.session.scalars(
            newer.values(superseded_at=self.now).returning(models.EarlierVersion.id)
        )
        self.dated = max(ids, default=self.dated)
        await self.session.commit()


def _iso(instant: datetime) -> str:
    return instant.isoformat()


async def check_in(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """Somewhere, some time ago, perhaps naming a stele or a patrol."""
    who = history.people[a % len(history.people)]
    at = history.now - timedelta(hours=AGO_H[c % len(AGO_H)])
    lon, lat = SPOTS[b % len(SPOTS)]
    body: dict[str, Any] = {
        "at": _iso(at),
        "position": {
            "lon": lon + history.made * 1e-7,  # the same place to a digit every day is doubtful
            "lat": lat,
            "accuracy_m": ACCURACIES[d % 4],
            "datum": "wgs84",
        },
    }
    if d in {1, 4}:
        body["stele"] = {"code": "JB-01" if d == 1 else "JB-02"}
    if d in {5, 6, 7}:
        mine = [(url, since) for member, url, since in history.patrols if member is who]
        if mine:
            url, since = mine[-1]
            body["patrol_id"] = url.rsplit("/", 1)[1]
            body["at"] = _iso(min(since + timedelta(minutes=10 * d), history.now))
    url = f"/api/v1/check-ins/{history.new_id()}"
    answer = await who.client.put(url, json=body)
    assert answer.status_code == 201, answer.text
    history.check_ins.append((who, url))
    history.answers[UUID(url.rsplit("/", 1)[1])] = answer.json()
    return answer


async def start(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """Set out, alone or with others."""
    who = history.people[a % len(history.people)]
    since = history.now - timedelta(hours=AGO_H[c % 4])
    along = [each for n, each in enumerate(history.people) if d >> n & 1 and each is not who]
    url = f"/api/v1/patrols/{history.new_id()}"
    answer = await who.client.put(
        url,
        json={
            "started_at": _iso(since),
            "companions": [each.person.code for each in along],
            "kind": ("foot", "boat")[b % 2],
        },
    )
    if answer.status_code != 201:  # somebody along was not on the roster that day
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown-code"), answer.text
        return answer
    history.patrols.append((who, url, since))
    return answer


async def amend(history: History, a: int, b: int, c: int, d: int) -> httpx.Response | None:
    """Say of one's patrol that it began at another time, or with others."""
    if not history.patrols:
        return None
    who, url, since = history.patrols[a % len(history.patrols)]
    since -= timedelta(hours=AGO_H[c % 5])
    along = [each for n, each in enumerate(history.people) if d >> n & 1 and each is not who]
    answer = await who.client.put(
        url,
        json={
            "started_at": _iso(since),
            "companions": [each.person.code for each in along],
            "kind": ("boat", "foot")[b % 2],
        },
        headers={"If-Match": "*"},
    )
    assert answer.status_code in {200, 409, 422}, answer.text  # 409: it is over; 422: as above
    return answer


async def finish(history: History, a: int, b: int, _c: int, _d: int) -> httpx.Response | None:
    """Come back."""
    if not history.patrols:
        return None
    who, url, since = history.patrols[-1 - a % len(history.patrols)]
    ends = max(since, history.now - timedelta(minutes=15 * b))
    answer = await who.client.post(
        f"{url}/finish", json={"finished_at": _iso(ends), "findings": "none"}
    )
    assert answer.status_code in {200, 422}, answer.text  # 422: amended to begin later
    return answer


async def walk(history: History, a: int, b: int, c: int, _d: int) -> httpx.Response | None:
    """Some points of a track, 20 m a minute."""
    if not history.patrols:
        return None
    who, url, since = history.patrols[-1 - a % len(history.patrols)]
    first = 40 * b
    answer = await who.client.post(
        f"{url}/track",
        json={
            "points": [
                {
                    "seq": first + n,
                    "at": _iso(since + timedelta(minutes=first + n)),
                    "lon": 103.01 + 0.0004 * (n % 2),
                    "lat": 24.89 + 0.0002 * (first + n),
                    "accuracy_m": 10,
                    "datum": "wgs84",
                }
                for n in range(10 * (c + 1))
            ]
        },
    )
    assert answer.status_code in {200, 409, 422}, answer.text  # 409: over for long; 422: too old
    return answer


async def decline(history: History, a: int, b: int, _c: int, _d: int) -> httpx.Response | None:
    """Say that one was not there."""
    if not history.patrols:
        return None
    _, url, _ = history.patrols[-1 - b % len(history.patrols)]
    answer = await history.people[a % len(history.people)].client.post(f"{url}/decline")
    assert answer.status_code in {204, 404, 409}, answer.text
    return answer


async def review(history: History, a: int, _b: int, c: int, _d: int) -> httpx.Response | None:
    """Decide, to and fro."""
    if not history.check_ins:
        return None
    _, url = history.check_ins[-1 - (a + 4 * c) % len(history.check_ins)]
    verdict = ("accepted", "rejected", "accepted")[c % 3]
    answer = await history.manager.client.post(
        f"{url}/review", json={"verdict": verdict, "reason": "核对过"}
    )
    assert answer.status_code == 200, answer.text
    return answer


async def photograph(history: History, a: int, b: int, c: int, _d: int) -> httpx.Response | None:
    """One of a few photos: the same one again is doubtful."""
    if not history.check_ins:
        return None
    who, url = history.check_ins[-1 - a % len(history.check_ins)]
    answer = await who.client.post(
        f"{url}/photos",
        data={"id": history.new_id()},
        files={"file": ("a.jpg", PICTURES[(b + c) % len(PICTURES)], "image/jpeg")},
    )
    assert answer.status_code in {200, 201}, answer.text
    return answer


async def close_overdue(history: History, _a: int, _b: int, _c: int, _d: int) -> None:
    """What the worker does every few minutes."""
    history.pass_time(9)
    await patrols.close_overdue(history.session, open_for=timedelta(hours=12), now=history.now)
    await history.session.commit()


def _day(n: int) -> str:
    """Days from the first of the histories' days on."""
    return str(date(2025, 12, 25) + timedelta(days=2 * n))


async def edit(history: History, path: str, body: dict[str, Any]) -> httpx.Response:
    answer = await history.manager.client.put(f"/api/v1/{path}", json=body | {"reason": "核对过"})
    assert answer.status_code in {200, 201}, answer.text
    return answer


async def give_leave(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """Some days off, or the same days withdrawn."""
    code = history.people[a % len(history.people)].person.code
    said: dict[str, Any] = {
        "state": "granted",
        "holder_kind": "person",
        "holder_code": code,
        "from": _day(b),
        "to": _day(b + c),
        "kind": "leave",
    }
    leave = f"exemptions/{history.new_id()}"
    answer = await edit(history, leave, said)
    return await edit(history, leave, {"state": "declined"}) if d > 5 else answer


async def move_house(history: History, a: int, b: int, c: int, _d: int) -> httpx.Response:
    """To another organisation from a day on, perhaps to leave again."""
    who = history.people[a % len(history.people)].person
    return await edit(
        history,
        f"people/{who.code}",
        {
            "name": who.name,
            "organisation_code": ("EAST", "WEST", "ENT")[b % 3],
            "role": "member",
            "party_member": True,
            "from": min(_day(c), f"{history.now:%Y-%m-%d}"),  # who comes later has no access yet
        },
    )


async def change_duty(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """Other times, days, places or conditions; or none any more."""
    area = (("any", None), ("grid_cell", "G-0"), ("stele", "JB-01"), ("reach", "R-1"))[b % 4]
    return await edit(
        history,
        f"obligations/D0{1 + a}",
        {
            "holder_kind": "person",
            "holder_code": history.people[c % len(history.people)].person.code,
            "area_kind": area[0],
            "area_code": area[1],
            "times": d,
            "period": ("week", "month")[d % 2],
            "starts_on": _day(b),
            "retired": d > 5,
        },
    )


async def change_post(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """Another holder, deputy, area or days."""
    holder, deputy = (history.people[n % len(history.people)].person.code for n in (a, a + 1 + b))
    area = ((None, None), ("grid_cell", "G-1"), ("reach", "R-1"), ("stele", "JB-02"))[d % 4]
    return await edit(
        history,
        "posts/Z1",
        {
            "person_code": holder,
            "kind": "chief",
            "area_kind": area[0],
            "area_code": area[1],
            "deputy_code": deputy if deputy != holder else None,
            "from": _day(c),
            "retired": d == 7,
        },
    )


async def pair(history: History, a: int, b: int, c: int, d: int) -> httpx.Response:
    """A department with the reach, for some days."""
    return await edit(
        history,
        f"pairings/{PAIRING}",
        {
            "department_code": "EAST",
            "reach_code": "R-1",
            "from": _day(b),
            "to": _day(b + c) if a else None,
            "retired": d == 7,
        },
    )


Deed = Callable[[History, int, int, int, int], Awaitable[httpx.Response | None]]
DEEDS: tuple[Deed, ...] = (
    check_in,
    check_in,
    check_in,
    check_in,
    start,
    finish,
    review,
    photograph,
    decline,
    walk,
    amend,
    close_overdue,
    give_leave,
    move_house,
    change_duty,
    change_post,
    pair,
)


async def owe(session: AsyncSession, lake: Lake, li: Member, zhou: Member, chen: Member) -> None:
    """A duty of every kind, a pairing, and a deputy."""
    duties: tuple[dict[str, Any], ...] = (
        {"holder": li, "period": Period.week, "times": 2},
        {
            "holder": li,
            "area": lake.east_inner,
            "period": Period.month,
            "photo": PhotoRule.required,
        },
        {"holder": li, "area": lake.stele, "period": Period.week, "times": 3},
        {"holder": li, "paired": True, "period": Period.quarter, "min_metres": 300},
        {"holder": zhou, "area": lake.west, "period": Period.month, "times": 4},
        {"holder": zhou, "period": Period.week, "min_minutes": 30, "kinds": ["foot"]},
        {"holder": chen, "area": lake.reach, "period": Period.month, "months": "12-2"},
        {"holder": chen, "area": lake.west_stele, "period": Period.year, "times": 6},
        {"holder": lake.east_branch, "paired": True, "period": Period.year, "times": 6},
        {"holder": lake.committee, "area": lake.shore, "period": Period.week, "times": 5},
        {"holder": lake.west_branch, "area": lake.east, "period": Period.half_year, "times": 12},
    )
    for n, given in enumerate(duties, start=1):
        session.add(_obligation(f"D{n:02}", given))
    session.add(
        models.Pairing(
            id=PAIRING,
            department_id=lake.east_branch.id,
            reach_id=lake.reach.id,
            from_on=date(2025, 12, 29),
        )
    )
    session.add(
        models.Post(
            code="Z1", kind=models.PostKind.chief, person_id=zhou.person.id, deputy_id=li.person.id,
            area_kind=AreaKind.grid_cell, grid_cell_id=lake.shore.id,
            from_on=date(2025, 12, 28), to_on=date(2026, 1, 8),
        )
    )  # fmt: skip
    await session.flush()
    await credits.judge_everything(session, now=STARTS_AT)
    await session.commit()


def _obligation(code: str, given: dict[str, Any]) -> models.Obligation:
    given = dict(given)
    holder, area = given.pop("holder"), given.pop("area", None)
    kind = AreaKind.paired if given.pop("paired", False) else AreaKind.any
    columns = {
        models.Reach: AreaKind.reach,
        models.GridCell: AreaKind.grid_cell,
        models.Stele: AreaKind.stele,
    }
    if area is not None:
        kind = columns[type(area)]
        given[f"{kind}_id"] = area.id
    is_person = isinstance(holder, Member)
    held = HolderKind.person if is_person else HolderKind.organisation
    given[f"holder_{held}_id"] = holder.person.id if is_person else holder.id
    defaults = {"code": code, "area_kind": kind, "times": 1, "starts_on": date(2025, 12, 1)}
    return models.Obligation(**defaults | given)
