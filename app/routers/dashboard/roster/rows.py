"""One row of the roster: a page to make it, and one to change it."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import (
    Busy,
    Conflict,
    Forbidden,
    Invalid,
    MadeByPairings,
    StaleVersion,
    UnknownCode,
    WrongState,
    XunheError,
)
from app.models import Role
from app.routers.dashboard.doors import Poster, Viewer, Visit
from app.routers.dashboard.pages import page, to
from app.routers.dashboard.roster import forms, wording
from app.routers.dashboard.roster.descriptions import Description, description
from app.routers.dashboard.roster.forms import Filled, Offered
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code
from app.services import (
    audit,
    choices,
    explanations,
    letters,
    obligations,
    pairing_duties,
    people,
    words,
)
from app.services.dataset.rows import Row
from app.services.edits import Wish

router = APIRouter(prefix="/dashboard/roster", include_in_schema=False)

# What a form can be mended for; all else is a page of its own.
_MENDABLE = (
    Invalid, UnknownCode, Conflict, Forbidden, WrongState, MadeByPairings, StaleVersion, Busy,
)  # fmt: skip


def address(of: Description, key: str) -> str:
    """The page of a row."""
    return f"/dashboard/roster/{of.path}/{quote(key)}"


@router.get("/new/{noun}")
async def new_row(noun: Code, visit: Viewer, session: Session, now: Now) -> HTMLResponse:
    """An empty form, with what the address already says."""
    of = description(noun)
    offered = await choices.offered(session, visit.caller, of.lists)
    filled = forms.blank(of, visit.request.query_params, offered, now)
    return _form(of, visit, None, filled, offered)


@router.post("/new/{noun}")
async def make_row(
    noun: Code, visit: Poster, session: Session, settings: AppSettings, now: Now
) -> Response:
    """Make a row; the same form sent twice makes it once."""
    of = description(noun)
    offered = await choices.offered(session, visit.caller, of.lists)
    filled, said = forms.read(of, await visit.request.form(), offered)
    key = said[of.key] if of.key else filled.key
    if of.key and (fault := forms.key_fault(key)):
        filled.faults[of.key] = fault
    if filled.faults:
        return _form(of, visit, None, filled, offered, status=422)
    wish = Wish(_wanted(of, said, "granted"), filled.reason, is_new=True)
    try:
        async with session.begin_nested():
            edit = await of.noun.put(session, visit.caller, key, wish, settings, now)
    except _MENDABLE as error:
        if isinstance(error, Conflict) and await _is_there(of, visit, session, key, said):
            return to(address(of, key), said="已保存")
        filled.blame(error)
        return _form(of, visit, None, filled, offered, status=error.status)
    return to(address(of, of.noun.key_of(edit.after)), said="已保存")


@router.get("/{noun}/{key:path}")
async def show_row(
    noun: Code, key: Code, visit: Viewer, session: Session, now: Now
) -> HTMLResponse:
    """The form of a row, and what belongs to it; looking at somebody is written down."""
    of = description(noun)
    row = await of.noun.find(session, visit.caller, key)
    return await shown(of, visit, session, row, now)


@router.post("/{noun}/{key:path}")
async def change_row(
    noun: Code, key: Code, visit: Poster, session: Session, settings: AppSettings, now: Now
) -> Response:
    """Change a row, unless somebody else did since the form was opened: then both are shown."""
    of = description(noun)
    row = await of.noun.find(session, visit.caller, key)
    offered = await choices.offered(session, visit.caller, of.lists)
    filled, said = forms.read(of, await visit.request.form(), offered)
    if of.key:
        filled.texts[of.key] = said[of.key] = row.said[of.key]
    if filled.faults:
        return await shown(of, visit, session, row, now, filled=filled, status=422)
    wish = Wish(_wanted(of, said, filled.state), filled.reason, filled.retired,
                f'"{filled.version}"')  # fmt: skip
    try:
        async with session.begin_nested():
            await of.noun.put(session, visit.caller, key, wish, settings, now)
    except _MENDABLE as error:
        if isinstance(error, StaleVersion):
            row = await of.noun.find(session, visit.caller, key)
            _compare(of, filled, forms.of_row(of, row, key, offered))
        filled.blame(error)
        return await shown(of, visit, session, row, now, filled=filled, status=error.status)
    return to(address(of, key), said="已保存")


async def shown(
    of: Description,
    visit: Visit,
    session: AsyncSession,
    row: Row,
    now: datetime,
    *,
    filled: Filled | None = None,
    status: int = 200,
    **more: Any,
) -> HTMLResponse:
    """The page of a row: its form, or the one that was not taken, and what belongs to it."""
    offered = await choices.offered(session, visit.caller, of.lists)
    key = of.noun.key_of(row)
    names = await wording.names_in(session, of.noun.stem, [row.said])
    if of.path == "people":
        await audit.seen(session, visit.caller, f"person:{key}", now=now)
        more["bound"] = (await people.bound(session, [row.id])).get(row.id, ())
        more["app_names"] = words.APPS
        more["off"] = row.retired_on is not None and row.retired_on <= clock.day_of(now)
    if of.path == "duties":
        today = clock.day_of(now)
        standing = await obligations.find(session, visit.caller, key, as_of=today)
        (more["explained"],) = await explanations.of(session, visit.caller, [standing], as_of=today)
        more["made"] = key.upper().startswith(pairing_duties.PREFIX)
    if of.path == "letters":
        more["letter"] = await letters.find(session, visit.caller, key)
    if of.path == "exemptions":
        more["state"] = words.EXEMPTION_STATES[row.said["state"]]
        more["approved_by"] = wording.shown(of.noun.stem, "approved_by", row.said, names)
    return _form(
        of, visit, row, filled or forms.of_row(of, row, key, offered), offered, status=status,
        heading=wording.heading(of.noun.stem, of.heading, row, names), key=key, **more,
    )  # fmt: skip


def _form(
    of: Description,
    visit: Visit,
    row: Row | None,
    filled: Filled,
    offered: Offered,
    *,
    status: int = 200,
    **more: Any,
) -> HTMLResponse:
    return page(
        "roster/form.html", visit, status=status, of=of, row=row, filled=filled, offered=offered,
        options_of=forms.options_of, input_type=forms.input_type,
        is_admin=visit.person.role is Role.admin, **more,
    )  # fmt: skip


def _wanted(of: Description, said: dict[str, Any], state: str) -> dict[str, Any]:
    """What is said of the row; leave is also granted or not."""
    if of.path != "exemptions":
        return said
    return said | {"state": "declined" if state == "declined" else "granted"}


def _compare(of: Description, filled: Filled, current: Filled) -> None:
    """Note what is otherwise than it was typed, and let the next try be against what is there."""
    filled.version = current.version
    for each in of.fields:
        text = current.texts[each.name]
        if text != filled.texts[each.name]:
            filled.theirs[each.name] = _words(each.options, text)
    if current.retired != filled.retired:
        filled.theirs["retired"] = "已停用" if current.retired else "在用"


def _words(options: Any, text: forms.Text) -> str:
    parts = text if isinstance(text, list) else [text]
    return "、".join(options.get(part, part) for part in parts) or "（空）"


async def _is_there(
    of: Description, visit: Visit, session: AsyncSession, key: str, said: dict[str, Any]
) -> bool:
    """Whether this very row was made a moment ago, by the first of two taps."""
    try:
        row = await of.noun.find(session, visit.caller, key)
    except XunheError:
        return False
    return forms.of_row(of, row, key, {}).texts == said
