"""Patrol lists: patrols with all that their answer shows, one or a page of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import CheckIn, Companion, Patrol, PatrolState, Person, Reach
from app.services import filters, visibility
from app.services.access import Caller


@dataclass(frozen=True, slots=True)
class Shown:
    """A patrol with what its answer shows beside the row."""

    patrol: Patrol
    person_code: str
    reach: Reach | None
    companions: Sequence[str]
    check_in_ids: Sequence[UUID]


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
    conditions = [
        await visibility.patrols_for(session, caller, mine=wanted.mine),
        *filters.instants(Patrol.started_at, wanted.from_on, wanted.to_on),
        *filters.person(Patrol.person_id, wanted.person),
        *filters.equal(Patrol.state, wanted.state),
    ]
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
