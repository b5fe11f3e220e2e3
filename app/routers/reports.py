"""Reports for managers and programs: JSON, or CSV for Excel, or a map where there is one."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.datum import Datum
from app.errors import Invalid
from app.models import GridCellKind
from app.routers.deps import AppSettings, Now, Snapshot, VisitingOverseer
from app.schemas import reports as schemas
from app.schemas.fields import Code, Day, Instant
from app.schemas.reports import Format
from app.services.reports import (
    behind,
    comparing,
    coverage,
    coverage_map,
    effort,
    progress,
    reminders,
    writing,
)
from app.services.reports import report as reports
from app.services.reports.comparing import Compare
from app.services.reports.report import Asked, By, Report

CSV = "text/csv"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": schemas.Report, "content": {CSV: {"schema": {"type": "string"}}}}
}
router = APIRouter(prefix="/api/v1/reports", tags=["management"])

Make = Callable[[AsyncSession, Asked], Awaitable[Report]]


def get_format(
    request: Request,
    format: Annotated[Format | None, Query()] = None,
) -> Format:
    """`?format=`, else the first of ours that `Accept` names, else JSON."""
    if format is not None:
        return format
    known = {
        "application/json": Format.json,
        CSV: Format.csv,
        coverage_map.MEDIA_TYPE: Format.geojson,
    }
    for part in request.headers.get("accept", "").split(","):
        named = known.get(part.split(";")[0].strip().lower())
        if named is not None:
            return named
    return Format.json


InFormat = Annotated[Format, Depends(get_format)]


async def get_asked(
    session: Snapshot,
    caller: VisitingOverseer,
    now: Now,
    from_on: Annotated[Day | None, Query(alias="from", description="开始日期，含当天")] = None,
    to_on: Annotated[Day | None, Query(alias="to", description="结束日期，含当天")] = None,
    as_of: Annotated[Day | None, Query(description="截至日，默认今天")] = None,
    known_at: Annotated[Instant | None, Query(description="按当时所知统计，默认现在")] = None,
    organisation: Annotated[Code | None, Query(description="只看这个组织及其下级")] = None,
    explain: Annotated[bool, Query(description="附上每个数字背后的记录编号")] = False,
) -> Asked:
    """What all reports are asked for."""
    return await reports.ask(
        session,
        caller,
        now=now,
        from_on=from_on,
        to_on=to_on,
        as_of=as_of,
        known_at=known_at,
        organisation=organisation,
        explain=explain,
    )


Wanted = Annotated[Asked, Depends(get_asked)]
Compared = Annotated[Compare | None, Query(description="与上一期或去年同期对比")]
RowsBy = Annotated[By, Query(description="每行是什么")]


@router.get("/patrol-progress", responses=_ANSWERS)
async def get_patrol_progress(
    session: Snapshot,
    asked: Wanted,
    wanted: InFormat,
    by: RowsBy = By.organisation,
    compare: Compared = None,
) -> Response:
    """What was owed and how much of it is met; no rate is over 100 %."""
    return await _answer(session, asked.about(by), wanted, progress.report, compare)


@router.get("/behind", responses=_ANSWERS)
async def get_behind(
    session: Snapshot,
    asked: Wanted,
    settings: AppSettings,
    wanted: InFormat,
    compare: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Response:
    """Who is behind on `as_of`, by how much, since when, and whether they are reached.

    In the calendar period of each duty that contains that day, so `from` and `to` say nothing, and
    there is no other range to compare with: `compare` is refused.
    """
    if compare is not None:
        detail = "进度落后的名单不能对比，请改用截至日查看那一天的名单"
        raise Invalid(errors=[{"pointer": "/compare", "detail": detail}])

    async def make(session: AsyncSession, asked: Asked) -> Report:
        return await behind.report(session, asked, settings)

    return await _answer(session, asked, wanted, make)


@router.get("/coverage", responses=_ANSWERS)
async def get_coverage(
    session: Snapshot,
    asked: Wanted,
    wanted: InFormat,
    kind: Annotated[GridCellKind | None, Query(description="只看这一类网格")] = None,
    compare: Compared = None,
    datum: Annotated[Datum, Query(description="地图用的坐标系")] = Datum.wgs84,
) -> Response:
    """A row a cell and month; as GeoJSON a feature a cell."""

    async def make(session: AsyncSession, asked: Asked) -> Report:
        return await coverage.report(session, asked, kind=kind)

    if wanted is not Format.geojson:
        return await _answer(session, asked, wanted, make, compare)
    body = await coverage_map.write(session, await make(session, asked), datum=datum)
    return _as(body, coverage_map.MEDIA_TYPE)


@router.get("/effort", responses=_ANSWERS)
async def get_effort(
    session: Snapshot,
    asked: Wanted,
    wanted: InFormat,
    by: RowsBy = By.organisation,
    compare: Compared = None,
) -> Response:
    """Outings, days, kilometres and hours; a shared track once a place, once each who walked."""
    return await _answer(session, asked.about(by), wanted, effort.report, compare)


@router.get("/reminders", responses=_ANSWERS)
async def get_reminders(
    session: Snapshot, asked: Wanted, wanted: InFormat, compare: Compared = None
) -> Response:
    """What was sent, what was not and why, and what was caught up within seven days."""
    return await _answer(session, asked, wanted, reminders.report, compare)


async def _answer(
    session: AsyncSession, asked: Asked, wanted: Format, make: Make, compare: Compare | None = None
) -> Response:
    """The report, and with `compare` the other one beside it, in the format that is wanted."""
    if wanted is Format.geojson:
        raise Invalid(errors=[{"pointer": "/format", "detail": "这份报表没有地图"}])
    report = await make(session, asked)
    other = await make(session, comparing.earlier(asked, compare)) if compare else None
    if wanted is Format.json:
        return _as(writing.json_of(report, other), "application/json")
    name = writing.file_name(asked, report.definition.report)
    answer = _as(writing.csv_of(report, other), f"{CSV}; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _as(body: bytes, media_type: str) -> Response:
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept"}
    return Response(body, media_type=media_type, headers=headers)
