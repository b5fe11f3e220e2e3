"""Obligations: who owes what and how it stands, as managers see and change it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.domain.duties import Progress, State
from app.errors import Forbidden, MadeByPairings, NotFound
from app.models import GridCell, Obligation, Organisation, Person, Reach, Role, Stele, uuid7
from app.services import access, credits, edits, pairing_duties, progress
from app.services.access import Caller
from app.services.dataset import editing, rows, values
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish
from app.services.progress import Ways
from app.settings import Settings

_LOOKED_THROUGH = 5000
_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which obligations to list; those that ask for nothing on that day only with `retired`.

    `holder` and `area` are codes; a cell's are all those inside of it.
    """

    organisation: str | None = None
    holder: str | None = None
    area: str | None = None
    state: State | None = None
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """An obligation with what people call its holder and area, and how it stands on a day."""

    row: Row
    holder_name: str
    area_name: str | None
    progress: Progress
    ways: Ways


@dataclass(frozen=True, slots=True)
class Found:
    """Some obligations in the order of the list; `next` is where the list goes on, if it does."""

    standings: Sequence[Standing]
    next: UUID | None


async def listed(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    as_of: date,
    after: UUID | None,
    limit: int,
) -> Found:
    """The obligations of the caller's people and organisations, the latest first.

    How one stands is known only when it was counted: of a list by state a page may be short, or
    even empty, and go on all the same.
    """
    conditions = await _conditions(session, caller, wanted, as_of)
    if wanted.state is None:
        found = await rows.page(session, "obligations", *conditions, after=after, limit=limit + 1)
        standings = await standing(session, found[:limit], as_of)
        return Found(standings, found[limit - 1].id if len(found) > limit else None)
    kept: list[Standing] = []
    for _ in range(_LOOKED_THROUGH // _AT_A_TIME):
        found = await rows.page(session, "obligations", *conditions, after=after, limit=_AT_A_TIME)
        for each in await standing(session, found, as_of):
            if each.progress.state is wanted.state:
                kept.append(each)
                if len(kept) > limit:
                    return Found(kept[:limit], kept[limit - 1].row.id)
        if len(found) < _AT_A_TIME:
            return Found(kept, None)
        after = found[-1].id
    return Found(kept, after)


async def find(session: AsyncSession, caller: Caller, code: str, *, as_of: date) -> Standing:
    """One that the caller may see: a manager's, one's own, one's organisation's or above it.

    Raises `NotFound`.
    """
    found = await rows.find(
        session, "obligations", Obligation.code == code, await _visible(session, caller)
    )
    if found is None:
        raise NotFound("没有找到这项履职任务。")
    return (await standing(session, [found], as_of))[0]


async def put(
    session: AsyncSession,
    caller: Caller,
    code: str,
    wish: Wish,
    settings: Settings,
    *,
    now: datetime,
) -> Edit:
    """Make or change an obligation, and judge by it whatever was walked.

    One of a department takes the place of what its pairings would oblige it to in that area.

    Raises as `edits.current`, `editing.draft`, `edits.require_inside`, `edits.write`, and
    `MadeByPairings` for those that follow pairings, and `Forbidden` for a manager's own.
    """
    code = values.plain(code)
    if code.upper().startswith(pairing_duties.PREFIX):
        raise MadeByPairings
    theirs = edits.held_inside(Obligation, await access.scope_of(session, caller))
    there = await edits.current(session, "obligations", Obligation.code == code, theirs, wish)
    id_ = there.id if there else uuid7()
    draft = await editing.draft(
        session, "obligations", {**wish.said, "code": code}, id_=id_, now=now
    )
    await edits.require_inside(session, caller, draft)
    manager = access.person_of(caller)
    if manager.role is not Role.admin and manager.id in {
        draft.attributes["holder_person_id"],
        await session.scalar(select(Obligation.holder_person_id).where(Obligation.id == id_)),
    }:
        raise Forbidden("不能修改自己的履职任务，请由上级管理人员处理。")
    retired_on = edits.retired_on(there, wish, clock.day_of(now))
    edit = await edits.write(
        session, caller, "obligations", there, id_, {**draft.attributes, "retired_on": retired_on},
        subject=f"obligation:{code}", reason=wish.reason, now=now,
    )  # fmt: skip
    if edit.changed:
        await pairing_duties.settle(session, settings, now=now)
        await credits.judge_obligations(session, [id_], now=now)
    return edit


async def standing(session: AsyncSession, found: Sequence[Row], as_of: date) -> list[Standing]:
    """How these stand on the day, in their order."""
    if not found:
        return []
    names = await _names(session, [row.id for row in found])
    asked = [(row.id, as_of) for row in found]
    stand, ways = await progress.of(session, asked), await progress.ways_of(session, asked)
    return [
        Standing(row, *names[row.id], stand[row.id, as_of], ways.get((row.id, as_of), Ways()))
        for row in found
    ]


async def _names(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[str, str | None]]:
    rows_ = await session.execute(
        select(
            Obligation.id,
            func.coalesce(Person.name, Organisation.name),
            func.coalesce(Reach.name, GridCell.name, Stele.name),
        )
        .outerjoin(Person, Person.id == Obligation.holder_person_id)
        .outerjoin(Organisation, Organisation.id == Obligation.holder_organisation_id)
        .outerjoin(Reach, Reach.id == Obligation.reach_id)
        .outerjoin(GridCell, GridCell.id == Obligation.grid_cell_id)
        .outerjoin(Stele, Stele.id == Obligation.stele_id)
        .where(Obligation.id.in_(ids))
    )
    return {id_: (holder, area) for id_, holder, area in rows_}


async def _conditions(
    session: AsyncSession, caller: Caller, wanted: Wanted, as_of: date
) -> list[ColumnElement[bool]]:
    conditions = [edits.held_inside(Obligation, await access.scope_of(session, caller))]
    if wanted.organisation is not None:
        below = await edits.below(session, wanted.organisation)
        conditions.append(edits.held_inside(Obligation, below))
    if wanted.holder is not None:
        people = select(Person.id).where(Person.code == wanted.holder)
        organisations = select(Organisation.id).where(Organisation.code == wanted.holder)
        conditions.append(
            or_(
                Obligation.holder_person_id.in_(people),
                Obligation.holder_organisation_id.in_(organisations),
            )
        )
    if wanted.area is not None:
        cell = select(GridCell.id).where(GridCell.code == wanted.area).scalar_subquery()
        cells = select(GridCell.id).where(cell == GridCell.lineage.any_())
        conditions.append(
            or_(
                Obligation.reach_id.in_(select(Reach.id).where(Reach.code == wanted.area)),
                Obligation.stele_id.in_(select(Stele.id).where(Stele.code == wanted.area)),
                Obligation.grid_cell_id.in_(cells),
            )
        )
    if not wanted.retired:
        conditions.append(
            and_(
                Obligation.starts_on <= as_of,
                or_(Obligation.ends_on.is_(None), Obligation.ends_on >= as_of),
                edits.not_retired(Obligation, as_of),
            )
        )
    return conditions


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller may see it; members see what they owe, alone or together."""
    managed = edits.held_inside(Obligation, await access.scope_of(session, caller))
    if caller.person is None or caller.api_key is not None:
        return managed
    up = (
        select(Organisation.id, Organisation.parent_id)
        .where(Organisation.id == caller.person.organisation_id)
        .cte("up", recursive=True)
    )
    above = aliased(Organisation)
    up = up.union(select(above.id, above.parent_id).where(above.id == up.c.parent_id))
    return or_(
        managed,
        Obligation.holder_person_id == caller.person.id,
        Obligation.holder_organisation_id.in_(select(up.c.id)),
    )
