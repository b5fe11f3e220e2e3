"""Check-ins as they stand: one, or those that a phone sends again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import CheckIn, CheckInVerdict, Person, Photo
from app.services import progress, visibility
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
        .limit(limit)
    )
    rows = (await session.execute(statement)).all()
    counted = await progress.counts_for(session, [row[0].id for row in rows], clock.day_of(now))
    return [
        Recorded(check_in, code, received, False, review, counted.get(check_in.id, ()))
        for check_in, code, received, review in rows
    ]
