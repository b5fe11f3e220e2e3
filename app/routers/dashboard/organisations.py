"""The page of an organisation: its people, duties, places, and what is below it."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app import clock
from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page
from app.routers.deps import Now, Session
from app.schemas.fields import Code
from app.services import obligations
from app.services.profiles import organisations
from app.services.reports import progress, report

router = APIRouter(prefix="/dashboard/organisations", include_in_schema=False)

_DUTIES = 50


@router.get("/{code:path}")
async def show_organisation(code: Code, visit: Viewer, session: Session, now: Now) -> HTMLResponse:
    """An organisation of the caller's subtree."""
    caller, today = visit.caller, clock.day_of(now)
    profile = await organisations.find(session, caller, code, today=today)
    duties = await obligations.listed(
        session, caller, obligations.Wanted(holder=code), as_of=today, after=None, limit=_DUTIES
    )
    # The same question as on the overview: until today, so that both say the same.
    begins = today.replace(month=1, day=1)
    asked = await report.ask(
        session, caller, now=now, from_on=begins, to_on=today, organisation=code
    )
    reported = await progress.report(session, asked)
    return page(
        "organisation.html",
        visit,
        profile=profile,
        shown=profile.organisation,
        today=today,
        year_begins=begins,
        duties=duties.standings,
        own=next((row for row in reported.rows if row["code"] == code), None),
        whole=reported.totals,
    )
