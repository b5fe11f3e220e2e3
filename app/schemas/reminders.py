"""Reminders as managers and programs read them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field

from app.models import Channel, ReminderItem, ReminderKind, ReminderState
from app.schemas.fields import Instant
from app.services.reminders import lists

FIGURES = ("behind", "people", "calls", "reviews", "unmet")


class Named(BaseModel):
    """A person or an organisation."""

    code: str
    name: str


class ReminderObligation(BaseModel):
    """A duty in a reminder, as it stood when that was planned; `slice` is the first not met."""

    code: str
    kind: ReminderKind
    window_from: date
    slice: int
    due_on: date
    done: int
    owed: int
    behind: int

    @classmethod
    def of(cls, item: ReminderItem, code: str) -> Self:
        """From its row."""
        return cls(
            code=code,
            kind=item.kind,
            window_from=item.window_from,
            slice=item.slice,
            due_on=item.due_on,
            done=item.done,
            owed=item.owed,
            behind=item.behind,
        )


class Reminder(BaseModel):
    """A message to a person on a day; `reason`: why it is in its state, where that needs saying."""

    id: str
    day: date
    person: Named
    organisation: Named
    kind: ReminderKind
    state: ReminderState
    channel: Channel | None
    reason: str | None
    text: str | None
    obligations: Sequence[ReminderObligation]
    figures: Annotated[
        Mapping[str, int],
        Field(
            description="Of a digest, all below its reader: `behind` duties and the `people` who"
            " hold them, `calls` to be made, `reviews` that wait, and `unmet`: week and month"
            " windows that closed in the ISO week before with fewer days, pending ones counted,"
            " than were owed. Of an overdue review, `reviews`."
        ),
    ]
    planned_at: Instant
    as_of: Instant | None
    sent_at: Instant | None
    confirmed_at: Instant | None

    @classmethod
    def of(cls, shown: lists.Shown) -> Self:
        """From what the lists show."""
        row = shown.reminder
        return cls(
            id=str(row.id),
            day=row.day,
            person=Named(code=shown.person.code, name=shown.person.name),
            organisation=Named(code=shown.organisation.code, name=shown.organisation.name),
            kind=row.kind,
            state=row.state,
            channel=row.channel,
            reason=row.reason,
            text=row.text,
            obligations=[ReminderObligation.of(item, code) for item, code in shown.items],
            figures={key: row.figures[key] for key in FIGURES if key in row.figures},
            planned_at=row.planned_at,
            as_of=row.as_of,
            sent_at=row.sent_at,
            confirmed_at=row.confirmed_at,
        )
