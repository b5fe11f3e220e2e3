"""A platform under a clock of its own, a client for its API, and a callback that we script."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import xmltodict
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.crypto import Sealer, matches, sign
from app.wechat.simulator.platform import Platform

SERVICE = AccountConfig(
    app_id="wx00000000000000aa",
    secret="service-secret",
    token="service-token",
    aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    callback_url="http://ours/wechat/service-account",
    original_id="gh_service",
    name="阳宗海巡河",
    templates=(
        Template("T-REMIND", "巡河提醒", (("thing1", "任务"), ("character_string2", "完成"))),
        Template("S-ONCE", "巡河提醒", (("thing1", "任务"),), "subscribe"),
    ),
)
MINI = AccountConfig(
    app_id="wx00000000000000bb",
    secret="mini-secret",
    token="mini-token",
    aes_key="GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba",
    callback_url="http://ours/wechat/mini-program",
    original_id="gh_mini",
    name="巡河",
    push_format="json",
    pages=("pages/index",),
    templates=(
        Template("M-ONCE", "任务提醒", (("thing1", "任务"), ("time2", "截止")), "subscribe"),
        Template("M-LONG", "任务提醒", (("thing1", "任务"),), "subscribe", long_term=True),
    ),
)
CONFIG = PlatformConfig(
    service_account=SERVICE,
    mini_program=MINI,
    people=(
        PersonConfig("li", "示例甲", "19900000001", follows=True),
        PersonConfig("zhou", "示例乙", "19900000002"),
        PersonConfig("guest", "示例丙"),
    ),
    push_timeout=30,
    push_pause=0,
)


class Clock:
    """Time that passes only when told."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Received:
    """One request at the callback: what the address said, and the message inside."""

    query: dict[str, str]
    body: bytes
    message: dict[str, Any]


Script = Callable[[Received], Awaitable[bytes | int] | bytes | int]


@dataclass
class FakeCallback:
    """Our side of the callback, as small as it can be. `answer` decides each answer."""

    answer: Script = field(default=lambda _: b"success")
    received: list[Received] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        account = MINI if request.url.path.endswith("mini-program") else SERVICE
        query, body = dict(request.query_params), await request.body()
        assert matches(query["signature"], account.token, query["timestamp"], query["nonce"])
        if request.method == "GET":
            echo = query["echostr"].encode()
            if "msg_signature" in query:
                echo = Sealer(account.aes_key, account.app_id).decrypt(query["echostr"])
            response = Response(echo, media_type="text/plain")
            await response(scope, receive, send)
            return
        parsed = json.loads(body) if body.startswith(b"{") else xmltodict.parse(body)["xml"]
        message = parsed
        if "Encrypt" in parsed:
            parts = (account.token, query["timestamp"], query["nonce"], parsed["Encrypt"])
            assert matches(query["msg_signature"], *parts)
            plain = Sealer(account.aes_key, account.app_id).decrypt(parsed["Encrypt"])
            message = json.loads(plain) if plain[:1] == b"{" else xmltodict.parse(plain)["xml"]
        received = Received(query, body, message)
        self.received.append(received)
        answer = self.answer(received)
        if isinstance(answer, Awaitable):
            answer = await answer
        response = Response(status_code=answer) if isinstance(answer, int) else Response(answer)
        await response(scope, receive, send)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [received.message for received in self.received]


def text_reply(received: Received, text: str, **changed: str) -> str:
    """A passive reply to what was received, still unencrypted."""
    message = received.message
    fields = {
        "ToUserName": message["FromUserName"],
        "FromUserName": message["ToUserName"],
        "CreateTime": "1790000000",
        "MsgType": "text",
        "Content": text,
    } | changed
    return str(xmltodict.unparse({"xml": fields}, full_document=False))


def sealed(xml: str, *, token: str = SERVICE.token, app_id: str = SERVICE.app_id) -> bytes:
    """That reply encrypted and signed as safe mode wants it."""
    encrypted = Sealer(SERVICE.aes_key, app_id).encrypt(xml.encode())
    fields = {
        "Encrypt": encrypted,
        "MsgSignature": sign(token, "1790000000", "nonce", encrypted),
        "TimeStamp": "1790000000",
        "Nonce": "nonce",
    }
    return str(xmltodict.unparse({"xml": fields}, full_document=False)).encode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def callback() -> FakeCallback:
    return FakeCallback()


MakePlatform = Callable[[PlatformConfig], Platform]


@pytest.fixture
async def make_platform(clock: Clock, callback: FakeCallback) -> AsyncIterator[MakePlatform]:
    """Platforms whose pushes go to the scripted callback."""
    made: list[Platform] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(callback)) as http:

        def make(config: PlatformConfig) -> Platform:
            made.append(Platform(config, http=http, clock=clock))
            return made[-1]

        yield make
        for platform in made:
            await platform.close()


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    return make_platform(CONFIG)


class Api:
    """The platform's API as a backend calls it."""

    def __init__(self, platform: Platform) -> None:
        transport = httpx.ASGITransport(create_app(platform))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://api")

    async def token(self, account: AccountConfig, **more: Any) -> dict[str, Any]:
        body = {"grant_type": "client_credential", "appid": account.app_id}
        answer = await self.http.post(
            "/cgi-bin/stable_token", json=body | {"secret": account.secret} | more
        )
        return dict(answer.json())

    async def get(self, account: AccountConfig, path: str, **query: Any) -> dict[str, Any]:
        token = (await self.token(account))["access_token"]
        answer = await self.http.get(path, params={"access_token": token, **query})
        return dict(answer.json())

    async def raw_post(self, account: AccountConfig, path: str, content: bytes) -> httpx.Response:
        token = (await self.token(account))["access_token"]
        return await self.http.post(path, params={"access_token": token}, content=content)

    async def post(self, account: AccountConfig, path: str, **body: Any) -> dict[str, Any]:
        content = json.dumps(body, ensure_ascii=False).encode()
        return dict((await self.raw_post(account, path, content)).json())

    async def session(self, code: str) -> dict[str, Any]:
        query = {"appid": MINI.app_id, "secret": MINI.secret, "js_code": code}
        answer = await self.http.get(
            "/sns/jscode2session", params=query | {"grant_type": "authorization_code"}
        )
        return dict(answer.json())


@pytest.fixture
async def api(platform: Platform) -> AsyncIterator[Api]:
    api = Api(platform)
    async with api.http:
        yield api


@pytest.fixture
def gate() -> asyncio.Event:
    """Something that a stalled callback waits for."""
    return asyncio.Event()
