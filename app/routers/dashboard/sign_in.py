"""The dashboard's sign-in: a QR code for WeChat, links from the shell, and signing out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Query, Request, Response
from fastapi.responses import HTMLResponse

from app.errors import Forbidden
from app.routers.dashboard.doors import Poster
from app.routers.dashboard.pages import PREFIX, inside, page, shown, to
from app.routers.deps import (
    WEB_COOKIE,
    AppKeys,
    AppSettings,
    Limited,
    Now,
    Session,
    Sessions,
    WeChatApi,
    address_of,
    web_cookie,
)
from app.services import login_links, sign_in, web_sessions
from app.services.sign_in import Standing
from app.settings import Settings
from app.wechat.errors import WeChatError

router = APIRouter(prefix=PREFIX, include_in_schema=False)

_TICKET_COOKIE = "xunhe_sign_in"
# Each costs one of the account's calls to WeChat.
_CODES_A_MINUTE = 30

Next = Annotated[str, Form(max_length=2000)]


async def _from_own_page(
    sec_fetch_site: Annotated[str, Header(max_length=40)] = "same-origin",
) -> None:
    """Nobody is signed in by a form on somebody else's page."""
    if sec_fetch_site not in {"same-origin", "none"}:
        raise Forbidden("请从登录页面登录。")


async def _is_htmx(hx_request: Annotated[str, Header(max_length=10)] = "") -> bool:
    return hx_request == "true"


OwnPage = Depends(_from_own_page)
IsHtmx = Annotated[bool, Depends(_is_htmx)]


@router.get("/sign-in", dependencies=[Limited])
async def show(
    request: Request,
    session: Session,
    settings: AppSettings,
    now: Now,
    next: Annotated[str, Query(max_length=2000)] = "",
    said: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """The way in; whoever is in already goes on."""
    cookie = web_cookie(request)
    if cookie and await web_sessions.find(session, cookie, now=now) is not None:
        return to(inside(next))
    return _whole(settings, inside(next), "start", said=said)


@router.post("/sign-in/code", dependencies=[Limited, OwnPage])
async def draw(
    request: Request,
    sessions: Sessions,
    settings: AppSettings,
    keys: AppKeys,
    wechat: WeChatApi,
    now: Now,
    is_htmx: IsHtmx,
    next: Next = "",
) -> Response:
    """A new QR code, for this browser alone."""
    drafted, address, scanned = sign_in.draft(), address_of(request, settings), ""
    if settings.service_account.is_configured:
        await request.state.limiter.take(f"sign-in-code:{address}", _CODES_A_MINUTE, now)
        try:
            # Outside of any transaction: WeChat may take its time.
            scanned = await wechat.service_account.temporary_code(
                drafted.scene, int(sign_in.SCAN_LASTS.total_seconds())
            )
        except WeChatError:
            scanned = ""
    if not scanned:
        return _part(settings, inside(next), "no_code", is_htmx=is_htmx)
    async with sessions.begin() as session:
        await sign_in.keep(session, drafted, address=address, now=now)
    answer = _part(
        settings,
        inside(next),
        Standing.waiting,
        is_htmx=is_htmx,
        picture=_picture(scanned),
        scanned=scanned,
        number=sign_in.number_of(keys, drafted.id),
    )
    answer.set_cookie(
        _TICKET_COOKIE,
        drafted.token,
        max_age=int((2 * sign_in.SCAN_LASTS).total_seconds()),
        path=f"{PREFIX}/sign-in",
        httponly=True,
        samesite="strict",
        secure=_is_secure(settings),
    )
    return answer


@router.post("/sign-in/enter", dependencies=[Limited, OwnPage])
async def enter(
    request: Request,
    session: Session,
    settings: AppSettings,
    keys: AppKeys,
    now: Now,
    is_htmx: IsHtmx,
    next: Next = "",
    seen: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Asked every two seconds: in, once a manager has sent the number; 204 while nothing is new."""
    token = request.cookies.get(_TICKET_COOKIE, "")
    ticket, cookie = await sign_in.pick_up(session, token, now=now)
    if cookie is not None:
        return _signed_in(settings, cookie, inside(next), is_htmx=is_htmx)
    standing = sign_in.standing_of(ticket, now) if ticket is not None else Standing.over
    if not is_htmx:
        number = sign_in.number_of(keys, ticket.id) if ticket is not None else ""
        return _whole(settings, inside(next), standing, number=number)
    if standing == seen:
        return Response(status_code=204)
    return HTMLResponse(shown("sign_in_state.html", next=inside(next), standing=standing))


@router.get("/sign-in/links/{token}", dependencies=[Limited])
async def show_link(token: str, session: Session, now: Now) -> HTMLResponse:
    """Who would sign in by this link. Looking uses it not up: previews of links look too."""
    person = await login_links.behind(session, token, now=now)
    return page("sign_in_link.html", None, name=person.name, token=token)


@router.post("/sign-in/links/{token}", dependencies=[Limited, OwnPage])
async def follow_link(token: str, session: Session, settings: AppSettings, now: Now) -> Response:
    """Sign in by a link from the shell."""
    cookie = await login_links.follow(session, token, now=now)
    return _signed_in(settings, cookie, PREFIX, is_htmx=False)


@router.post("/sign-out")
async def sign_out(visit: Poster, session: Session, settings: AppSettings, now: Now) -> Response:
    """The cookie opens nothing any more, here or anywhere."""
    await web_sessions.end(session, visit.signed, now=now)
    answer = to(f"{PREFIX}/sign-in", said="已退出")
    answer.delete_cookie(
        WEB_COOKIE, path="/", httponly=True, samesite="lax", secure=_is_secure(settings)
    )
    return answer


def _is_secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https://")


def _signed_in(settings: Settings, cookie: str, path: str, *, is_htmx: bool) -> Response:
    answer = Response(status_code=204, headers={"HX-Redirect": path}) if is_htmx else to(path)
    answer.set_cookie(
        WEB_COOKIE,
        cookie,
        max_age=int(web_sessions.LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_secure(settings),
    )
    answer.delete_cookie(_TICKET_COOKIE, path=f"{PREFIX}/sign-in")
    return answer


def _picture(scanned: str) -> str:
    """The QR code as an image's address."""
    import segno  # noqa: PLC0415 - for who signs in by scanning

    return segno.make(scanned, error="m", micro=False).svg_data_uri(border=4, light="#fff")


def _part(
    settings: Settings, next: str, standing: str, *, is_htmx: bool, **drawn: str
) -> HTMLResponse:
    """The panel alone for htmx, which puts it in its place, else the whole page."""
    if is_htmx:
        return HTMLResponse(
            shown("sign_in_panel.html", **_on_panel(settings, next, standing, **drawn))
        )
    return _whole(settings, next, standing, **drawn)


def _whole(
    settings: Settings, next: str, standing: str, *, said: str = "", **drawn: str
) -> HTMLResponse:
    return page("sign_in.html", None, said=said, **_on_panel(settings, next, standing, **drawn))


def _on_panel(
    settings: Settings,
    next: str,
    standing: str,
    *,
    picture: str = "",
    scanned: str = "",
    number: str = "",
) -> dict[str, Any]:
    return {
        "next": next,
        "standing": standing,
        "picture": picture,
        "number": number,
        "can_scan": settings.service_account.is_configured,
        # Whom a simulated WeChat serves has no camera.
        "for_web_phone": scanned if settings.demo else "",
    }
