"""What the real transport tells of connections that fail, and the way through a proxy."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import aiohttp
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.wechat.client import WeChat, open_wechat
from app.wechat.errors import OutcomeUnknown, TryAgain
from app.wechat.http import open_http, was_not_sent
from tests.wechat.platforms import Clock, configured

Sessions = async_sessionmaker[AsyncSession]


class Server:
    """Speaks as scripted on a port of its own, and remembers the first line of each request."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.bodies: list[bytes] = []
        self.answer = b""
        self.hangs_up = False
        self.address = ""

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                self.lines.append(line)
                length = 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                self.bodies.append(await reader.readexactly(length))
                if b"stable_token" in line:
                    body = b'{"access_token":"secret-token","expires_in":7200}'
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                    writer.write(head + body)
                else:
                    writer.write(self.answer)
                    if self.hangs_up:
                        return
                await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.speak, "127.0.0.1", 0)
    server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    listening.close()


@pytest.fixture(autouse=True)
def no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def connect(real_sessions: Sessions) -> AsyncIterator[Callable[[str], WeChat]]:
    """Clients as `serve` makes them, for an address."""
    opened: list[httpx.AsyncClient] = []
    clock = Clock()

    def to(address: str) -> WeChat:
        settings = configured(wechat_api_url=address)
        opened.append(open_http(settings))
        return open_wechat(opened[-1], settings, real_sessions, now=clock, sleep=clock.sleep)

    yield to
    for each in opened:
        await each.aclose()


Connect = Callable[[str], WeChat]


async def test_a_closed_port_was_surely_not_reached(connect: Connect, server: Server) -> None:
    wechat = connect(server.address)
    await wechat.service_account.caller.token.get()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TryAgain, match="cgi-bin/message/custom/send: Connect"):
        await connect(closed).service_account.send_text("o-1", "您好")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", b"nonsense\r\n\r\n"]
)
async def test_a_connection_that_breaks_after_the_request_leaves_it_open(
    connect: Connect, server: Server, answer: bytes
) -> None:
    """aiohttp's transport calls the first of these a ConnectTimeout, and lets the last one pass."""
    server.answer, server.hangs_up = answer, True
    with pytest.raises(OutcomeUnknown) as caught:
        await connect(server.address).service_account.send_text("o-1", "您好")
    assert sum(b"custom/send" in line for line in server.lines) == 2
    assert "secret-token" not in f"{caught.value} {caught.value.__cause__}"


async def test_the_body_is_real_utf8(connect: Connect, server: Server) -> None:
    body = b'{"errcode":0,"errmsg":"ok"}'
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    await connect(server.address).service_account.send_text("o-1", "您好")
    assert server.bodies[-1] == (
        '{"touser":"o-1","msgtype":"text","text":{"content":"您好"}}'.encode()
    )


async def test_a_proxy_is_honoured(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.address)
    server.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(TryAgain):
        await connect("https://wechat.example").service_account.caller.token.get()
    assert {line.split()[0] for line in server.lines} == {b"CONNECT"}
    assert server.lines[0].split()[1] == b"wechat.example:443"
    seen = len(server.lines)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    await connect(server.address).service_account.caller.token.get()
    assert [line.split()[:2] for line in server.lines[seen:]] == [
        [b"POST", b"/cgi-bin/stable_token"]
    ]


@pytest.mark.parametrize(
    ("cause", "sent"),
    [
        (aiohttp.ConnectionTimeoutError(), False),
        (aiohttp.SocketTimeoutError(), True),
        (aiohttp.ServerDisconnectedError(), True),
        (aiohttp.ClientOSError(), True),
        (aiohttp.ClientPayloadError(), True),
    ],
)
def test_only_what_never_connected_was_not_sent(cause: Exception, sent: bool) -> None:
    """Whatever httpx name aiohttp's transport gave it."""
    for name in (httpx.ConnectTimeout, httpx.TimeoutException, httpx.ReadError):
        error = name("")
        error.__cause__ = cause
        assert was_not_sent(error) is not sent
