"""The client: both apps' calls over one HTTP client and one database."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.settings import Settings
from app.wechat.calls import Call, Caller, Sleep
from app.wechat.errors import TryAgain
from app.wechat.mini_program import MiniProgram
from app.wechat.service_account import ServiceAccount
from app.wechat.tokens import Tokens


@dataclass(frozen=True)
class WeChat:
    """Everything we ask of WeChat; calls of an app that is not configured raise `TryAgain`."""

    service_account: ServiceAccount
    mini_program: MiniProgram


def open_wechat(
    http: httpx.AsyncClient,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    *,
    now: Callable[[], datetime] = clock.now,
    sleep: Sleep = asyncio.sleep,
) -> WeChat:
    """The client for this process. `http` comes from `app.wechat.http.open_http`.

    `sessions` should have connections of their own: a request that holds one while it waits for
    WeChat must not keep the token from being read.
    """
    account = Caller(http, settings.service_account, sessions, now, sleep)

    async def fetch_ticket(_force: bool) -> tuple[str, timedelta]:
        path = "cgi-bin/ticket/getticket"
        answer = await account.json(Call("GET", path, params={"type": "jsapi"}, waited_for=True))
        ticket, lifetime = answer.get("ticket"), answer.get("expires_in")
        if not (ticket and isinstance(ticket, str) and isinstance(lifetime, int)):
            raise TryAgain(path, reason="an answer without a ticket")
        return ticket, timedelta(seconds=lifetime)

    ticket = Tokens(settings.service_account.app_id, "jsapi_ticket", sessions, fetch_ticket, now)
    return WeChat(
        service_account=ServiceAccount(account, ticket),
        mini_program=MiniProgram(Caller(http, settings.mini_program, sessions, now, sleep)),
    )
