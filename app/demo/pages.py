"""The operator's page of the demo, at /demo/: press the next workday and see who is told."""

from datetime import date
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from app import clock
from app.demo import workdays

PREFIX = "/demo"
_STATIC = Path(__file__).parent / "static"
_HEADERS = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:"}


def create_app() -> Starlette:
    """The page and what it asks for; the web's own state must be on the request."""
    return Starlette(
        routes=[
            Route(PREFIX, _to_page),
            Route(f"{PREFIX}/", _page),
            Route(f"{PREFIX}/workdays", _workdays, methods=["GET", "POST"]),
            Mount(f"{PREFIX}/static", StaticFiles(directory=_STATIC)),
        ]
    )


async def _to_page(request: Request) -> Response:
    del request
    return RedirectResponse(f"{PREFIX}/")


async def _page(request: Request) -> Response:
    del request
    return FileResponse(_STATIC / "workdays.html", headers=_HEADERS)


async def _workdays(request: Request) -> Response:
    """GET: the days so far. POST `{"day"}`: that one, if it is the next."""
    state, status = request.state, 200
    if request.method == "POST":
        try:
            day = date.fromisoformat((await request.json())["day"])
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "日期不对"}, status_code=422)
        try:
            await workdays.press(state.sessions, state.wechat, state.settings, day, now=clock.now())
        except workdays.OtherDay:
            status = 409
    shown = await workdays.shown(state.sessions, state.settings.data_dir, now=clock.now())
    return JSONResponse(shown, status_code=status)
