"""Calls: whom to telephone because no message reaches or moves them, and who did."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import and_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.database import at_once
from app.domain.duties import Progress
from app.errors import Invalid, NotFound, WrongState
from app.models import Call, Organisation, Person, uuid7
from app.services import access, audit, progress
from app.services.access import Caller
from app.services.reminders import lists

BY_HAND = "管理人员主动联系"

_CLOCK_APART = timedelta(minutes=5)


class CallState(StrEnum):
    """待电话, 已电话, 已不需要."""

    open = "open"
    phoned = "phoned"
    closed = "closed"


@dataclass(frozen=True, slots=True)
class Owed:
    """A duty that they are behind with, or that is due soon."""

    code: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry of the call list with all that one wants to know when telephoning."""

    call: Call
    person: Person
    organisation: Organisation
    phoned_by: str | None
    owed: Sequence[Owed]
    last_patrol_on: date | None
    last_reminder_at: datetime | None


def state_of(call: Call) -> CallState:
    """How the entry stands."""
    if call.phoned_at is not None:
        return CallState.phoned
    return CallState.open if call.closed_at is None else CallState.closed


_STATES = {
    CallState.open: (Call.phoned_at.is_(None), Call.closed_at.is_(None)),
    CallState.phoned: (Call.phoned_at.is_not(None),),
    CallState.closed: (Call.phoned_at.is_(None), Call.closed_at.is_not(None)),
}

# What a person is told of: their own, those of organisations they are the liaison of, and what the
# reminder was about because of which they are to be telephoned.
_OF_PEOPLE: LiteralString = """
    WITH asked AS (
      SELECT * FROM unnest(CAST(%(people)s AS uuid[]), CAST(%(reminders)s AS uuid[]))
        AS asked (person_id, reminder_id)
    ), told AS (
      SELECT a.person_id, b.id AS obligation_id FROM asked a
      JOIN obligations b ON b.holder_person_id = a.person_id
      UNION
      SELECT a.person_id, b.id FROM asked a
      JOIN posts t ON t.person_id = a.person_id AND t.kind = 'liaison'
        AND (t.from_on IS NULL OR t.from_on <= %(day)s)
        AND (t.to_on IS NULL OR t.to_on >= %(day)s)
        AND (t.retired_on IS NULL OR t.retired_on > %(day)s)
      JOIN people p ON p.id = t.person_id
      JOIN obligations b
        ON b.holder_organisation_id = coalesce(t.organisation_id, p.organisation_id)
      UNION
      SELECT a.person_id, i.obligation_id FROM asked a
      JOIN reminder_items i ON i.reminder_id = a.reminder_id
    )
    SELECT told.person_id, told.obligation_id, b.code
    FROM told JOIN obligations b ON b.id = told.obligation_id
    WHERE b.starts_on <= %(day)s AND (b.ends_on IS NULL OR b.ends_on >= %(day)s)
      AND (b.retired_on IS NULL OR b.retired_on > %(day)s)
    ORDER BY b.code
"""
_LATEST: LiteralString = """
    SELECT a.person_id,
      greatest(
        (SELECT max(p.started_on) FROM patrols p
         WHERE p.person_id = a.person_id AND p.retired_on IS NULL),
        (SELECT max(p.started_on) FROM companions c JOIN patrols p ON p.id = c.patrol_id
         WHERE c.person_id = a.person_id AND c.removed_at IS NULL AND c.declined_at IS NULL
           AND p.retired_on IS NULL)) AS patrol_on,
      (SELECT max(r.sent_at) FROM reminders r WHERE r.person_id = a.person_id) AS reminded_at
    FROM unnest(CAST(%(people)s AS uuid[])) AS a (person_id)
"""


async def page(
    session: AsyncSession,
    caller: Caller,
    *,
    state: CallState,
    after: tuple[datetime, UUID] | None,
    limit: int,
    now: datetime,
) -> list[Shown]:
    """Up to `limit` entries about people whom the caller looks after, newest first."""
    conditions = [*await lists.overseen_by(session, caller), *_STATES[state]]
    if after is not None:
        conditions.append(tuple_(Call.opened_at, Call.id) < tuple_(*after))
    by = aliased(Person)
    rows = (
        await session.execute(
            select(Call, Person, Organisation, by.code)
            .join(Person, Person.id == Call.person_id)
            .join(Organisation, Organisation.id == Person.organisation_id)
            .outerjoin(by, by.id == Call.phoned_by_id)
            .where(*conditions)
            .order_by(Call.opened_at.desc(), Call.id.desc())
            .limit(limit)
        )
    ).all()
    calls = [row[0] for row in rows]
    owed = await _owed(session, calls, clock.day_of(now))
    latest = await _latest(session, {call.person_id for call in calls})
    return [
        Shown(call, person, home, phoned_by, owed.get(call.id, ()), *latest[person.id])
        for call, person, home, phoned_by in rows
    ]


async def tick_off(
    session: AsyncSession,
    caller: Caller,
    id_: UUID,
    *,
    at: datetime | None,
    note: str | None,
    now: datetime,
) -> Shown:
    """Somebody was telephoned by the caller, `at` some time up to now. Audited.

    Raises `NotFound` outside of what the caller manages, `Invalid` for a time to come, `WrongState`
    when it was ticked off already. What closed by itself meanwhile may still be ticked off.
    """
    manager = access.person_of(caller)
    conditions = await lists.overseen_by(session, caller)
    call = await session.scalar(
        select(Call)
        .join(Person, Person.id == Call.person_id)
        .where(Call.id == id_, *conditions)
        .with_for_update(of=Call)
        .execution_options(populate_existing=True)
    )
    if call is None:
        raise NotFound
    if at is not None and at > now + _CLOCK_APART:
        raise Invalid(errors=[{"pointer": "/at", "detail": "时间在未来，请检查"}])
    if call.phoned_at is not None:
        raise WrongState("这个电话已经登记过了。")
    call.phoned_at, call.phoned_by_id, call.note = min(at or now, now), manager.id, note
    person = await session.get_one(Person, call.person_id)
    await audit.record(
        session,
        manager,
        "phoned",
        f"call:{call.id}",
        now=now,
        before={"person": person.code, "phoned_at": None},
        after={"person": person.code, "phoned_at": call.phoned_at.isoformat()},
        reason=note,
    )
    home = await access.organisation_of(session, person)
    owed = await _owed(session, [call], clock.day_of(now))
    latest = await _latest(session, {person.id})
    return Shown(call, person, home, manager.code, owed.get(call.id, ()), *latest[person.id])


async def phone(
    session: AsyncSession,
    caller: Caller,
    code: str,
    *,
    at: datetime | None,
    note: str | None,
    now: datetime,
) -> Shown:
    """As `tick_off`, by the person's code, and whether or not anybody asked for the call before."""
    conditions = await lists.overseen_by(session, caller)
    person_id = await session.scalar(select(Person.id).where(Person.code == code, *conditions))
    if person_id is None:
        raise NotFound("没有找到这位人员。")
    is_open = (Call.phoned_at.is_(None), Call.closed_at.is_(None))
    await session.execute(
        insert(Call)
        .values(
            id=uuid7(),
            person_id=person_id,
            reason=BY_HAND,
            day=clock.day_of(now),
            opened_at=now,
        )
        .on_conflict_do_nothing(index_elements=["person_id"], index_where=and_(*is_open))
    )
    id_ = await session.scalar(select(Call.id).where(Call.person_id == person_id, *is_open))
    if id_ is None:
        raise WrongState("这个电话已经登记过了。")
    return await tick_off(session, caller, id_, at=at, note=note, now=now)


async def _owed(
    session: AsyncSession, calls: Collection[Call], day: date
) -> Mapping[UUID, Sequence[Owed]]:
    """By entry: what its person is behind with or has to do soon, as it stands on the day."""
    asked: dict[str, Any] = {
        "people": [call.person_id for call in calls],
        "reminders": [call.reminder_id for call in calls],
        "day": day,
    }
    (rows,) = await at_once(session, (_OF_PEOPLE, asked))
    standing = await progress.of(session, {(row.obligation_id, day) for row in rows})
    by_person: dict[UUID, list[Owed]] = defaultdict(list)
    for row in rows:
        found = standing[row.obligation_id, day]
        if found.behind or found.state == "due_soon":
            by_person[row.person_id].append(Owed(row.code, found))
    return {call.id: by_person[call.person_id] for call in calls}


async def _latest(
    session: AsyncSession, people: Collection[UUID]
) -> Mapping[UUID, tuple[date | None, datetime | None]]:
    (rows,) = await at_once(session, (_LATEST, {"people": list(people)}))
    return {row.person_id: (row.patrol_on, row.reminded_at) for row in rows}
