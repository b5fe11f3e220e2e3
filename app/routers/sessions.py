"""Signing in, binding and signing out."""

from fastapi import APIRouter, Response

from app.routers.deps import (
    AnyCaller,
    AppKeys,
    AppSettings,
    BearerToken,
    Limited,
    Now,
    Sessions,
    Visitor,
    WeChatApi,
)
from app.routers.deps import Session as DbSession
from app.schemas.applications import OwnApplication, OwnApplications
from app.schemas.sessions import NewApplication, NewInvitationUse, NewSession, Session
from app.services import access, applications, invitations, logins, phones
from app.services.transactions import keep

router = APIRouter(prefix="/api/v1/sessions", tags=["sign-in"])


@router.post("", dependencies=[Limited])
async def sign_in(
    body: NewSession,
    sessions: Sessions,
    keys: AppKeys,
    wechat: WeChatApi,
    settings: AppSettings,
    now: Now,
) -> Session:
    """Sign in with a `wx.login` code; `person` is null until bound."""
    return Session.of(
        await logins.sign_in(sessions, keys, wechat, body.code, now=now, days=settings.session_days)
    )


@router.post("/phone")
async def bind_by_phone(
    body: NewSession,
    sessions: Sessions,
    wechat: WeChatApi,
    caller: Visitor,
    token: BearerToken,
    now: Now,
) -> Session:
    """Bind to the person on the roster with the phone behind a `getPhoneNumber` code."""
    user = access.wechat_user_of(caller)
    return Session.of(await phones.bind(sessions, wechat, user, token, body.code, now=now))


@router.post("/invitation")
async def bind_by_invitation(
    body: NewInvitationUse,
    sessions: Sessions,
    keys: AppKeys,
    caller: Visitor,
    token: BearerToken,
    now: Now,
) -> Session:
    """Bind by a one-time code that an admin gave out."""
    user = access.wechat_user_of(caller)
    await keep(sessions, lambda tx: invitations.use(tx, keys, body.code, user, now=now))
    return Session.of(await keep(sessions, lambda tx: logins.answer(tx, token, now=now)))


@router.post("/applications", status_code=201)
async def apply(
    body: NewApplication, session: DbSession, caller: AnyCaller, token: BearerToken, now: Now
) -> Session:
    """Ask a manager to be found on the roster; asking again corrects what was said."""
    user = access.wechat_user_of(caller)
    await applications.apply(session, user, **body.model_dump(), now=now)
    return Session.of(await logins.answer(session, token, now=now))


@router.get("/applications")
async def read_applications(session: DbSession, caller: AnyCaller) -> OwnApplications:
    """What became of one's own applications; also before being bound."""
    rows = await applications.own(session, access.wechat_user_of(caller))
    return OwnApplications(items=[OwnApplication.model_validate(row) for row in rows])


@router.delete("/current", status_code=204)
async def sign_out(session: DbSession, caller: AnyCaller, now: Now) -> Response:
    """Sign out; the WeChat stays bound."""
    await logins.sign_out(session, access.login_of(caller), now=now)
    return Response(status_code=204)
