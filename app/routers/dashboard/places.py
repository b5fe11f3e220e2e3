"""Pages of places: a reach, a stele, a grid cell, with the records that are theirs to see."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import ColumnElement

from app import clock
from app.domain import evidence_texts
from app.models import CheckIn
from app.routers.dashboard import base_maps
from app.routers.dashboard.doors import Viewer, Visit
from app.routers.dashboard.pages import page
from app.routers.dashboard.paging import A_PAGE, Cursor, cut
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code
from app.schemas.pages import read_cursor
from app.services import histories, obligations
from app.services.profiles import places
from app.services.reports import coverage, report

router = APIRouter(prefix="/dashboard", include_in_schema=False)

_DUTIES = 50


@router.get("/reaches/{code:path}")
async def show_reach(
    code: Code,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    check_ins: Cursor = None,
) -> HTMLResponse:
    """A reach: who answers for it, what stands on it, its duties and visits."""
    profile = await places.reach(session, code, today=clock.day_of(now))
    reach, base = profile.reach, base_maps.of(settings)
    people = [each.person for each in profile.responsible]
    return page(
        "reach.html",
        visit,
        tiles=base.origin,
        profile=profile,
        shown=reach,
        base=base,
        shapes=base_maps.of_place(base, reach.geometry, "reach", reach.name),
        linked=await places.people_in_sight(session, visit.caller, people),
        **await _records(visit, session, code, CheckIn.reach_id == reach.id, check_ins, now),
    )


@router.get("/steles/{code:path}")
async def show_stele(
    code: Code,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    check_ins: Cursor = None,
) -> HTMLResponse:
    """A stele: who answers for it, its prints, its duties and visits."""
    profile = await places.stele(session, visit.caller, code, settings, now=now)
    stele, base = profile.here.stele, base_maps.of(settings)
    people = [each.person for each in profile.here.responsible]
    return page(
        "stele.html",
        visit,
        tiles=base.origin,
        profile=profile,
        here=profile.here,
        shown=stele,
        base=base,
        shapes=base_maps.of_stele(base, stele),
        linked=await places.people_in_sight(session, visit.caller, people),
        **await _records(visit, session, code, places.visit_of(stele.id), check_ins, now),
    )


@router.get("/grid-cells/{code:path}")
async def show_grid_cell(
    code: Code,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    check_ins: Cursor = None,
) -> HTMLResponse:
    """A grid cell: whose it is, how often it was visited each month, its duties and visits."""
    profile = await places.cell(session, visit.caller, code, now=now)
    cell, base = profile.cell, base_maps.of(settings)
    people = [profile.person] if profile.person else []
    return page(
        "grid_cell.html",
        visit,
        tiles=base.origin,
        profile=profile,
        shown=cell,
        base=base,
        shapes=base_maps.of_place(base, cell.geometry, "cell", cell.name),
        linked=await places.people_in_sight(session, visit.caller, people),
        months=await _months(visit, session, profile, now),
        **await _records(
            visit, session, code, CheckIn.grid_cell_ids.contains([cell.id]), check_ins, now
        ),
    )


async def _months(
    visit: Visit, session: Session, profile: places.CellProfile, now: Now
) -> list[Any]:
    """The cell's months of this year, as the coverage report has them; none of others' cells."""
    if not profile.is_ours:
        return []
    asked = await report.ask(session, visit.caller, now=now, organisation=profile.organisation.code)
    found = await coverage.report(session, asked, kind=profile.cell.kind)
    return [row for row in found.rows if row["code"] == profile.cell.code]


async def _records(
    visit: Visit,
    session: Session,
    code: str,
    about: ColumnElement[bool],
    cursor: str | None,
    now: Now,
) -> dict[str, Any]:
    """The duties about a place, and its check-ins, of those that the caller may see."""
    today = clock.day_of(now)
    duties = await obligations.listed(
        session, visit.caller, obligations.Wanted(area=code), as_of=today, after=None, limit=_DUTIES
    )
    found = await histories.visits(
        session, visit.caller, about, after=read_cursor(cursor), limit=A_PAGE + 1
    )
    visits, more = cut(found, lambda each: (each.check_in.at, each.check_in.id))
    return {
        "duties": duties.standings,
        "visits": visits,
        "more_visits": more,
        "doubts": evidence_texts.doubts,
        "today": today,
        "year_begins": today.replace(month=1, day=1),
    }
