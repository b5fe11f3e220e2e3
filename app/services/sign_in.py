"""Signing in by a QR code: tickets that let a browser in once a manager has vouched for it.

Whoever scans a browser's QR code vouches for nothing yet: the code may have been sent to them by
somebody who waits at that browser. They send the number that the browser shows, which only who sits
before it can read.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.keys import Keys
from app.models import Person, SignInTicket, uuid7
from app.services import web_sessions
from app.services.access import token_hash

SCENE_PREFIX = "web_"
SCAN_LASTS = timedelta(minutes=3)
MOST_WRONG = 3

_PICKED_UP_WITHIN = timedelta(minutes=1)
_KEPT_FOR = timedelta(days=1)


class Standing(StrEnum):
    """How a ticket stands; `over`: used, too old, or vouched for wrongly too often."""

    waiting = "waiting"
    scanned = "scanned"
    confirmed = "confirmed"
    refused = "refused"
    over = "over"


@dataclass(frozen=True, slots=True)
class Draft:
    """A browser's ticket before it is kept: what its cookie and its QR code hold."""

    id: UUID
    token: str
    scene: str


def draft() -> Draft:
    """A new one; nothing is kept before WeChat has drawn its code."""
    return Draft(uuid7(), secrets.token_urlsafe(32), SCENE_PREFIX + secrets.token_urlsafe(18))


async def keep(session: AsyncSession, drafted: Draft, *, address: str, now: datetime) -> None:
    """Keep the ticket of a browser at this address for three minutes; long dead ones go."""
    await session.execute(delete(SignInTicket).where(SignInTicket.expires_at < now - _KEPT_FOR))
    session.add(
        SignInTicket(
            id=drafted.id,
            via="scan",
            token_hash=token_hash(drafted.token),
            scene_hash=token_hash(drafted.scene),
            address=address,
            created_at=now,
            expires_at=now + SCAN_LASTS,
        )
    )


def number_of(keys: Keys, ticket_id: UUID) -> str:
    """The four digits that the browser shows; never stored."""
    digest = keys.digest("sign-in-number", str(ticket_id))
    return str(1000 + int.from_bytes(digest[:8]) % 9000)


def standing_of(ticket: SignInTicket, now: datetime) -> Standing:
    """How the ticket stands now."""
    if ticket.refused_at is not None:
        return Standing.refused
    if ticket.used_at is not None or ticket.expires_at <= now or ticket.wrong_numbers >= MOST_WRONG:
        return Standing.over
    if ticket.confirmed_at is not None:
        return Standing.confirmed
    return Standing.waiting if ticket.scanned_at is None else Standing.scanned


async def scan(session: AsyncSession, scene: str, *, now: datetime) -> SignInTicket | None:
    """Note that a browser's code was scanned; the ticket, if it still waits for that."""
    ticket = await _locked(session, scene_hash=token_hash(scene))
    if ticket is None or standing_of(ticket, now) not in {Standing.waiting, Standing.scanned}:
        return None
    ticket.scanned_at = ticket.scanned_at or now
    return ticket


async def vouch(
    session: AsyncSession,
    keys: Keys,
    person: Person,
    ticket_id: UUID,
    number: str,
    *,
    now: datetime,
) -> Standing:
    """Let the browser in as this manager if it shows this number.

    `confirmed` if so, `scanned` if it shows another one, `over` or `refused` if it is too late.
    """
    ticket = await _locked(session, id=ticket_id)
    if ticket is None:
        return Standing.over
    standing = standing_of(ticket, now)
    if standing is not Standing.scanned:
        # Vouched for by somebody is over for everybody else, and for a second time.
        return Standing.refused if standing is Standing.refused else Standing.over
    if not hmac.compare_digest(number_of(keys, ticket.id).encode(), number.encode()):
        ticket.wrong_numbers += 1
        return standing_of(ticket, now)
    ticket.person_id, ticket.confirmed_at = person.id, now
    ticket.expires_at = now + _PICKED_UP_WITHIN
    return Standing.confirmed


async def refuse(session: AsyncSession, ticket_id: UUID, *, now: datetime) -> None:
    """Whoever scanned it says that it was not them; nothing changes once it is confirmed."""
    ticket = await _locked(session, id=ticket_id)
    if ticket is not None and standing_of(ticket, now) is Standing.scanned:
        ticket.refused_at = now


async def pick_up(
    session: AsyncSession, token: str, *, now: datetime
) -> tuple[SignInTicket | None, str | None]:
    """A browser asks about its ticket: that, and what goes into its cookie once it may come in.

    Raises `Forbidden` when whoever vouched for it manages nobody any more.
    """
    ticket = await _locked(session, token_hash=token_hash(token))
    if ticket is None or ticket.via != "scan":
        return None, None
    if standing_of(ticket, now) is not Standing.confirmed:
        return ticket, None
    return ticket, await use(session, ticket, now=now)


async def use(session: AsyncSession, ticket: SignInTicket, *, now: datetime) -> str:
    """Sign in by a confirmed ticket; what goes into the cookie. Raises `Forbidden`."""
    person = await session.get_one(Person, ticket.person_id)
    cookie = await web_sessions.begin(session, person, via=ticket.via, now=now)
    ticket.used_at = now
    return cookie


async def _locked(session: AsyncSession, **known: object) -> SignInTicket | None:
    ticket: SignInTicket | None = await session.scalar(
        select(SignInTicket)
        .filter_by(**known)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return ticket
