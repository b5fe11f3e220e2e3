"""Pages of the review queue: what is doubtful, the oldest first, and the decision about it."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from app.domain import evidence_texts
from app.models import GridCell, Verdict
from app.routers.dashboard import base_maps
from app.routers.dashboard.doors import Poster, Viewer, Visit
from app.routers.dashboard.pages import page, to
from app.routers.dashboard.paging import Cursor, cut
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code, Day, Reason
from app.schemas.pages import read_cursor
from app.services import audit, review_cases, review_queue, reviews
from app.services.reports import choices
from app.services.review_cases import Case
from app.services.review_queue import Wanted

router = APIRouter(prefix="/dashboard/reviews", include_in_schema=False)

_A_PAGE = 20


def wanted(
    organisation: Annotated[Code | Literal[""] | None, Query()] = None,
    check: Annotated[Code | Literal[""] | None, Query()] = None,
    from_: Annotated[Day | Literal[""] | None, Query(alias="from")] = None,
    to_: Annotated[Day | Literal[""] | None, Query(alias="to")] = None,
) -> Wanted:
    """Filters of the queue; an empty field of the form is none."""
    return Wanted(organisation or None, check or None, from_ or None, to_ or None)


Filters = Annotated[Wanted, Depends(wanted)]


def _query(which: Wanted) -> str:
    """The filters as a query, with its question mark."""
    given = {
        "organisation": which.organisation,
        "check": which.check,
        "from": which.from_on,
        "to": which.to_on,
    }
    said = urlencode({name: value for name, value in given.items() if value is not None})
    return f"?{said}" if said else ""


@router.get("")
async def list_waiting(
    visit: Viewer, session: Session, which: Filters, cursor: Cursor = None
) -> HTMLResponse:
    """What waits for a decision."""
    found = await review_queue.waiting(
        session, visit.caller, which, after=read_cursor(cursor), limit=_A_PAGE + 1
    )
    waiting, following = cut(
        found, lambda each: (each.check_in.received_at, each.check_in.id), _A_PAGE
    )
    return page(
        "reviews.html",
        visit,
        waiting=waiting,
        next=following,
        count=await review_queue.count(session, visit.caller, which),
        which=which,
        query=_query(which),
        checks=evidence_texts.TITLES,
        organisations=await choices.organisations(session, visit.caller),
        doubts=evidence_texts.doubts,
    )


@router.get("/{check_in_id}")
async def show_case(
    check_in_id: UUID,
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    which: Filters,
) -> HTMLResponse:
    """One of them, with all that helps to decide."""
    case = await look_at(session, visit, check_in_id, settings, now)
    return await show(
        "review.html",
        case,
        visit,
        session,
        settings,
        query=_query(which),
        next=await review_queue.next_of(session, visit.caller, which, case.visit.check_in),
        count=await review_queue.count(session, visit.caller, which),
    )


@router.post("/{check_in_id}")
async def decide(
    check_in_id: UUID,
    visit: Poster,
    session: Session,
    now: Now,
    which: Filters,
    verdict: Annotated[Literal["accepted", "rejected"], Form()],
    reason: Annotated[Reason, Form()],
    following: Annotated[UUID | Literal[""], Form(alias="next")] = "",
) -> RedirectResponse:
    """Accept or reject it; the next one opens."""
    await reviews.review(
        session, visit.caller, check_in_id, verdict=Verdict(verdict), reason=reason, now=now
    )
    said = "已审核为有效。" if verdict == "accepted" else "已审核为无效。"
    address = f"/dashboard/reviews/{following}" if following else "/dashboard/reviews"
    return to(address + _query(which), said=said)


async def look_at(
    session: Session, visit: Visit, check_in_id: UUID, settings: AppSettings, now: Now
) -> Case:
    """A check-in for a page; that somebody looked at another's is written down."""
    case = await review_cases.find(
        session, visit.caller, check_in_id, near_same_bits=settings.evidence.near_same_bits
    )
    if case.visit.person.id != visit.person.id:
        await audit.seen(
            session, visit.caller, f"check_in:{check_in_id}", now=now, reason="查看巡河记录"
        )
    return case


async def show(
    template: str,
    case: Case,
    visit: Visit,
    session: Session,
    settings: AppSettings,
    **more: Any,
) -> HTMLResponse:
    """A page about a check-in, with its small map."""
    base = base_maps.of(settings)
    check_in = case.visit.check_in
    cell = await session.get(GridCell, check_in.grid_cell_id) if check_in.grid_cell_id else None
    return page(
        template,
        visit,
        tiles=base.origin,
        case=case,
        check_in=check_in,
        findings=evidence_texts.said(check_in.evidence),
        doubts=evidence_texts.doubts(check_in.evidence),
        base=base,
        shapes=base_maps.of_case(base, case, cell),
        **more,
    )
