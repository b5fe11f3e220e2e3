"""Coverage: which grid cells were visited, how often and how long ago, month by month."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import Question, at_once
from app.models import GridCellKind
from app.services.dataset.labels import GRID_CELL_KINDS
from app.services.reports import records
from app.services.reports.report import Asked, Column, Definition, Kind, Report
from app.services.visit_days import UP_TO_NOW

DEFINITION = Definition(
    report="coverage",
    version=1,
    title="网格覆盖",
    text=(
        "每个网格每月一行。到访：有效且没有撤回的巡河记录，按拍摄当天（北京时间）计；"
        "一条记录算进所有盖住它的网格，上级网格也算。到访天数：有到访的日子有几天。"
        "未到访天数：从最近一次到访（不限于所查时段）到月末的天数，所查时段先结束的算到那一天；从未到访的空着。"
        "合计：覆盖率 = 时段内到访过的网格 ÷ 全部网格；未到访的为冷点网格。"
        "网格和责任单位按现在的网格表，时段最后一天已停用的不算。"
    ),
    columns=(
        Column("code", "编码", Kind.text),
        Column("name", "网格", Kind.text),
        Column("kind_name", "类别", Kind.text),
        Column("organisation_name", "责任单位", Kind.text),
        Column("month", "月份", Kind.text),
        Column("visits", "到访次数"),
        Column("days", "到访天数"),
        Column("last_visit_on", "最近到访", Kind.day),
        Column("days_since", "未到访天数"),
        Column("cells", "网格数"),
        Column("visited", "到访网格"),
        Column("cold", "冷点网格"),
        Column("coverage", "覆盖率", Kind.rate),
    ),
)

# What was known at a moment is asked of the check-ins and of what was concluded about them then.
_KNOWN_THEN: LiteralString = f"""
    WITH v AS MATERIALIZED (
      SELECT u.grid_cell_id, i.taken_on AS day, CAST(count(*) AS int) AS visits
      FROM check_ins i
      CROSS JOIN LATERAL unnest(i.grid_cell_ids) AS u (grid_cell_id)
      WHERE i.at < %(ends)s AND {records.ACCEPTED_THEN}
      GROUP BY 1, 2
    )
"""  # noqa: S608  parts of this page and another

# The last visit before the range: of each cell the newest of its days, or any of those recounted.
_BEFORE_NOW: LiteralString = """
    SELECT cells.id AS grid_cell_id, greatest(noted.day, recent.day) AS last_on
    FROM cells
    LEFT JOIN LATERAL (
      SELECT n.day FROM visit_days n
      WHERE n.grid_cell_id = cells.id AND n.day < %(first)s AND n.day <= %(until)s
        AND n.day NOT IN (SELECT day FROM d)
      ORDER BY n.day DESC LIMIT 1
    ) noted ON true
    LEFT JOIN (
      SELECT grid_cell_id, max(day) AS day FROM recounted WHERE day < %(first)s GROUP BY 1
    ) recent ON recent.grid_cell_id = cells.id
"""
_BEFORE_THEN: LiteralString = """
    SELECT grid_cell_id, max(day) AS last_on FROM v WHERE day < %(first)s GROUP BY 1
"""


def _rows(beginning: LiteralString, before: LiteralString) -> LiteralString:
    return f"""
    {beginning}, cells AS MATERIALIZED (
      SELECT g.id, g.code, g.name, g.kind, o.code AS organisation, o.name AS organisation_name
      FROM grid_cells g JOIN organisations o ON o.id = g.organisation_id
      WHERE (g.retired_on IS NULL OR g.retired_on > %(until)s)
        AND (CAST(%(scope)s AS uuid[]) IS NULL OR g.organisation_id = ANY(%(scope)s))
        AND (CAST(%(kind)s AS text) IS NULL OR g.kind = %(kind)s)
    ), months AS (
      SELECT v.grid_cell_id, CAST(date_trunc('month', CAST(v.day AS timestamp)) AS date) AS month,
        CAST(sum(v.visits) AS int) AS visits, CAST(count(*) AS int) AS days, max(v.day) AS last_on
      FROM v JOIN cells ON cells.id = v.grid_cell_id
      WHERE v.day >= %(first)s AND v.day <= %(until)s
      GROUP BY 1, 2
    ), before AS ({before})
    SELECT cells.*, before.last_on AS before_on, m.month, m.visits, m.days, m.last_on
    FROM cells
    LEFT JOIN before ON before.grid_cell_id = cells.id
    LEFT JOIN months m ON m.grid_cell_id = cells.id
    ORDER BY cells.code, cells.id, m.month
"""  # noqa: S608


_NOW = _rows(UP_TO_NOW, _BEFORE_NOW)
_THEN = _rows(_KNOWN_THEN, _BEFORE_THEN)


def _behind(accepted: LiteralString) -> LiteralString:
    return f"""
    SELECT u.grid_cell_id, i.taken_on AS day, i.id FROM check_ins i
    CROSS JOIN LATERAL unnest(i.grid_cell_ids) AS u (grid_cell_id)
    WHERE i.at >= %(begins)s AND i.at < %(ends)s AND u.grid_cell_id = ANY(%(cells)s)
      AND {accepted}
    ORDER BY i.at, i.id LIMIT %(most)s
"""  # noqa: S608


_RECORDS_NOW = _behind(records.ACCEPTED)
_RECORDS_THEN = _behind(records.ACCEPTED_THEN)


async def report(
    session: AsyncSession, asked: Asked, *, kind: GridCellKind | None = None
) -> Report:
    """A row a cell and month of the range that has begun by `as_of`; cells of one kind if given.

    Raises `Invalid` where more is to be explained than one answer holds.
    """
    said = {
        "first": asked.from_on,
        "until": asked.until,
        "begins": clock.start_of(asked.from_on),
        "ends": clock.end_of(asked.until),
        "known_at": asked.known_at,
        "scope": None if asked.scope is None else list(asked.scope),
        "kind": kind,
    }
    statement = _NOW if asked.known_at is None else _THEN
    (found,) = await at_once(session, (statement, said))
    months = _months(asked.from_on, asked.until)
    rows: list[dict[str, Any]] = []
    ids: list[UUID] = []
    visited: set[UUID] = set()
    for cell, by_month in _by_cell(found):
        visited |= {cell.id} if by_month else set()
        rows += _rows_of(cell, by_month, months, asked.until)
        ids += [cell.id] * len(months)
    if asked.explain:
        await _explain(session, asked, said, ids, rows)
    cells = len({row.id for row in found})
    totals = {
        "visits": sum(row["visits"] for row in rows),
        "cells": cells,
        "visited": len(visited),
        "cold": cells - len(visited),
        "coverage": len(visited) / cells if cells and months else None,
    }
    return Report(DEFINITION, asked, rows, totals)


def _by_cell(found: Sequence[Any]) -> Iterable[tuple[Any, Mapping[date, Any]]]:
    """Each cell with its months that had a visit."""
    n = 0
    while n < len(found):
        cell, by_month = found[n], {}
        while n < len(found) and found[n].id == cell.id:
            if found[n].month is not None:
                by_month[found[n].month] = found[n]
            n += 1
        yield cell, by_month


def _rows_of(
    cell: Any, by_month: Mapping[date, Any], months: Sequence[tuple[date, date]], until: date
) -> Iterable[dict[str, Any]]:
    last_on = cell.before_on
    for first, last in months:
        of = by_month.get(first)
        last_on = of.last_on if of else last_on
        day = min(last, until)
        yield {
            "code": cell.code,
            "name": cell.name,
            "kind": cell.kind,
            "kind_name": GRID_CELL_KINDS[cell.kind],
            "organisation": cell.organisation,
            "organisation_name": cell.organisation_name,
            "month": f"{first:%Y-%m}",
            "visits": of.visits if of else 0,
            "days": of.days if of else 0,
            "last_visit_on": last_on,
            "days_since": (day - last_on).days if last_on else None,
        }


def _months(first: date, last: date) -> list[tuple[date, date]]:
    """First and last day of each calendar month that begins by `last`, from that of `first` on."""
    found = []
    month = first.replace(day=1)
    while month <= last and first <= last:
        following = (month + timedelta(days=31)).replace(day=1)
        found.append((month, following - timedelta(days=1)))
        month = following
    return found


async def _explain(
    session: AsyncSession,
    asked: Asked,
    said: Mapping[str, Any],
    ids: Sequence[UUID],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Put to each row the check-ins that are its visits, those that the caller may see."""
    statement = _RECORDS_NOW if asked.known_at is None else _RECORDS_THEN
    cells = {"cells": list(set(ids)), "most": records.MOST + 1}
    question: Question = (statement, {**said, **cells})
    (found,) = await at_once(session, question)
    records.bound(found)
    seen = await records.seen_check_ins(session, asked.caller, {row.id for row in found})
    by_row: dict[tuple[UUID, str], list[UUID]] = {}
    for row in found:
        by_row.setdefault((row.grid_cell_id, f"{row.day:%Y-%m}"), []).append(row.id)
    for id_, row in zip(ids, rows, strict=True):
        row |= records.named({"visits": by_row.get((id_, row["month"]), [])}, seen)
