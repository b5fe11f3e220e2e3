"""The workbook of a ledger: a sheet a table, photos linked from the rows of check-ins."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import orjson
from sqlalchemy import Text, case, cast, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import CheckIn, Image, Letter, Photo
from app.services.exports import catalogue, check_ins, streams
from app.services.exports.export import Asked as Wanting
from app.services.exports.export import Wanted
from app.services.exports.writing import tabular
from app.services.reports import progress
from app.services.reports.report import Asked, By, Kind
from app.services.workbooks import Link, Table, Workbook

# What stands in a ledger, in the order of its sheets, by the names of the exports.
TABLES = (
    "organisations",
    "patrols",
    "check-ins",
    "obligations",
    "reminders",
    "late-entries",
    "exemptions",
    "letters",
)
# A row has room for some; the sheet 照片 has all.
_IN_ROW = 3
_NOT_MADE, _BROKEN = "未生成", "无法显示"
_UNSAFE = '/\\:*?"<>|#%&'

# Of every photo of a check-in: its id, its content, and why it cannot be shown.
_PHOTOS = (
    select(
        func.json_agg(
            aggregate_order_by(
                func.json_build_array(
                    cast(Photo.id, Text),
                    func.encode(Photo.sha256, "hex"),
                    case(
                        (Image.fault.is_not(None), _BROKEN),
                        (Image.renditions_at.is_(None), _NOT_MADE),
                    ),
                ),
                Photo.received_at,
                Photo.id,
            )
        )
    )
    .select_from(Photo)
    .join(Image, Image.sha256 == Photo.sha256)
    .where(Photo.check_in_id == CheckIn.id)
    .correlate(CheckIn)
    .scalar_subquery()
)


_DOCUMENT = case((Letter.document_sha256.is_not(None), func.encode(Letter.document_sha256, "hex")))


class Place(StrEnum):
    """Where the bytes of a file lie."""

    photos = "photos"
    documents = "documents"


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A file beside the workbook; `fault` is why it cannot be there."""

    path: str
    place: Place
    sha256: str
    fault: str | None = None


class Enclosures:
    """The files beside the workbook, written down on the disk: there may be any number."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._open = file.open("w", encoding="utf-8")

    def add(self, each: Enclosed) -> None:
        """One more."""
        line = [each.path, each.place, each.sha256, each.fault]
        self._open.write(orjson.dumps(line).decode() + "\n")

    def close(self) -> None:
        """No more."""
        self._open.close()

    def __iter__(self) -> Iterator[Enclosed]:
        with self._file.open(encoding="utf-8") as lines:
            for line in lines:
                path, place, sha256, fault = orjson.loads(line)
                yield Enclosed(path, Place(place), sha256, fault)


async def write(session: AsyncSession, asked: Asked, file: Path, enclosures: Enclosures) -> None:
    """All sheets into `file`, by one snapshot; what belongs beside it into `enclosures`."""
    wanted = Wanted(asked.from_on, asked.to_on, retired=True)
    is_program = asked.caller.api_key is not None
    wanting = Wanting(asked.scope, wanted, asked.now, is_program=is_program)
    with Workbook(file) as book, closing(enclosures):
        for name in TABLES:
            if name == "obligations":
                await _progress(session, book, asked)
            await _table(session, book, name, wanting, enclosures)
        await asyncio.to_thread(book.finish)


async def _progress(session: AsyncSession, book: Workbook, asked: Asked) -> None:
    """How the duties stand: the very figures of the report."""
    for by, title in ((By.organisation, "履职进度-组织"), (By.person, "履职进度-人员")):
        report = await progress.report(session, replace(asked, by=by))
        columns = [each for each in report.definition.columns if each.kind is not Kind.parts]
        table = Table(book, title, [column.title for column in columns])
        table.add([[row.get(column.name) for column in columns] for row in report.rows])


async def _table(
    session: AsyncSession, book: Workbook, name: str, wanting: Wanting, enclosures: Enclosures
) -> None:
    export = catalogue.EXPORTS[name]
    # An organisation has no days of its own.
    days = wanting.wanted if "from" in export.filters else Wanted(retired=True)
    kept = "retired" in export.filters
    asking = replace(wanting, wanted=replace(days, retired=kept))
    columns = tabular(export.columns_for(asking))
    titles = [column.title for column in columns]
    at = {column.name: n for n, column in enumerate(columns)}
    beside: Any = None
    change: Callable[[Sequence[Any]], Sequence[Any]] = list
    if export is check_ins.EXPORT:
        gallery = Table(book, "照片", ("记录编号", "时间", "姓名", "照片", "说明"), (38, 20, 12))
        titles += [f"照片{n + 1}" for n in range(_IN_ROW)]
        beside, change = _PHOTOS, partial(_with_photos, at, gallery, enclosures)
    elif name == "letters" and not wanting.is_program:
        beside, change = _DOCUMENT, partial(_with_document, at, enclosures)
    table = Table(book, export.title, titles)
    pages = streams.table_of(session, export, asking, beside=beside)
    async with aclosing(pages):
        async for rows in pages:
            await asyncio.to_thread(_add, table, change, rows)


def _add(
    table: Table, change: Callable[[Sequence[Any]], Sequence[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    table.add(change(row) for row in rows)


def _with_photos(
    at: Mapping[str, int], gallery: Table, enclosures: Enclosures, row: Sequence[Any]
) -> Sequence[Any]:
    """The row with links to its first photos; the gallery has them all."""
    *values, found = row
    cells: list[Any] = []
    for n, (id_, sha256, fault) in enumerate(found or ()):
        moment = values[at["at"]]
        path = f"photos/{clock.day_of(moment)}/{id_}.jpg"
        cells.append(fault or Link(path, f"照片{n + 1}"))
        gallery.add([(values[at["id"]], moment, values[at["person_name"]], cells[-1], fault)])
        enclosures.add(Enclosed(path, Place.photos, sha256, fault))
    return [*values, *cells[:_IN_ROW]]


def _with_document(
    at: Mapping[str, int], enclosures: Enclosures, row: Sequence[Any]
) -> Sequence[Any]:
    """The row with a link to the letter's file."""
    *values, sha256 = row
    if sha256 is not None:
        name = PurePosixPath(values[at["document"]]).name
        path = f"documents/{safe(values[at['number']])}-{safe(name)}"
        values[at["document"]] = Link(path, name)
        enclosures.add(Enclosed(path, Place.documents, sha256))
    return values


def safe(name: str) -> str:
    """A name that every file system takes, and that no link misreads."""
    return "".join("_" if mark in _UNSAFE or ord(mark) < 32 else mark for mark in name)
