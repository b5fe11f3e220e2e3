"""Patrol lists: patrols with all that their answer shows, one or a page of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import CheckIn, Companion, Patrol, PatrolState, Person, Reach
from app.services import filters, newest, visibility
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
    ids = await newest.patrols(
        session,
        caller,
        newest.Asked(
            limit,
            after,
            filters.instants(Patrol.started_at, wanted.from_on, wanted.to_on),
            [
                Patrol.retired_on.is_(None),
                *filters.person(Patrol.person_id, wanted.person),
                *filters.equal(Patrol.state, wanted.state),
            ],
            mine=wanted.mine,
        ),
    )
    return await _select(session, Patrol.id == _one_of(ids), limit=limit) if ids else []


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
            Companion.patrol_id == _one_of(ids),
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
        .where(CheckIn.patrol_id == _one_of(ids))
        .order_by(CheckIn.at, CheckIn.id)
    )
    found: dict[UUID, list[UUID]] = {}
    for patrol_id, check_in_id in rows:
        found.setdefault(patrol_id, []).append(check_in_id)
    return found


def _one_of(ids: Sequence[UUID]) -> Any:
    # As one value: a thousand take longer to write down than to look up.
    return any_(literal(ids, ARRAY(Uuid)))
