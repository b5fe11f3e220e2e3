"""The call list: whom no message reaches or moves."""

from uuid import UUID

from fastapi import APIRouter

from app.routers.deps import Cursor, Limit, Manager, Now, Overseer, Session
from app.schemas.calls import Call, NewPhoned
from app.schemas.pages import Page, page_of, read_cursor
from app.services.reminders import calls
from app.services.reminders.calls import CallState

router = APIRouter(prefix="/api/v1/calls", tags=["management"])


@router.get("")
async def list_calls(
    session: Session,
    overseer: Overseer,
    now: Now,
    state: CallState = CallState.open,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Call]:
    """Who of the caller's subtree is to be telephoned, the newest first."""
    found = await calls.page(
        session, overseer, state=state, after=read_cursor(cursor), limit=limit + 1, now=now
    )
    # Numbers are for people who telephone, not for programs.
    with_phone = overseer.api_key is None
    return page_of(
        found,
        limit,
        lambda each: Call.of(each, with_phone=with_phone),
        lambda each: (each.call.opened_at, each.call.id),
    )


@router.post("/{id}/phoned")
async def tick_off(id: UUID, body: NewPhoned, session: Session, manager: Manager, now: Now) -> Call:
    """They were telephoned: when, and what was said."""
    done = await calls.tick_off(session, manager, id, at=body.at, note=body.note, now=now)
    return Call.of(done, with_phone=True)
