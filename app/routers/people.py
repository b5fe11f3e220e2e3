"""The roster, for managers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.models import Role
from app.routers.deps import AppSettings, Cursor, IfMatch, Limit, Manager, Now, Overseer, Session
from app.schemas.fields import Code, Name
from app.schemas.pages import Page, page_by_id, read_id_cursor
from app.schemas.people import NewOnRoster, NewUnbinding, OnRoster, Unbinding
from app.schemas.reminders import Reminder
from app.services import people
from app.services.access import Caller
from app.services.dataset.rows import Row
from app.services.people import Wanted
from app.services.reminders import pushing

router = APIRouter(prefix="/api/v1/people", tags=["management"])


def wanted(
    organisation: Code | None = None,
    role: Role | None = None,
    q: Annotated[Name | None, Query()] = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(organisation, role, q, retired)


def _shown(row: Row, caller: Caller) -> OnRoster:
    return OnRoster.of(row, with_phone=caller.api_key is None)


@router.get("")
async def list_people(
    session: Session,
    caller: Overseer,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[OnRoster]:
    """The people of one's subtree; programs are told no phones."""
    found = await people.listed(
        session, caller, which, after=read_id_cursor(cursor), limit=limit + 1, now=now
    )
    return page_by_id(found, limit, lambda row: _shown(row, caller), lambda row: row.id)


@router.get("/{code}")
async def get_person(
    code: Code, session: Session, caller: Overseer, response: Response
) -> OnRoster:
    """Somebody of one's subtree."""
    row = await people.find(session, caller, code)
    response.headers["ETag"] = f'"{row.version}"'
    return _shown(row, caller)


@router.put("/{code}", responses={201: {"model": OnRoster}})
async def put_person(
    code: Code,
    body: NewOnRoster,
    session: Session,
    manager: Manager,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> OnRoster:
    """Make (201) or change somebody; what is left out becomes empty."""
    edit = await people.put(session, manager, code, body.wish(if_match), now=now)
    response.status_code = 201 if edit.is_new else 200
    response.headers["ETag"] = f'"{edit.after.version}"'
    return _shown(edit.after, manager)


@router.post("/{code}/unbind")
async def unbind(
    code: Code, body: NewUnbinding, session: Session, manager: Manager, now: Now
) -> Unbinding:
    """Part a person from their WeChat and sign it out; nothing recorded is lost."""
    parted = await people.unbind(session, manager, code, app=body.app, reason=body.reason, now=now)
    return Unbinding(code=code, unbound=parted)


@router.post("/{code}/reminders", status_code=201)
async def remind(
    code: Code, session: Session, settings: AppSettings, manager: Manager, now: Now
) -> Reminder:
    """Have a person reminded now of what is behind, within the limits that all reminders keep."""
    return Reminder.of(await pushing.remind(session, manager, code, settings, now=now))
