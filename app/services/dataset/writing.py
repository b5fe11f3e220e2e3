"""Writing: rows into a table, all at once: new ones by COPY, the others by one UPDATE."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import compress, islice
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Column, ColumnElement, MetaData, Table, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.schema import CreateTable, DropTable

from app.services.dataset.columns import Columns

_BLOCK = 5000
_TO_ESCAPE = ("\\", "\t", "\n", "\r")


@dataclass(frozen=True)
class Written:
    """How many rows were new, and how many changed; of these, those that decide about duties.

    `decisive` are rows of id and of what the watched columns said before.
    """

    new: int
    changed: int = 0
    decisive: Sequence[Any] = field(default=())


async def driver(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The session's own psycopg connection, inside its transaction."""
    connection = await (await session.connection()).get_raw_connection()
    raw = connection.driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)  # noqa: S101  the only driver we have
    return raw


async def upsert(
    session: AsyncSession,
    table: Table,
    ids: Sequence[str],
    columns: Columns,
    stored: set[str],
    progress: Callable[[int], None],
    *,
    decisive: Collection[str] = (),
    watched: Collection[str] = (),
) -> Written:
    """Write the rows; `stored` are the ids that the table has."""
    is_new = [identity not in stored for identity in ids]
    new = sum(is_new)
    if new:
        names = ["id", *columns]
        texts = [list(ids), *(copy_texts(column.values) for column in columns.values())]
        rows = zip(*texts, strict=True)
        await copy_rows(session, table.name, names, compress(rows, is_new), progress)
    if new == len(ids):
        return Written(new)
    updated = {name: column for name, column in columns.items() if column.updates}
    stage = Table(
        f"import_{table.name}",
        MetaData(),
        *(Column(name, table.c[name].type) for name in ("id", *updated)),
        prefixes=["TEMPORARY"],
    )
    connection = await session.connection()
    await connection.execute(CreateTable(stage))
    texts = [list(ids), *(copy_texts(column.values) for column in updated.values())]
    existing = compress(zip(*texts, strict=True), [not one for one in is_new])
    await copy_rows(session, stage.name, ["id", *updated], existing, progress)

    def differ(names: Iterable[str]) -> ColumnElement[bool]:
        distinct = (table.c[name].is_distinct_from(stage.c[name]) for name in names)
        return or_(false(), *distinct)

    differing = (
        select(
            table.c.id,
            differ(set(decisive) & set(updated)).label("decides"),
            *(table.c[name] for name in watched),
        )
        .join(stage, stage.c.id == table.c.id)
        .where(differ(name for name, column in updated.items() if column.differs))
        .cte("differing")
    )
    written = (
        update(table)
        .values({name: stage.c[name] for name in updated})
        .where(table.c.id == stage.c.id, stage.c.id == differing.c.id)
        .returning(table.c.id)
        .cte("written")
    )
    changed = (await session.execute(select(differing).add_cte(written))).all()
    await connection.execute(DropTable(stage))
    return Written(new, len(changed), [(row[0], *row[2:]) for row in changed if row.decides])


async def copy_rows(
    session: AsyncSession,
    table: str,
    names: Sequence[str],
    rows: Iterator[Sequence[str]],
    progress: Callable[[int], None],
) -> None:
    """Send rows of COPY texts in blocks."""
    raw = await driver(session)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    done = 0
    async with raw.cursor() as cursor, cursor.copy(statement) as copy:
        while block := list(islice(rows, _BLOCK)):
            await copy.write(("\n".join(map("\t".join, block)) + "\n").encode())
            done += len(block)
            progress(done)


def copy_texts(values: Sequence[Any]) -> list[str]:
    """The values as COPY's text format writes them."""
    kinds = set(map(type, values))
    if kinds == {str} and not any(mark in value for value in values for mark in _TO_ESCAPE):
        return list(values)
    texts: dict[Any, str] = {}
    result = []
    for value in values:
        # True == 1: a column has one type, so that no such pair can meet here.
        text = texts.get(value)
        if text is None:
            text = texts[value] = _copy_text(value)
        result.append(text)
    return result


def _copy_text(value: object) -> str:
    match value:
        case None:
            return "\\N"
        case bool():
            return "t" if value else "f"
        case str():
            for mark, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
                value = value.replace(mark, escaped)
            return value
        case float():
            return repr(value)
        case date() | datetime():
            return value.isoformat()
    return str(value)
