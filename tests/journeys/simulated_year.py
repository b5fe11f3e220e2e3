"""A year on the demo's lake, day by day through the services: who walks, who does not, who is told.

Everybody has a character. The words of the reference (tests/reference) are kept beside the records,
so that what is told can be held against it.
"""

import csv
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.demo import dataset as demo
from app.demo import ground
from app.domain.duties import months_of, period_of
from app.keys import Keys
from app.models import App, Person, Source, Verdict, WechatUser
from app.models.base import uuid7
from app.services import bindings, check_ins, reviews, wechat_users
from app.services.access import Caller
from app.services.check_in_lists import Recorded
from app.services.dataset.importing import import_folder
from app.services.new_check_in import NewCheckIn
from app.services.reminders import delivering, planning
from app.settings import Settings
from app.wechat.client import WeChat
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.state import openid_of
from tests.reference import duties as reference

YEAR = 2026
FIRST, LAST = date(YEAR, 1, 1), date(YEAR, 12, 31)
ONE_DAY = timedelta(days=1)
BEGINNING = clock.start_of(FIRST)
# Duties whose patrols need a boat, a track or a photo are for other tests.
LEFT_OUT = {"RW-HN-LAN", "RW-AE-BJ", "RW-AWN-BJ"}
BUSY = ("P052", "P057", "P062", "P067", "P072", "P078", "P082", "P087")
REVIEWER = "P001"
# No WeChat of ours at all; those who unfollow, of whom we are told; those of whom we are not.
UNBOUND = frozenset({"P123", "P101", "P016", "P055", "P020"})
UNFOLLOW_ON = date(YEAR, 5, 6)
UNFOLLOW, UNFOLLOW_UNTOLD = frozenset({"P126", "P091"}), frozenset({"P131", "P096"})
# Every so many duties have this character.
CHARACTERS = (
    *("steady",) * 4,
    *("last_minute",) * 3,
    *("responder",) * 3,
    *("offline",) * 2,
    "drop_out",
    "returner",
    "cheat",
    "never",
)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """That time of the day at the lake."""
    return clock.start_of(day) + timedelta(hours=hour, minutes=minute)


def workdays() -> list[date]:
    days = [FIRST + n * ONE_DAY for n in range((LAST - FIRST).days + 1)]
    return [day for day in days if clock.is_workday(day)]


@dataclass
class Duty:
    """An obligation with the character of who fulfils it, and when they mean to walk next."""

    id: UUID
    said: reference.Obligation
    character: str
    walker: str
    dice: Random
    wished: set[date] = field(default_factory=set)
    told: int = 0
    # What of its patrols could ever count, in the words of the reference.
    patrols: list[reference.Patrol] = field(default_factory=list)


@dataclass
class Year:
    """The state of the story, and the doors to the system."""

    sessions: async_sessionmaker[AsyncSession]
    settings: Settings
    keys: Keys
    wechat: WeChat
    platform: Platform
    now: datetime = BEGINNING
    dice: Random = field(default_factory=lambda: Random(2026))  # noqa: S311 - a story
    world: reference.World = field(default_factory=reference.World)
    duties: dict[UUID, Duty] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    on_the_way: dict[date, list[NewCheckIn]] = field(default_factory=lambda: defaultdict(list))
    to_review: dict[date, list[tuple[UUID, Verdict]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    check_ins: dict[UUID, reference.CheckIn] = field(default_factory=dict)
    patrols: dict[UUID, reference.Patrol] = field(default_factory=dict)

    # -- the beginning -----------------------------------------------------------------------

    async def begin(self, folder: Path) -> None:
        """Import the demo's dataset without its past, and bind nearly everybody."""
        shutil.copytree(demo.FOLDER, folder)
        (folder / "patrols.csv").unlink()
        _without(folder / "obligations.csv", LEFT_OUT)
        _with(folder / "obligations.csv", _busy())
        async with self.sessions.begin() as session:
            await import_folder(
                session,
                folder,
                self.settings,
                documents_dir=folder / "documents",
                now=self.now,
            )
        async with self.sessions.begin() as session:
            for person in await session.scalars(select(Person)):
                self.people[person.code] = person
            for code in sorted(demo.phones().keys() - UNBOUND):
                if self.people[code].is_on_roster(FIRST):
                    await self._bind(session, code)
        async with self.sessions() as session:
            await self._read_world(session)

    async def _bind(self, session: AsyncSession, code: str) -> None:
        app_id = self.settings.service_account.app_id
        user = await wechat_users.met(
            session, App.service_account, openid_of(app_id, code), now=self.now, unionid=f"u{code}"
        )
        user.subscribed = True
        await bindings.bind(session, user, self.people[code], now=self.now, via="phone")

    async def _read_world(self, session: AsyncSession) -> None:
        """The roster, the areas and the rules as the files say, in the reference's words."""
        world, rows = self.world, demo.rows
        world.organisations = [
            reference.Organisation(row["code"], row["parent_code"] or None)
            for row in rows("organisations")
        ]
        world.people = [
            reference.Person(
                row["code"],
                [
                    reference.Membership(
                        row["organisation_code"], _day(row["from"]), _day(row["to"])
                    )
                ],
            )
            for row in rows("people")
        ]
        world.reaches = [
            reference.Reach(code, demo.properties("reach", code)["waterbody_code"])
            for code in demo.codes("reach")
        ]
        world.cells = [
            reference.Cell(code, demo.properties("grid_cell", code).get("parent_code"))
            for code in demo.codes("grid_cell")
        ]
        world.steles = [
            reference.Stele(
                code,
                demo.properties("stele", code).get("reach_code"),
                demo.properties("stele", code).get("radius_m") or 100,
            )
            for code in demo.codes("stele")
        ]
        world.pairings = [
            reference.Pairing(
                row["department_code"],
                row["reach_code"] or None,
                _day(row["from"]),
                _day(row["to"]),
            )
            for row in rows("pairings")
        ]
        world.posts = [
            reference.Post(
                row["person_code"],
                row["deputy_code"] or None,
                row["area_kind"] or None,
                row["area_code"] or None,
                _day(row["from"]),
                _day(row["to"]),
            )
            for row in rows("posts")
        ]
        world.exemptions = [
            reference.Exemption(
                row["holder_kind"],
                row["holder_code"],
                date.fromisoformat(row["from"]),
                date.fromisoformat(row["to"]),
                row["obligation_code"] or None,
            )
            for row in rows("exemptions")
        ]
        for number, row in enumerate((await session.execute(text(_OBLIGATIONS))).all()):
            said = reference.Obligation(
                row.code,
                "person" if row.person else "organisation",
                row.person or row.organisation,
                row.area_kind,
                row.area,
                row.times,
                row.period,
                row.starts_on,
                row.ends_on,
                row.months,
            )
            self._add_duty(row.id, said, CHARACTERS[number % len(CHARACTERS)])

    def _add_duty(self, id_: UUID, said: reference.Obligation, character: str) -> None:
        self.world.obligations.append(said)
        dice = Random(said.code)  # noqa: S311 - a story
        walkers = [said.holder] if said.holder_kind == "person" else self._members(said.holder)
        duty = Duty(id_, said, character, dice.choice(walkers) if walkers else "", dice)
        if not walkers:
            duty.character = "never"
        duty.wished = set(_wishes(duty))
        self.duties[id_] = duty

    def _members(self, organisation: str) -> list[str]:
        """Whoever has a telephone there or below."""
        return [
            person.code
            for person in self.world.people
            if person.code in demo.phones()
            and organisation
            in reference.organisation_and_those_above(
                self.world, person.memberships[0].organisation
            )
            and person.memberships[0].last is None
        ]

    # -- a day -------------------------------------------------------------------------------

    async def morning(self, day: date) -> None:
        """What was on the way arrives, and managers say what they think of what is doubtful."""
        self.now = at(day, 8, 5)
        if day == UNFOLLOW_ON:
            await self._unfollow()
        await self._record(self.on_the_way.pop(day, []))
        for check_in_id, verdict in self.to_review.pop(day, []):
            async with self.sessions.begin() as session:
                await reviews.review(
                    session,
                    Caller(person=self.people[REVIEWER]),
                    check_in_id,
                    verdict=verdict,
                    reason="示例",
                    now=self.now,
                )
            self.check_ins[check_in_id].verdict = verdict.value

    async def tick(self, now: datetime) -> None:
        """What the worker does every ten minutes."""
        self.now = now
        async with self.sessions.begin() as session:
            await planning.tick(session, self.settings, now=now)
        await delivering.deliver_due(self.sessions, self.wechat, self.settings, now=now)

    async def afternoon(self, day: date) -> None:
        """Whoever means to walks today; nobody twice."""
        self.now = at(day, 16, 30)
        out: dict[str, Duty] = {}
        for duty in self.duties.values():
            late = {wish for wish in duty.wished if wish <= day}
            if not late:
                continue
            duty.wished -= late
            if duty.walker in out or not reference.is_active(self.world, duty.said, day):
                if len(late) < 3:  # tomorrow, then
                    duty.wished.add(day + ONE_DAY)
                continue
            out[duty.walker] = duty
        now = []
        for duty in out.values():
            said = self._said(duty, day)
            if duty.character == "offline":
                days_later = duty.dice.randint(0, 6)
                arrives = day + days_later * ONE_DAY
                if days_later:
                    said = replace(said, received_at=at(arrives, 8, 5))
                    self.on_the_way[arrives].append(said)
                    continue
            now.append(said)
        await self._record(now)

    async def walk(self, code: str, day: date) -> None:
        """Let whoever fulfils this duty go out that afternoon, with an honest telephone."""
        self.now = at(day, 16, 30)
        (duty,) = [duty for duty in self.duties.values() if duty.said.code == code]
        duty.character = "steady"
        await self._record([self._said(duty, day)])

    def _said(self, duty: Duty, day: date) -> NewCheckIn:
        kind, code = duty.said.area_kind, duty.said.area or ""
        if kind == "paired":
            kind, code = (
                "reach",
                duty.dice.choice(reference.paired_reaches(self.world, duty.said, day)),
            )
        spot = ground.place_of(kind, code, duty.dice)
        lon, lat = (round(each, 6) for each in ground.astray(spot, duty.dice, 8))
        when = at(day, 15) + timedelta(seconds=duty.dice.randint(0, 3600))
        return NewCheckIn(
            id=uuid7(),
            person=self.people[duty.walker],
            source=Source.mini_program,
            at=when,
            received_at=when + timedelta(seconds=5),
            lon=lon,
            lat=lat,
            # Nothing that a receiver says: doubtful.
            accuracy_m=0.0 if duty.character == "cheat" else 12.0,
            datum="wgs84",
            raw_lon=lon,
            raw_lat=lat,
            stele_code=code if kind == "stele" else None,
            device=f"phone-{duty.walker}",
        )

    async def _record(self, news: Sequence[NewCheckIn]) -> None:
        if not news:
            return
        async with self.sessions.begin() as session:
            answers = await check_ins.record_many(session, news, self.settings, self.keys)
            refused = [each for each in answers if not isinstance(each, Recorded)]
            assert refused == []
            rows = (await session.execute(text(_RECORDS), {"ids": [new.id for new in news]})).all()
        for row in rows:
            self._note(row)

    def _note(self, row: Any) -> None:
        """Write a record down in the reference's words, with every duty it could count for."""
        check_in = reference.CheckIn(
            verdict=row.verdict,
            reach=row.reach,
            cells=list(row.cells),
            named_stele=row.stele,
            named_distance_m=row.stele_distance_m,
            accuracy_m=row.accuracy_m,
            nearest_stele=row.nearest,
            nearest_distance_m=row.nearest_distance_m,
        )
        self.check_ins[row.id] = check_in
        patrol = self.patrols.get(row.patrol_id)
        if patrol is None:
            patrol = reference.Patrol(row.person, row.started_at, seconds=0, metres=0.0)
            self.patrols[row.patrol_id] = patrol
        patrol.check_ins.append(check_in)
        if row.verdict == "flagged":
            self._have_reviewed(row.id)
        anything = ["accepted", "flagged", "rejected"]
        for duty in self.duties.values():
            if patrol not in duty.patrols and reference.patrol_counts(
                self.world, duty.said, patrol, anything
            ):
                duty.patrols.append(patrol)

    def _have_reviewed(self, check_in_id: UUID) -> None:
        """Most doubtful records are looked at within a week or two; some never are."""
        if self.dice.random() < 0.15:
            return
        verdict = Verdict.accepted if self.dice.random() < 0.35 else Verdict.rejected
        day = clock.day_of(self.now) + self.dice.randint(1, 9) * ONE_DAY
        self.to_review[day].append((check_in_id, verdict))

    async def _unfollow(self) -> None:
        for code in UNFOLLOW | UNFOLLOW_UNTOLD:
            self.platform.phone(code).contact.follows = False
        async with self.sessions.begin() as session:
            gone = [self.people[code].id for code in UNFOLLOW]
            await session.execute(
                update(WechatUser).where(WechatUser.person_id.in_(gone)).values(subscribed=False)
            )

    # -- what people make of it --------------------------------------------------------------

    def heard(self, obligation_id: UUID, behind: int, day: date) -> None:
        """Somebody was told that this duty is behind: some go out for it."""
        duty = self.duties[obligation_id]
        duty.told += 1
        if duty.character == "responder" or (duty.character == "returner" and duty.told >= 2):
            # Perhaps this very afternoon.
            first = duty.dice.randint(0, 2)
            duty.wished |= {day + (first + n) * ONE_DAY for n in range(behind)}

    def answer(self, duty: Duty, day: date) -> reference.Answer:
        """How the duty stands by the reference, with what has been received until now."""
        return reference.answer(replace(self.world, patrols=duty.patrols), duty.said, day)


def _wishes(duty: Duty) -> list[date]:
    """The days on which they would walk of themselves, `times` in each period of the year."""
    if duty.character in {"never", "responder"}:
        return []
    until = date(YEAR, duty.dice.randint(3, 7), 1)
    found, day = [], FIRST
    while day <= LAST:
        first, last = period_of(duty.said.period, day)
        share = ((last - first).days + 1) / duty.said.times
        for k in range(duty.said.times):
            part = {"last_minute": 0.9 + duty.dice.random() * 0.2}.get(
                duty.character, 0.15 + duty.dice.random() * 0.6
            )
            wish = first + timedelta(days=int((k + part) * share))
            stays_away = duty.character in {"drop_out", "returner"} and wish >= until
            if wish.month in months_of(duty.said.months) and not stays_away:
                found.append(min(max(wish, FIRST), LAST))
        day = last + ONE_DAY
    return found


def _without(file: Path, codes: set[str]) -> None:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.reader(opened))
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows(row for row in rows if row[0] not in codes)


def _with(file: Path, rows: Sequence[Sequence[object]]) -> None:
    width = len(file.read_text(encoding="utf-8-sig").split("\n", 1)[0].split(","))
    with file.open("a", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([*row, *[""] * (width - len(row))] for row in rows)


def _busy() -> list[tuple[object, ...]]:
    """Some who owe so much that a week could bring more than it may."""
    rows: list[tuple[object, ...]] = []
    for n, person in enumerate(BUSY):
        reach = demo.codes("reach")[n]
        cell = demo.codes("grid_cell")[40 + 7 * n]
        for code, kind, area, times, period in (
            ("A", "reach", reach, 24, "year"),
            ("B", "grid_cell", cell, 9, "quarter"),
            ("C", "any", "", 5, "month"),
        ):
            holder = (f"RW-X{n}{code}", "person", person, kind, area)
            rows.append((*holder, times, period, f"{YEAR}-01-01"))
    return rows


def _day(written: str) -> date | None:
    return date.fromisoformat(written) if written else None


_OBLIGATIONS = """
    SELECT b.id, b.code, p.code AS person, o.code AS organisation, b.area_kind,
      coalesce(r.code, c.code, s.code) AS area, b.times, b.period, b.starts_on, b.ends_on, b.months
    FROM obligations b
    LEFT JOIN people p ON p.id = b.holder_person_id
    LEFT JOIN organisations o ON o.id = b.holder_organisation_id
    LEFT JOIN reaches r ON r.id = b.reach_id
    LEFT JOIN grid_cells c ON c.id = b.grid_cell_id
    LEFT JOIN steles s ON s.id = b.stele_id
    ORDER BY b.code
"""
_RECORDS = """
    SELECT i.id, i.patrol_id, i.verdict, i.accuracy_m, p.started_at, h.code AS person,
      r.code AS reach, s.code AS stele, i.stele_distance_m, n.code AS nearest,
      i.nearest_stele_distance_m AS nearest_distance_m,
      ARRAY(SELECT code FROM grid_cells c WHERE c.id = ANY(i.grid_cell_ids)) AS cells
    FROM check_ins i
    JOIN patrols p ON p.id = i.patrol_id
    JOIN people h ON h.id = p.person_id
    LEFT JOIN reaches r ON r.id = i.reach_id
    LEFT JOIN steles s ON s.id = i.stele_id
    LEFT JOIN steles n ON n.id = i.nearest_stele_id
    WHERE i.id = ANY(:ids)
"""
