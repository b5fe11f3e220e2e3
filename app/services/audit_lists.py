"""The audit log, read: who saw or changed what, when, through which door and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import AuditEntry, Person

Change = tuple[str, Any, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: by whom (code or name), about what, of which kind, on which days."""

    actor: str = ""
    subject: str = ""
    action: str = ""
    from_on: date | None = None
    to_on: date | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry with its actor; null where it was the shell or the system."""

    entry: AuditEntry
    actor: Person | None

    @property
    def changes(self) -> list[Change]:
        """What differs: field, before, after."""
        before, after = self.entry.before or {}, self.entry.after or {}
        return [
            (field, before.get(field), after.get(field))
            for field in [*before, *(field for field in after if field not in before)]
            if before.get(field) != after.get(field) or field not in before
        ]


async def page(
    session: AsyncSession, which: Wanted, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Shown]:
    """The entries, the newest first; `subject` may be the beginning of one (`person:`)."""
    statement = (
        select(AuditEntry, Person)
        .outerjoin(Person, Person.id == AuditEntry.actor_id)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )
    if which.actor:
        named = or_(Person.code == which.actor, Person.name == which.actor)
        # A program is known by its key's beginning, the shell by `cli`.
        statement = statement.where(
            or_(named, AuditEntry.via == which.actor, AuditEntry.via == f"key:{which.actor}")
        )
    if which.subject:
        statement = statement.where(AuditEntry.subject.startswith(which.subject, autoescape=True))
    if which.action:
        statement = statement.where(AuditEntry.action == which.action)
    if which.from_on is not None:
        statement = statement.where(AuditEntry.at >= clock.start_of(which.from_on))
    if which.to_on is not None:
        statement = statement.where(AuditEntry.at < clock.end_of(which.to_on))
    if after is not None:
        statement = statement.where(tuple_(AuditEntry.at, AuditEntry.id) < after)
    return [Shown(entry, actor) for entry, actor in await session.execute(statement)]
