"""Pages of single records: a patrol, a check-in."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlalchemy import select

from app.models import CheckIn, Person
from app.routers.dashboard import base_maps, reviews
from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page
from app.routers.deps import AppSettings, Now, Session
from app.services import access, audit, check_in_lists, histories, patrol_lists, track_lines

router = APIRouter(prefix="/dashboard", include_in_schema=False)

_MOST_VISITS = 200


@router.get("/check-ins/{id}")
async def show_check_in(
    id: UUID, visit: Viewer, session: Session, settings: AppSettings, now: Now
) -> HTMLResponse:
    """A check-in: where, when, what speaks for it, and what was concluded."""
    case = await reviews.look_at(session, visit, id, settings, now)
    recorded = await check_in_lists.find(session, visit.caller, id, now=now)
    return await reviews.show(
        "check_in.html", case, visit, session, settings, counts_for=recorded.counts_for
    )


@router.get("/patrols/{id}")
async def show_patrol(
    id: UUID, visit: Viewer, session: Session, settings: AppSettings, now: Now
) -> HTMLResponse:
    """A patrol: who, when, how far, and the check-ins on it."""
    shown = await patrol_lists.find(session, visit.caller, id)
    visits = await histories.visits(
        session, visit.caller, CheckIn.patrol_id == id, limit=_MOST_VISITS, oldest_first=True
    )
    base = base_maps.of(settings)
    walker = await session.get_one(Person, shown.patrol.person_id)
    if walker.id != visit.person.id:
        await audit.seen(session, visit.caller, f"patrol:{id}", now=now, reason="查看巡河")
    companions = await session.scalars(
        select(Person).where(Person.code.in_(shown.companions)).order_by(Person.code)
    )
    return page(
        "patrol.html",
        visit,
        tiles=base.origin,
        shown=shown,
        patrol=shown.patrol,
        walker=walker,
        companions=companions.all(),
        visits=visits,
        is_ours=await access.manages(session, visit.caller, walker.organisation_id),
        has_track=await track_lines.may_see(session, visit.caller, id),
        base=base,
        shapes=base_maps.of_visits(base, visits),
    )
