"""Newest: the newest check-ins and patrols that a caller may see, however few or many there are.

Most of what is new belongs to a large subtree: walking back from the newest finds a page at once.
Of a small one the same walk finds nothing for years. So it walks a stretch, and where that does
not fill the page it gathers what each reason to see a record has to offer, each by its own index.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    any_,
    cast,
    func,
    select,
    true,
    tuple_,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.models import CheckIn, Organisation, Patrol
from app.services import access, visibility
from app.services.access import Caller

# A walk as long as this costs what gathering a few thousand records does.
_STRETCH, _STRETCH_FOR_EACH = 10_000, 20
# Patrols take longer to gather: by their check-ins, which no index has in the patrols' order.
_FURTHER = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A page of `limit` after a place; `within` are bounds in time, `only` other conditions."""

    limit: int
    after: tuple[datetime, UUID] | None
    within: Sequence[ColumnElement[bool]]
    only: Sequence[ColumnElement[bool]]
    mine: bool = False


class _Order:
    """The order of a table's list, and the page in it."""

    def __init__(self, at: InstrumentedAttribute[datetime], id_: Any, asked: Asked) -> None:
        self.place = (at, id_)
        self.limit = asked.limit
        self.within = list(asked.within)
        if asked.after is not None:
            self.within.append(tuple_(*self.place) < tuple_(*asked.after))
        self.conditions = [*self.within, *asked.only]

    def first(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """The first of the page's records under these conditions."""
        return (
            select(*self.place)
            .where(*conditions, *self.conditions)
            .order_by(*(column.desc() for column in self.place))
            .limit(self.limit)
        )

    def each(self, owners: Select[UUID], column: Any) -> Select[Any]:
        """The first of every owner's, whom the column names."""
        owner = owners.subquery()
        found = self.first(column == owner.c.id).correlate(owner).lateral()
        return select(*found.c).select_from(owner.join(found, true()))

    async def walk(
        self, session: AsyncSession, visible: ColumnElement[bool], *, further: int = 0
    ) -> list[UUID] | None:
        """The page, where a walk back finds it, or one so many times as long that looks like it."""
        stretch = max(_STRETCH, _STRETCH_FOR_EACH * self.limit)
        found, whole = await self._stretch(session, visible, stretch)
        if not whole and len(found) * further >= self.limit:
            found, whole = await self._stretch(session, visible, stretch * further)
        return found if whole else None

    async def _stretch(
        self, session: AsyncSession, visible: ColumnElement[bool], length: int
    ) -> tuple[list[UUID], bool]:
        """What is visible among so many of the first, and whether that is the whole page."""
        end = (
            await session.execute(
                select(*self.place)
                .where(*self.within)
                .order_by(*(column.desc() for column in self.place))
                .offset(length)
                .limit(1)
            )
        ).one_or_none()
        near = [tuple_(*self.place) >= tuple_(*end)] if end is not None else []
        found = await _ids(session, self.first(visible, *near))
        return found, end is None or len(found) == self.limit

    async def gather(self, session: AsyncSession, branches: Sequence[Select[Any]]) -> list[UUID]:
        """The first of all branches together."""
        together = union(*(select(*branch.subquery().c) for branch in branches)).subquery()
        columns = list(together.c)
        return await _ids(
            session,
            select(*columns).order_by(*(column.desc() for column in columns)).limit(self.limit),
        )


async def check_ins(session: AsyncSession, caller: Caller, asked: Asked) -> list[UUID]:
    """The ids of a page of `visibility.check_ins_for`, newest first."""
    order = _Order(CheckIn.at, CheckIn.id, asked)
    scope = await access.scope_of(session, caller)
    if asked.mine or not scope:
        visible = await visibility.check_ins_for(session, caller, mine=asked.mine)
        return await _ids(session, order.first(visible))
    found = await order.walk(session, visibility.check_ins_of(caller, scope))
    if found is not None:
        return found
    return await order.gather(
        session,
        [
            *(order.first(condition) for condition in visibility.own_check_ins(caller)),
            order.each(_organisations(scope), CheckIn.organisation_id),
            order.each(visibility.steles_of(scope), CheckIn.stele_id),
            _all(order, visibility.check_ins_in_cells_of(scope)),
        ],
    )


async def patrols(session: AsyncSession, caller: Caller, asked: Asked) -> list[UUID]:
    """The ids of a page of `visibility.patrols_for`, newest first."""
    order = _Order(Patrol.started_at, Patrol.id, asked)
    scope = await access.scope_of(session, caller)
    if asked.mine or not scope:
        visible = await visibility.patrols_for(session, caller, mine=asked.mine)
        return await _ids(session, order.first(visible))
    found = await order.walk(session, visibility.patrols_of(caller, scope), further=_FURTHER)
    if found is not None:
        return found
    return await order.gather(
        session,
        [
            *(order.first(condition) for condition in visibility.own_patrols(caller)),
            order.each(_organisations(scope), Patrol.organisation_id),
            *(_all(order, _with(reason)) for reason in visibility.reasons_of_check_ins_in(scope)),
        ],
    )


def _all(order: _Order, condition: ColumnElement[bool]) -> Select[Any]:
    # Without an order: no index has both, and the planner would rather walk all there is.
    return select(*order.place).where(condition, *order.conditions)


def _with(reason: ColumnElement[bool]) -> ColumnElement[bool]:
    """Patrols with such a check-in; as an array, so that they are looked up and not scanned."""
    those = select(func.array_agg(CheckIn.patrol_id)).where(reason).scalar_subquery()
    return Patrol.id == any_(func.coalesce(those, cast([], ARRAY(Uuid))))


def _organisations(scope: Collection[UUID]) -> Select[UUID]:
    return select(Organisation.id).where(Organisation.id.in_(scope))


async def _ids(session: AsyncSession, statement: Select[Any]) -> list[UUID]:
    return [row[1] for row in await session.execute(statement)]
