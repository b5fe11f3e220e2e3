"""Pages of reports: the figures that the API answers, and the records behind each of them."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.routers.dashboard import report_tables
from app.routers.dashboard.doors import Viewer, Visit
from app.routers.dashboard.pages import page
from app.routers.dashboard.report_questions import BY_WORDS, SHOWN, Asking, Question, Shown, find
from app.routers.deps import Now, Session
from app.services.dataset.labels import GRID_CELL_KINDS
from app.services.reports import choices, records
from app.services.reports.report import By, Report, ask

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
    now: Now,
    asking: Asking,
    page_number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> HTMLResponse:
    """A report as a table, a part of it at a time."""
    shown = find(report)
    found = await _made(session, visit, shown, asking, now=now)
    columns = report_tables.columns_of(found)
    first = (page_number - 1) * _A_PAGE
    rows = found.rows[first : first + _A_PAGE]
    path = f"/dashboard/reports/{report}"
    return page(
        "report.html",
        visit,
        shown=shown,
        asking=asking,
        found=found,
        columns=columns,
        rows=[_row(path, shown, asking, columns, row) for row in rows],
        first=first,
        totals=report_tables.totals_of(columns, found),
        headline=report_tables.headline_of(columns, found),
        parts=report_tables.parts_of(found),
        earlier=asking.address(path, page=str(page_number - 1)) if page_number > 1 else None,
        later=asking.address(path, page=str(page_number + 1))
        if first + _A_PAGE < len(found.rows)
        else None,
        organisations=await choices.organisations(session, visit.caller),
        by_words=BY_WORDS,
        kinds=GRID_CELL_KINDS,
    )


@router.get("/{report}/records")
async def show_records(
    report: str,
    visit: Viewer,
    session: Session,
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
    found = await _made(session, visit, shown, asking, now=now, explain=True)
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


async def _made(
    session: AsyncSession,
    visit: Visit,
    shown: Shown,
    asking: Question,
    *,
    now: Any,
    explain: bool = False,
) -> Report:
    """The report, by the same function that the API calls."""
    asked = await ask(
        session,
        visit.caller,
        now=now,
        from_on=asking.from_on,
        to_on=asking.to_on,
        as_of=asking.as_of,
        organisation=asking.organisation,
        by=asking.by or By.organisation,
        explain=explain,
    )
    if shown.asks_kind:
        return await shown.report(session, asked, kind=asking.kind)
    return await shown.report(session, asked)


def _key(shown: Shown, row: Mapping[str, Any]) -> tuple[str, ...]:
    """What tells the row from all others; what has no code has a name of its own."""
    return tuple(row[part] or row["name"] for part in shown.key)


def _row(
    path: str, shown: Shown, asking: Question, columns: Any, row: Mapping[str, Any]
) -> list[report_tables.Cell]:
    key = dict(zip(("row", "month"), _key(shown, row), strict=False))
    behind = {
        figure: asking.address(f"{path}/records", figure=figure, **key) for figure in shown.figures
    }
    leads_to = shown.leads_to(row, asking.by or By.organisation)
    return report_tables.cells_of(columns, row, leads_to=leads_to, behind=behind)
