"""Exporting: the database as the folder that an import of it would leave unchanged."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from sqlalchemy import Select, and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import models
from app.services import csv_text
from app.services.dataset.documents import stays_inside
from app.services.dataset.faults import BadDataset
from app.services.dataset.reading import WORKBOOK
from app.services.dataset.register import TABLE_OF
from app.services.dataset.tables import TABLES, Table

_BLOCK = 2000
_RENAMED = {
    "from": "from_on",
    "to": "to_on",
    "on": "started_on",
}
_AREAS: dict[str, Any] = {
    "waterbody_id": models.Waterbody,
    "reach_id": models.Reach,
    "grid_cell_id": models.GridCell,
    "stele_id": models.Stele,
}


async def export_folder(session: AsyncSession, folder: Path, *, documents_dir: Path) -> list[str]:
    """Write every file of the dataset, retired rows left out; a line a file and its rows.

    The session should see one snapshot. Raises `BadDataset` for a folder that holds other things,
    and for documents that are gone.
    """
    _claim(folder)
    lines: list[str] = []
    for table in TABLES:
        result = await session.stream(
            rows_of(table, _is_ours(table, TABLE_OF[table.stem])),
            execution_options={"yield_per": _BLOCK},
        )
        written = 0
        with _replaced(folder / table.file) as file:
            file.write(_head(table))
            async for rows in result.partitions():
                file.write(_body(table, rows, is_first=written == 0))
                written += len(rows)
            file.write(b"\n]}\n" if table.shapes else b"")
        lines.append(f"{table.file}：{written} 行")
        if table.stem == "letters":
            await _documents(session, folder, documents_dir)
    return lines


def _claim(folder: Path) -> None:
    """Make the folder, or see that it is a dataset's."""
    if folder.exists() and not folder.is_dir():
        raise BadDataset(reason=f"{folder} 是文件，不是文件夹")
    # Phones and names: for the operator alone.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {path.name.lower() for path in folder.iterdir()}
    if names and not any(table.file in names for table in TABLES):
        raise BadDataset(
            reason=f"{folder} 不是空的，也不是数据集文件夹，没有写入；请换一个空文件夹"
        )
    if WORKBOOK in names:
        raise BadDataset(
            reason=f"{folder} 里有 {WORKBOOK}，导出后会与 CSV 重复，没有写入；请换一个空文件夹"
        )


def rows_of(table: Table, *conditions: Any) -> Select[Any]:
    """One select that gives a table's rows as its file has them, in order of the key.

    The columns are called as in the file, with `_` before.
    """
    model: Any = TABLE_OF[table.stem]
    columns: list[Any] = []
    order: list[Any] = []
    joins: list[tuple[Any, Any]] = []

    def code_of(target: Any, column: Any) -> Any:
        other = aliased(target)
        joins.append((other, other.id == column))
        return other.number if target is models.Letter else other.code

    for column in table.columns:
        name = column.name
        if column.refers_to:
            own = {"approved_by": "approved_by_id", "letter_number": "letter_id"}.get(
                name, name.removesuffix("_code") + "_id"
            )
            value = code_of(TABLE_OF[column.refers_to], getattr(model, own))
        elif name == "holder_kind":
            value = case((model.holder_person_id.is_not(None), "person"), else_="organisation")
        elif name == "holder_code":
            person = code_of(models.Person, model.holder_person_id)
            organisation = code_of(models.Organisation, model.holder_organisation_id)
            value = case((model.holder_person_id.is_not(None), person), else_=organisation)
        elif name == "area_code":
            # A patrol may also hold the reach it went along; only its area is asked for.
            kinds = (
                (own.removesuffix("_id"), code_of(target, getattr(model, own)))
                for own, target in _AREAS.items()
                if hasattr(model, own)
            )
            value = case(*((model.area_kind == kind, code) for kind, code in kinds))
        else:
            value = getattr(model, _RENAMED.get(name, name))
        columns.append(value.label(f"_{name}"))
        if name in table.key:
            order.append(value.collate("C"))
    if table.stem == "steles":
        columns += [model.lon, model.lat]
    elif table.shapes:
        columns.append(model.geometry)
    query: Select[Any] = select(*columns).select_from(model)
    for other, condition in joins:
        query = query.outerjoin(other, condition)
    return query.where(*conditions).order_by(*order)


def _is_ours(table: Table, model: Any) -> Any:
    """Which rows are the operator's to keep in files."""
    live = model.retired_on.is_(None)
    match table.stem:
        case "people":
            # Somebody whose last day has passed is off the roster, and still is in its file.
            return or_(live, model.retired_on == model.to_on + 1)
        case "obligations":
            return and_(live, model.code.not_like("PAIR-%"))
        case "exemptions":
            return and_(live, model.state == "granted", model.approved_by_id.is_not(None))
        case "patrols":
            return and_(
                live,
                model.origin == "paper",
                model.code.is_not(None),
                model.code.not_like("LATE-%"),
            )
    return live


def _head(table: Table) -> bytes:
    if table.shapes:
        return b'{"type": "FeatureCollection", "features": ['
    return csv_text.BOM + csv_text.lines([[column.name for column in table.columns]])


def _body(table: Table, rows: Sequence[Any], *, is_first: bool) -> bytes:
    """Some rows; GeoJSON has a feature a line, its numbers in the shortest exact text."""
    if not table.shapes:
        return csv_text.lines([[_cell(value) for value in row] for row in rows])
    names = [column.name for column in table.columns]
    features = b",\n".join(_feature(names, row) for row in rows)
    return (b"\n" if is_first else b",\n") + features


def _feature(names: list[str], row: Any) -> bytes:
    from shapely import from_wkb  # noqa: PLC0415 - the web makes no folders

    properties = {
        name: value if isinstance(value, float) else _cell(value)
        for name, value in zip(names, row, strict=False)
        if value is not None
    }
    geometry = (
        from_wkb(row.geometry).__geo_interface__
        if "geometry" in row._fields
        else {"type": "Point", "coordinates": [row.lon, row.lat]}
    )
    return orjson.dumps({"type": "Feature", "properties": properties, "geometry": geometry})


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return repr(int(value)) if value.is_integer() else repr(value)
        case list():
            return ",".join(value)
    return str(value)


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    """Write beside and rename, so that a broken export leaves the old file whole."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _documents(session: AsyncSession, folder: Path, store: Path) -> None:
    letters: Any = await session.execute(
        select(models.Letter.document, models.Letter.document_sha256).where(
            models.Letter.retired_on.is_(None), models.Letter.document_sha256.is_not(None)
        )
    )
    for name, sha256 in letters:
        _put_document(folder, store, name, sha256.hex())


def _put_document(folder: Path, store: Path, name: str, sha256: str) -> None:
    source, target = store / sha256, folder / name
    if not stays_inside(name) or not target.resolve().is_relative_to(folder.resolve()):
        raise BadDataset(reason=f"责任书附件“{name}”指到了文件夹之外，没有导出")
    if not source.is_file():
        raise BadDataset(reason=f"责任书附件“{name}”的文件不见了（{sha256}），请从备份恢复")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replaced(target) as file:
        file.write(source.read_bytes())
