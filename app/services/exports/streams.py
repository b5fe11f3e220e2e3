"""Streams: the rows of an export as CSV or NDJSON, piece by piece, in constant memory.

PostgreSQL itself writes the lines and copies them out; only where positions are asked for in
another datum do rows pass through Python. Whatever breaks on the way is raised and never looks
like an end.
"""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import Select, Text, cast, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import driver_connection
from app.domain import datum as datums
from app.domain.datum import Datum
from app.services.exports import writing
from app.services.exports.export import Asked, Column, Export
from app.services.reports.report import Kind

BOM = b"\xef\xbb\xbf"
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
        if column in writing.tabular([column])
    ]
    columns = [column for column, _ in shown]
    statement = rows.with_only_columns(*(value for _, value in shown))
    # With the first rows: what fails before them can still be answered as an error.
    head = BOM + _lines([[column.title for column in columns]])
    async with snapshots() as session, session.begin():
        if datum is Datum.gcj02 and _places(columns):
            async for found in _pages(session, statement):
                yield head + _lines([_shifted(columns, row) for row in found])
                head = b""
        else:
            async for piece in _copied(session, statement, _AS_CSV, b"\r\n"):
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
            async for found in _pages(session, statement):
                yield b"".join(_moved(row[0]) for row in found)
        else:
            async for piece in _copied(session, statement, _AS_IS, b"\n"):
                yield piece


async def table_of(
    snapshots: Snapshots, export: Export, asked: Asked, datum: Datum
) -> AsyncGenerator[tuple[list[Column], list[Sequence[Any]]]]:
    """The rows as values for a workbook, some at a time; the first time perhaps without any."""
    rows = export.statement(asked)
    shown = [
        (column, writing.worded(column, value) if column.kind is Kind.text else value)
        for column, value in zip(export.columns_for(asked), _values(rows), strict=True)
        if column in writing.tabular([column])
    ]
    columns = [column for column, _ in shown]
    labelled = (value.label(f"_{n}") for n, (_, value) in enumerate(shown))
    statement = rows.with_only_columns(*labelled)
    yield columns, []
    async with snapshots() as session, session.begin():
        async for found in _pages(session, statement):
            if datum is Datum.gcj02 and _places(columns):
                yield columns, [_shifted(columns, row) for row in found]
            else:
                yield columns, list(found)


def _values(rows: Select[Any]) -> list[Any]:
    return [getattr(each, "element", each) for each in rows.selected_columns]


async def _copied(
    session: AsyncSession, statement: Select[Any], options: str, end: bytes
) -> AsyncIterator[bytes]:
    """What the database writes, in pieces that are worth sending."""
    compiled = statement.compile(
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    await _without_jit(session)
    connection = await driver_connection(session)
    copy = f"COPY ({compiled.string}) TO STDOUT WITH ({options})"
    lines: list[bytes] = []
    size = 0
    async with connection.cursor() as cursor, cursor.copy(copy, compiled.params) as rows:
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


async def _pages(session: AsyncSession, statement: Select[Any]) -> AsyncIterator[Sequence[Any]]:
    await _without_jit(session)
    result = await session.stream(statement, execution_options={"yield_per": _ROWS})
    async for found in result.partitions():
        yield found


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


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()
