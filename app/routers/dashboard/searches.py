"""The search page: people, organisations and places by name, code or phone."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page, to
from app.routers.deps import Now, Session
from app.schemas.fields import Note
from app.services import search

router = APIRouter(prefix="/dashboard/search", include_in_schema=False)


@router.get("", response_model=None)
async def find(
    visit: Viewer, session: Session, now: Now, q: Annotated[Note, Query(max_length=60)] = ""
) -> HTMLResponse | RedirectResponse:
    """What was found, by kind; the page itself where a code names one thing."""
    found = await search.find(session, visit.caller, q, now=now) if q else None
    if found is not None and found.exact is not None:
        noun, code = found.exact
        return to(f"/dashboard/{noun}/{quote(code)}")
    return page("search.html", visit, q=q, found=found, most=search.MOST)
