"""Visibility: which records a caller may see."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, cast, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from app.models import CheckIn, Companion, GridCell, Patrol, Stele
from app.services import access
from app.services.access import Caller


async def check_ins_for(
    session: AsyncSession, caller: Caller, *, mine: bool = False
) -> ColumnElement[bool]:
    """The condition under which the caller may see a check-in; `mine` narrows to one's own.

    One's own and those of patrols one walked along; for managers and programs also those whose
    person was then, or whose cell or stele is, in their subtree.
    """
    own: list[ColumnElement[bool]] = [false()]
    if caller.person is not None and caller.api_key is None:
        own = [
            CheckIn.person_id == caller.person.id,
            CheckIn.patrol_id.in_(walked_along(caller.person.id)),
        ]
    if mine:
        return or_(*own)
    scope = await access.scope_of(session, caller)
    if scope is None:
        return true()
    return or_(*own, check_ins_in(scope)) if scope else or_(*own)


def walked_along(person_id: UUID) -> Select[UUID]:
    """The patrols of others on which the person came along and has not said otherwise."""
    return select(Companion.patrol_id).where(
        Companion.person_id == person_id,
        Companion.removed_at.is_(None),
        Companion.declined_at.is_(None),
    )


async def patrols_for(
    session: AsyncSession, caller: Caller, *, mine: bool = False
) -> ColumnElement[bool]:
    """The condition under which the caller may see a patrol, as for check-ins."""
    own: list[ColumnElement[bool]] = [false()]
    if caller.person is not None and caller.api_key is None:
        own = [
            Patrol.person_id == caller.person.id,
            Patrol.id.in_(walked_along(caller.person.id)),
        ]
    if mine:
        return or_(*own)
    scope = await access.scope_of(session, caller)
    if scope is None:
        return true()
    if not scope:
        return or_(*own)
    return or_(*own, patrols_in(scope))


def patrols_in(organisation_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Patrols that belong to these organisations: by their walker then, or by a check-in."""
    # Correlated: as a set of ids it would be all check-ins there are, again for every patrol.
    placed = select(CheckIn.id).where(
        CheckIn.patrol_id == Patrol.id, check_ins_in(organisation_ids)
    )
    return or_(Patrol.organisation_id.in_(organisation_ids), placed.correlate(Patrol).exists())


async def tracks_for(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """The condition under which the caller may see the line of a patrol.

    One's own and those one walked along; for managers those of their people, whoever's the place
    is. Programs see none.
    """
    if caller.person is None or caller.api_key is not None:
        return false()
    scope = await access.scope_of(session, caller)
    if scope is None:
        return true()
    return or_(
        Patrol.person_id == caller.person.id,
        Patrol.id.in_(walked_along(caller.person.id)),
        Patrol.organisation_id.in_(scope),
    )


def check_ins_in(organisation_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Check-ins that belong to these organisations, by their person then or by their place."""
    return or_(
        CheckIn.organisation_id.in_(organisation_ids),
        CheckIn.grid_cell_ids.overlap(
            select(func.coalesce(func.array_agg(GridCell.id), cast([], ARRAY(Uuid))))
            .where(GridCell.organisation_id.in_(organisation_ids))
            .scalar_subquery()
        ),
        CheckIn.stele_id.in_(select(Stele.id).where(Stele.organisation_id.in_(organisation_ids))),
    )
