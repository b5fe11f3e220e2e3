"""The review queue: doubtful check-ins that wait for a manager, the oldest first."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, false, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import CheckIn, Organisation, Person, Verdict
from app.services import access, edits, histories, visibility
from app.services.access import Caller
from app.services.histories import Visit


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of those that wait; `check`: the check that failed; days inclusive, at the lake."""

    organisation: str | None = None
    check: str | None = None
    from_on: date | None = None
    to_on: date | None = None


async def waiting(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Visit]:
    """Up to `limit` of what waits for the caller, whatever waits longest first."""
    conditions = await _waiting(session, caller, wanted)
    if after is not None:
        conditions.append(tuple_(CheckIn.received_at, CheckIn.id) > tuple_(*after))
    rows = (
        await session.execute(
            select(CheckIn, Person, Organisation)
            .join(Person, Person.id == CheckIn.person_id)
            .join(Organisation, Organisation.id == CheckIn.organisation_id)
            .where(*conditions)
            .order_by(CheckIn.received_at, CheckIn.id)
            .limit(limit)
        )
    ).all()
    shown = await histories.pictures(session, [row[0].id for row in rows])
    return [Visit(each, person, home, shown.get(each.id, ())) for each, person, home in rows]


async def count(session: AsyncSession, caller: Caller, wanted: Wanted) -> int:
    """How many wait for the caller."""
    conditions = await _waiting(session, caller, wanted)
    return (await session.scalar(select(func.count()).select_from(CheckIn).where(*conditions))) or 0


async def next_of(
    session: AsyncSession, caller: Caller, wanted: Wanted, check_in: CheckIn
) -> UUID | None:
    """What waits after this one; at the end of the queue what else waits."""
    place = check_in.received_at, check_in.id
    for after in (place, None):
        for each in await waiting(session, caller, wanted, after=after, limit=2):
            if each.check_in.id != check_in.id:
                return each.check_in.id
    return None


async def managed(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller may decide about a check-in, but for having taken part."""
    scope = await access.scope_of(session, caller)
    if scope is None:
        return true()
    return visibility.check_ins_in(scope) if scope else false()


async def _waiting(
    session: AsyncSession, caller: Caller, wanted: Wanted
) -> list[ColumnElement[bool]]:
    conditions = [
        CheckIn.verdict == Verdict.flagged,
        CheckIn.withdrawn_at.is_(None),
        await managed(session, caller),
    ]
    if wanted.organisation is not None:
        below = await edits.below(session, wanted.organisation)
        conditions.append(CheckIn.organisation_id.in_(below))
    if wanted.check is not None:
        conditions.append(CheckIn.evidence.contains([{"check": wanted.check, "passed": False}]))
    if wanted.from_on is not None:
        conditions.append(CheckIn.at >= clock.start_of(wanted.from_on))
    if wanted.to_on is not None:
        conditions.append(CheckIn.at < clock.end_of(wanted.to_on))
    return conditions
