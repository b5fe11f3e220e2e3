"""Check-ins as they stand: one, a page of them, those that a phone sends again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import CheckIn, CheckInVerdict, Person, Photo, Verdict
from app.services import filters, progress, visibility
from app.services.access import Caller
from app.services.progress import Counted


@dataclass(frozen=True, slots=True)
class Recorded:
    """A check-in as it now stands; `created` is false when it was there already.

    `review` is the manager's verdict in force, if there is one; `counts_for` what it counts for,
    as that stands today; `ask_for` the templates for which its sender is to be asked now.
    """

    check_in: CheckIn
    person_code: str
    photos_received: int
    created: bool
    review: CheckInVerdict | None = None
    counts_for: Sequence[Counted] = ()
    ask_for: Sequence[str] = ()


async def by_id(
    session: AsyncSession, ids: Collection[UUID], *, now: datetime
) -> Mapping[UUID, Recorded]:
    """Those of the check-ins that there are, whosever they are."""
    if not ids:
        return {}
    found = await _select(session, CheckIn.id.in_(ids), limit=len(ids), now=now)
    return {recorded.check_in.id: recorded for recorded in found}


async def find(session: AsyncSession, caller: Caller, id_: UUID, *, now: datetime) -> Recorded:
    """One check-in that the caller may see. Raises `NotFound`."""
    rows = await _select(
        session, CheckIn.id == id_, await visibility.check_ins_for(session, caller), now=now
    )
    if not rows:
        raise NotFound
    return rows[0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which check-ins to list; days are inclusive, at the lake."""

    mine: bool = False
    from_on: date | None = None
    to_on: date | None = None
    person: str | None = None
    verdict: Verdict | None = None
    patrol_id: UUID | None = None


async def page(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    now: datetime,
) -> list[Recorded]:
    """Up to `limit` check-ins that the caller may see, newest first, after the cursor's place."""
    conditions = [
        await visibility.check_ins_for(session, caller, mine=wanted.mine),
        *filters.instants(CheckIn.at, wanted.from_on, wanted.to_on),
        *filters.person(CheckIn.person_id, wanted.person),
        *filters.equal(CheckIn.verdict, wanted.verdict),
        *filters.equal(CheckIn.patrol_id, wanted.patrol_id),
    ]
    if after is not None:
        conditions.append(tuple_(CheckIn.at, CheckIn.id) < tuple_(*after))
    return await _select(session, *conditions, limit=limit, now=now)


async def _select(
    session: AsyncSession, *conditions: ColumnElement[bool], limit: int = 1, now: datetime
) -> list[Recorded]:
    photos = select(func.count()).where(Photo.check_in_id == CheckIn.id).scalar_subquery()
    reviewed = and_(
        CheckInVerdict.check_in_id == CheckIn.id,
        CheckInVerdict.reviewer_id.is_not(None),
        CheckInVerdict.revoked_at.is_(None),
    )
    statement = (
        select(CheckIn, Person.code, photos, CheckInVerdict)
        .join(Person, Person.id == CheckIn.person_id)
        .outerjoin(CheckInVerdict, reviewed)
        .where(*conditions)
        .order_by(CheckIn.at.desc(), CheckIn.id.desc())
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    counted = await progress.counts_for(session, [row[0].id for row in rows], clock.day_of(now))
    return [
        Recorded(check_in, code, received, False, review, counted.get(check_in.id, ()))
        for check_in, code, received, review in rows
    ]
