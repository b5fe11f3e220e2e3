"""Reminder lists: what was planned, sent, and came of it; for managers, programs and the shell."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, cast, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    Obligation,
    Organisation,
    Person,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
    subtree_of,
)
from app.services import access
from app.services.access import Caller
from app.services.reminders import planning

_WAITING = (ReminderState.queued, ReminderState.sending)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reminders to list; days are inclusive. `organisation`: its people and all below."""

    from_on: date | None = None
    to_on: date | None = None
    kind: ReminderKind | None = None
    state: ReminderState | None = None
    person: str | None = None
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A reminder with whom it is for, and its duties as they stood when it was planned."""

    reminder: Reminder
    person: Person
    organisation: Organisation
    items: Sequence[tuple[ReminderItem, str]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a reminder, for the shell."""

    code: str
    name: str
    kind: str
    about: str
    state: str
    channel: str | None
    reason: str | None


async def overseen_by(session: AsyncSession, caller: Caller) -> list[ColumnElement[bool]]:
    """The condition under which a person is the caller's to look after; nobody for a member."""
    scope = await access.scope_of(session, caller)
    return [] if scope is None else [Person.organisation_id.in_(scope)]


async def page(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[Shown]:
    """Up to `limit` reminders to people whom the caller looks after, newest first."""
    conditions = await overseen_by(session, caller)
    if wanted.from_on is not None:
        conditions.append(Reminder.day >= wanted.from_on)
    if wanted.to_on is not None:
        conditions.append(Reminder.day <= wanted.to_on)
    if wanted.kind is not None:
        conditions.append(Reminder.kind == wanted.kind)
    if wanted.state is not None:
        conditions.append(Reminder.state == wanted.state)
    if wanted.person is not None:
        conditions.append(Person.code == wanted.person)
    if wanted.organisation is not None:
        conditions.append(Person.organisation_id.in_(await _below(session, wanted.organisation)))
    if after is not None:
        conditions.append(tuple_(Reminder.day, Reminder.id) < tuple_(*after))
    rows = (
        await session.execute(
            select(Reminder, Person, Organisation)
            .join(Person, Person.id == Reminder.person_id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .where(*conditions)
            .order_by(Reminder.day.desc(), Reminder.id.desc())
            .limit(limit)
        )
    ).all()
    items = await _items(session, [row[0].id for row in rows])
    return [Shown(each, person, home, items.get(each.id, ())) for each, person, home in rows]


async def waiting(
    session: AsyncSession, day: date, *, except_for: Collection[UUID]
) -> Sequence[UUID]:
    """The reminders of a day that an operator planned and that have not gone out."""
    found = await session.scalars(
        select(Reminder.id)
        .where(Reminder.day == day, Reminder.as_of.is_not(None), Reminder.state.in_(_WAITING))
        .order_by(Reminder.id)
    )
    known = set(except_for)
    return [id_ for id_ in found if id_ not in known]


async def outcomes(session: AsyncSession, ids: Collection[UUID]) -> list[Outcome]:
    """What came of these reminders, by the codes of the people."""
    rows = await session.execute(
        select(
            Reminder,
            Person.code,
            Person.name,
        )
        .join(Person, Person.id == Reminder.person_id)
        .where(Reminder.id == _any_of(ids))
        .order_by(Person.code)
    )
    items = await _items(session, ids)
    return [
        Outcome(
            code,
            name,
            each.kind,
            planning.described([(of, item) for item, of in items.get(each.id, ())], each.figures),
            each.state,
            each.channel,
            each.reason,
        )
        for each, code, name in rows
    ]


def _any_of(ids: Collection[UUID]) -> ColumnElement[UUID]:
    """As one parameter, however many they are."""
    return func.any(cast(list(ids), ARRAY(Uuid)))


async def _below(session: AsyncSession, code: str) -> Collection[UUID]:
    roots = await session.scalars(select(Organisation.id).where(Organisation.code == code))
    return (await session.scalars(subtree_of(roots))).all()


async def _items(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, Sequence[tuple[ReminderItem, str]]]:
    rows = await session.execute(
        select(ReminderItem, Obligation.code)
        .join(Obligation, Obligation.id == ReminderItem.obligation_id)
        .where(ReminderItem.reminder_id == _any_of(ids))
        .order_by(ReminderItem.due_on, Obligation.code, ReminderItem.kind)
    )
    found: dict[UUID, list[tuple[ReminderItem, str]]] = defaultdict(list)
    for item, code in rows:
        found[item.reminder_id].append((item, code))
    return found
