"""Pages of who is behind: the list, and whom to telephone or to have reminded."""

from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from app.routers.dashboard.doors import Poster, Viewer
from app.routers.dashboard.pages import PREFIX, page, to
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code
from app.services import shortfalls
from app.services.reminders import calls, pushing
from app.services.reports import choices
from app.services.shortfalls import Wanted

router = APIRouter(prefix=f"{PREFIX}/behind", include_in_schema=False)

_A_PAGE = 50


def wanted(
    organisation: Annotated[Code | Literal[""] | None, Query()] = None,
    q: Annotated[str, Query(max_length=60)] = "",
    area: Annotated[str, Query(max_length=200)] = "",
    reachable: Annotated[Literal["", "yes", "no"], Query()] = "",
) -> Wanted:
    """Filters of the list; an empty field of the form is none."""
    return Wanted(
        organisation or None, q.strip(), area, None if reachable == "" else reachable == "yes"
    )


def _query(which: Wanted) -> str:
    """The filters as a query that more can be added to."""
    given = {
        "organisation": which.organisation or "",
        "q": which.text,
        "area": which.area,
        "reachable": {None: "", True: "yes", False: "no"}[which.reachable],
    }
    return urlencode({name: value for name, value in given.items() if value})


@router.get("")
async def list_behind(
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    which: Annotated[Wanted, Depends(wanted)],
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> HTMLResponse:
    """What is behind today, by organisation."""
    found = await shortfalls.listed(session, visit.caller, which, settings, now=now)
    rows = found.rows[start : start + _A_PAGE]
    return page(
        "behind.html",
        visit,
        found=found,
        rows=rows,
        which=which,
        query=_query(which),
        next=start + _A_PAGE if len(found.rows) > start + _A_PAGE else None,
        organisations=await choices.organisations(session, visit.caller),
    )


@router.get("/{code:path}")
async def show_contact(
    code: Code, visit: Viewer, session: Session, settings: AppSettings, now: Now
) -> HTMLResponse:
    """Somebody to telephone, with their number and all that one wants to know meanwhile."""
    found = await shortfalls.contact(session, visit.caller, code, settings, now=now)
    return page("behind_contact.html", visit, found=found)


@router.post("/{code:path}/phoned")
async def tick_off(
    code: Code,
    visit: Poster,
    session: Session,
    now: Now,
    note: Annotated[str, Form(max_length=500)] = "",
) -> RedirectResponse:
    """They were telephoned just now."""
    await calls.phone(session, visit.caller, code, at=None, note=note.strip() or None, now=now)
    return to(_of(code), said="已登记：已电话")


@router.post("/{code:path}/reminder")
async def remind(
    code: Code, visit: Poster, session: Session, settings: AppSettings, now: Now
) -> RedirectResponse:
    """Have them reminded now."""
    await pushing.remind(session, visit.caller, code, settings, now=now)
    return to(_of(code), said="提醒已排队，一分钟内发出")


def _of(code: str) -> str:
    return f"{PREFIX}/behind/{quote(code, safe='')}"
