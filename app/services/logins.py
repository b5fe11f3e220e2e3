"""Logins: signing in by a `wx.login` code, and what every session call answers."""

import asyncio
import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.errors import Unauthenticated
from app.keys import Keys
from app.models import App, Login, Organisation, Person, WechatUser, uuid7
from app.services import bindings, wechat_users
from app.services.access import token_hash
from app.wechat.client import WeChat
from app.wechat.errors import CodeUsed

# A double tap sends one code twice: the second is answered like the first for so long.
SAME_ANSWER_FOR = timedelta(minutes=1)
_LOOKS = 20
_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session as it is answered; nobody while unbound, or off the roster today."""

    token: str
    expires_at: datetime
    person: Person | None
    organisation: Organisation | None


async def sign_in(
    sessions: async_sessionmaker[AsyncSession],
    keys: Keys,
    wechat: WeChat,
    code: str,
    *,
    now: datetime,
    days: int,
) -> SignedIn:
    """The session of a `wx.login` code, good for `days` days.

    The token is derived from the code, so that both taps of a double tap find the same login. No
    connection is held while WeChat thinks. Raises as WeChat's `code_session`.
    """
    token = base64.urlsafe_b64encode(keys.digest("login-token", code)).decode().rstrip("=")
    known = await _known(sessions, token, now)
    if known is not None:
        return known
    try:
        who = await wechat.mini_program.code_session(code)
    except CodeUsed:
        first = await _await_the_first(sessions, token, now)
        if first is None:
            raise
        return first
    async with sessions() as session, session.begin():
        user = await wechat_users.met(
            session, App.mini_program, who.openid, unionid=who.unionid, now=now
        )
        await bindings.join_by_unionid(session, user, now=now)
        await session.execute(
            insert(Login)
            .values(
                id=uuid7(),
                token_hash=token_hash(token),
                wechat_user_id=user.id,
                created_at=now,
                expires_at=now + timedelta(days=days),
            )
            .on_conflict_do_nothing()
        )
        return await answer(session, token, now=now)


async def answer(session: AsyncSession, token: str, *, now: datetime) -> SignedIn:
    """What a session call answers to the holder of this token. Raises `Unauthenticated`."""
    row = (
        await session.execute(
            select(Login, Person, Organisation)
            .join(WechatUser, WechatUser.id == Login.wechat_user_id)
            .outerjoin(Person, Person.id == WechatUser.person_id)
            .outerjoin(Organisation, Organisation.id == Person.organisation_id)
            .where(Login.token_hash == token_hash(token), Login.ended_at.is_(None))
        )
    ).one_or_none()
    if row is None:
        raise Unauthenticated
    login, person, organisation = row
    if person is None or not person.is_on_roster(clock.day_of(now)):
        return SignedIn(token, login.expires_at, None, None)
    return SignedIn(token, login.expires_at, person, organisation)


async def sign_out(session: AsyncSession, login: Login, *, now: datetime) -> None:
    """End this login; the WeChat user stays bound."""
    login.ended_at = now
    await session.flush()


async def _known(
    sessions: async_sessionmaker[AsyncSession], token: str, now: datetime
) -> SignedIn | None:
    async with sessions() as session, session.begin():
        recent = await session.scalar(
            select(Login.id).where(
                Login.token_hash == token_hash(token),
                Login.ended_at.is_(None),
                Login.created_at > now - SAME_ANSWER_FOR,
            )
        )
        return await answer(session, token, now=now) if recent is not None else None


async def _await_the_first(
    sessions: async_sessionmaker[AsyncSession], token: str, now: datetime
) -> SignedIn | None:
    """The login that the first tap is about to commit, perhaps in another process."""
    for _ in range(_LOOKS):
        known = await _known(sessions, token, now)
        if known is not None:
            return known
        await asyncio.sleep(_LOOK_AGAIN_S)
    return None
