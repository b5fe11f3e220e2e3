"""Callers who never get to the point: their connections end, and nobody else's."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.supervisor import connections
from app.supervisor.connections import BoundedConnection

ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n"


async def _hello(_scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        _hello, port=0, http=BoundedConnection, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def said(port: int, *parts: bytes) -> bytes:
    """All that the server says until it hangs up; it is given `parts` one by one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_a_head_may_have_64_kib(port: int) -> None:
    end = b"\r\nConnection: close\r\n\r\n"
    room = connections.HEAD_BYTES - len(ASKED) - len(end) - 3

    assert (await said(port, ASKED + b"X: " + b"a" * room + end)).startswith(b"HTTP/1.1 204")
    assert await said(port, ASKED + b"X: ", *([b"a" * 4096] * 32)) == b""


@pytest.mark.parametrize("begun", [b"", ASKED, ASKED + b"\r\n" + ASKED])
async def test_a_head_that_does_not_come_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.2)

    answered = await said(port, begun)

    assert answered.count(b"HTTP/1.1 204") == begun.count(b"\r\n\r\n")


async def test_a_slow_body_is_not_cut_by_the_heads_clock(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.05)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + b"a" * 100_000)
    await asyncio.sleep(0.1)
    writer.write(b"a" * 100_000)

    assert (await reader.read()).startswith(b"HTTP/1.1 204")
    writer.close()
