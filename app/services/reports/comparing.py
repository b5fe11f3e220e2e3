"""Comparing: the same report about the period before, or the year before, and what changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from app.domain import duties
from app.services.reports.report import Asked, Definition, Kind, Report

_DAY = timedelta(days=1)
_CALENDAR = ("month", "quarter", "half_year", "year")
NUMBERS = frozenset({Kind.number, Kind.decimal, Kind.rate})


class Compare(StrEnum):
    """With which other days a report is compared."""

    previous = "previous"
    year_ago = "year_ago"


def earlier(asked: Asked, compare: Compare) -> Asked:
    """The same question about the other days, as far from their end as it is asked from this one's.

    So a month that still runs is compared with the other one as it stood on the same day.
    """
    first, last = days(asked.from_on, asked.to_on, compare)
    as_of = last + (asked.as_of - asked.to_on)
    return replace(asked, from_on=first, to_on=last, as_of=as_of, explain=False)


def days(first: date, last: date, compare: Compare) -> tuple[date, date]:
    """The days to compare with: of a calendar month, quarter, half-year or year always a whole one.

    Else as many days right before, or the same days a year before (28 February for the 29th).
    """
    period = next(
        (each for each in _CALENDAR if duties.period_of(each, first) == (first, last)), None
    )
    if compare is Compare.previous:
        if period is not None:
            return duties.period_of(period, first - _DAY)
        return first - (last - first) - _DAY, first - _DAY
    if period is not None:
        return duties.period_of(period, _year_before(first))
    return _year_before(first), _year_before(last)


def _year_before(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)


def changes(
    definition: Definition,
    rows: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """By row: how much each figure is more than the other report's; null where it has no such row.

    Rows are the same where their texts' first column is, as long as that names one row only.
    """
    name = definition.columns[0].name
    keys = [row[name] for row in others]
    before = dict(zip(keys, others, strict=True)) if len(set(keys)) == len(keys) else {}
    return [change(definition, row, before.get(row[name])) for row in rows]


def change(
    definition: Definition, figures: Mapping[str, Any], before: Mapping[str, Any] | None
) -> dict[str, Any]:
    """How much each figure of a row, or of the totals, is more than the other's."""
    changed = {}
    for column in definition.columns:
        if column.kind in NUMBERS and column.name in figures:
            now, then = figures[column.name], (before or {}).get(column.name)
            changed[column.name] = None if now is None or then is None else now - then
    return changed


def compared(report: Report, other: Report) -> dict[str, Any]:
    """What the answer says of the other report."""
    return {
        "from": other.asked.from_on,
        "to": other.asked.to_on,
        "as_of": other.asked.as_of,
        "rows": other.rows,
        "totals": other.totals,
        "change": change(report.definition, report.totals, other.totals),
    }
