"""Conflicts: what an import left alone; managers keep their edit or take what the file says."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Busy, Conflict, Forbidden, Invalid, StaleVersion, UnknownCode, WrongState
from app.routers.dashboard.doors import Poster, Viewer, Visit
from app.routers.dashboard.pages import page, to
from app.routers.dashboard.roster import forms, wording
from app.routers.dashboard.roster.descriptions import BY_NOUN
from app.routers.dashboard.roster.forms import Filled
from app.routers.dashboard.roster.rows import address
from app.routers.deps import AppSettings, Now, Session
from app.services import audit, roster_conflicts

router = APIRouter(prefix="/dashboard/roster/conflicts", include_in_schema=False)

_PATH = "/dashboard/roster/conflicts"
_MOST = 50


@router.get("")
async def show_conflicts(visit: Viewer, session: Session, now: Now) -> HTMLResponse:
    """Those of one's own rows, the file's words beside ours; phones are written down as seen."""
    return await _shown(visit, session, now)


@router.post("/{id}")
async def decide(
    id: UUID, visit: Poster, session: Session, settings: AppSettings, now: Now
) -> Response:
    """Keep the edit, or take what the file says."""
    form = await visit.request.form()
    filled = Filled({}, forms.field_of(form, "reason"), version=forms.field_of(form, "version"))
    take = forms.field_of(form, "take") == "file"
    if fault := forms.reason_fault(filled.reason):
        filled.faults[""] = fault
        return await _shown(visit, session, now, about=id, filled=filled)
    try:
        async with session.begin_nested():
            await roster_conflicts.decide(
                session, visit.caller, id, settings, take=take, version=filled.version,
                reason=filled.reason, now=now,
            )  # fmt: skip
    except (Invalid, UnknownCode, Conflict, Forbidden, WrongState, StaleVersion, Busy) as error:
        filled.blame(error)
        return await _shown(visit, session, now, about=id, filled=filled, status=error.status)
    return to(_PATH, said="已采用文件里的" if take else "已保留现在的")


async def _shown(
    visit: Visit,
    session: AsyncSession,
    now: datetime,
    *,
    about: UUID | None = None,
    filled: Filled | None = None,
    status: int = 422,
) -> HTMLResponse:
    found = await roster_conflicts.open_(session, visit.caller, limit=_MOST, now=now)
    shown = []
    for each in found:
        stem, theirs = each.noun.stem, each.conflict.said
        of = BY_NOUN[stem]
        said = [each.row.said] if theirs is None else [each.row.said, {**each.row.said, **theirs}]
        names = await wording.names_in(session, stem, said)
        in_use = each.row.retired_on is None
        lines = [
            (
                wording.label(stem, name),
                wording.disputed(stem, name, said[0], names, in_use=in_use),
                wording.disputed(stem, name, said[-1], names, in_use=not in_use),
            )
            for name in each.differing
        ]
        key = each.noun.key_of(each.row)
        if stem == "people" and "phone" in each.differing:
            await audit.seen(session, visit.caller, f"person:{key}", now=now)
        heading = wording.heading(stem, of.heading, each.row, names)
        shown.append((each, of, heading, address(of, key), lines))
    return page(
        "roster/conflicts.html", visit, status=status if filled else 200, shown=shown,
        about=about, filled=filled, most=_MOST,
    )  # fmt: skip
