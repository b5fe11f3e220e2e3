"""Track lines: the line of a patrol, for whoever may look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import Patrol, TrackPoint
from app.services import access, audit, visibility
from app.services.access import Caller


@dataclass(frozen=True, slots=True)
class Fix:
    """Where the walker was at that time, WGS-84 degrees."""

    at: datetime
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Line:
    """A patrol and the points of its line that count, in the order of time."""

    patrol: Patrol
    fixes: Sequence[Fix]


async def may_see(session: AsyncSession, caller: Caller, patrol_id: UUID) -> bool:
    """Whether the caller may look at the line of this patrol."""
    return await _find(session, caller, patrol_id) is not None


async def look_at(session: AsyncSession, caller: Caller, patrol_id: UUID, *, now: datetime) -> Line:
    """The line of a patrol; that one looked at somebody else's is written down.

    Raises `NotBound` or `Forbidden` for who is not a person, `NotFound`.
    """
    person = access.person_of(caller)
    patrol = await _find(session, caller, patrol_id)
    if patrol is None:
        raise NotFound
    if patrol.person_id != person.id:
        await audit.seen(session, caller, f"patrol:{patrol.id}", now=now, reason="查看轨迹")
    rows = await session.execute(
        select(TrackPoint.at, TrackPoint.lon, TrackPoint.lat)
        .where(TrackPoint.patrol_id == patrol.id, TrackPoint.mark.is_(None))
        .order_by(TrackPoint.at, TrackPoint.seq)
    )
    return Line(patrol, [Fix(*row) for row in rows])


async def _find(session: AsyncSession, caller: Caller, patrol_id: UUID) -> Patrol | None:
    return await session.scalar(
        select(Patrol).where(
            Patrol.id == patrol_id,
            Patrol.retired_on.is_(None),
            await visibility.tracks_for(session, caller),
        )
    )
