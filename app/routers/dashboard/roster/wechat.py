"""Who is in WeChat: a code for the telephone, slips of paper for the rest, and parting somebody."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.errors import CommandFailed, XunheError
from app.models import App
from app.routers.dashboard.doors import Poster, Viewer, Visit, get_post, get_visit
from app.routers.dashboard.pages import page, to
from app.routers.dashboard.roster import forms
from app.routers.dashboard.roster.descriptions import DESCRIPTIONS
from app.routers.dashboard.roster.rows import address, shown
from app.routers.deps import AppKeys, AppSettings, Now, Session, Sessions, WeChatApi
from app.schemas.fields import Code
from app.services import access, choices, people, printing
from app.services.slips import spaced

router = APIRouter(prefix="/dashboard/roster", include_in_schema=False)

_PEOPLE = DESCRIPTIONS["people"]


@router.post("/invite/{code:path}")
async def invite(
    code: Code, visit: Poster, session: Session, keys: AppKeys, settings: AppSettings, now: Now
) -> HTMLResponse:
    """An invitation code, shown on this very page and never again."""
    row = await _PEOPLE.noun.find(session, visit.caller, code)
    reason = forms.field_of(await visit.request.form(), "reason")
    if fault := forms.reason_fault(reason):
        wrong = {"invite": {"fault": fault, "reason": reason}}
        return await shown(_PEOPLE, visit, session, row, now, status=422, wrong=wrong)
    days = settings.invitation_days
    invitation = await people.invite(
        session, visit.caller, keys, code, reason=reason, now=now, days=days
    )
    return await shown(
        _PEOPLE, visit, session, row, now, invitation=spaced(invitation), invitation_days=days
    )


@router.post("/unbind/{code:path}")
async def unbind(code: Code, visit: Poster, session: Session, now: Now) -> Response:
    """Part somebody from their WeChat, in one app or in both."""
    row = await _PEOPLE.noun.find(session, visit.caller, code)
    form = await visit.request.form()
    reason, wanted = forms.field_of(form, "reason"), forms.field_of(form, "app")
    if fault := forms.reason_fault(reason):
        wrong = {"unbind": {"fault": fault, "reason": reason, "app": wanted}}
        return await shown(_PEOPLE, visit, session, row, now, status=422, wrong=wrong)
    app = next((each for each in App if each == wanted), None)
    parted = await people.unbind(session, visit.caller, code, app=app, reason=reason, now=now)
    return to(address(_PEOPLE, code), said="已解除绑定" if parted else "本来就没有绑定")


@router.get("/slips")
async def ask_for_slips(visit: Viewer, session: Session) -> HTMLResponse:
    """For whom to print."""
    typed = {"organisation": visit.request.query_params.get("organisation", "")[:64]}
    return await _slips(session, visit, typed)


@router.post("/slips")
async def print_slips(
    request: Request,
    sessions: Sessions,
    keys: AppKeys,
    settings: AppSettings,
    wechat: WeChatApi,
    now: Now,
) -> Response:
    """A PDF with a slip for each who is not in the chat yet; WeChat is asked without a session."""
    visit = await _posted(request, sessions, settings, keys, now)
    form = await request.form()
    typed = {name: forms.field_of(form, name) for name in ("organisation", "person", "reason")}
    faults: dict[str, str] = {}
    if fault := forms.reason_fault(typed["reason"]):
        faults["reason"] = fault
    async with sessions.begin() as session:
        offered = await choices.offered(session, visit.caller, {"organisations"})
        code = choices.meant(typed["organisation"], offered["organisations"])
        try:
            if forms.key_fault(code):
                faults["organisation"] = "请选择组织"
            else:
                await access.within(session, visit.caller, code)
        except XunheError as error:
            faults["organisation"] = error.detail or error.title
        if faults:
            return await _slips(session, visit, typed, faults, status=422)
    try:
        content, _ = await printing.invitation_slips(
            sessions, keys, wechat if settings.service_account.is_configured else None, code,
            now=now, days=settings.invitation_days, only=typed["person"] or None,
            by=visit.person, reason=typed["reason"],
        )  # fmt: skip
    except CommandFailed as error:
        async with sessions.begin() as session:
            return await _slips(session, visit, typed, {"": str(error)}, status=409)
    name = f"slips-{clock.day_of(now):%Y%m%d}.pdf"
    return Response(
        content,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _posted(
    request: Request,
    sessions: async_sessionmaker[AsyncSession],
    settings: Any,
    keys: Any,
    now: datetime,
) -> Visit:
    """As `Poster`, with the connection given back: paper waits for WeChat."""
    async with sessions.begin() as session:
        visit = await get_visit(request, session, settings, keys, now)
    return await get_post(
        request, visit, keys, request.headers.get("x-form-token", "")[:200],
        request.headers.get("sec-fetch-site", "same-origin")[:40],
    )  # fmt: skip


async def _slips(
    session: AsyncSession,
    visit: Visit,
    typed: Mapping[str, str],
    faults: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> HTMLResponse:
    offered = await choices.offered(session, visit.caller, {"organisations"})
    return page(
        "roster/slips.html", visit, status=status, typed=typed, faults=faults or {},
        offered=offered,
    )  # fmt: skip
