"""The system's state and the audit log, for admins."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from app.models import App
from app.schemas.fields import Instant
from app.schemas.reminders import Named
from app.services import system
from app.services.audit_lists import Shown
from app.services.diagnosis import Level


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Finding(_Read):
    """A line of `xunhe doctor`."""

    level: Level
    what: str
    said: str


class Queue(_Read):
    """Jobs."""

    due: int
    oldest_due_at: Instant | None
    failed: int
    worker_seen_at: Instant | None


class Token(_Read):
    """A token's age and end."""

    app: App | None
    kind: str
    refreshed_at: Instant
    expires_at: Instant


class Circuit(_Read):
    """A call that WeChat refused for a lasting reason."""

    app: App | None
    path: str
    errcode: int
    opened_at: Instant
    closes_at: Instant


class Alarm(_Read):
    """What the operator has been told is wrong."""

    name: str
    text: str
    raised_at: Instant


class Closing(BaseModel):
    """A day's closing: keep `link` with its position elsewhere, and a chain cut short shows."""

    day: str
    events: int
    late: int
    position: int
    link: str


class Chain(BaseModel):
    """The record chain."""

    opened_at: Instant | None
    taken_over_at: Instant | None
    sealed_at: Instant | None
    position: int
    unsealed: int
    closing: Closing | None


class System(BaseModel):
    """How everything stands."""

    findings: Sequence[Finding]
    queue: Queue
    tokens: Sequence[Token]
    circuits: Sequence[Circuit]
    alarms: Sequence[Alarm]
    backup_at: Instant | None
    chain: Chain

    @classmethod
    def of(cls, found: system.System) -> Self:
        """From what was found."""
        closing = found.chain.closing
        return cls(
            findings=[Finding.model_validate(each) for each in found.findings],
            queue=Queue.model_validate(found.queue),
            tokens=[Token.model_validate(each) for each in found.tokens],
            circuits=[Circuit.model_validate(each) for each in found.circuits],
            alarms=[Alarm.model_validate(each) for each in found.alarms],
            backup_at=found.backup_at,
            chain=Chain(
                opened_at=found.chain.opened_at,
                taken_over_at=found.chain.taken_over_at,
                sealed_at=found.chain.sealed_at,
                position=found.chain.position,
                unsealed=found.chain.unsealed,
                closing=Closing(
                    day=closing.day.isoformat(),
                    events=closing.events,
                    late=closing.late,
                    position=closing.position,
                    link=closing.link.hex(),
                )
                if closing
                else None,
            ),
        )


class AuditEntry(BaseModel):
    """Who did what to what."""

    id: str
    at: Instant
    actor: Named | None
    via: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    request_id: str | None

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """From the log."""
        row, actor = shown.entry, shown.actor
        return cls(
            id=str(row.id),
            at=row.at,
            actor=Named(code=actor.code, name=actor.name) if actor else None,
            via=row.via,
            action=row.action,
            subject=row.subject,
            before=row.before,
            after=row.after,
            reason=row.reason,
            request_id=row.request_id,
        )
