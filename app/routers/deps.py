"""What an endpoint may ask for."""

from collections.abc import AsyncIterator
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.domain.datum import Datum
from app.errors import Forbidden, Unauthenticated
from app.keys import Keys
from app.models import Person, Role
from app.schemas.fields import answer_datum
from app.services import access, web_sessions
from app.services.access import Caller
from app.settings import Settings
from app.wechat.client import WeChat

_bearer = HTTPBearer(auto_error=False, description="登录令牌，或管理程序的密钥 xk_…")


async def get_now() -> datetime:
    """The moment this request is about; everything below is told, and never asks."""
    return clock.now()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One request, one transaction: committed before we answer, rolled back if we raise."""
    async with request.state.sessions() as session, session.begin():
        yield session


async def get_snapshot(request: Request) -> AsyncIterator[AsyncSession]:
    """A session that reads one state of the database, however many statements it takes."""
    async with request.state.sessions() as session, session.begin():
        await session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        yield session


def get_settings(request: Request) -> Settings:
    """The settings this process started with."""
    settings: Settings = request.state.settings
    return settings


def get_keys(request: Request) -> Keys:
    """The deployment's keys."""
    keys: Keys = request.state.keys
    return keys


def get_sessions(request: Request) -> async_sessionmaker[AsyncSession]:
    """Sessions for an endpoint that opens transactions of its own."""
    sessions: async_sessionmaker[AsyncSession] = request.state.sessions
    return sessions


def get_wechat(request: Request) -> WeChat:
    """The client of WeChat's API."""
    wechat: WeChat = request.state.wechat
    return wechat


Now = Annotated[datetime, Depends(get_now)]
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
Snapshot = Annotated[AsyncSession, Depends(get_snapshot, scope="function")]
AppSettings = Annotated[Settings, Depends(get_settings)]
AppKeys = Annotated[Keys, Depends(get_keys)]
Sessions = Annotated[async_sessionmaker[AsyncSession], Depends(get_sessions)]
WeChatApi = Annotated[WeChat, Depends(get_wechat)]


async def get_token(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str | None:
    """The bearer token as it came."""
    return credentials.credentials if credentials else None


Token = Annotated[str | None, Depends(get_token)]


async def get_bearer_token(token: Token) -> str:
    """The bearer token, where there has to be one."""
    if token is None:
        raise Unauthenticated
    return token


BearerToken = Annotated[str, Depends(get_bearer_token)]


def address_of(request: Request, settings: Settings) -> str:
    """Where the request came from, believing X-Forwarded-For from our own proxies only."""
    address = request.client.host if request.client else ""
    # All lines of it: a proxy may add one of its own below that of the caller.
    lines = request.headers.getlist("x-forwarded-for")
    chain = [part.strip() for part in ",".join(lines).split(",")]
    while chain and chain[-1] and _is_trusted(address, settings):
        address = chain.pop()
    return address


def _is_trusted(address: str, settings: Settings) -> bool:
    try:
        host = ip_address(address)
    except ValueError:
        return False
    return any(host in network for network in settings.trusted_proxies)


async def limit_address(request: Request, now: Now, settings: AppSettings) -> None:
    """Count the request against its address: for doors that open without a token."""
    household = _household(address_of(request, settings))
    await request.state.limiter.take(f"address:{household}", settings.rate_limit.per_address, now)


def _household(address: str) -> str:
    """The address, or the /64 of it: whoever has one IPv6 address has 2^64 of them."""
    try:
        host = ip_address(address)
    except ValueError:
        return address
    if host.version == 4:
        return address
    return str(host.ipv4_mapped or ip_network((host, 64), strict=False))


WEB_COOKIE = "xunhe_web"


def web_cookie(request: Request) -> str | None:
    """What the dashboard's sign-in left in the browser."""
    return request.cookies.get(WEB_COOKIE)


async def _identify(
    request: Request, session: AsyncSession, token: str | None, now: datetime
) -> Caller:
    """By the token; without one, for reading only, by the sign-in to the dashboard.

    So the dashboard's downloads and pictures go through the API's own doors. Raises
    `Unauthenticated`.
    """
    cookie = web_cookie(request)
    if token is None and cookie is not None and request.method in {"GET", "HEAD"}:
        signed = await web_sessions.find(session, cookie, now=now)
        if signed is not None:
            return Caller(person=signed.person)
    return await access.identify(session, token, now=now)


async def get_caller(
    request: Request, session: Session, token: Token, now: Now, settings: AppSettings
) -> Caller:
    """Whoever holds the token, bound or not, person or program."""
    caller = await _identify(request, session, token, now)
    limits = settings.rate_limit
    limit = limits.per_key if caller.api_key else limits.per_person
    await request.state.limiter.take(caller.bucket, limit, now)
    return caller


async def get_visitor(request: Request, token: Token, now: Now, settings: AppSettings) -> Caller:
    """As `get_caller`, with the connection given back before the endpoint runs.

    For endpoints that wait for somebody else (WeChat, a slow phone's upload) and open their own
    transactions; what they get is detached and may be read only.
    """
    async with request.state.sessions() as session, session.begin():
        caller = await _identify(request, session, token, now)
    limits = settings.rate_limit
    limit = limits.per_key if caller.api_key else limits.per_person
    await request.state.limiter.take(caller.bucket, limit, now)
    return caller


async def get_maybe_caller(
    request: Request, session: Session, token: Token, now: Now, settings: AppSettings
) -> Caller | None:
    """Whoever holds the token, or nobody: for what is public and tells some people more."""
    return await get_caller(request, session, token, now, settings) if token else None


async def get_person(caller: Annotated[Caller, Depends(get_caller)]) -> Person:
    """The bound person who is asking."""
    return access.person_of(caller)


async def get_reader(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    """A bound person, or a program with a key."""
    if caller.api_key is None:
        access.person_of(caller)
    return caller


async def get_manager(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    """A manager or admin."""
    access.person_of(caller)
    if not caller.is_manager:
        raise Forbidden
    return caller


async def get_admin(caller: Annotated[Caller, Depends(get_manager)]) -> Caller:
    """An admin."""
    if access.person_of(caller).role is not Role.admin:
        raise Forbidden
    return caller


async def get_overseer(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
    """A manager or admin, or a program with a key."""
    return caller if caller.api_key is not None else await get_manager(caller)


async def get_visiting_overseer(caller: Annotated[Caller, Depends(get_visitor)]) -> Caller:
    """The same as a visitor: for endpoints that read a snapshot, and need no other connection."""
    if caller.api_key is None:
        access.person_of(caller)
        if not caller.is_manager:
            raise Forbidden
    return caller


async def get_datum(datum: Annotated[Datum, Query()] = Datum.wgs84) -> Datum:
    """`?datum=`: in which datum to answer a GET."""
    answer_datum.set(datum)
    return datum


AnyCaller = Annotated[Caller, Depends(get_caller)]
MaybeCaller = Annotated[Caller | None, Depends(get_maybe_caller)]
Visitor = Annotated[Caller, Depends(get_visitor)]
Me = Annotated[Person, Depends(get_person)]
Reader = Annotated[Caller, Depends(get_reader)]
Manager = Annotated[Caller, Depends(get_manager)]
Admin = Annotated[Caller, Depends(get_admin)]
Overseer = Annotated[Caller, Depends(get_overseer)]
VisitingOverseer = Annotated[Caller, Depends(get_visiting_overseer)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]
Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=1000)]
InDatum = Depends(get_datum)
Limited = Depends(limit_address)
