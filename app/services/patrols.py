"""Patrols: starting, amending, finishing and closing them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Conflict, FinishedBeforeStart, NotFound, StaleVersion, UnknownCode
from app.models import Findings, Patrol, PatrolKind, PatrolOrigin, PatrolState, Person, Reach
from app.services import companions, credits, patrol_lists, tracks
from app.services.access import Caller
from app.services.patrol_lists import Shown

# Without a finish there is only what was recorded: the last point or check-in, else the start.
# A start that a wrong clock put into the future is not waited for.
_CLOSE = text(
    """
    WITH overdue AS (
      SELECT p.id, p.started_at FROM patrols p
      WHERE p.state = 'open' AND least(p.started_at, p.received_at) < :before
      ORDER BY p.id LIMIT 500 FOR UPDATE SKIP LOCKED
    ), seen AS (
      SELECT o.id, o.started_at,
        (SELECT max(at) FROM track_points WHERE patrol_id = o.id AND mark IS NULL) AS point_at,
        (SELECT max(at) FROM check_ins WHERE patrol_id = o.id AND withdrawn_at IS NULL) AS last_at,
        (SELECT min(at) FROM check_ins WHERE patrol_id = o.id AND withdrawn_at IS NULL) AS first_at
      FROM overdue o
    )
    UPDATE patrols p SET state = 'finished', closed_by_us = true,
      finished_at = greatest(s.started_at, s.point_at, s.last_at),
      duration_s = least(2147483647, floor(extract(epoch FROM CASE WHEN s.point_at IS NULL
        THEN coalesce(s.last_at - s.first_at, interval '0')
        ELSE greatest(s.started_at, s.point_at, s.last_at) - s.started_at END)))
    FROM seen s WHERE p.id = s.id
    RETURNING p.id
    """
)


@dataclass(frozen=True, slots=True)
class NewPatrol:
    """What somebody says when they set out."""

    id: UUID
    started_at: datetime
    kind: PatrolKind
    reach_code: str | None
    companions: Sequence[str]

    @property
    def digest(self) -> bytes:
        """Equal for equal content, in whatever order the companions stand."""
        said = (
            self.started_at.timestamp(),
            self.kind,
            self.reach_code,
            sorted(set(self.companions)),
        )
        return hashlib.sha256(orjson.dumps(said)).digest()


async def start(
    session: AsyncSession, person: Person, new: NewPatrol, *, now: datetime
) -> tuple[Patrol, bool]:
    """The patrol as it now stands, and whether it is new.

    Raises `Conflict` for an id that stands for something else, `UnknownCode`.
    """
    there = await session.get(Patrol, new.id)
    if there is None:
        reach_id = await _reach_id(session, new.reach_code)
        day = clock.day_of(new.started_at)
        along = await companions.find(session, person, new.companions, on=day)
        patrol = Patrol(
            id=new.id,
            person_id=person.id,
            organisation_id=person.organisation_id,
            kind=new.kind,
            state=PatrolState.open,
            origin=PatrolOrigin.phone,
            started_at=new.started_at,
            started_on=day,
            reach_id=reach_id,
            content_digest=new.digest,
            received_at=now,
        )
        try:
            async with session.begin_nested():
                session.add(patrol)
        except IntegrityError:
            there = await session.get(Patrol, new.id, populate_existing=True)
        else:
            await companions.set_for(session, patrol, person, along, now=now)
            return patrol, True
    if there is None or there.person_id != person.id or there.content_digest != new.digest:
        raise Conflict
    return there, False


async def amend(
    session: AsyncSession,
    caller: Caller,
    person: Person,
    new: NewPatrol,
    *,
    wanted: str,
    version_of: Callable[[Shown], str],
    now: datetime,
) -> None:
    """Change one's own open patrol if the version wanted (If-Match) is the current one.

    Raises `NotFound`, `Conflict` for another's patrol or one that is finished, `StaleVersion`,
    `UnknownCode`.
    """
    await credits.hold(session)
    # Locked before its version is made: of two phones with the same version only one may win.
    patrol = await session.get(
        Patrol, new.id, with_for_update={"key_share": True}, populate_existing=True
    )
    if patrol is None:
        raise NotFound
    if patrol.person_id != person.id:
        raise Conflict
    if patrol.content_digest == new.digest:
        # The retry of an amendment whose answer got lost.
        return
    if patrol.state is not PatrolState.open or patrol.origin is not PatrolOrigin.phone:
        raise Conflict("这次巡河已经结束，不能再修改。")
    current = version_of(await patrol_lists.find(session, caller, new.id))
    if not {name.strip().removeprefix("W/") for name in wanted.split(",")} & {current, "*"}:
        raise StaleVersion
    patrol.reach_id = await _reach_id(session, new.reach_code)
    patrol.started_on = clock.day_of(new.started_at)
    along = await companions.find(session, person, new.companions, on=patrol.started_on)
    patrol.kind, patrol.started_at = new.kind, new.started_at
    patrol.content_digest = new.digest
    await companions.set_for(session, patrol, person, along, now=now)
    if patrol.last_seq is not None:
        # Which points were recorded before the start is another question now.
        await tracks.measure(session, patrol)
    await credits.judge(session, [patrol.id], now=now)


async def finish(
    session: AsyncSession,
    person: Person,
    id_: UUID,
    *,
    finished_at: datetime,
    findings: Findings,
    note: str | None,
    now: datetime,
) -> Patrol:
    """Close the patrol; a second finish changes nothing.

    One that we closed ourselves, because no finish came, takes the finish that comes late.
    Raises `NotFound`, `FinishedBeforeStart`.
    """
    await credits.hold(session)
    patrol = await _own(session, person, id_)
    if patrol.state is PatrolState.finished and not patrol.closed_by_us:
        return patrol
    if finished_at < patrol.started_at:
        raise FinishedBeforeStart(
            errors=[{"pointer": "/finished_at", "detail": FinishedBeforeStart.title}]
        )
    patrol.state, patrol.closed_by_us = PatrolState.finished, False
    patrol.finished_at, patrol.findings, patrol.note = finished_at, findings, note or None
    patrol.duration_s = await tracks.duration_s(session, patrol)
    await credits.judge(session, [patrol.id], now=now)
    return patrol


async def close_overdue(session: AsyncSession, *, open_for: timedelta, now: datetime) -> int:
    """Finish up to 500 patrols left open for too long, with what they have; say how many."""
    await credits.hold(session)
    closed = (await session.scalars(_CLOSE, {"before": now - open_for})).all()
    await credits.judge(session, closed, now=now)
    return len(closed)


async def _own(session: AsyncSession, person: Person, id_: UUID) -> Patrol:
    patrol = await session.get(
        Patrol, id_, with_for_update={"key_share": True}, populate_existing=True
    )
    if patrol is None or patrol.person_id != person.id:
        raise NotFound
    return patrol


async def _reach_id(session: AsyncSession, code: str | None) -> UUID | None:
    if code is None:
        return None
    id_ = await session.scalar(
        select(Reach.id).where(Reach.code == code, Reach.retired_on.is_(None))
    )
    if id_ is None:
        raise UnknownCode(errors=[{"pointer": "/reach_code", "detail": "没有这个编号的河段"}])
    return id_
