"""A year on the lake: whoever falls behind hears of it in time, once, and nobody else does."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.database import connect
from app.demo import dataset as demo
from app.domain.duties import Progress
from app.keys import Keys
from app.services import progress
from app.settings import MessageTemplate, MiniProgram, ServiceAccount, Settings, Templates
from app.wechat.client import open_wechat
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.platform import Platform
from tests import databases
from tests.journeys.simulated_year import FIRST, LAST, ONE_DAY, UNBOUND, YEAR, Duty, Year, at
from tests.reference import duties as reference

SERVICE = AccountConfig(
    app_id="wx00000000000000aa",
    secret="service-secret",
    token="service-token",
    mode="plain",
    templates=(
        Template(
            "T-REMIND",
            "巡河提醒",
            (
                ("thing1", "任务"),
                ("character_string2", "进度"),
                ("time3", "截止"),
                ("thing4", "提示"),
            ),
        ),
    ),
)
MINI = AccountConfig(
    app_id="wx00000000000000bb", secret="mini-secret", token="mini-token", mode="plain"
)
REMINDER = MessageTemplate.model_validate(
    {
        "id": "T-REMIND",
        "thing1": "task",
        "character_string2": "done_of_owed",
        "time3": "due",
        "thing4": "hint",
    }
)
# As the settings have them by default.
MOST_A_WEEK, MOST_A_SLICE, APART = 2, 3, timedelta(days=7)
OWN = {"due_soon", "behind"}
# The reference works a day's duties out in a second: now and then is enough for all of them.
COMPARED_EVERY = 40


@pytest.fixture
def own_database(server_url: str) -> Iterator[str]:
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@asynccontextmanager
async def connected(
    url: str, settings: Settings
) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine, sessions = connect(url, settings.database)
    try:
        yield sessions
    finally:
        await engine.dispose()


@pytest.fixture
async def year(own_database: str, tmp_path: Path) -> AsyncIterator[Year]:
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path,
        service_account=ServiceAccount(
            _env_file=None,
            app_id=SERVICE.app_id,
            secret=SecretStr(SERVICE.secret),
            token=SERVICE.token,
        ),
        mini_program=MiniProgram(
            _env_file=None, app_id=MINI.app_id, secret=SecretStr(MINI.secret), token=MINI.token
        ),
        templates=Templates(_env_file=None, reminder=REMINDER),
    )
    people = tuple(
        PersonConfig(code, code, phone, follows=code not in UNBOUND)
        for code, phone in demo.phones().items()
    )
    platform = Platform(PlatformConfig(service_account=SERVICE, mini_program=MINI, people=people))
    transport = httpx.ASGITransport(create_app(platform))
    async with (
        connected(own_database, settings) as sessions,
        httpx.AsyncClient(transport=transport, base_url="http://wechat") as http,
    ):
        keys = Keys(b"a secret for tests only")
        year = Year(sessions, settings, keys, None, platform)  # type: ignore[arg-type]  # below
        platform.clock = lambda: year.now.timestamp()
        year.wechat = open_wechat(http, settings, sessions, now=lambda: year.now)
        await year.begin(tmp_path / "lake")
        yield year
    await platform.close()


REMINDERS = """
    SELECT m.id, m.day, p.code AS person, m.kind, m.state, m.reason, m.sent_at
    FROM reminders m JOIN people p ON p.id = m.person_id WHERE m.day = :day ORDER BY p.code
"""
ITEMS = """
    SELECT i.reminder_id, i.obligation_id, i.kind, i.behind, i.window_from, i.slice
    FROM reminder_items i JOIN reminders m ON m.id = i.reminder_id WHERE m.day = :day
"""
OPEN_CALLS = """
    SELECT p.code FROM calls c JOIN people p ON p.id = c.person_id
    WHERE c.phoned_at IS NULL AND c.closed_at IS NULL
"""
GONE_OUT = {"sent", "confirmed", "unknown"}


class Watch:
    """What was told to whom over the year, held against how things stood."""

    def __init__(self, year: Year) -> None:
        self.year = year
        self.wrong: list[str] = []
        self.messages: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.own_by_week: Counter[tuple[str, Any]] = Counter()
        # When a person was last told that a duty is behind, and how often in a slice.
        self.told_on: dict[tuple[str, UUID], date] = {}
        self.told_in_slice: Counter[tuple[str, UUID, date, int]] = Counter()
        self.escalated: Counter[tuple[str, UUID, date, int]] = Counter()
        self.seen = dict.fromkeys(year.platform.users, 0)
        self.was_behind: set[UUID] = set()
        self.since: dict[UUID, int] = defaultdict(int)

    def arrived(self) -> Counter[str]:
        """How much came to each phone since the last look."""
        found: Counter[str] = Counter()
        for key, user in self.year.platform.users.items():
            if news := len(user.outbox) - self.seen[key]:
                found[key] = news
                self.seen[key] += news
        return found

    async def look(self, day: date, arrived: Counter[str]) -> None:
        """Everything that must hold after the tick of a workday."""
        async with self.year.sessions() as session:
            reminders = (await session.execute(text(REMINDERS), {"day": day})).all()
            items = (await session.execute(text(ITEMS), {"day": day})).all()
            on_list = set((await session.scalars(text(OPEN_CALLS))).all())
            standing = await progress.of(session, [(id_, day) for id_ in self.year.duties])
        by_reminder = defaultdict(list)
        for item in items:
            by_reminder[item.reminder_id].append(item)
        sent = Counter(each.person for each in reminders if each.state in GONE_OUT)
        # What the books say went out arrived, once a person, and nothing else did.
        if sent != arrived or max(arrived.values(), default=0) > 1:
            self.wrong.append(f"{day} booked {sent - arrived}, arrived {arrived - sent}")
        for each in reminders:
            self.states[each.state] += 1
            if each.state in GONE_OUT:
                self._told(each, by_reminder[each.id], day)
        if (day - FIRST).days % COMPARED_EVERY == 0:
            self._compare(standing, day)
        self._nobody_is_missed(standing, on_list, day)

    def _told(self, reminder: Any, items: list[Any], day: date) -> None:
        self.messages[reminder.kind] += 1
        local = reminder.sent_at.astimezone(clock.LAKE)
        if f"{local:%F %H}" not in {f"{day} 09", f"{day} 14"}:
            self.wrong.append(f"{day} sent at {local:%F %H:%M}")
        if {item.kind for item in items} & OWN:
            week = (reminder.person, day.isocalendar()[:2])
            self.own_by_week[week] += 1
            if self.own_by_week[week] > MOST_A_WEEK:
                self.wrong.append(f"{day} {reminder.person} told {self.own_by_week[week]} times")
        for item in items:
            duty = self.year.duties[item.obligation_id]
            if item.kind in {"behind", "escalation"}:
                self._accused(reminder.person, item, duty, day)

    def _accused(self, person: str, item: Any, duty: Duty, day: date) -> None:
        """Nobody hears of a shortfall that is none, or that needs only a review."""
        true = self.year.answer(duty, day)
        if true.behind - true.pending <= 0 or item.behind != true.behind:
            self.wrong.append(f"{day} {person} {item.kind} {duty.said.code}: {true}")
        key = (person, item.obligation_id)
        in_slice = (*key, item.window_from, item.slice)
        if item.kind == "escalation":
            self.escalated[in_slice] += 1
            if self.escalated[in_slice] > 1:
                self.wrong.append(f"{day} {person} {duty.said.code} escalated twice")
            return
        if day - self.told_on.get(key, date.min) < APART:
            self.wrong.append(f"{day} {person} {duty.said.code} told again too soon")
        self.told_on[key] = day
        self.told_in_slice[in_slice] += 1
        if self.told_in_slice[in_slice] > MOST_A_SLICE:
            self.wrong.append(f"{day} {person} {duty.said.code} told too often")
        self.year.heard(item.obligation_id, item.behind, day)

    def _compare(self, standing: Any, day: date) -> None:
        for duty in self.year.duties.values():
            true, ours = self.year.answer(duty, day), standing[duty.id, day]
            if (true.done, true.owed, true.behind, true.pending, true.state) != (
                ours.done,
                ours.window.owed,
                ours.behind,
                ours.pending,
                ours.state.value,
            ):
                self.wrong.append(f"{day} {duty.said.code}: {ours} is not {true}")

    def _nobody_is_missed(
        self, standing: Mapping[tuple[UUID, date], Progress], on_list: set[str], day: date
    ) -> None:
        """Who was behind on the workday before has been told by now, or is to be telephoned."""
        behind = {
            id_ for id_ in self.year.duties if (now := standing[id_, day]).behind - now.pending > 0
        }
        for id_ in behind & self.was_behind:
            duty = self.year.duties[id_]
            for person in recipients(self.year, duty, day):
                last = self.told_on.get((person, id_), date.min)
                capped = self.own_by_week[person, day.isocalendar()[:2]] >= MOST_A_WEEK
                if day - last > APART and person not in on_list and not capped:
                    self.wrong.append(f"{day} {person} was not told of {duty.said.code}")
        self.was_behind = behind


def recipients(year: Year, duty: Duty, day: date) -> set[str]:
    """The holder; of an organisation the liaisons, else the managers, else those further up."""
    if duty.said.holder_kind == "person":
        return {duty.said.holder}
    rows = demo.rows
    there = {code for code, person in year.people.items() if person.is_on_roster(day)}
    for organisation in year_chain(year, duty.said.holder):
        liaisons = {
            post["person_code"]
            for post in rows("posts")
            if post["kind"] == "liaison" and post["organisation_code"] == organisation
        }
        managers = {
            row["code"]
            for row in rows("people")
            if row["organisation_code"] == organisation and row["role"] == "manager"
        }
        if found := (liaisons & there) or (managers & there):
            return found
    raise AssertionError(duty)


def year_chain(year: Year, organisation: str) -> list[str]:
    return reference.organisation_and_those_above(year.world, organisation)


async def test_whoever_falls_behind_is_told_in_time_and_nobody_else(year: Year) -> None:
    watch = Watch(year)
    day = FIRST
    while day <= LAST:
        await year.morning(day)
        workday = clock.is_workday(day)
        if day.day % 5 == 0:
            # Early in the morning, of days off as well: nobody is disturbed.
            await year.tick(at(day, 8, 40))
            assert watch.arrived() == {}, day
        if not workday and day.day % 3 == 0:
            await year.tick(at(day, 10))
            assert watch.arrived() == {}, day
        if workday:
            await year.tick(at(day, 9, 10))
            arrived = watch.arrived()
            if day.day % 6 == 0:
                # Whoever was told this morning is not told again; what is new may be told.
                await year.tick(at(day, 14, 50))
                arrived += watch.arrived()
            await watch.look(day, arrived)
        await year.afternoon(day)
        day += ONE_DAY
    assert watch.wrong == []
    # The year had everything in it.
    assert set(watch.messages) == {"due_soon", "behind", "escalation", "digest", "review"}
    assert {"sent", "call_list"} <= watch.states.keys()
    assert max(watch.own_by_week.values()) == MOST_A_WEEK
    assert max(watch.told_in_slice.values()) == MOST_A_SLICE
    verdicts = Counter(each.verdict for each in year.check_ins.values())
    assert min(verdicts[each] for each in ("accepted", "flagged", "rejected")) > 3


async def test_a_chief_who_falls_behind_checks_in_and_hears_no_more(year: Year) -> None:
    """12 patrols a year: the first is due until 31 January, a Saturday, the second until 2 March."""
    outboxes = {code: year.platform.users[code].outbox for code in ("P116", "P117")}
    told: dict[str, list[tuple[str, dict[str, str]]]] = {code: [] for code in outboxes}
    day = date(YEAR, 1, 19)
    while day < date(YEAR, 2, 27):
        await year.tick(at(day, 9, 10))
        for code, seen in outboxes.items():
            outbox = year.platform.users[code].outbox
            told[code] += [(f"{day:%m-%d}", dict(item.lines)) for item in outbox[len(seen) :]]
            outboxes[code] = outbox
        if day == date(YEAR, 2, 2):
            await year.walk("RW-QY01", day)
        day += ONE_DAY

    def card(done: int, due: str, task: str) -> dict[str, str]:
        hint = "本期还差1次，点开查看"
        return {"任务": task, "进度": f"{done}/12", "截止": f"2026年{due} 18:00", "提示": hint}

    spa, resort = "温泉酒店巡河", "湖畔度假村巡河"
    assert told["P116"] == [
        ("01-23", card(0, "1月31日", spa)),
        ("02-02", card(0, "1月31日", spa)),
        # That afternoon he went. A week before the next is due the office is closed.
        ("02-14", card(1, "3月2日", spa)),
    ]
    # His neighbour did not: a week later, and when the office is open again after a week.
    assert told["P117"] == [
        (on, card(0, "1月31日", resort)) for on in ("01-23", "02-02", "02-09", "02-24")
    ]
