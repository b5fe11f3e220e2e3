"""Login links: addresses made in the shell that let a manager into the dashboard, once."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import CommandFailed, NotFound
from app.models import Person, Role, SignInTicket, on_roster
from app.services import audit, sign_in
from app.services.access import token_hash
from app.services.sign_in import Standing

LASTS = timedelta(minutes=10)
PATH = "/dashboard/sign-in/links"

_LOST = "这个登录链接已经用过或过期，请重新生成。"


async def create(session: AsyncSession, person_code: str, *, now: datetime) -> str:
    """What a login link for this manager ends with. For the shell; audited.

    Raises `CommandFailed` for who is not on the roster, or manages nobody.
    """
    person = await session.scalar(
        select(Person).where(Person.code == person_code, on_roster(clock.day_of(now)))
    )
    if person is None:
        raise CommandFailed(f"名册上没有这位人员：{person_code}")
    if person.role is Role.member:
        raise CommandFailed(f"{person.name}（{person.code}）不是管理人员，管理页面不对其开放。")
    token = secrets.token_urlsafe(32)
    session.add(
        SignInTicket(
            via="link",
            token_hash=token_hash(token),
            person_id=person.id,
            created_at=now,
            expires_at=now + LASTS,
            confirmed_at=now,
        )
    )
    await audit.record(session, None, "login-link", f"person:{person.code}", via="cli", now=now)
    return token


async def behind(session: AsyncSession, token: str, *, now: datetime) -> Person:
    """Whom a login link is for; it stays good. Raises `NotFound` once it is used or too old."""
    ticket = await session.scalar(_named(token))
    if ticket is None or sign_in.standing_of(ticket, now) is not Standing.confirmed:
        raise NotFound(_LOST)
    return await session.get_one(Person, ticket.person_id)


async def follow(session: AsyncSession, token: str, *, now: datetime) -> str:
    """Sign in by a login link, once; what goes into the cookie. Raises as `behind`."""
    ticket = await session.scalar(_named(token).with_for_update())
    if ticket is None or sign_in.standing_of(ticket, now) is not Standing.confirmed:
        raise NotFound(_LOST)
    return await sign_in.use(session, ticket, now=now)


def _named(token: str) -> Select[SignInTicket]:
    return select(SignInTicket).where(
        SignInTicket.token_hash == token_hash(token), SignInTicket.via == "link"
    )
