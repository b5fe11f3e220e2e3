"""Sending: an export in one of its formats, from the first byte to the last."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path

from app import clock
from app.domain.datum import Datum
from app.services import workbooks
from app.services.exports import streams
from app.services.exports.downloads import Downloads
from app.services.exports.export import Asked, Export
from app.services.exports.writing import tabular
from app.services.workbooks import Table, Workbook

_PIECE = 256 << 10


class Format(StrEnum):
    """The endings that there are."""

    csv = "csv"
    ndjson = "ndjson"
    xlsx = "xlsx"


TYPES = {
    Format.csv: "text/csv; charset=utf-8",
    Format.ndjson: "application/x-ndjson",
    Format.xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def pieces(
    downloads: Downloads,
    export: Export,
    asked: Asked,
    format_: Format,
    datum: Datum,
    *,
    data_dir: Path,
) -> AsyncGenerator[bytes]:
    """The whole file. Raises `Busy` or `NoRoom` before the first byte."""
    if format_ is Format.xlsx:
        with downloads.files.one(), workbooks.folder_in(data_dir) as folder:
            file = folder / "export.xlsx"
            await _write(file, downloads, export, asked, datum)
            async with aclosing(read(file)) as whole:
                async for piece in whole:
                    yield piece
        return
    source = streams.csv_of if format_ is Format.csv else streams.ndjson_of
    with downloads.streams.one():
        async with aclosing(source(downloads.snapshots, export, asked, datum)) as found:
            async for piece in found:
                yield piece


async def _write(
    file: Path, downloads: Downloads, export: Export, asked: Asked, datum: Datum
) -> None:
    columns = tabular(export.columns_for(asked))
    with Workbook(file) as book:
        table = Table(book, export.title, [column.title for column in columns])
        async with (
            downloads.snapshots() as session,
            session.begin(),
            aclosing(streams.table_of(session, export, asked, datum)) as pages,
        ):
            async for rows in pages:
                await asyncio.to_thread(table.add, rows)
        await asyncio.to_thread(book.finish)


async def read(file: Path) -> AsyncGenerator[bytes]:
    """The bytes of a file, piece by piece."""
    with file.open("rb") as opened:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece


def file_name(export: Export, asked: Asked, format_: Format) -> str:
    """What Excel's users find in their downloads: the table and its days."""
    wanted = asked.wanted
    parts = [export.title, wanted.organisation]
    if wanted.from_on or wanted.to_on:
        parts += [str(wanted.from_on or ""), str(wanted.to_on or "")]
    else:
        parts.append(f"截至{clock.day_of(asked.now)}")
    name = "-".join(part for part in parts if part)
    return "".join("_" if mark in '/\\:*?"<>|' else mark for mark in name) + f".{format_}"
