"""Writing: a report as JSON for programs, as CSV for Excel; the same figures in both."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from app import clock
from app.services import csv_text
from app.services.exports.writing import FORMULA
from app.services.reports import comparing
from app.services.reports.report import Asked, Column, Kind, Report

TOTAL = "合计"


def json_of(report: Report, other: Report | None = None) -> bytes:
    """The answer of the API; with another report to compare with, what changed."""
    asked = report.asked
    rows: Sequence[Mapping[str, Any]] = report.rows
    said = {
        "report": report.definition.report,
        "title": report.definition.title,
        "definition": definition_of(report),
        "definition_version": report.definition.version,
        "as_of": asked.as_of,
        "known_at": instant(asked.known_at) if asked.known_at else None,
        "from": asked.from_on,
        "to": asked.to_on,
        "by": asked.by,
        "organisation": asked.organisation,
        "columns": [
            {"name": column.name, "title": column.title, "kind": column.kind}
            for column in report.definition.columns
        ],
    }
    if other is not None:
        changes = comparing.changes(report.definition, rows, other.rows)
        rows = [{**row, "change": more} for row, more in zip(rows, changes, strict=True)]
        said["compared"] = comparing.compared(report, other)
    said |= {"rows": rows, "totals": report.totals}
    return orjson.dumps(said, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def csv_of(report: Report, other: Report | None = None) -> bytes:
    """UTF-8 with the mark that Excel wants, Chinese headings, the totals as the last row.

    With another report: a column more for each figure that changed.
    """
    columns = [column for column in report.definition.columns if column.kind is not Kind.parts]
    changes: Sequence[Mapping[str, Any]] = [{} for _ in report.rows]
    total_change: Mapping[str, Any] = {}
    if other is not None:
        changes = comparing.changes(report.definition, report.rows, other.rows)
        total_change = comparing.change(report.definition, report.totals, other.totals)
    changed = [column for column in columns if other and column.kind in comparing.NUMBERS]
    lines = [[column.title for column in columns] + [f"{each.title}增减" for each in changed]]
    lines += [
        _cells(columns, row) + _cells(changed, change)
        for row, change in zip(report.rows, changes, strict=True)
    ]
    if report.totals:
        totals = _cells(columns, report.totals) + _cells(changed, total_change)
        lines.append([TOTAL, *totals[1:]])
    return csv_text.BOM + csv_text.lines(lines)


def definition_of(report: Report) -> str:
    """What the figures mean, and which version of that."""
    return f"{report.definition.text}第{report.definition.version}版"


def file_name(asked: Asked, report: str) -> str:
    """What the file of a report is called, without its ending."""
    return f"{report}-{asked.from_on}-{asked.to_on}"


def cell(value: Any, kind: Kind) -> str:
    """A value as a person reads it in a table; nothing for what is not known."""
    if value is None:
        return ""
    if kind is Kind.rate:
        return f"{value:.1%}"
    if kind is Kind.decimal:
        return f"{value:.2f}"
    if kind is Kind.flag:
        return "是" if value else "否"
    if isinstance(value, datetime):
        return f"{value.astimezone(clock.LAKE):%Y-%m-%d %H:%M}"
    text = str(value)
    return f"'{text}" if kind is Kind.text and text.startswith(FORMULA) else text


def instant(at: datetime) -> str:
    """As every answer of the API writes it: at the lake."""
    return at.astimezone(clock.LAKE).isoformat()


def _cells(columns: Sequence[Column], row: Mapping[str, Any]) -> list[str]:
    return [cell(row.get(column.name), column.kind) for column in columns]


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)
