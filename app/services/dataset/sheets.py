"""Sheets: the rows of one table as they were read, column by column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.services.dataset.faults import Fault
from app.services.dataset.tables import EXAMPLE, Column, Table
from app.services.dataset.values import Unreadable

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many rows of it are done, and how many there are."""


class Wrong:
    """What stands for a cell that could not be read, so that nothing else is said about it."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __bool__(self) -> bool:
        return False


@dataclass
class Raw:
    """Rows as text: one list a column, all of one length; `lines` are physical lines.

    `headings` maps the columns that the file has to what the file calls them. `line_of` finds the
    line of a row where that is slow and only wanted for faults.
    """

    table: Table
    file: str
    headings: dict[str, str]
    cells: dict[str, list[str]]
    line_of: Callable[[int], int]
    shapes: list[Any] | None = None
    examples: int = 0


def _no_shapes() -> NDArray[numpy.object_]:
    import numpy  # noqa: PLC0415 - a fifth of a bare web framework's start

    return numpy.array([], object)


@dataclass
class Sheet:
    """Rows as values: None where empty, `Wrong` where unreadable; `geometry` beside them."""

    table: Table
    file: str
    headings: dict[str, str]
    values: dict[str, list[Any]]
    size: int
    line_of: Callable[[int], int]
    geometry: NDArray[numpy.object_] = field(default_factory=_no_shapes)
    ids: list[str] = field(default_factory=list)

    def __getitem__(self, column: str) -> list[Any]:
        return self.values[column]

    def fault(self, row: int, column: str, what: str) -> Fault:
        """What is wrong in a cell, with its place."""
        return Fault(self.file, self.line_of(row), self.headings.get(column, column), what)


class _Reading(dict[str, Any]):
    """Reads each distinct text once: columns of a million rows hold few different values."""

    def __init__(self, column: Column) -> None:
        self.column = column
        self.failed = False
        super().__init__()
        if column.required:
            self[""] = Wrong("不能为空")
            self.failed = True
        else:
            self[""] = None

    def __missing__(self, text: str) -> Any:
        value: Any
        try:
            value = self.column.read(text)
        except Unreadable as error:
            value = Wrong(str(error))
            self.failed = True
        self[text] = value
        return value


def read_values(raw: Raw) -> tuple[Sheet, list[Fault]]:
    """Turn text into values; every cell that cannot be read is a fault."""
    size = len(next(iter(raw.cells.values()), []))
    sheet = Sheet(raw.table, raw.file, raw.headings, {}, size, raw.line_of)
    faults: list[Fault] = []
    for column in raw.table.columns:
        cells = raw.cells.get(column.name)
        if cells is None:
            sheet.values[column.name] = [None] * size
            if column.required:
                faults.append(Fault(raw.file, 1, column.name, _absent(column)))
            continue
        reading = _Reading(column)
        found = [reading[cell] for cell in cells]
        sheet.values[column.name] = found
        if reading.failed:
            faults += [
                sheet.fault(row, column.name, value.why)
                for row, value in enumerate(found)
                if type(value) is Wrong
            ]
    return sheet, faults


def without_examples(raw: Raw) -> Raw:
    """The rows without those of the template that only show how it is done."""
    keys = raw.cells.get(raw.table.key[0], [])
    kept = [row for row, key in enumerate(keys) if not key.startswith(EXAMPLE)]
    if len(kept) == len(keys):
        return raw
    line_of = raw.line_of
    return Raw(
        raw.table,
        raw.file,
        raw.headings,
        {name: [cells[row] for row in kept] for name, cells in raw.cells.items()},
        lambda row: line_of(kept[row]),
        [raw.shapes[row] for row in kept] if raw.shapes is not None else None,
        examples=len(keys) - len(kept),
    )


_MARKS: Final = " *＊"


def known_headings(table: Table) -> dict[str, str]:
    """From everything that a heading may be called to the column's identifier."""
    names: dict[str, str] = {}
    for column in table.columns:
        for heading in column.headings:
            names.setdefault(heading, column.name)
    return names | {column.name: column.name for column in table.columns}


def place_headings(
    table: Table, file: str, given: list[str]
) -> tuple[dict[str, int], dict[str, str], list[Fault]]:
    """Find which column stands where: position and heading by identifier, and what is wrong."""
    names = known_headings(table)
    positions: dict[str, int] = {}
    headings: dict[str, str] = {}
    faults: list[Fault] = []
    for position, text in enumerate(given):
        heading = text.strip().removesuffix("（必填）").strip(_MARKS)
        name = names.get(heading) or names.get(heading.lower())
        if name is None:
            known = "、".join(column.name for column in table.columns)
            what = (
                f"没有“{text}”这一列，可用的列：{known}" if heading else "表头是空的，下面却有内容"
            )
            faults.append(Fault(file, 1, text or f"第 {position + 1} 列", what))
        elif name in positions:
            faults.append(Fault(file, 1, text, f"与“{headings[name]}”是同一列，只能有一列"))
        else:
            positions[name], headings[name] = position, text
    return positions, headings, faults


def _absent(column: Column) -> str:
    return f"缺少这一列（{column.headings[0]}）"
