"""Managers decide who applicants are."""

from uuid import UUID

from fastapi import APIRouter

from app.models import ApplicationState
from app.routers.deps import Limit, Manager, Now, Session
from app.schemas.applications import Application, NewDecline, NewJoin
from app.schemas.pages import Page, page_of, read_cursor
from app.services import applications

router = APIRouter(prefix="/api/v1/applications", tags=["management"])


@router.get("")
async def list_applications(
    session: Session,
    manager: Manager,
    state: ApplicationState | None = None,
    cursor: str | None = None,
    limit: Limit = 100,
) -> Page[Application]:
    """Those that are the caller's to decide, the newest first."""
    rows = await applications.listed(
        session, manager, state=state, after=read_cursor(cursor), limit=limit + 1
    )
    return page_of(
        rows, limit, Application.of, lambda row: (row.application.created_at, row.application.id)
    )


@router.post("/{id}/join")
async def join(
    id: UUID, body: NewJoin, session: Session, manager: Manager, now: Now
) -> Application:
    """Yes: the applicant is this person, in place of any WeChat they had before."""
    return Application.of(await applications.join(session, manager, id, body.person_code, now=now))


@router.post("/{id}/decline")
async def decline(
    id: UUID, body: NewDecline, session: Session, manager: Manager, now: Now
) -> Application:
    """No, and why."""
    return Application.of(await applications.decline(session, manager, id, body.reason, now=now))
