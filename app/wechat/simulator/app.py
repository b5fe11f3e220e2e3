"""The ASGI app: the platform's API at its own paths, and the web phone at /simulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app.wechat.simulator import logins, qr
from app.wechat.simulator.api import CALLS, OPEN_CALLS, PlatformApi
from app.wechat.simulator.control import Control
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.refusals import Refused
from app.wechat.simulator.web import COOKIE, WebPhone

STATIC = Path(__file__).parent / "static"
# The page is ours alone: no script, style or font from anywhere else.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:",
    "Cache-Control": "no-cache",
}


def create_app(platform: Platform) -> Starlette:
    """The simulator over one platform, which it closes when the server stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        await platform.close()

    async def page(request: Request) -> Response:
        del request
        return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)

    async def to_page(request: Request) -> Response:
        del request
        return RedirectResponse("simulator/")

    async def show_qr(request: Request) -> Response:
        picture = qr.show(request.query_params.get("ticket", ""))
        if picture is None:
            return Response(status_code=404)
        return Response(picture, media_type="image/png")

    async def authorize(request: Request) -> Response:
        """Web login: the browser's person is the one picked on the web phone."""
        key = request.query_params.get("simulator_person") or request.cookies.get(COOKIE, "")
        if key not in platform.users:
            return HTMLResponse("<p>请先在模拟器里选一个人。</p>", status_code=403)
        try:
            target = logins.authorize(platform, request.query_params, key)
        except Refused as refused:
            return HTMLResponse(f"<p>{escape(refused.body['errmsg'])}</p>")
        return RedirectResponse(target, status_code=302)

    inner = [*WebPhone(platform).routes(), *Control(platform).routes()]
    paths = [*CALLS, *OPEN_CALLS]
    return Starlette(
        lifespan=lifespan,
        routes=[
            *(Route(path, PlatformApi(platform, path)) for path in paths),
            Route("/cgi-bin/showqrcode", show_qr),
            Route("/connect/oauth2/authorize", authorize),
            Route("/simulator", to_page),
            Route("/simulator/", page),
            Mount("/simulator/api", routes=inner),
            Mount("/simulator/static", StaticFiles(directory=STATIC)),
        ],
    )
