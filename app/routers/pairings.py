"""Pairings of departments with reaches and villages, for managers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from app.routers.deps import AppSettings, Cursor, IfMatch, Limit, Manager, Now, Overseer, Session
from app.schemas.fields import Code
from app.schemas.pages import Page, page_by_id, read_id_cursor
from app.schemas.pairings import NewPairing, Pairing
from app.services import pairings
from app.services.pairings import Wanted

router = APIRouter(prefix="/api/v1/pairings", tags=["management"])


def wanted(
    organisation: Code | None = None,
    reach: Code | None = None,
    village: Code | None = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(organisation, reach, village, retired)


@router.get("")
async def list_pairings(
    session: Session,
    caller: Overseer,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Pairing]:
    """The pairings of the departments of one's subtree, the latest first."""
    found = await pairings.listed(
        session, caller, which, after=read_id_cursor(cursor), limit=limit + 1, now=now
    )
    return page_by_id(found, limit, Pairing.of, lambda row: row.id)


@router.get("/{id}")
async def get_pairing(id: UUID, session: Session, caller: Overseer, response: Response) -> Pairing:
    """A pairing of a department of one's subtree."""
    row = await pairings.find(session, caller, id)
    response.headers["ETag"] = f'"{row.version}"'
    return Pairing.of(row)


@router.put("/{id}", responses={201: {"model": Pairing}})
async def put_pairing(
    id: UUID,
    body: NewPairing,
    session: Session,
    manager: Manager,
    settings: AppSettings,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Pairing:
    """Make (201) or change a pairing; the department's duty follows it."""
    edit = await pairings.put(session, manager, id, body.wish(if_match), settings, now=now)
    response.status_code = 201 if edit.is_new else 200
    response.headers["ETag"] = f'"{edit.after.version}"'
    return Pairing.of(edit.after)
