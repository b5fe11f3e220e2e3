"""Applications: who says that they are somebody, and a manager's yes or no."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import AlreadyBound, Invalid, NotOnRoster, WrongState
from app.models import ApplicationState
from app.routers.dashboard.doors import Poster, Viewer, Visit
from app.routers.dashboard.pages import page, to
from app.routers.dashboard.paging import Cursor, cut
from app.routers.dashboard.roster import forms
from app.routers.deps import Now, Session
from app.schemas.pages import read_cursor
from app.services import applications, audit, choices, words

router = APIRouter(prefix="/dashboard/roster/applications", include_in_schema=False)

_PATH = "/dashboard/roster/applications"
_A_PAGE = 20


@router.get("")
async def show_applications(
    visit: Viewer,
    session: Session,
    now: Now,
    decided: Annotated[bool, Query()] = False,
    cursor: Cursor = None,
) -> HTMLResponse:
    """Those that wait, or all; their phones are written down as seen."""
    return await _shown(visit, session, now, decided=decided, cursor=cursor)


@router.post("/{id}/join")
async def join(id: UUID, visit: Poster, session: Session, now: Now) -> Response:
    """Yes: they are this person."""
    typed = await _typed(visit)
    offered = await choices.offered(session, visit.caller, {"people"})
    code = choices.meant(typed["person"], offered["people"])
    if fault := forms.reason_fault(typed["reason"]):
        return await _shown(visit, session, now, about=id, typed=typed, fault=fault)
    if fault := forms.key_fault(code):
        return await _shown(visit, session, now, about=id, typed=typed, fault=f"人员{fault}")
    try:
        async with session.begin_nested():
            await applications.join(
                session, visit.caller, id, code, now=now, reason=typed["reason"]
            )
    except (Invalid, AlreadyBound, NotOnRoster, WrongState) as error:
        told: Any = error.members.get("errors")
        fault = told[0]["detail"] if told else error.detail or error.title
        return await _shown(
            visit, session, now, about=id, typed=typed, fault=fault, status=error.status
        )
    return to(_PATH, said="已绑定")


@router.post("/{id}/decline")
async def decline(id: UUID, visit: Poster, session: Session, now: Now) -> Response:
    """No; the applicant reads the reason."""
    typed = await _typed(visit)
    if fault := forms.reason_fault(typed["reason"]):
        return await _shown(visit, session, now, about=id, typed=typed, fault=fault)
    try:
        async with session.begin_nested():
            await applications.decline(session, visit.caller, id, typed["reason"], now=now)
    except WrongState as error:
        return await _shown(
            visit, session, now, about=id, typed=typed, fault=error.detail or error.title,
            status=error.status,
        )  # fmt: skip
    return to(_PATH, said="已告诉申请人没有通过")


async def _typed(visit: Visit) -> dict[str, str]:
    form = await visit.request.form()
    return {name: forms.field_of(form, name) for name in ("person", "reason")}


async def _shown(
    visit: Visit,
    session: AsyncSession,
    now: Any,
    *,
    decided: bool = False,
    cursor: str | None = None,
    about: UUID | None = None,
    typed: dict[str, str] | None = None,
    fault: str = "",
    status: int = 422,
) -> HTMLResponse:
    state = None if decided else ApplicationState.pending
    found = await applications.listed(
        session, visit.caller, state=state, after=read_cursor(cursor), limit=_A_PAGE + 1
    )
    listed, following = cut(
        found, lambda each: (each.application.created_at, each.application.id), _A_PAGE
    )
    if any(each.application.phone for each in listed):
        await audit.seen(session, visit.caller, "applications", now=now)
    return page(
        "roster/applications.html", visit, status=status if fault else 200, listed=listed,
        next=following, decided=decided, about=about, typed=typed or {}, fault=fault,
        app_names=words.APPS,
        offered=await choices.offered(session, visit.caller, {"people"}),
    )  # fmt: skip
