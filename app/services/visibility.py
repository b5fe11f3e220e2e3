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
    if mine:
        return or_(false(), *own_check_ins(caller))
    return check_ins_of(caller, await access.scope_of(session, caller))


def check_ins_of(caller: Caller, scope: Collection[UUID] | None) -> ColumnElement[bool]:
    """The same for a caller whose scope is known."""
    if scope is None:
        return true()
    managed = [check_ins_in(scope)] if scope else []
    return or_(false(), *own_check_ins(caller), *managed)


def own_check_ins(caller: Caller) -> list[ColumnElement[bool]]:
    """Conditions of which one makes a check-in the caller's own; none for a program."""
    if caller.person is None or caller.api_key is not None:
        return []
    return [
        CheckIn.person_id == caller.person.id,
        CheckIn.patrol_id.in_(walked_along(caller.person.id)),
    ]


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
    if mine:
        return or_(false(), *own_patrols(caller))
    return patrols_of(caller, await access.scope_of(session, caller))


def patrols_of(caller: Caller, scope: Collection[UUID] | None) -> ColumnElement[bool]:
    """The same for a caller whose scope is known."""
    if scope is None:
        return true()
    managed = [patrols_in(scope)] if scope else []
    return or_(false(), *own_patrols(caller), *managed)


def own_patrols(caller: Caller) -> list[ColumnElement[bool]]:
    """Conditions of which one makes a patrol the caller's own; none for a program."""
    if caller.person is None or caller.api_key is not None:
        return []
    return [
        Patrol.person_id == caller.person.id,
        Patrol.id.in_(walked_along(caller.person.id)),
    ]


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
    return or_(*reasons_of_check_ins_in(organisation_ids))


def reasons_of_check_ins_in(organisation_ids: Collection[UUID]) -> list[ColumnElement[bool]]:
    """The same as conditions of which one is enough, each of which has its own index."""
    return [
        CheckIn.organisation_id.in_(organisation_ids),
        CheckIn.stele_id.in_(steles_of(organisation_ids)),
        check_ins_in_cells_of(organisation_ids),
    ]


def check_ins_in_cells_of(organisation_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Check-ins in the grid cells of these organisations."""
    cells = (
        select(func.coalesce(func.array_agg(GridCell.id), cast([], ARRAY(Uuid))))
        .where(GridCell.organisation_id.in_(organisation_ids))
        .scalar_subquery()
    )
    covered: ColumnElement[bool] = CheckIn.grid_cell_ids.overlap(cells)
    return covered


def steles_of(organisation_ids: Collection[UUID]) -> Select[UUID]:
    """The steles of these organisations."""
    return select(Stele.id).where(Stele.organisation_id.in_(organisation_ids))
