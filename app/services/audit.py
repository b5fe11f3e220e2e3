"""The audit log: who of the staff changed what, from what to what, and why."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Person
from app.services.access import Caller


async def record(
    session: AsyncSession,
    actor: Person | None,
    action: str,
    subject: str,
    *,
    now: datetime,
    via: str = "api",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str | None = None,
) -> AuditEntry:
    """Add an entry to the caller's transaction, so that it stands exactly if the change does.

    `subject` is `<noun>:<code or id>`. Without an actor, `via` says who it was: `cli` for the
    operator's shell, else the door through which somebody changed something of their own.
    """
    entry = AuditEntry(
        at=now,
        actor_id=actor.id if actor else None,
        via=via,
        action=action,
        subject=subject,
        before=before,
        after=after,
        reason=reason,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    session.add(entry)
    await session.flush()
    return entry


async def seen(
    session: AsyncSession,
    caller: Caller,
    subject: str,
    *,
    now: datetime,
    reason: str | None = None,
    once_in: timedelta | None = None,
) -> None:
    """Write down that somebody looked at personal data of others (a track, a phone, an export).

    Nothing about one's own. For a program, `via` names its key. What is read in many pieces is one
    look: with `once_in`, the same look within that time is not written down again.
    """
    if caller.person is not None and subject == f"person:{caller.person.code}":
        return
    via = door_of(caller)
    if once_in is not None:
        same = select(AuditEntry.id).where(
            AuditEntry.at > now - once_in,
            AuditEntry.actor_id == (caller.person.id if caller.person else None),
            AuditEntry.via == via,
            AuditEntry.action == "see",
            AuditEntry.subject == subject,
            AuditEntry.reason == reason,
        )
        if await session.scalar(same.limit(1)) is not None:
            return
    await record(session, caller.person, "see", subject, via=via, reason=reason, now=now)


def door_of(caller: Caller) -> str:
    """By which door somebody came: a program with its key, the API, or the dashboard."""
    if caller.api_key is not None:
        return f"key:{caller.api_key.prefix}"
    return "api" if caller.login is not None else "web"
