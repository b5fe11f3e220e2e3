"""One token for all processes: fetched once, replaced once, and used while WeChat is ill."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.models import WechatToken
from app.wechat.client import WeChat
from app.wechat.errors import TryAgain
from app.wechat.tokens import Tokens
from tests.wechat.platforms import Clock, Script, client_of, refusal

Sessions = async_sessionmaker[AsyncSession]
APP = "wx00000000000000aa"
TOKEN = "cgi-bin/stable_token"
INFO = "cgi-bin/user/info"
FOLLOWS = {"subscribe": 1, "openid": "o-1"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script() -> Script:
    script = Script()
    script.on(INFO, FOLLOWS)
    return script


@pytest.fixture
def processes(script: Script, real_sessions: Sessions, clock: Clock) -> list[WeChat]:
    """Three clients that share nothing but the database."""
    return [client_of(script, real_sessions, clock) for _ in range(3)]


async def ask(wechat: WeChat) -> None:
    await wechat.service_account.follower("o-1")


def used(script: Script) -> list[str]:
    return [each.url.params["access_token"] for each in script.asked if each.url.path == f"/{INFO}"]


async def stored(sessions: Sessions) -> list[tuple[str, str, str, datetime]]:
    async with sessions() as session:
        rows = await session.scalars(select(WechatToken))
        return [(row.app_id, row.kind, row.token, row.expires_at) for row in rows]


async def test_many_processes_fetch_one_token(
    processes: list[WeChat], script: Script, real_sessions: Sessions, clock: Clock
) -> None:
    await asyncio.gather(*(ask(each) for each in processes * 10))
    assert script.count(TOKEN) == 1
    assert set(used(script)) == {"token-1"}
    ends = clock.now + timedelta(seconds=7200)
    assert await stored(real_sessions) == [(APP, "access_token", "token-1", ends)]
    assert script.body(TOKEN) == {
        "grant_type": "client_credential",
        "appid": APP,
        "secret": "service-secret",
        "force_refresh": False,
    }


async def test_both_apps_have_their_own(processes: list[WeChat], script: Script) -> None:
    await ask(processes[0])
    await processes[0].mini_program.send_subscribed("o-1", "T", {})
    assert script.count(TOKEN) == 2
    assert script.asked[-1].url.params["access_token"] == "token-2"


@pytest.mark.parametrize(("seconds", "fetched"), [(6900, 1), (6901, 2)])
async def test_it_is_renewed_five_minutes_before_its_end(
    processes: list[WeChat], script: Script, clock: Clock, seconds: int, fetched: int
) -> None:
    await ask(processes[0])
    clock.pass_(seconds=seconds)
    await asyncio.gather(*(ask(each) for each in processes))
    assert script.count(TOKEN) == fetched


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_a_refused_token_is_replaced_and_the_call_made_once_more(
    processes: list[WeChat], script: Script, errcode: int
) -> None:
    script.on(INFO, refusal(errcode), FOLLOWS)
    await ask(processes[0])
    assert used(script) == ["token-1", "token-2"]
    assert script.count(TOKEN) == 2


async def test_it_is_made_once_more_and_not_twice(processes: list[WeChat], script: Script) -> None:
    script.on(INFO, refusal(40001))
    with pytest.raises(TryAgain) as caught:
        await ask(processes[0])
    assert caught.value.errcode == 40001
    assert used(script) == ["token-1", "token-2"]


async def test_what_another_process_fetched_is_used_before_asking_again(
    processes: list[WeChat], script: Script
) -> None:
    first, second, _ = processes
    await ask(first)
    await ask(second)
    script.on(INFO, refusal(40001), FOLLOWS)
    await ask(first)
    assert script.count(TOKEN) == 2
    script.on(INFO, refusal(40001), FOLLOWS)
    await ask(second)
    assert used(script)[-2:] == ["token-1", "token-2"]
    assert script.count(TOKEN) == 2


async def test_fifty_refusals_at_once_are_one_refresh(
    processes: list[WeChat], script: Script
) -> None:
    for each in processes:
        await ask(each)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("access_token") == "token-1":
            return httpx.Response(200, json=refusal(40001))
        return script(request)

    for each in processes:
        for app in (each.service_account, each.mini_program):
            app.caller._http._transport = httpx.MockTransport(answer)
    await asyncio.gather(*(ask(each) for each in processes * 17))
    assert script.count(TOKEN) == 2


async def test_a_token_wechat_insists_on_is_forced_out(
    processes: list[WeChat], script: Script, clock: Clock
) -> None:
    """stable_token gives the same token again while WeChat's other side refuses it."""
    same, new = ({"access_token": name, "expires_in": 7000} for name in ("same", "new"))
    script.on(TOKEN, same, same, new)
    script.on(INFO, FOLLOWS, refusal(40001), FOLLOWS)
    await ask(processes[0])
    await ask(processes[0])
    assert used(script) == ["same", "same", "new"]
    assert script.body(TOKEN)["force_refresh"] is True
    # Not twice within half a minute: WeChat gives twenty a day.
    script.on(TOKEN, new)
    script.on(INFO, refusal(40001), FOLLOWS)
    asked = script.count(TOKEN)
    with pytest.raises(TryAgain):
        await ask(processes[0])
    assert script.count(TOKEN) == asked + 1
    clock.pass_(seconds=31)
    script.on(TOKEN, new, {"access_token": "newer", "expires_in": 7200})
    script.on(INFO, refusal(40001), FOLLOWS)
    await ask(processes[0])
    assert used(script)[-1] == "newer"


@pytest.mark.parametrize(
    "trouble", [502, httpx.ReadTimeout("slow"), refusal(45011), refusal(40164)]
)
async def test_an_old_token_serves_while_wechat_gives_no_new_one(
    processes: list[WeChat], script: Script, clock: Clock, trouble: object
) -> None:
    await ask(processes[0])
    clock.pass_(seconds=7000)
    script.on(TOKEN, trouble)  # type: ignore[arg-type]  # parametrized
    await ask(processes[0])
    assert used(script)[-1] == "token-1"
    clock.pass_(seconds=300)
    with pytest.raises(TryAgain):
        await ask(processes[1])


@pytest.mark.parametrize(
    "answer",
    [{}, {"access_token": ""}, {"access_token": 5, "expires_in": 1}, {"access_token": "t"}],
)
async def test_an_answer_without_a_token_is_none(
    processes: list[WeChat], script: Script, real_sessions: Sessions, answer: dict[str, object]
) -> None:
    script.on(TOKEN, answer)
    with pytest.raises(TryAgain):
        await ask(processes[0])
    assert used(script) == []
    assert await stored(real_sessions) == []


async def test_one_slow_refresh_holds_up_nobody_who_has_a_token(
    processes: list[WeChat], script: Script, clock: Clock
) -> None:
    """While one process waits for WeChat, the others go on with the old token."""
    for each in processes:
        await ask(each)
    clock.pass_(seconds=7000)
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/{TOKEN}":
            asked.set()
            await may_answer.wait()
        return script(request)

    slow = processes[0]
    slow.service_account.caller._http._transport = httpx.MockTransport(answer)
    refreshing = asyncio.create_task(ask(slow))
    await asked.wait()
    await asyncio.gather(*(ask(each) for each in processes[1:]))
    assert set(used(script)) == {"token-1"}
    assert script.count(TOKEN) == 1
    may_answer.set()
    await refreshing
    assert used(script)[-1] == "token-2"


@pytest.fixture
async def alone(engine: AsyncEngine) -> AsyncIterator[Sessions]:
    """A process with one connection only."""
    one = create_async_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=5)
    yield async_sessionmaker(one)
    await one.dispose()


async def test_at_most_one_connection_waits_for_wechat(
    alone: Sessions, script: Script, clock: Clock, real_sessions: Sessions
) -> None:
    wechat = client_of(script, alone, clock)
    await asyncio.gather(*(ask(wechat) for _ in range(20)))
    assert script.count(TOKEN) == 1
    assert len(await stored(real_sessions)) == 1


async def test_who_dies_while_refreshing_leaves_no_lock(
    processes: list[WeChat], script: Script, real_sessions: Sessions
) -> None:
    asked = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        return script(request)

    dying = processes[0]
    transport = dying.service_account.caller._http._transport
    dying.service_account.caller._http._transport = httpx.MockTransport(answer)
    refreshing = asyncio.create_task(ask(dying))
    await asked.wait()
    refreshing.cancel()
    await asyncio.gather(refreshing, return_exceptions=True)
    await ask(processes[1])
    async with real_sessions() as session:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        assert await session.scalar(text(held)) == 0
    dying.service_account.caller._http._transport = transport
    await ask(dying)
    assert set(used(script)) == {"token-1"}


async def test_a_lock_that_is_never_let_go_is_not_waited_for(
    script: Script, real_sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.wechat.tokens._LOCK_WAIT", "10ms")
    async with real_sessions() as holder, holder.begin():
        key = f"wechat token {APP} access_token"
        await holder.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
        )
        with pytest.raises(TryAgain, match="no token to be had"):
            await ask(client_of(script, real_sessions, clock))
    assert script.asked == []


async def test_tickets_are_kept_alike(
    processes: list[WeChat], script: Script, clock: Clock, real_sessions: Sessions
) -> None:
    """The vendor's sample signature."""
    ticket = (
        "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    )
    script.on("cgi-bin/ticket/getticket", {"errcode": 0, "ticket": ticket, "expires_in": 7200})
    for each in processes:
        signature = await each.service_account.page_signature(
            "http://mp.weixin.qq.com?params=value#fragment",
            nonce="Wm3WZYTPz0wzccnW",
            timestamp=1414587457,
        )
        assert signature == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
    assert script.count("cgi-bin/ticket/getticket") == 1
    assert {row[1:3] for row in await stored(real_sessions)} == {
        ("access_token", "token-1"),
        ("jsapi_ticket", ticket),
    }
    clock.pass_(seconds=6901)
    await processes[0].service_account.page_signature("http://x", nonce="n", timestamp=1)
    assert script.count("cgi-bin/ticket/getticket") == 2


async def test_a_token_shows_in_no_repr(processes: list[WeChat]) -> None:
    await ask(processes[0])
    tokens = processes[0].service_account.caller.token
    assert isinstance(tokens, Tokens)
    assert tokens._held is not None
    assert "token-1" not in repr(tokens._held)
