"""The simulator behind a real server: what only a socket shows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import uvicorn
from httpx_aiohttp import AiohttpTransport

from app.wechat.simulator.app import create_app
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.wechat.simulator.conftest import CONFIG, SERVICE, FakeCallback, sealed, text_reply


@pytest.fixture
async def server(callback: FakeCallback) -> AsyncIterator[tuple[Platform, str]]:
    """The simulator and the scripted callback, each on a port of its own."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    base, ours = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in listeners)
    account = replace(SERVICE, callback_url=f"{ours}/wechat/service-account")
    platform = Platform(replace(CONFIG, service_account=account, base_url=base))
    servers = [
        uvicorn.Server(uvicorn.Config(create_app(platform), log_level="critical", lifespan="on")),
        uvicorn.Server(uvicorn.Config(callback, log_level="critical", lifespan="off")),
    ]
    running = [
        asyncio.create_task(one.serve(sockets=[listener]))
        for one, listener in zip(servers, listeners, strict=True)
    ]
    while not all(one.started for one in servers):  # noqa: ASYNC110 - uvicorn only sets a flag
        await asyncio.sleep(0.01)
    yield platform, base
    for one in servers:
        one.should_exit = True
    await asyncio.gather(*running)


async def test_message_goes_out_and_its_answer_comes_back(
    server: tuple[Platform, str], callback: FakeCallback
) -> None:
    platform, _ = server
    callback.answer = lambda received: sealed(text_reply(received, "好"))
    push = await platform.phone("li").say("你好")
    assert (push.outcome, len(push.attempts)) == ("replied", 1)
    assert [item.text for item in platform.users["li"].outbox] == ["好"]


async def test_connection_is_cut_before_and_after_the_effect(
    server: tuple[Platform, str],
) -> None:
    platform, base = server
    path = "/cgi-bin/stable_token"
    body = {"grant_type": "client_credential", "appid": SERVICE.app_id, "secret": SERVICE.secret}
    async with httpx.AsyncClient(
        transport=AiohttpTransport(), base_url=base, trust_env=False
    ) as http:
        for after in (False, True):
            platform.faults.add(Fault(path, drop=True, after=after, times=1))
            with pytest.raises(httpx.TransportError):
                await http.post(path, json=body)
            assert len(platform.service_account.tokens) == int(after)
        assert (await http.post(path, json=body)).json()["expires_in"] > 0
