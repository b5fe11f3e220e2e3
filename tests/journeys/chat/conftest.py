"""The chat as its users see it: the simulator's phones, our callback in safe mode, a real database."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from starlette.types import ASGIApp, Receive, Scope, Send

from app import jobs, queue
from app.database import connect
from app.main import create_app
from app.models import App, Base, CheckIn, Consent, Person, WechatUser
from app.routers import wechat as door
from app.services import conversations, invitations
from app.services.chain.records import faults as record_faults
from app.settings import CallbackMode, Settings
from app.state import State
from app.wechat.doors import Door
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Push
from tests import databases
from tests.conftest import MINI_PROGRAM, SERVICE_ACCOUNT
from tests.factories import LONG_AGO, a_consent

NOW = datetime(2026, 6, 1, 2, 5, tzinfo=UTC)
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
DOOR = Door(
    App.service_account, CallbackMode.safe, SERVICE_ACCOUNT.app_id, SERVICE_ACCOUNT.token, KEY
)
ACCOUNT = AccountConfig(
    app_id=SERVICE_ACCOUNT.app_id,
    secret=SERVICE_ACCOUNT.secret,
    token=SERVICE_ACCOUNT.token,
    aes_key=KEY,
    callback_url="http://xunhe/wechat/service-account",
    original_id="gh_service",
)
PEOPLE = tuple(
    PersonConfig(key, name, follows=True)
    for key, name in (("li", "示例李"), ("chen", "示例陈"), ("zhou", "示例周"), ("guest", "示例客"))
)
EAST = (103.01, 24.90)
"""At the stele JB-01, in the cell G-1-1, on the reach R-1."""
WEST = (102.97, 24.90)

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture(scope="session")
async def chat_engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
async def sessions(chat_engine: AsyncEngine) -> AsyncIterator[Sessions]:
    """Real transactions on several connections; the tables are emptied afterwards.

    Whatever was said in the chat, the record chain vouches for every row that it left.
    """
    yield async_sessionmaker(chat_engine, expire_on_commit=False)
    async with chat_engine.connect() as connection:
        unvouched = record_faults(connection, lambda *_: None, taken_over=True)
        assert [fault async for fault in unvouched] == []
    names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
    async with chat_engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {names}, procrastinate_jobs CASCADE"))


@dataclass
class Late:
    """Our application, which the platform calls and which calls the platform."""

    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture
def ours() -> Late:
    return Late()


@pytest.fixture
async def platform(ours: Late) -> AsyncIterator[Platform]:
    """WeChat with four followers, who are not told apart by unionids."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(ours)) as http:
        config = PlatformConfig(
            service_account=ACCOUNT,
            mini_program=MINI_PROGRAM,
            people=PEOPLE,
            unionids=False,
            push_pause=0,
        )
        platform = Platform(config, http=http)
        yield platform
        await platform.close()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Ten past ten in the morning at the lake, less five minutes; it moves when told."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@dataclass
class Chat:
    """Everything a story needs: phones, jobs, the clock, a look into the database."""

    platform: Platform
    state: State
    sessions: Sessions
    clock: time_machine.Traveller
    news_seen: dict[str, int] = field(default_factory=dict)

    def phone(self, key: str) -> Phone:
        return self.platform.phone(key)

    async def say(self, key: str, words: str) -> str | None:
        return heard(await self.phone(key).say(words))

    async def locate(self, key: str, at: tuple[float, float] = EAST) -> str | None:
        return heard(await self.phone(key).send_location(*at))

    async def photo(self, key: str, content: bytes) -> str | None:
        return heard(await self.phone(key).send_photo(content))

    def wait(self, **how_long: float) -> None:
        self.clock.shift(timedelta(**how_long))

    async def work(self) -> None:
        """Run the jobs that are due, and those that they defer, as the worker would."""
        context: Any = SimpleNamespace(additional_context={"state": self.state})
        while True:
            async with self.sessions() as session, session.begin():
                due = (
                    await session.execute(
                        text(
                            "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT id"
                            " FROM procrastinate_jobs WHERE status = 'todo' AND"
                            " coalesce(scheduled_at, :now) <= :now ORDER BY id LIMIT 1)"
                            " RETURNING id, task_name, args"
                        ),
                        {"now": datetime.now(UTC)},
                    )
                ).first()
            if due is None:
                return
            await queue.app().tasks[due.task_name].func(context, **due.args)

    async def sweep(self) -> None:
        await conversations.sweep(
            self.sessions, self.state["settings"], self.state["keys"], now=datetime.now(UTC)
        )

    async def news(self, key: str) -> list[str]:
        """What the account said by itself since the last look, once all jobs are done."""
        await self.work()
        told = [item.text for item in self.phone(key).user.chat if item.kind == "customer"]
        new = told[self.news_seen.get(key, 0) :]
        self.news_seen[key] = len(told)
        assert all(len(each) <= 100 for each in new)
        return new

    async def invite(self, person: Person) -> tuple[str, str]:
        """Code and scene of a new invitation."""
        async with self.sessions() as session, session.begin():
            return await invitations.create(
                session, self.state["keys"], person, by=None, now=datetime.now(UTC), days=30
            )

    async def check_ins(self) -> list[CheckIn]:
        return await self.rows(CheckIn, CheckIn.at, CheckIn.received_at)

    async def rows(self, table: Any, *order: Any) -> list[Any]:
        async with self.sessions() as session:
            return list((await session.scalars(select(table).order_by(*order))).all())

    async def user(self, key: str) -> WechatUser:
        async with self.sessions() as session:
            wanted = WechatUser.openid == self.phone(key).contact.openid
            return (await session.scalars(select(WechatUser).where(wanted))).one()

    async def nobody_agreed(self) -> None:
        """The cast has agreed long ago; here they have yet to be asked."""
        async with self.sessions() as session, session.begin():
            await session.execute(delete(Consent))

    async def bind(self, key: str, person: Person, *, consents: bool = True) -> None:
        """Skip the story of how they came here."""
        async with self.sessions() as session:
            session.add(
                WechatUser(
                    app=App.service_account,
                    openid=self.phone(key).contact.openid,
                    person_id=person.id,
                    bound_at=LONG_AGO,
                    created_at=LONG_AGO,
                    subscribed=True,
                    unionid_asked_at=LONG_AGO,
                )
            )
            await session.commit()
            if consents:
                await a_consent(session, person)


def heard(push: Push | str) -> str | None:
    """What was answered, None for nothing; whatever it is, it is short."""
    assert isinstance(push, Push), push
    assert push.outcome in {"replied", "success"}, push.fault
    if push.reply is None:
        return None
    words = str(push.reply["Content"])
    assert len(words) <= 100
    return words


@pytest.fixture
def chat(
    ours: Late,
    platform: Platform,
    state: State,
    sessions: Sessions,
    clock: time_machine.Traveller,
) -> Chat:
    app = create_app()
    if not any(getattr(route, "path", "").startswith("/wechat") for route in app.routes):
        app.include_router(door.router)
    more = {"doors": {App.service_account: DOOR}}

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {**state, **more}
        await app(scope, receive, send)

    ours.app = with_state
    assert jobs.__doc__
    return Chat(platform, state, sessions, clock)
