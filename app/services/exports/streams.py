"""Streams: the rows of an export as CSV or NDJSON, piece by piece, in constant memory.

PostgreSQL itself writes the lines and copies them out; only where positions are asked for in
another datum do rows pass through Python. Whatever breaks on the way is raised and never looks
like an end.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from sqlalchemy import Select, Text, cast, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import driver_connection
from app.domain import datum as datums
from app.domain.datum import Datum
from app.services import csv_text
from app.services.exports import writing
from app.services.exports.export import Asked, Column, Export
from app.services.reports.report import Kind

_PIECE = 128 << 10
_ROWS = 2000
# A line of JSON holds neither: so nothing in it is quoted or escaped once more.
_AS_CSV = "FORMAT csv"
_AS_IS = "FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01'"

Snapshots = async_sessionmaker[AsyncSession]


async def csv_of(
    snapshots: Snapshots, export: Export, asked: Asked, datum: Datum
) -> AsyncGenerator[bytes]:
    """UTF-8 with BOM, RFC 4180, Chinese headings."""
    rows = export.statement(asked)
    shown = [
        (column, writing.cell(column, value).label(f"_{n}"))
        for n, (column, value) in enumerate(
            zip(export.columns_for(asked), _values(rows), strict=True)
        )
        if writing.tabular([column])
    ]
    columns = [column for column, _ in shown]
    statement = rows.with_only_columns(*(value for _, value in shown))
    # With the first rows: what fails before them can still be answered as an error.
    head = csv_text.BOM + csv_text.lines([[column.title for column in columns]])
    async with snapshots() as session, session.begin():
        if datum is Datum.gcj02 and _places(columns):
            async with aclosing(_pages(session, statement)) as pages:
                async for found in pages:
                    yield head + csv_text.lines([_shifted(columns, row) for row in found])
                    head = b""
        else:
            async with aclosing(_copied(session, statement, _AS_CSV, b"\r\n")) as pieces:
                async for piece in pieces:
                    yield head + piece
                    head = b""
    if head:
        yield head


async def ndjson_of(
    snapshots: Snapshots, export: Export, asked: Asked, datum: Datum
) -> AsyncGenerator[bytes]:
    """One JSON object a line, with the names and values of the API."""
    rows = export.statement(asked)
    line = writing.json_line(export.columns_for(asked), _values(rows))
    statement = rows.with_only_columns(cast(line, Text).label("_0"))
    async with snapshots() as session, session.begin():
        if datum is Datum.gcj02 and _places(export.columns):
            async with aclosing(_pages(session, statement)) as pages:
                async for found in pages:
                    yield b"".join(_moved(row[0]) for row in found)
        else:
            async with aclosing(_copied(session, statement, _AS_IS, b"\n")) as pieces:
                async for piece in pieces:
                    yield piece


async def table_of(
    session: AsyncSession,
    export: Export,
    asked: Asked,
    datum: Datum = Datum.wgs84,
    beside: Any = None,
) -> AsyncGenerator[list[Sequence[Any]]]:
    """The rows as values for a workbook, some at a time, by `tabular` columns.

    With `beside`, the value of that expression comes last.
    """
    rows = export.statement(asked)
    pairs = zip(export.columns_for(asked), _values(rows), strict=True)
    shown = [(column, value) for column, value in pairs if writing.tabular([column])]
    columns = [column for column, _ in shown]
    values = [
        writing.worded(column, value) if column.kind is Kind.text else value
        for column, value in shown
    ]
    if beside is not None:
        values.append(beside)
    statement = rows.with_only_columns(*(value.label(f"_{n}") for n, value in enumerate(values)))
    moves = datum is Datum.gcj02 and _places(columns)
    async with aclosing(_pages(session, statement)) as pages:
        async for found in pages:
            yield [_shifted(columns, row) for row in found] if moves else list(found)


def _values(rows: Select[Any]) -> list[Any]:
    return [getattr(each, "element", each) for each in rows.selected_columns]


async def _copied(
    session: AsyncSession, statement: Select[Any], options: str, end: bytes
) -> AsyncGenerator[bytes]:
    """What the database writes, in pieces that are worth sending."""
    await _without_jit(session)
    connection = await driver_connection(session)
    query, given = _compiled(statement)
    copy = f"COPY ({query}) TO STDOUT WITH ({options})"
    lines: list[bytes] = []
    size = 0
    async with connection.cursor() as cursor, cursor.copy(copy, given) as rows:
        # A block is a row, and a row ends with a line feed.
        while block := await rows.read():
            lines.append(bytes(block[:-1]))
            size += len(block)
            if size >= _PIECE:
                lines.append(b"")
                yield end.join(lines)
                lines, size = [], 0
    if lines:
        lines.append(b"")
        yield end.join(lines)


async def _pages(session: AsyncSession, statement: Select[Any]) -> AsyncGenerator[Sequence[Any]]:
    await _without_jit(session)
    connection = await driver_connection(session)
    # The driver's own: whoever is cancelled within leaves none of SQLAlchemy's open.
    async with connection.cursor(name="export") as cursor:
        await cursor.execute(*_compiled(statement))
        while found := await cursor.fetchmany(_ROWS):
            yield found


def _compiled(statement: Select[Any]) -> tuple[str, Mapping[str, Any]]:
    """The statement for the driver, and what it is given."""
    compiled = statement.compile(
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    return compiled.string, compiled.params


async def _without_jit(session: AsyncSession) -> None:
    """A wide row is a long expression: compiling it takes longer than it saves."""
    await session.execute(text("SET LOCAL jit = off"))


_lon, _lat, _datum = "position.lon", "position.lat", "position.datum"


def _places(columns: Sequence[Column]) -> bool:
    return any(column.name == _lon for column in columns)


def _shifted(columns: Sequence[Column], row: Sequence[Any]) -> list[Any]:
    """A row with its position in GCJ-02."""
    names = [column.name for column in columns]
    lon, lat = names.index(_lon), names.index(_lat)
    moved = list(row)
    read: Callable[[float], Any] = repr if isinstance(row[lon], str) else float
    moved[lon], moved[lat] = map(read, datums.to_gcj02(float(row[lon]), float(row[lat])))
    moved[names.index(_datum)] = Datum.gcj02.value
    return moved


def _moved(line: str) -> bytes:
    row = orjson.loads(line)
    lon, lat = datums.to_gcj02(row["position"]["lon"], row["position"]["lat"])
    row["position"] |= {"lon": lon, "lat": lat, "datum": Datum.gcj02.value}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
