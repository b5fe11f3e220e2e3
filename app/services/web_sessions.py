"""Web sessions: the cookie that a browser holds after a manager signed in to the dashboard."""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Forbidden
from app.keys import Keys
from app.models import Person, Role, WebSession
from app.services import audit
from app.services.access import token_hash

LASTS = timedelta(hours=12)
IDLE = timedelta(hours=2)
# Not every page view is written down.
_SEEN_AGAIN = timedelta(minutes=1)


class Signed(NamedTuple):
    """Who is behind a cookie; the person is a manager on the roster of today."""

    web_session: WebSession
    person: Person


async def begin(session: AsyncSession, person: Person, *, via: str, now: datetime) -> str:
    """Sign the person in; what goes into the cookie. Raises `Forbidden` for who manages nobody."""
    if person.role is Role.member or not person.is_on_roster(clock.day_of(now)):
        raise Forbidden("管理页面只供管理人员使用。")
    token = secrets.token_urlsafe(32)
    session.add(
        WebSession(
            token_hash=token_hash(token),
            person_id=person.id,
            via=via,
            created_at=now,
            seen_at=now,
            expires_at=now + LASTS,
        )
    )
    await audit.record(session, person, "sign-in", f"person:{person.code}", via="web", now=now)
    return token


async def find(session: AsyncSession, token: str, *, now: datetime) -> Signed | None:
    """Who is signed in by this cookie; nobody once it is over, or the person manages no more."""
    row = (
        await session.execute(
            select(WebSession, Person)
            .join(Person, Person.id == WebSession.person_id)
            .where(
                WebSession.token_hash == token_hash(token),
                WebSession.ended_at.is_(None),
                WebSession.expires_at > now,
                WebSession.seen_at > now - IDLE,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    found = Signed(*row)
    if found.person.role is Role.member or not found.person.is_on_roster(clock.day_of(now)):
        return None
    if found.web_session.seen_at < now - _SEEN_AGAIN:
        await session.execute(
            update(WebSession)
            .where(WebSession.id == found.web_session.id, WebSession.seen_at < now)
            .values(seen_at=now)
            .execution_options(synchronize_session=False)
        )
    return found


async def end(session: AsyncSession, signed: Signed, *, now: datetime) -> None:
    """Sign out: the cookie opens nothing from now on."""
    await session.execute(
        update(WebSession).where(WebSession.id == signed.web_session.id).values(ended_at=now)
    )
    await audit.record(
        session, signed.person, "sign-out", f"person:{signed.person.code}", via="web", now=now
    )


def form_token(keys: Keys, signed: Signed) -> str:
    """What every form of this sign-in carries, so that no other site can post in its name."""
    return keys.digest("web-form", str(signed.web_session.id)).hex()


def is_form_token(keys: Keys, signed: Signed, given: str) -> bool:
    """Whether a form came from one of our own pages, shown to this sign-in."""
    return hmac.compare_digest(form_token(keys, signed).encode(), given.encode())
