"""A desk for delivery: real connections, the simulated platform, and a clock that is told the time."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import psycopg
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.keys import Keys
from app.models import (
    App,
    Base,
    Call,
    Delivery,
    Obligation,
    Person,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
    WechatUser,
)
from app.services import conversations
from app.services.reminders import delivering
from app.settings import MessageTemplate, MiniProgram, ServiceAccount, Settings, Templates
from app.wechat.callback import Incoming, Nonce
from app.wechat.client import WeChat, open_wechat
from app.wechat.pushes import recognise
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests import databases
from tests.conftest import MINI_PROGRAM, SERVICE_ACCOUNT
from tests.factories import a_person, a_wechat_user
from tests.services.duty_book import an_obligation, walked

TUESDAY = datetime(2026, 6, 2, 2, 0, tzinfo=UTC)
"""Ten o'clock at the lake, on a workday."""

FIELDS = {
    "thing1": "task",
    "character_string2": "done_of_owed",
    "time3": "due",
    "thing4": "hint",
}
LABELS = (("thing1", "任务"), ("character_string2", "进度"), ("time3", "截止"), ("thing4", "提示"))


def _of(id_: str, **given: Any) -> Template:
    return Template(id_, "巡河提醒", LABELS, **given)


SERVICE = AccountConfig(
    app_id=SERVICE_ACCOUNT.app_id,
    secret=SERVICE_ACCOUNT.secret,
    token=SERVICE_ACCOUNT.token,
    mode="plain",
    templates=(
        _of("T-REMINDER"),
        _of("T-LONG", kind="subscribe", long_term=True),
        _of("T-SERVICE", kind="subscribe"),
    ),
)
MINI = AccountConfig(
    app_id=MINI_PROGRAM.app_id,
    secret=MINI_PROGRAM.secret,
    token=MINI_PROGRAM.token,
    mode="plain",
    templates=(_of("T-MINI", kind="subscribe"),),
)
TEMPLATES = {
    "reminder": "T-REMINDER",
    "reminder_long_term": "T-LONG",
    "reminder_mini_program": "T-MINI",
    "reminder_service_account": "T-SERVICE",
}


def settings_with(*templates: str, **given: Any) -> Settings:
    """Both apps configured, and these of the templates."""
    made: dict[str, Any] = {
        name: MessageTemplate(id=TEMPLATES[name], **FIELDS) for name in templates
    }
    apps: dict[str, Any] = {
        "service_account": ServiceAccount(
            _env_file=None,
            app_id=SERVICE.app_id,
            secret=SecretStr(SERVICE.secret),
            token=SecretStr(SERVICE.token),
        ),
        "mini_program": MiniProgram(
            _env_file=None,
            app_id=MINI.app_id,
            secret=SecretStr(MINI.secret),
            token=SecretStr(MINI.token),
        ),
    }
    return Settings(
        _env_file=None,
        public_url="https://xunhe.example.gov.cn",
        templates=Templates(_env_file=None, **made),
        **apps,
        **given,
    )


@dataclass
class Desk:
    """One test's delivery; `now` is the time for us and for the platform."""

    url: str
    sessions: async_sessionmaker[AsyncSession]
    platform: Platform
    settings: Settings
    wechat: WeChat
    now: datetime = TUESDAY
    heard: int = 0

    def time(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Nobody waits: the platform's moods are the test's."""

    # -- arranging

    async def person(
        self, key: str, *, follows: bool = True, mini: bool = False, wrote: bool = False, n: int = 1
    ) -> Person:
        """Somebody on the roster with `n` duties of six a year and nothing done: two behind."""
        self.platform.add_person(PersonConfig(key, f"示例{key}", follows=follows))
        phone = self.platform.phone(key)
        async with self.sessions() as session:
            person = await a_person(session, code=key.upper(), name="示例甲")
            if follows:
                await a_wechat_user(
                    session,
                    app=App.service_account,
                    openid=phone.contact.openid,
                    person_id=person.id,
                    subscribed=True,
                )
            if mini:
                await a_wechat_user(
                    session,
                    app=App.mini_program,
                    openid=phone.mini_contact.openid,
                    person_id=person.id,
                )
            for number in range(n):
                await an_obligation(
                    session, person, code=f"OB-{key}-{number}", times=6, period="year"
                )
        if wrote:
            await phone.say("帮助")
            await self.hear()
        return person

    async def reminder(
        self, person: Person, *, kind: ReminderKind = ReminderKind.behind, **given: Any
    ) -> Reminder:
        """One that is planned for this moment, about all the person owes."""
        async with self.sessions() as session, session.begin():
            reminder = Reminder(
                **{
                    "person_id": person.id,
                    "day": self.now.date(),
                    "kind": kind,
                    "planned_at": self.now,
                    "as_of": None,
                    "figures": {},
                    "state": ReminderState.queued,
                    "try_at": self.now,
                }
                | given
            )
            session.add(reminder)
            await session.flush()
            for obligation in await session.scalars(
                select(Obligation)
                .where(Obligation.holder_person_id == person.id)
                .order_by(Obligation.code)
            ):
                session.add(
                    ReminderItem(
                        reminder_id=reminder.id,
                        obligation_id=obligation.id,
                        kind=kind,
                        window_from=date(2026, 1, 1),
                        slice=1,
                        due_on=date(2026, 3, 2),
                        done=0,
                        owed=6,
                        behind=2,
                    )
                )
        return reminder

    async def behind(self, key: str, **given: Any) -> Reminder:
        """Somebody who is behind, and the reminder of it."""
        return await self.reminder(await self.person(key, **given))

    async def catch_up(self, key: str) -> None:
        """Two patrols that count, which is all that was missing."""
        async with self.sessions() as session:
            person = (await session.scalars(select(Person).where(Person.code == key.upper()))).one()
            await walked(session, person, date(2026, 2, 1), date(2026, 4, 1))

    def fault(self, path: str = "*message*", **given: Any) -> Fault:
        return self.platform.faults.add(Fault(path, **given))

    # -- acting

    async def deliver(self, **given: Any) -> None:
        await delivering.deliver_due(
            self.sessions, self.wechat, self.settings, now=self.now, **given
        )

    def wait(self, **given: float) -> None:
        """So long, and the moment that a run itself takes."""
        self.now += timedelta(**given) + timedelta(seconds=5)

    async def hear(self) -> None:
        """Let everything that WeChat has pushed since the last time come to us."""
        while self.platform.tasks:
            await next(iter(self.platform.tasks))
        pushes = list(self.platform.pushes)[self.heard :]
        self.heard += len(pushes)
        await self.told(*[(push.app_id, push.fields) for push in pushes])

    async def told(self, *given: tuple[str, dict[str, Any]]) -> None:
        answer = conversations.answering(self.settings, Keys(b"a secret for tests only"))
        for app_id, fields in given:
            app = App.service_account if app_id == SERVICE.app_id else App.mini_program
            _, message = recognise(fields)
            incoming = Incoming(app, message, "gh", False, Nonce("1", "n", b""), self.now)
            async with self.sessions() as session, session.begin():
                await answer(session, [incoming])

    # -- seeing

    def cards(self, key: str) -> list[list[str]]:
        """The values on the cards that arrived on somebody's phone."""
        return [
            [value for _, value in item.lines]
            for item in self.platform.users[key].outbox
            if item.type == "card"
        ]

    def got(self, key: str) -> list[str]:
        """The kinds of what arrived on somebody's phone."""
        return [item.kind for item in self.platform.users[key].outbox if item.kind != "reply"]

    def calls(self, path: str = "message") -> int:
        return sum(path in call.path for call in self.platform.calls)

    async def stands(self, reminder: Reminder) -> tuple[str, str | None, str | None]:
        """State, channel and reason."""
        async with self.sessions() as session:
            row = await session.get_one(Reminder, reminder.id)
            return row.state.value, row.channel.value if row.channel else None, row.reason

    async def deliveries(self, reminder: Reminder) -> list[tuple[str, str, int | None]]:
        """Channel, state and errcode of each attempt."""
        async with self.sessions() as session:
            rows = await session.scalars(
                select(Delivery).where(Delivery.reminder_id == reminder.id).order_by(Delivery.id)
            )
            return [(row.channel.value, row.state.value, row.errcode) for row in rows]

    async def to_call(self) -> list[tuple[str, str]]:
        """Who is on the call list, and why."""
        async with self.sessions() as session:
            rows = await session.execute(
                select(Person.code, Call.reason)
                .join(Person, Person.id == Call.person_id)
                .where(Call.phoned_at.is_(None), Call.closed_at.is_(None))
                .order_by(Person.code)
            )
            return [(code, reason) for code, reason in rows]

    async def user(self, key: str, app: App = App.service_account) -> WechatUser:
        phone = self.platform.phone(key)
        contact = phone.contact if app is App.service_account else phone.mini_contact
        async with self.sessions() as session:
            return (
                await session.scalars(select(WechatUser).where(WechatUser.openid == contact.openid))
            ).one()


@contextmanager
def database(server_url: str) -> Iterator[str]:
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


def client_of(desk: Desk) -> WeChat:
    """A client of a process of its own, over the desk's database."""
    transport = httpx.ASGITransport(create_app(desk.platform))
    http = httpx.AsyncClient(transport=transport, base_url="http://wechat")
    return open_wechat(http, desk.settings, desk.sessions, now=desk.time, sleep=desk.sleep)


@asynccontextmanager
async def open_desk(url: str, settings: Settings) -> AsyncIterator[Desk]:
    """A desk on an emptied database."""
    with psycopg.connect(url) as connection:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute("SET lock_timeout = '5s'")
        connection.execute(f"TRUNCATE {tables}, procrastinate_jobs CASCADE")
    engine, sessions = connect(url, settings.database)
    desk = Desk(url, sessions, None, settings, None)  # type: ignore[arg-type]  # made below
    desk.platform = Platform(
        PlatformConfig(service_account=SERVICE, mini_program=MINI, people=()),
        clock=lambda: desk.now.timestamp(),
    )
    desk.wechat = client_of(desk)
    try:
        yield desk
    finally:
        await desk.platform.close()
        await engine.dispose()
