"""The first page of the dashboard: the figures that a manager looks at first."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import PREFIX, page
from app.routers.deps import Now, Session
from app.schemas.fields import Code
from app.services import overview
from app.services.overview import Overview
from app.services.reports import choices

router = APIRouter(prefix=PREFIX, include_in_schema=False)


@router.get("")
async def show_overview(
    visit: Viewer,
    session: Session,
    now: Now,
    organisation: Annotated[Code | Literal[""] | None, Query()] = None,
) -> HTMLResponse:
    """How things stand in the caller's organisations, or in one of them."""
    found = await overview.of(session, visit.caller, organisation or None, now=now)
    return page(
        "overview.html",
        visit,
        found=found,
        organisation=organisation or None,
        organisations=await choices.organisations(session, visit.caller),
        drawn=_drawn(found),
    )


def _drawn(found: Overview) -> str:
    """The trend as the chart reads it."""
    return orjson.dumps(
        [
            {
                "month": f"{month.span.from_on:%Y-%m}",
                "owed": month.totals["owed"],
                "met": month.totals["met"],
                "rate": month.totals["rate"],
            }
            for month in found.months
        ]
    ).decode()
