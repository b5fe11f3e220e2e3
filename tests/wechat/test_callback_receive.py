"""One effect and one reply for each push: retries, races, faults of ours, a database that is away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from starlette.types import Receive, Scope, Send

from app.errors import DatabaseUnavailable, Forbidden, Unexpected
from app.models import Alarm, App, CallbackNonce, CallbackReceipt, Milestone
from app.routers import problems, wechat
from app.services import callback_queue, callbacks
from app.services.callback_queue import CallbackQueue
from app.wechat import callback
from app.wechat.callback import Incoming
from app.wechat.simulator.crypto import sign
from app.wechat.simulator.xml import document
from tests.wechat.pushes import (
    KEY,
    MINI,
    NOW,
    OPENID,
    OURS,
    PLAIN,
    SAFE,
    TOKEN,
    Pairs,
    event,
    fields,
    message,
    opened,
    plain,
    safe,
    stamp,
)

Sessions = async_sessionmaker[AsyncSession]


class Chat:
    """Answers by counting, leaves a row each time, and fails or hangs when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.entered = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.silent = False

    async def __call__(self, session: AsyncSession, pushes: Sequence[Incoming]) -> list[str | None]:
        return [await self._one(session, push) for push in pushes]

    async def _one(self, session: AsyncSession, push: Incoming) -> str | None:
        self.calls += 1
        text = f"{push.app} {self.calls}"
        session.add(Alarm(name=text, text="effect", raised_at=push.received_at))
        await session.flush()
        self.entered.set()
        await self.may_go_on.wait()
        if self.failures:
            self.failures -= 1
            raise KeyError(push.message.openid)
        return None if self.silent else f"第{self.calls}次"


@pytest.fixture
def chat() -> Chat:
    return Chat()


async def effects(sessions: Sessions) -> int:
    async with sessions() as session:
        return len((await session.scalars(select(Alarm))).all())


def read(push: tuple[Pairs, bytes]) -> Incoming:
    return callback.read(SAFE, *push, now=NOW)


async def receive(sessions: Sessions, push: Incoming, chat: Chat) -> str | None:
    """As a process that has nothing else to do."""
    return await CallbackQueue(sessions, chat).receive(push)


async def test_a_retry_has_no_effect_and_the_same_reply(
    real_sessions: Sessions, chat: Chat
) -> None:
    push = message()
    replies = [await receive(real_sessions, read(push), chat) for _ in range(3)]
    assert (replies, chat.calls, await effects(real_sessions)) == (["第1次"] * 3, 1, 1)


async def test_a_retry_under_a_new_signature_is_known_too(
    real_sessions: Sessions, chat: Chat
) -> None:
    for nonce in ("n1", "n2"):
        push = message_with(nonce)
        assert await receive(real_sessions, read(push), chat) == "第1次"
    assert chat.calls == 1


def message_with(nonce: str) -> tuple[Pairs, bytes]:
    return safe(document(fields()), nonce=nonce)


async def test_events_are_known_again_as_well(real_sessions: Sessions, chat: Chat) -> None:
    for nonce, key in (("n1", "help"), ("n2", "help"), ("n3", "progress")):
        push = safe(document(event("CLICK", EventKey=key)), nonce=nonce)
        await receive(real_sessions, read(push), chat)
    assert chat.calls == 2


async def test_no_reply_is_remembered_as_none(real_sessions: Sessions, chat: Chat) -> None:
    chat.silent = True
    push = message()
    for _ in range(2):
        assert await receive(real_sessions, read(push), chat) is None
    assert chat.calls == 1


async def test_the_doors_are_kept_apart(real_sessions: Sessions, chat: Chat) -> None:
    push = message()
    for door in (SAFE, MINI):
        incoming = callback.read(door, *push, now=NOW)
        await receive(real_sessions, incoming, chat)
    assert chat.calls == 2


async def test_a_replayed_nonce_is_refused(real_sessions: Sessions, chat: Chat) -> None:
    query, body = plain(document(fields()))
    first = callback.read(PLAIN, query, body, now=NOW)
    await receive(real_sessions, first, chat)
    _, forged = plain(document(fields(Content="取消", MsgId=2)))
    with pytest.raises(Forbidden):
        await receive(real_sessions, callback.read(PLAIN, query, forged, now=NOW), chat)
    # Safe mode: the same nonce and time, another signature.
    await receive(real_sessions, read(message_with("n9")), chat)
    other = safe(document(fields(MsgId=3)), nonce="n9")
    with pytest.raises(Forbidden):
        await receive(real_sessions, read(other), chat)
    assert chat.calls == 1
    assert await effects(real_sessions) == 1


async def test_a_retry_that_overtakes_waits_and_hears_the_same(
    real_sessions: Sessions, chat: Chat
) -> None:
    chat.may_go_on.clear()
    push = message()
    first = asyncio.create_task(receive(real_sessions, read(push), chat))
    await chat.entered.wait()
    others = [
        asyncio.create_task(receive(real_sessions, read(each), chat))
        for each in (push, message_with("n2"))
    ]
    await until_waiting(real_sessions, 2)
    chat.may_go_on.set()
    assert await asyncio.gather(first, *others) == ["第1次"] * 3
    assert (chat.calls, await effects(real_sessions)) == (1, 1)


async def until_waiting(sessions: Sessions, count: int) -> None:
    """Until that many connections wait for a lock of this database."""
    async with sessions() as session:
        connection = await (await session.connection()).get_raw_connection()
        driver = connection.driver_connection
        assert driver is not None
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            while True:
                found = await (await driver.execute(waiting)).fetchone()
                await driver.rollback()
                if found[0] >= count:
                    return


async def test_fifty_at_once_have_one_effect(real_sessions: Sessions, chat: Chat) -> None:
    push = message()
    replies = await asyncio.gather(*(receive(real_sessions, read(push), chat) for _ in range(50)))
    assert (set(replies), chat.calls, await effects(real_sessions)) == ({"第1次"}, 1, 1)


# -- faults of ours --------------------------------------------------------------------------


async def test_a_fault_is_rolled_back_and_the_next_try_succeeds(
    real_sessions: Sessions, chat: Chat
) -> None:
    chat.failures = 1
    push = message()
    with pytest.raises(Unexpected):
        await receive(real_sessions, read(push), chat)
    assert await effects(real_sessions) == 0
    for _ in range(2):
        assert await receive(real_sessions, read(push), chat) == "第2次"
    assert (chat.calls, await effects(real_sessions)) == (2, 1)


async def test_a_poison_message_is_given_up_after_the_last_try(
    real_sessions: Sessions, chat: Chat
) -> None:
    chat.failures = 99
    push = message()
    for _ in range(2):
        with pytest.raises(Unexpected):
            await receive(real_sessions, read(push), chat)
    for _ in range(2):
        assert await receive(real_sessions, read(push), chat) is None
    assert await effects(real_sessions) == 0
    # What it said is kept for the operator.
    async with real_sessions() as session:
        (kept,) = await session.scalars(select(CallbackReceipt.content))
    assert kept == read(push).message.model_dump(mode="json")
    assert kept["content"] == fields()["Content"]
    # Others are not hurt by it.
    chat.failures = 0
    well = safe(document(fields(MsgId=2)), nonce="n2")
    assert await receive(real_sessions, read(well), chat) == "第5次"


async def test_a_fault_is_logged_without_what_was_written(
    real_sessions: Sessions,
    chat: Chat,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chat.failures = 1
    push = safe(document(fields(Content="我家在示例村3号")))
    with pytest.raises(Unexpected):
        await receive(real_sessions, read(push), chat)
    said = caplog.text + "".join(capsys.readouterr())
    assert "callback failed" in said
    assert "示例村3号" not in said


# -- in time ---------------------------------------------------------------------------------


async def test_an_answer_that_takes_too_long_is_left_behind(
    real_sessions: Sessions, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_queue, "ALIVE_WITHIN_S", 0.05)
    monkeypatch.setattr(callback_queue, "ANSWER_WITHIN_S", callback_queue.PROBE_WITHIN_S + 0.1)
    chat.may_go_on.clear()
    queue = CallbackQueue(real_sessions, chat)
    with pytest.raises(DatabaseUnavailable):
        await queue.receive(read(message()))
    chat.may_go_on.set()
    await asyncio.gather(*queue._at_work, return_exceptions=True)
    assert await effects(real_sessions) == 0
    assert await receive(real_sessions, read(message()), chat) == "第2次"


async def test_an_answer_that_takes_its_time_is_waited_for_while_the_database_lives(
    real_sessions: Sessions, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_queue, "ALIVE_WITHIN_S", 0.01)
    chat.may_go_on.clear()
    probed = asyncio.Event()
    queue = CallbackQueue(real_sessions, chat)
    pulse = queue._pulse

    async def told() -> None:
        await pulse()
        probed.set()

    monkeypatch.setattr(queue, "_pulse", told)
    waiting = asyncio.create_task(queue.receive(read(message())))
    await probed.wait()
    chat.may_go_on.set()
    assert await waiting == "第1次"
    assert chat.calls == 1


@pytest.fixture
async def nowhere() -> AsyncIterator[Sessions]:
    """A database whose port is closed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = create_async_engine(f"postgresql+psycopg://x@127.0.0.1:{port}/x")
    yield async_sessionmaker(engine)
    await engine.dispose()


@pytest.fixture
def mute() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


async def test_a_database_that_is_down_is_told_at_once(nowhere: Sessions, chat: Chat) -> None:
    with pytest.raises(DatabaseUnavailable):
        await receive(nowhere, read(message()), chat)
    assert chat.calls == 0


async def test_a_database_that_hangs_is_not_waited_for(
    mute: int, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_queue, "ALIVE_WITHIN_S", 0.05)
    monkeypatch.setattr(callback_queue, "PROBE_WITHIN_S", 0.05)
    engine = create_async_engine(f"postgresql+psycopg://x@127.0.0.1:{mute}/x")
    queue = CallbackQueue(async_sessionmaker(engine), chat)
    with pytest.raises(DatabaseUnavailable):
        await queue.receive(read(message()))
    assert chat.calls == 0
    await asyncio.gather(*queue._at_work, return_exceptions=True)
    await engine.dispose()


@pytest.mark.usefixtures("real_sessions")
async def test_a_connection_that_died_in_its_sleep_is_replaced(
    database_url: str, chat: Chat
) -> None:
    """As after a restart of the database."""
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+psycopg://"), pool_size=1
    )
    sessions: Sessions = async_sessionmaker(engine)
    async with sessions() as session:
        connection = await (await session.connection()).get_raw_connection()
        assert connection.driver_connection is not None
        pid = connection.driver_connection.info.backend_pid
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert await receive(sessions, read(message()), chat) == "第1次"
    await engine.dispose()


# -- housekeeping ----------------------------------------------------------------------------


async def test_what_nobody_will_ask_about_is_forgotten(real_sessions: Sessions, chat: Chat) -> None:
    await receive(real_sessions, read(message()), chat)

    async def left(after: timedelta) -> tuple[int, int]:
        async with real_sessions() as session, session.begin():
            await callbacks.forget(session, now=NOW + after)
            nonces = (await session.scalars(select(CallbackNonce))).all()
            receipts = (await session.scalars(select(CallbackReceipt))).all()
            return len(nonces), len(receipts)

    assert await left(timedelta(minutes=20)) == (1, 1)
    assert await left(timedelta(minutes=21)) == (0, 1)
    assert await left(timedelta(days=31)) == (0, 0)


async def test_when_wechat_was_last_heard(real_sessions: Sessions, chat: Chat) -> None:
    await receive(real_sessions, read(message()), chat)
    async with real_sessions() as session:
        assert await callbacks.last_heard_at(session, App.service_account) == NOW
        assert await callbacks.last_heard_at(session, App.mini_program) is None
        assert await session.get(Milestone, "callback") is None


# -- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def state(sessions: Sessions, chat: Chat) -> dict[str, Any]:
    """What the router finds: both doors in safe mode."""
    return {
        "doors": {App.service_account: SAFE, App.mini_program: MINI},
        "callbacks": CallbackQueue(sessions, chat),
    }


@pytest.fixture
async def door(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """Both doors, at the instant `NOW`."""
    monkeypatch.setattr("app.clock.now", lambda: NOW)
    app = FastAPI()
    problems.install(app)
    app.include_router(wechat.router)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(with_state), base_url="http://xunhe/wechat"
    ) as client:
        yield client


def url_of(query: Pairs) -> dict[str, Any]:
    return {"params": dict(query)}


async def test_a_message_is_answered(door: httpx.AsyncClient, chat: Chat) -> None:
    query, body = message()
    first = await door.post("/service-account", content=body, **url_of(query))
    again = await door.post("/service-account", content=body, **url_of(query))
    assert (first.status_code, again.status_code, chat.calls) == (200, 200, 1)
    expected = {
        "MsgType": "text",
        "FromUserName": OURS,
        "ToUserName": OPENID,
        "CreateTime": stamp(),
        "Content": "第1次",
    }
    assert opened(first.text) == expected
    assert opened(again.text) == expected
    assert first.text != again.text


async def test_a_push_of_the_mini_program_is_heard(door: httpx.AsyncClient, chat: Chat) -> None:
    query, body = safe(
        '{"ToUserName":"gh_000000000001","FromUserName":"o-1","CreateTime":1780279200,'
        '"MsgType":"event","Event":"user_enter_tempsession"}',
        as_json=True,
    )
    answer = await door.post("/mini-program", content=body, **url_of(query))
    assert (answer.status_code, answer.text, chat.calls) == (200, "success", 1)


async def test_what_makes_no_sense_is_success(door: httpx.AsyncClient, chat: Chat) -> None:
    query, body = safe("<xml><a>示例</a></xml>")
    answer = await door.post("/service-account", content=body, **url_of(query))
    assert (answer.status_code, answer.text, chat.calls) == (403, answer.text, 0)
    query, body = safe("<xml><a>示例</a></xml>", outer={})
    answer = await door.post("/service-account", content=body, **url_of(query))
    assert (answer.status_code, answer.text, chat.calls) == (200, "success", 0)


async def test_a_forger_is_refused_in_problem_json(door: httpx.AsyncClient, chat: Chat) -> None:
    query, body = plain(document(fields()))
    for path in ("/service-account", "/mini-program"):
        answer = await door.post(path, content=body, **url_of(query))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        answer = await door.get(path, params={"echostr": "1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert chat.calls == 0


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_64_kib_is_refused(
    door: httpx.AsyncClient, chat: Chat, announced: bool
) -> None:
    query, body = message()

    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(66):
            yield b" " * 1024

    whole: Any = body + b" " * (66 << 10) if announced else in_parts()
    answer = await door.post("/service-account", content=whole, **url_of(query))
    assert (answer.status_code, answer.json()["code"], chat.calls) == (413, "too-large", 0)
    query, body = safe(document(fields(Content="河" * 10_000)))
    assert len(body) < callback.BODY_LIMIT
    answer = await door.post("/service-account", content=body, **url_of(query))
    assert (answer.status_code, chat.calls) == (200, 1)


async def test_the_address_is_verified_as_plain_text(door: httpx.AsyncClient) -> None:
    query = {
        "signature": sign(TOKEN, stamp(), "n1"),
        "timestamp": stamp(),
        "nonce": "n1",
        "echostr": "<b>42</b>",
    }
    for path in ("/service-account", "/mini-program"):
        answer = await door.get(path, params=query)
        assert (answer.status_code, answer.text) == (200, "<b>42</b>")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
    answer = await door.get("/service-account", params=query | {"nonce": "n2"})
    assert answer.status_code == 403


async def test_a_fault_of_ours_is_500_twice_and_then_success(
    door: httpx.AsyncClient, chat: Chat
) -> None:
    chat.failures = 99
    query, body = message()
    seen = []
    for _ in range(3):
        answer = await door.post("/service-account", content=body, **url_of(query))
        seen.append((answer.status_code, answer.text if answer.status_code == 200 else ""))
    assert seen == [(500, ""), (500, ""), (200, "success")]


async def test_a_database_that_is_down_is_503(
    door: httpx.AsyncClient, state: dict[str, Any], nowhere: Sessions, chat: Chat
) -> None:
    state["callbacks"] = CallbackQueue(nowhere, chat)
    query, body = message()
    answer = await door.post("/service-account", content=body, **url_of(query))
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert answer.headers["retry-after"] == "5"


async def test_a_door_that_is_not_configured_is_shut(state: dict[str, Any]) -> None:
    app = FastAPI()
    problems.install(app)
    app.include_router(wechat.router)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = state | {"doors": {}}
        await app(scope, receive, send)

    transport = httpx.ASGITransport(with_state)
    async with httpx.AsyncClient(transport=transport, base_url="http://xunhe") as client:
        query, body = message()
        answer = await client.post("/wechat/service-account", content=body, **url_of(query))
        assert answer.status_code == 403
        assert KEY not in answer.text
