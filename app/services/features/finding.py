"""Finding features: a page of them in their everlasting order, one by its id, how far they reach.

Who asks for a box is answered exactly: an index on bounding boxes finds the candidates, those
inside as a whole are taken as they are, and the few on its rim are tested with shapely. A box that
holds few candidates is read as a whole and put in order; else the order is walked and the box is a
condition. Left to itself the planner, which knows nothing about boxes, walks a million rows for
ten features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Uuid,
    and_,
    any_,
    case,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import geometry
from app.errors import NotFound
from app.services.access import Caller
from app.services.features.collection import Collection, Source
from app.services.features.drawing import Feature, drawn
from app.services.features.place import Box

_FEW = 5_000
_COUNTED_AGAIN = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which features. `boxes`: what meets any of them; none = everywhere.

    `from_at` and `to_at` are inclusive; what has no time matches every time. `matching` are values
    of properties, `after` the key of the last feature of the page before.
    """

    limit: int
    boxes: Sequence[Box] = ()
    from_at: datetime | None = None
    to_at: datetime | None = None
    matching: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is what to go on with, if there is more.

    `matched` is how many match in all. It is counted for the first page, and for later ones where
    that is little work; else it is None.
    """

    features: Sequence[Feature]
    after: Sequence[Any] | None
    matched: int | None


@dataclass(frozen=True, slots=True)
class _Which:
    """The rows of a page and one more if there is one, in order, and how many match in all."""

    rows: Sequence[UUID]
    matched: int | None


async def page(
    session: AsyncSession, caller: Caller | None, collection: Collection, wanted: Wanted
) -> Page:
    """Up to `limit` features after the cursor's place."""
    source = collection.source
    if source is None:
        return Page((), None, 0)
    conditions = [await source.visible(session, caller), *_conditions(source, wanted)]
    which = None
    if wanted.boxes:
        conditions.append(source.place.near(wanted.boxes))
        which = await _among_few(session, source, conditions, wanted)
    if which is None:
        which = await _along_the_order(session, source, conditions, wanted)
    rows = await _rows(session, collection, source, _is_one_of(source, which.rows[: wanted.limit]))
    more = len(which.rows) > wanted.limit
    last = tuple(rows[-1][1 : 1 + len(source.key)]) if more and rows else None
    return Page(drawn(collection, source, rows), last, which.matched)


async def one(
    session: AsyncSession, caller: Caller | None, collection: Collection, id_: str
) -> Feature:
    """The feature of that id. Raises `NotFound`."""
    source = collection.source
    if source is not None and not _has_control_characters(id_):
        visible = await source.visible(session, caller)
        rows = await _rows(session, collection, source, and_(visible, source.named(id_)))
        if rows:
            return drawn(collection, source, rows)[0]
    raise NotFound("这个图层里没有这一项。")


async def extent(session: AsyncSession, collection: Collection) -> Box | None:
    """The box around all features of a public collection; None where there are none.

    Not of guarded ones: each caller sees other features, and all of them would have to be read.
    """
    source = collection.source
    if source is None or collection.guarded:
        return None
    visible = await source.visible(session, None)
    statement = select(*source.place.extent()).select_from(source.table).where(visible)
    west, south, east, north = (await session.execute(statement)).one()
    return None if west is None else (west, south, east, north)


def _has_control_characters(text: str) -> bool:
    return any(ord(character) < 32 for character in text)


def _conditions(source: Source, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [source.filters[name](value) for name, value in wanted.matching.items()]
    if source.at is not None and wanted.from_at is not None:
        conditions.append(source.at >= wanted.from_at)
    if source.at is not None and wanted.to_at is not None:
        conditions.append(source.at <= wanted.to_at)
    return conditions


def _is_one_of(source: Source, ids: Sequence[UUID]) -> ColumnElement[bool]:
    return source.row_id == any_(literal(list(ids), ARRAY(Uuid)))


async def _among_few(
    session: AsyncSession,
    source: Source,
    conditions: Sequence[ColumnElement[bool]],
    wanted: Wanted,
) -> _Which | None:
    """Which rows, where few are near the boxes; None where they are many."""
    sure = source.place.surely(wanted.boxes)
    near = (
        select(
            source.row_id.label("row"),
            sure.label("sure"),
            case((~sure, source.place.shape)).label("shape"),
            *(column.label(f"key_{n}") for n, (column, _) in enumerate(source.key)),
        )
        .select_from(source.table)
        .where(*conditions)
        .limit(_FEW + 1)
        .subquery()
    )
    key = [near.c[f"key_{n}"] for n in range(len(source.key))]
    later = tuple_(*key) > tuple_(*wanted.after) if wanted.after is not None else true()
    statement = select(near.c.row, near.c.sure, near.c.shape, later.label("later")).order_by(*key)
    rows = (await session.execute(statement)).all()
    if len(rows) > _FEW:
        return None
    beside = _beside([(row, shape) for row, sure, shape, _ in rows if not sure], wanted.boxes)
    found = [(row, later) for row, _, _, later in rows if row not in beside]
    return _Which([row for row, later in found if later][: wanted.limit + 1], len(found))


async def _along_the_order(
    session: AsyncSession,
    source: Source,
    conditions: Sequence[ColumnElement[bool]],
    wanted: Wanted,
) -> _Which:
    """Which rows, going through all in their order."""
    beside: set[UUID] = set()
    if wanted.boxes:
        doubtful = (
            select(source.row_id, source.place.shape)
            .select_from(source.table)
            .where(*conditions, ~source.place.surely(wanted.boxes))
        )
        beside = _beside((await session.execute(doubtful)).all(), wanted.boxes)
    key = [column for column, _ in source.key]
    rows = select(source.row_id).where(*conditions).order_by(*key).limit(wanted.limit + 1)
    if beside:
        rows = rows.where(~_is_one_of(source, list(beside)))
    if wanted.after is not None:
        rows = rows.where(tuple_(*key) > tuple_(*wanted.after))
    matching = select(true()).select_from(source.table).where(*conditions)
    if wanted.after is not None:
        matching = matching.limit(_COUNTED_AGAIN + len(beside) + 1)
    counted = await session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    matched = counted - len(beside)
    return _Which(
        (await session.scalars(rows)).all(),
        None if wanted.after is not None and matched > _COUNTED_AGAIN else matched,
    )


def _beside(doubtful: Sequence[Any], boxes: Sequence[Box]) -> set[UUID]:
    """Those (row, WKB) whose bounds meet the boxes, while they themselves do not."""
    meeting = geometry.meeting([wkb for _, wkb in doubtful], boxes)
    return {row for (row, _), meets in zip(doubtful, meeting, strict=True) if not meets}


async def _rows(
    session: AsyncSession, collection: Collection, source: Source, condition: ColumnElement[bool]
) -> Sequence[Any]:
    """In order: the id, the key, the properties, the place."""
    columns: list[ColumnElement[Any]] = [
        source.feature_id.label("feature_id"),
        *(column.label(f"key_{n}") for n, (column, _) in enumerate(source.key)),
        *(source.columns[each.name].label(f"is_{each.name}") for each in collection.properties),
        *source.place.columns,
    ]
    statement = (
        select(*columns)
        .select_from(source.joined)
        .where(condition)
        .order_by(*(column for column, _ in source.key))
    )
    return (await session.execute(statement)).all()
