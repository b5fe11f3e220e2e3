"""Pages of reports: the figures that the API answers, and the records behind each of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.routers.dashboard import report_tables
from app.routers.dashboard.doors import Viewer, Visit
from app.routers.dashboard.pages import page
from app.routers.dashboard.report_questions import (
    BY_WORDS,
    COMPARE_WORDS,
    SHOWN,
    Asking,
    Question,
    Shown,
    find,
)
from app.routers.dashboard.report_tables import Cell
from app.routers.deps import AppSettings, Now, Session
from app.services.dataset.labels import GRID_CELL_KINDS
from app.services.reports import choices, comparing, records
from app.services.reports.report import Asked, By, Column, Report, ask

router = APIRouter(prefix="/dashboard/reports", include_in_schema=False)

_A_PAGE = 200
_MOST_LISTED = 500


@router.get("")
async def list_reports(visit: Viewer) -> HTMLResponse:
    """What there is to ask for."""
    return page("reports.html", visit, reports=SHOWN)


@router.get("/{report}")
async def show_report(
    report: str,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    asking: Asking,
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> HTMLResponse:
    """A report as a table, a part of it at a time; beside it, what changed."""
    shown = find(report)
    asked = await _asked(session, visit, asking, now)
    found = await shown.make(session, asked, asking, settings)
    other = None
    if asking.compare is not None and "compare" in shown.asks:
        before = comparing.earlier(asked, asking.compare)
        other = await shown.make(session, before, asking, settings)
    first = (number - 1) * _A_PAGE
    return page(
        "report.html",
        visit,
        shown=shown,
        asking=asking,
        found=found,
        other=other,
        **_table(f"/dashboard/reports/{report}", shown, asking, found, other, first),
        **_pages(f"/dashboard/reports/{report}", asking, number, len(found.rows)),
        organisations=await choices.organisations(session, visit.caller),
        by_words=BY_WORDS,
        compare_words=COMPARE_WORDS,
        kinds=GRID_CELL_KINDS,
    )


@router.get("/{report}/records")
async def show_records(
    report: str,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    asking: Asking,
    figure: Annotated[str, Query(max_length=40)],
    row: Annotated[str, Query(max_length=64)] = "",
    month: Annotated[str, Query(max_length=7)] = "",
) -> HTMLResponse:
    """The records behind one figure of one row."""
    shown = find(report)
    column = next((one for one in shown.definition.columns if one.name == figure), None)
    if column is None or figure not in shown.figures:
        raise NotFound("这个数没有单列的依据。")
    asked = await _asked(session, visit, asking, now, explain=True)
    found = await shown.make(session, asked, asking, settings)
    wanted = (row, month)[: len(shown.key)]
    of = next((one for one in found.rows if _key(shown, one) == wanted), None)
    if of is None:
        raise NotFound("报表里没有这一行。")
    names = of["records"].get(shown.figures[figure], ())
    return page(
        "report_records.html",
        visit,
        shown=shown,
        asking=asking,
        found=found,
        of=of,
        column=column,
        value=report_tables.written(column, of[figure]),
        records=await records.described(session, names[:_MOST_LISTED]),
        number=len(names),
        hidden=of["hidden"],
        back=asking.address(f"/dashboard/reports/{report}"),
    )


async def _asked(
    session: AsyncSession, visit: Visit, asking: Question, now: datetime, *, explain: bool = False
) -> Asked:
    """What the API would be asked."""
    return await ask(
        session,
        visit.caller,
        now=now,
        from_on=asking.from_on,
        to_on=asking.to_on,
        as_of=asking.as_of,
        known_at=asking.known_at,
        organisation=asking.organisation,
        by=asking.by or By.organisation,
        explain=explain,
    )


def _table(
    path: str, shown: Shown, asking: Question, found: Report, other: Report | None, first: int
) -> dict[str, Any]:
    """The columns, some of the rows, the total, and what stands around them."""
    columns = report_tables.columns_of(found)
    changes: Sequence[Mapping[str, Any]] = [{}] * len(found.rows)
    total: Mapping[str, Any] = {}
    if other is not None:
        changes = comparing.changes(found.definition, found.rows, other.rows)
        total = comparing.change(found.definition, found.totals, other.totals)
    some = slice(first, first + _A_PAGE)
    return {
        "columns": columns,
        "rows": [
            _row(path, shown, asking, columns, row, change)
            for row, change in zip(found.rows[some], changes[some], strict=True)
        ],
        "first": first,
        "totals": report_tables.totals_of(columns, found, total),
        "headline": report_tables.headline_of(columns, found, total),
        "parts": report_tables.parts_of(found),
    }


def _pages(path: str, asking: Question, number: int, rows: int) -> dict[str, Any]:
    """Where the rows before and after these are."""
    return {
        "earlier": asking.address(path, page=str(number - 1)) if number > 1 else None,
        "later": asking.address(path, page=str(number + 1)) if number * _A_PAGE < rows else None,
    }


def _key(shown: Shown, row: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells the row from all others; what has no code has a name of its own."""
    return tuple(row[part] or row["name"] for part in shown.key)


def _row(
    path: str,
    shown: Shown,
    asking: Question,
    columns: Sequence[Column],
    row: Mapping[str, Any],
    change: Mapping[str, Any],
) -> list[Cell]:
    key = dict(zip(("row", "month"), _key(shown, row), strict=False))
    return report_tables.cells_of(
        columns,
        row,
        names=shown.names,
        leads_to=shown.leads_to(row, asking.by or By.organisation),
        behind={
            figure: asking.address(f"{path}/records", figure=figure, **key)
            for figure in shown.figures
        },
        change=change,
    )
