"""Late entry lists: late entries with the codes behind their ids, one or a page of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.errors import NotFound
from app.models import GridCell, LateEntry, LateEntryState, Person, Reach, Stele
from app.services import access, edits
from app.services.access import Caller


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which late entries to list; the days are those of the walk, both included."""

    state: LateEntryState | None = None
    person: str | None = None
    from_on: date | None = None
    to_on: date | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A late entry with the codes behind its ids."""

    entry: LateEntry
    person_code: str
    area_code: str | None
    entered_by: str
    decided_by: str | None


async def listed(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Shown]:
    """One's own; for managers and programs those of their subtree's people. Newest first."""
    conditions = [await _visible(session, caller)]
    if wanted.state is not None:
        conditions.append(LateEntry.state == wanted.state)
    if wanted.person is not None:
        conditions.append(Person.code == wanted.person)
    if wanted.from_on is not None:
        conditions.append(LateEntry.walked_on >= wanted.from_on)
    if wanted.to_on is not None:
        conditions.append(LateEntry.walked_on <= wanted.to_on)
    if after is not None:
        conditions.append(tuple_(LateEntry.entered_at, LateEntry.id) < tuple_(*after))
    return await _select(session, *conditions, limit=limit)


async def find(session: AsyncSession, caller: Caller, id_: UUID) -> Shown:
    """One that the caller may see. Raises `NotFound`."""
    found = await _select(session, LateEntry.id == id_, await _visible(session, caller))
    if not found:
        raise NotFound("没有找到这条补录。")
    return found[0]


async def _select(
    session: AsyncSession, *conditions: ColumnElement[bool], limit: int = 1
) -> list[Shown]:
    enterer, decider = aliased(Person), aliased(Person)
    rows = await session.execute(
        select(
            LateEntry,
            Person.code,
            Reach.code,
            GridCell.code,
            Stele.code,
            enterer.code,
            decider.code,
        )
        .join(Person, Person.id == LateEntry.person_id)
        .join(enterer, enterer.id == LateEntry.entered_by_id)
        .outerjoin(decider, decider.id == LateEntry.decided_by_id)
        .outerjoin(Reach, Reach.id == LateEntry.reach_id)
        .outerjoin(GridCell, GridCell.id == LateEntry.grid_cell_id)
        .outerjoin(Stele, Stele.id == LateEntry.stele_id)
        .where(*conditions)
        .order_by(LateEntry.entered_at.desc(), LateEntry.id.desc())
        .limit(limit)
    )
    return [
        Shown(entry, person, reach or cell or stele, entered_by, decided_by)
        for entry, person, reach, cell, stele, entered_by, decided_by in rows
    ]


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller may see it: the walker, and whoever manages them."""
    scope = await access.scope_of(session, caller)
    managed = edits.people_inside(scope, LateEntry.person_id)
    if caller.person is None or caller.api_key is not None:
        return managed
    return or_(managed, LateEntry.person_id == caller.person.id)
