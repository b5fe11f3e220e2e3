"""The call list."""

from collections.abc import Sequence
from datetime import date
from typing import Self

from pydantic import BaseModel

from app.domain.duties import State
from app.schemas.fields import Instant, Note, Strict
from app.schemas.reminders import Named
from app.services.reminders import calls
from app.services.reminders.calls import CallState


class CalledPerson(Named):
    """Whom to telephone; the number is for managers only."""

    phone: str | None


class Owed(BaseModel):
    """A duty they are behind with, or that is due soon, as it stands now."""

    code: str
    done: int
    owed: int
    pending: int
    behind: int
    next_due_on: date | None
    state: State

    @classmethod
    def of(cls, owed: calls.Owed) -> Self:
        """From how the duty stands."""
        found = owed.progress
        return cls(
            code=owed.code,
            done=found.done,
            owed=found.window.owed,
            pending=found.pending,
            behind=found.behind,
            next_due_on=found.next_due_on,
            state=found.state,
        )


class Call(BaseModel):
    """An entry: open, phoned, or closed because there is no need any more."""

    id: str
    state: CallState
    person: CalledPerson
    organisation: Named
    reason: str
    day: date
    opened_at: Instant
    owed: Sequence[Owed]
    last_patrol_on: date | None
    last_reminder_at: Instant | None
    phoned_at: Instant | None
    phoned_by: str | None
    note: str | None
    closed_at: Instant | None

    @classmethod
    def of(cls, shown: calls.Shown, *, with_phone: bool) -> Self:
        """From what the list shows."""
        row, person = shown.call, shown.person
        return cls(
            id=str(row.id),
            state=calls.state_of(row),
            person=CalledPerson(
                code=person.code, name=person.name, phone=person.phone if with_phone else None
            ),
            organisation=Named(code=shown.organisation.code, name=shown.organisation.name),
            reason=row.reason,
            day=row.day,
            opened_at=row.opened_at,
            owed=[Owed.of(each) for each in shown.owed],
            last_patrol_on=shown.last_patrol_on,
            last_reminder_at=shown.last_reminder_at,
            phoned_at=row.phoned_at,
            phoned_by=shown.phoned_by,
            note=row.note,
            closed_at=row.closed_at,
        )


class NewPhoned(Strict):
    """Somebody telephoned; without `at` just now."""

    at: Instant | None = None
    note: Note | None = None
