"""The page of a person: posts, duties, records, reminders, leave, and how to reach them."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app import clock
from app.domain import evidence_texts
from app.models import CheckIn, Patrol
from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page
from app.routers.dashboard.paging import A_PAGE, Cursor, cut
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code
from app.schemas.pages import read_cursor
from app.services import exemptions, histories, obligations, visibility
from app.services.profiles import people
from app.services.reminders import lists

router = APIRouter(prefix="/dashboard/people", include_in_schema=False)

_SOME = 10
_DUTIES = 50


@router.get("/{code:path}")
async def show_person(
    code: Code,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    phone: bool = False,
    patrols: Cursor = None,
    check_ins: Cursor = None,
) -> HTMLResponse:
    """Somebody of the caller's subtree; `phone` shows the whole number, which is written down."""
    caller, today = visit.caller, clock.day_of(now)
    profile = await people.find(session, caller, code, settings, now=now)
    person = profile.person
    duties = await obligations.listed(
        session, caller, obligations.Wanted(holder=code), as_of=today, after=None, limit=_DUTIES
    )
    outings = await histories.outings(
        session,
        caller,
        (Patrol.person_id == person.id) | Patrol.id.in_(visibility.walked_along(person.id)),
        after=read_cursor(patrols),
        limit=A_PAGE + 1,
    )
    shown_outings, more_outings = cut(
        outings, lambda each: (each.patrol.started_at, each.patrol.id)
    )
    visits = await histories.visits(
        session,
        caller,
        CheckIn.person_id == person.id,
        after=read_cursor(check_ins),
        limit=A_PAGE + 1,
    )
    shown_visits, more_visits = cut(visits, lambda each: (each.check_in.at, each.check_in.id))
    return page(
        "person.html",
        visit,
        profile=profile,
        shown=person,
        today=today,
        year_begins=today.replace(month=1, day=1),
        phone=await people.phone_seen(session, caller, person, now=now) if phone else None,
        duties=duties.standings,
        outings=shown_outings,
        more_outings=more_outings,
        visits=shown_visits,
        more_visits=more_visits,
        doubts=evidence_texts.doubts,
        reminders=await lists.page(
            session, caller, lists.Wanted(person=code), after=None, limit=_SOME
        ),
        exemptions=await exemptions.listed(
            session,
            caller,
            exemptions.Wanted(holder=code, retired=True),
            after=None,
            limit=_SOME,
            now=now,
        ),
    )
