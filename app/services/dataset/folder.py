"""Folder: which files of a folder are a dataset, read into sheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.datum import Datum
from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.features import read_geojson
from app.services.dataset.reading import WORKBOOK, read_csv, read_workbook
from app.services.dataset.sheets import Progress, Raw, Sheet, read_values, without_examples
from app.services.dataset.tables import EXAMPLE, TABLES, Table

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass
class Contents:
    """What a folder held. `unread` are the stems of files about which nothing can be said."""

    sheets: list[Sheet] = field(default_factory=list)
    written_at: dict[str, datetime] = field(default_factory=dict)
    """By stem: when its file was last written."""
    faults: list[Fault] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def read_folder(
    folder: Path, datum: Datum, area: BaseGeometry | None, progress: Progress
) -> Contents:
    """Read every file of a dataset; raises `BadDataset` if the folder holds none."""
    if not folder.is_dir():
        raise BadDataset(reason=f"{folder} 不是文件夹")
    paths = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    contents = Contents()
    raws: dict[str, Raw] = {}
    present = [table for table in TABLES if table.file in paths]
    workbook = paths.pop(WORKBOOK, None)
    if not present and workbook is None:
        names = "、".join(table.file for table in TABLES)
        raise BadDataset(reason=f"{folder} 里没有可导入的文件（{names} 或 {WORKBOOK}）")
    for number, table in enumerate(present):
        progress("读取 " + table.file, number, len(present))
        reader: Callable[[Path, Table], Raw] = read_geojson if table.shapes else read_csv
        path = paths.pop(table.file)
        contents.written_at[table.stem] = _written_at(path)
        try:
            raws[table.stem] = reader(path, table)
        except BadDataset as error:
            contents.faults += error.faults
            contents.unread.add(table.stem)
    if workbook is not None:
        _add_sheets(workbook, raws, contents)
    for name, path in paths.items():
        if name.endswith((".csv", ".geojson", ".xlsx", ".json")) and not name.startswith("~$"):
            contents.warnings.append(f"{path.name}：不认识这个文件名，没有导入")
    for table in TABLES:
        if table.stem in raws:
            progress("检查 " + raws[table.stem].file, 0, 0)
            _take(raws[table.stem], contents, datum, area)
    return contents


def _written_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _add_sheets(workbook: Path, raws: dict[str, Raw], contents: Contents) -> None:
    written_at = _written_at(workbook)
    try:
        sheets = read_workbook(workbook)
    except BadDataset as error:
        contents.faults += error.faults
        contents.unread |= {table.stem for table in TABLES if not table.shapes}
        return
    for raw in sheets:
        kept = without_examples(raw)
        if not kept.cells or not next(iter(kept.cells.values())):
            # A sheet of the template that nobody filled in is no table without rows.
            continue
        if raw.table.stem in raws:
            what = f"{raw.table.file} 里也有这张表，只能留一处"
            contents.faults.append(Fault(raw.file, 1, "", what))
        raws[raw.table.stem] = raw
        contents.written_at[raw.table.stem] = written_at


def _take(raw: Raw, contents: Contents, datum: Datum, area: BaseGeometry | None) -> None:
    raw = without_examples(raw)
    if raw.examples:
        contents.warnings.append(f"{raw.file}：{raw.examples} 行示例（以“{EXAMPLE}”开头）没有导入")
    sheet, faults = read_values(raw)
    contents.faults += faults
    if raw.shapes is not None:
        from app.services.dataset.shapes import read_shapes  # noqa: PLC0415 - brings shapely

        contents.faults += read_shapes(sheet, raw.shapes, datum, area)
    contents.sheets.append(sheet)
