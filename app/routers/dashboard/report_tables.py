"""Report tables: how the rows of a report become cells, with links to what is behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.routers.dashboard.labels import FILTERS
from app.services.reports.report import By, Column, Kind, Report

_PLACES = {
    By.organisation: "organisations",
    By.person: "people",
    By.reach: "reaches",
    By.grid_cell: "grid-cells",
    By.stele: "steles",
}
_ON_THE_RIGHT = frozenset({Kind.number, Kind.decimal, Kind.rate})


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell says, where it leads, and how much it is more than in the report beside it."""

    column: Column
    text: str
    href: str | None = None
    change: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it stands on the right."""
        return self.column.kind in _ON_THE_RIGHT

    @property
    def is_when(self) -> bool:
        """Whether it is a day or an instant, which never breaks into lines."""
        return self.column.kind in (Kind.day, Kind.instant)


def entity(code: str | None, by: By) -> str | None:
    """The page of whom or what a row is about."""
    return f"/dashboard/{_PLACES[by]}/{quote(code)}" if code else None


def written(column: Column, value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "—"
    match column.kind:
        case Kind.rate | Kind.day | Kind.instant | Kind.number:
            return str(FILTERS[column.kind](value))
        case Kind.decimal:
            return str(FILTERS["number"](value, 2))
        case Kind.flag:
            return "是" if value else "否"
        case _:
            return str(value)


def columns_of(report: Report) -> list[Column]:
    """The columns that some row has, and texts that some row says something in.

    What only the total has stands above the table.
    """
    return [
        column
        for column in report.definition.columns
        if column.kind is not Kind.parts and (not report.rows or _is_said(column, report.rows))
    ]


def _is_said(column: Column, rows: Sequence[Mapping[str, Any]]) -> bool:
    if column.kind is Kind.text:
        return any(row.get(column.name) is not None for row in rows)
    return any(column.name in row for row in rows)


def cells_of(
    columns: Sequence[Column],
    row: Mapping[str, Any],
    *,
    names: Sequence[str],
    leads_to: str | None,
    behind: Mapping[str, str],
    change: Mapping[str, Any],
) -> list[Cell]:
    """The cells of a row; `behind`: by figure, the address of the records behind it."""
    cells = []
    for column in columns:
        value = row.get(column.name)
        href = behind.get(column.name) if value else None
        if column.name in names:
            href = leads_to
        more = changed(column, change.get(column.name))
        cells.append(Cell(column, written(column, value), href, more))
    return cells


def changed(column: Column, value: float | None) -> str:
    """How much more a figure is; nothing where it is the same, or nothing is there to compare."""
    if not value:
        return ""
    sign = "+" if value > 0 else "−"
    if column.kind is Kind.rate:
        return f"{sign}{abs(value) * 100:.1f}个百分点"
    return sign + written(column, abs(value))


def totals_of(columns: Sequence[Column], report: Report, change: Mapping[str, Any]) -> list[Cell]:
    """The last row: 合计 in its first cell."""
    cells = [_total(column, report, change) for column in columns]
    return [Cell(columns[0], "合计"), *cells[1:]]


def _total(column: Column, report: Report, change: Mapping[str, Any]) -> Cell:
    if column.name not in report.totals:
        return Cell(column, "")
    more = changed(column, change.get(column.name))
    return Cell(column, written(column, report.totals[column.name]), change=more)


def headline_of(columns: Sequence[Column], report: Report, change: Mapping[str, Any]) -> list[Cell]:
    """What only the total has: the figures that stand above the table."""
    shown = {column.name for column in columns}
    return [
        _total(column, report, change)
        for column in report.definition.columns
        if column.kind is not Kind.parts
        and column.name not in shown
        and column.name in report.totals
    ]


def parts_of(report: Report) -> list[tuple[Column, Mapping[str, int]]]:
    """What the total is made of, where a column holds parts: reasons and how often each."""
    return [
        (column, report.totals[column.name])
        for column in report.definition.columns
        if column.kind is Kind.parts and isinstance(report.totals.get(column.name), Mapping)
    ]
