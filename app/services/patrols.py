"""Patrols: starting, amending, finishing, closing and finding them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, func, select, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Conflict, FinishedBeforeStart, Invalid, NotFound, StaleVersion
from app.models import (
    CheckIn,
    Companion,
    Findings,
    Patrol,
    PatrolKind,
    PatrolOrigin,
    PatrolState,
    Person,
    Reach,
)
from app.services import companions, visibility
from app.services.access import Caller

# Without a finish there is only what was recorded: the last point or check-in, else the start.
_CLOSE = text(
    """
    WITH overdue AS (
      SELECT p.id, p.started_at FROM patrols p
      WHERE p.state = 'open' AND p.started_at < :before
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
      duration_s = CASE WHEN s.point_at IS NULL
        THEN coalesce(extract(epoch FROM s.last_at - s.first_at), 0)
        ELSE extract(epoch FROM greatest(s.started_at, s.point_at, s.last_at) - s.started_at) END
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


@dataclass(frozen=True, slots=True)
class Shown:
    """A patrol with what its answer shows beside the row."""

    patrol: Patrol
    person_code: str
    reach: Reach | None
    companions: Sequence[str]
    check_in_ids: Sequence[UUID]


async def start(
    session: AsyncSession, person: Person, new: NewPatrol, *, now: datetime
) -> tuple[Patrol, bool]:
    """The patrol as it now stands, and whether it is new.

    Raises `Conflict` for an id that stands for something else, `Invalid` for unknown codes.
    """
    there = await session.get(Patrol, new.id)
    if there is None:
        reach_id = await _reach_id(session, new.reach_code)
        along = await companions.find(session, person, new.companions)
        patrol = Patrol(
            id=new.id,
            person_id=person.id,
            organisation_id=person.organisation_id,
            kind=new.kind,
            state=PatrolState.open,
            origin=PatrolOrigin.phone,
            started_at=new.started_at,
            started_on=clock.day_of(new.started_at),
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
    person: Person,
    new: NewPatrol,
    *,
    wanted: str,
    current: str,
    now: datetime,
) -> Patrol:
    """Change one's own open patrol if the version wanted (If-Match) is the current one.

    Raises `NotFound`, `StaleVersion`, `Conflict` once it is finished, `Invalid` for unknown codes.
    """
    patrol = await _own(session, person, new.id)
    if patrol.content_digest == new.digest:
        # The retry of an amendment whose answer got lost.
        return patrol
    if wanted.strip().removeprefix("W/") not in {current, "*"}:
        raise StaleVersion
    if patrol.state is not PatrolState.open or patrol.origin is not PatrolOrigin.phone:
        raise Conflict("这次巡河已经结束，不能再修改。")
    patrol.reach_id = await _reach_id(session, new.reach_code)
    along = await companions.find(session, person, new.companions)
    patrol.kind = new.kind
    patrol.started_at = new.started_at
    patrol.started_on = clock.day_of(new.started_at)
    patrol.content_digest = new.digest
    await companions.set_for(session, patrol, person, along, now=now)
    await session.flush()
    return patrol


async def finish(
    session: AsyncSession,
    person: Person,
    id_: UUID,
    *,
    finished_at: datetime,
    findings: Findings,
    note: str | None,
) -> Patrol:
    """Close the patrol; a second finish changes nothing.

    One that we closed ourselves, because no finish came, takes the finish that comes late.
    Raises `NotFound`, `FinishedBeforeStart`.
    """
    patrol = await _own(session, person, id_)
    if patrol.state is PatrolState.finished and not patrol.closed_by_us:
        return patrol
    if finished_at < patrol.started_at:
        raise FinishedBeforeStart(
            errors=[{"pointer": "/finished_at", "detail": FinishedBeforeStart.title}]
        )
    patrol.state, patrol.closed_by_us = PatrolState.finished, False
    patrol.finished_at, patrol.findings, patrol.note = finished_at, findings, note or None
    patrol.duration_s = await duration_s(session, patrol)
    await session.flush()
    return patrol


async def duration_s(session: AsyncSession, patrol: Patrol) -> int:
    """Seconds out: start to finish with a track; without one, first to last check-in."""
    if patrol.points_kept == 0:
        first, last = (
            await session.execute(
                select(func.min(CheckIn.at), func.max(CheckIn.at)).where(
                    CheckIn.patrol_id == patrol.id, CheckIn.withdrawn_at.is_(None)
                )
            )
        ).one()
        if first is not None:
            return int((last - first).total_seconds())
    end = patrol.finished_at or patrol.started_at
    return int((end - patrol.started_at).total_seconds())


async def close_overdue(session: AsyncSession, *, open_for: timedelta, now: datetime) -> int:
    """Finish up to 500 patrols left open for too long, with what they have; say how many."""
    return len((await session.scalars(_CLOSE, {"before": now - open_for})).all())


async def _own(session: AsyncSession, person: Person, id_: UUID) -> Patrol:
    patrol = await session.get(Patrol, id_, with_for_update=True, populate_existing=True)
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
        raise Invalid(errors=[{"pointer": "/reach_code", "detail": "没有这个编号的河段"}])
    return id_


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which patrols to list; days are inclusive, at the lake."""

    mine: bool = False
    from_on: date | None = None
    to_on: date | None = None
    person: str | None = None
    state: PatrolState | None = None


async def find(session: AsyncSession, caller: Caller, id_: UUID) -> Shown:
    """One patrol that the caller may see. Raises `NotFound`."""
    found = await _select(session, Patrol.id == id_, await visibility.patrols_for(session, caller))
    if not found:
        raise NotFound
    return found[0]


async def page(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Shown]:
    """Up to `limit` patrols that the caller may see, newest first, after the cursor's place."""
    conditions = [await visibility.patrols_for(session, caller, mine=wanted.mine)]
    if wanted.from_on is not None:
        conditions.append(Patrol.started_at >= clock.start_of(wanted.from_on))
    if wanted.to_on is not None:
        conditions.append(Patrol.started_at < clock.end_of(wanted.to_on))
    if wanted.person is not None:
        conditions.append(Person.code == wanted.person)
    if wanted.state is not None:
        conditions.append(Patrol.state == wanted.state)
    if after is not None:
        conditions.append(tuple_(Patrol.started_at, Patrol.id) < tuple_(*after))
    return await _select(session, *conditions, limit=limit)


async def _select(
    session: AsyncSession, *conditions: ColumnElement[bool], limit: int = 1
) -> list[Shown]:
    rows = (
        await session.execute(
            select(Patrol, Person.code, Reach)
            .join(Person, Person.id == Patrol.person_id)
            .outerjoin(Reach, Reach.id == Patrol.reach_id)
            .where(Patrol.retired_on.is_(None), *conditions)
            .order_by(Patrol.started_at.desc(), Patrol.id.desc())
            .limit(limit)
        )
    ).all()
    ids = [row[0].id for row in rows]
    along = await _companion_codes(session, ids)
    visits = await _check_in_ids(session, ids)
    return [
        Shown(patrol, code, reach, along.get(patrol.id, ()), visits.get(patrol.id, ()))
        for patrol, code, reach in rows
    ]


async def _companion_codes(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[str]]:
    rows = await session.execute(
        select(Companion.patrol_id, func.array_agg(Person.code))
        .join(Person, Person.id == Companion.person_id)
        .where(
            Companion.patrol_id.in_(ids),
            Companion.removed_at.is_(None),
            Companion.declined_at.is_(None),
        )
        .group_by(Companion.patrol_id)
    )
    return {patrol_id: sorted(codes) for patrol_id, codes in rows}


async def _check_in_ids(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[UUID]]:
    rows = await session.execute(
        select(CheckIn.patrol_id, CheckIn.id)
        .where(CheckIn.patrol_id.in_(ids))
        .order_by(CheckIn.at, CheckIn.id)
    )
    found: dict[UUID, list[UUID]] = {}
    for patrol_id, check_in_id in rows:
        found.setdefault(patrol_id, []).append(check_in_id)
    return found
