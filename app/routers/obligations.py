"""Obligations, for managers; a member sees what they owe themselves or together."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app import clock
from app.domain.duties import State
from app.routers.deps import (
    AppSettings,
    Cursor,
    IfMatch,
    Limit,
    Manager,
    Now,
    Overseer,
    Reader,
    Session,
)
from app.routers.middleware import etag_of
from app.schemas.fields import Code, Day
from app.schemas.obligations import NewObligation, Obligation
from app.schemas.pages import Page, id_cursor_of, read_id_cursor
from app.services import explanations, obligations
from app.services.access import Caller
from app.services.obligations import Standing, Wanted

router = APIRouter(prefix="/api/v1/obligations", tags=["management"])


def wanted(
    organisation: Code | None = None,
    holder: Code | None = None,
    area: Code | None = None,
    state: State | None = None,
    retired: bool = False,
) -> Wanted:
    """Filters of the list."""
    return Wanted(organisation, holder, area, state, retired)


def get_day(now: Now, as_of: Day | None = None) -> date:
    """`?as_of=`: the day about which is asked, today if left out."""
    return as_of or clock.day_of(now)


AsOf = Annotated[date, Depends(get_day)]


async def _shown(
    session: Session, caller: Caller, found: list[Standing], as_of: date, explain: bool
) -> list[Obligation]:
    if not explain:
        return [Obligation.of(each) for each in found]
    explained = await explanations.of(session, caller, found, as_of=as_of)
    return [Obligation.of(each.standing, each.steps) for each in explained]


@router.get("")
async def list_obligations(
    session: Session,
    caller: Overseer,
    as_of: AsOf,
    which: Annotated[Wanted, Depends(wanted)],
    explain: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Obligation]:
    """What the people and organisations of one's subtree owe, and how it stands; latest first.

    With `state` a page may hold fewer than `limit`, and go on all the same.
    """
    found = await obligations.listed(
        session, caller, which, as_of=as_of, after=read_id_cursor(cursor), limit=limit
    )
    return Page(
        items=await _shown(session, caller, list(found.standings), as_of, explain),
        next=id_cursor_of(found.next) if found.next else None,
    )


@router.get("/{code:path}")
async def get_obligation(
    code: Code,
    session: Session,
    caller: Reader,
    as_of: AsOf,
    response: Response,
    explain: bool = False,
) -> Obligation:
    """One obligation and how it stands; `explain` shows the arithmetic and the records behind."""
    found = await obligations.find(session, caller, code, as_of=as_of)
    (shown,) = await _shown(session, caller, [found], as_of, explain)
    response.headers["ETag"] = _etag(found, shown)
    return shown


@router.put("/{code:path}", responses={201: {"model": Obligation}})
async def put_obligation(
    code: Code,
    body: NewObligation,
    session: Session,
    manager: Manager,
    settings: AppSettings,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> Obligation:
    """Make (201) or change an obligation; what was walked is judged by it at once."""
    edit = await obligations.put(session, manager, code, body.wish(if_match), settings, now=now)
    (standing,) = await obligations.standing(session, [edit.after], clock.day_of(now))
    shown = Obligation.of(standing)
    response.status_code = 201 if edit.is_new else 200
    response.headers["ETag"] = _etag(standing, shown)
    return shown


def _etag(found: Standing, shown: Obligation) -> str:
    """First the row's version, for If-Match; then all that is shown of it."""
    rest = etag_of(shown.model_dump_json(by_alias=True).encode()).strip('"')
    return f'"{found.row.version}-{rest}"'
