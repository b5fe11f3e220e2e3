"""A platform that answers by script, and clients of ours that speak to it at a time of our choosing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.settings import MiniProgram, ServiceAccount, Settings
from app.wechat.client import WeChat, open_wechat

RID = "6650a1b2-0c3d4e5f-12345678"
Answer = dict[str, Any] | bytes | int | Exception
STABLE_TOKEN = "/cgi-bin/stable_token"


def refusal(errcode: int, words: str = "refused") -> dict[str, Any]:
    return {"errcode": errcode, "errmsg": f"{words} rid: {RID}"}


class Clock:
    """Time that passes only when told; a pause of the client's passes it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
        self.pauses: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **given: float) -> None:
        self.now += timedelta(**given)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.pass_(seconds=seconds)


@dataclass
class Script:
    """What is answered, by path: in order, the last one for ever. Tokens are given unless scripted."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)
    tokens: int = 0

    def on(self, path: str, *answers: Answer) -> None:
        self.answers[f"/{path}"] = list(answers)

    def count(self, path: str) -> int:
        return sum(request.url.path == f"/{path}" for request in self.asked)

    def body(self, path: str) -> Any:
        """The JSON of the last request there."""
        return json.loads([each for each in self.asked if each.url.path == f"/{path}"][-1].content)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        scripted = self.answers.get(request.url.path)
        if scripted is None:
            if request.url.path != STABLE_TOKEN:
                return httpx.Response(200, json={"errcode": 0, "errmsg": "ok"})
            self.tokens += 1
            token = {"access_token": f"token-{self.tokens}", "expires_in": 7200}
            return httpx.Response(200, json=token)
        answer = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            return httpx.Response(answer, text="error")
        if isinstance(answer, bytes):
            return httpx.Response(200, content=answer, headers={"content-type": "image/jpeg"})
        return httpx.Response(200, json=answer)


def configured(**given: Any) -> Settings:
    service = ServiceAccount(
        _env_file=None, app_id="wx00000000000000aa", secret="service-secret", token="t"
    )
    mini = MiniProgram(_env_file=None, app_id="wx00000000000000bb", secret="mini-secret", token="t")
    return Settings(_env_file=None, service_account=service, mini_program=mini, **given)


def client_of(
    transport: Callable[[httpx.Request], httpx.Response] | httpx.AsyncBaseTransport,
    sessions: async_sessionmaker[AsyncSession],
    clock: Clock,
) -> WeChat:
    if not isinstance(transport, httpx.AsyncBaseTransport):
        transport = httpx.MockTransport(transport)
    http = httpx.AsyncClient(transport=transport, base_url="http://wechat")
    return open_wechat(http, configured(), sessions, now=clock, sleep=clock.sleep)
