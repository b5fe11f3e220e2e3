"""Exemptions: managers decide about leave; whoever asked sees what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from app.models import ExemptionState
from app.routers.deps import Cursor, IfMatch, Limit, Manager, Now, Reader, Session
from app.schemas.exemptions import DecidedExemption, NewDecision
from app.schemas.fields import Code, Day
from app.schemas.pages import Page, page_by_id, read_id_cursor
from app.services import exemptions
from app.services.access import Caller
from app.services.dataset.rows import Row
from app.services.exemptions import Wanted

router = APIRouter(prefix="/api/v1/exemptions", tags=["management"])


def wanted(
    state: ExemptionState | None = None,
    holder: Code | None = None,
    organisation: Code | None = None,
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(state, holder, organisation, from_, to, retired)


def _shown(row: Row, caller: Caller) -> DecidedExemption:
    return DecidedExemption.of(row, with_reason=caller.api_key is None)


@router.get("")
async def list_exemptions(
    session: Session,
    caller: Reader,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DecidedExemption]:
    """One's own and one's organisation's; for managers and programs those of their subtree."""
    found = await exemptions.listed(
        session, caller, which, after=read_id_cursor(cursor), limit=limit + 1, now=now
    )
    return page_by_id(found, limit, lambda row: _shown(row, caller), lambda row: row.id)


@router.get("/{id}")
async def get_exemption(
    id: UUID, session: Session, caller: Reader, response: Response
) -> DecidedExemption:
    """One that one may see."""
    row = await exemptions.find(session, caller, id)
    response.headers["ETag"] = f'"{row.version}"'
    return _shown(row, caller)


@router.put("/{id}", responses={201: {"model": DecidedExemption}})
async def put_exemption(
    id: UUID,
    body: NewDecision,
    session: Session,
    manager: Manager,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> DecidedExemption:
    """Grant, decline or take back, or put one in (201); nobody decides about their own."""
    edit = await exemptions.decide(
        session, manager, id, body.wish(if_match), ExemptionState(body.state), now=now
    )
    response.status_code = 201 if edit.is_new else 200
    response.headers["ETag"] = f'"{edit.after.version}"'
    return DecidedExemption.of(edit.after)
