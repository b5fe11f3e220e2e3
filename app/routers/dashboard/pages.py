"""Rendering of the dashboard: one frame, one policy, and refusals as pages."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.errors import Unauthenticated, XunheError
from app.routers.dashboard import labels
from app.routers.dashboard.doors import Visit

if TYPE_CHECKING:
    import jinja2

PREFIX = "/dashboard"
SIGN_IN = f"{PREFIX}/sign-in"
_TEMPLATES = Path(__file__).parents[2] / "web" / "templates"

# Everything from ourselves. Leaflet and ECharts set styles by script, which needs no leave; style
# attributes in markup do.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: "
    "blob:{tiles}; connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


def page(
    template: str, visit: Visit | None, *, status: int = 200, tiles: str = "", **shown: object
) -> HTMLResponse:
    """A template of `templates/dashboard` as an answer.

    `tiles` is the origin from which the map's tiles may be fetched, if one is set. A template finds
    `visit` (None before signing in), `person`, `form_token` and what else is `shown`.
    """
    body = (
        _environment()
        .get_template(f"dashboard/{template}")
        .render(
            visit=visit,
            person=visit.person if visit else None,
            form_token=visit.form_token if visit else "",
            path=visit.request.url.path if visit else "",
            **shown,
        )
    )
    return HTMLResponse(
        body,
        status_code=status,
        headers={
            "Content-Security-Policy": _POLICY.format(tiles=f" {tiles}" if tiles else ""),
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


def to(path: str, *, said: str = "") -> RedirectResponse:
    """Go to a page of the dashboard after a form was sent; `said` is shown there once."""
    if said:
        path += ("&" if "?" in path else "?") + "said=" + quote(said)
    return RedirectResponse(path, status_code=303)


def inside(path: str | None) -> str:
    """The path if it is one of the dashboard's own pages, else its first page."""
    parts = _split(path or "")
    if parts.scheme or parts.netloc or "\\" in (path or "") or ".." in unquote(parts.path):
        return PREFIX
    if parts.path != PREFIX and not parts.path.startswith(f"{PREFIX}/"):
        return PREFIX
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _came_from(request: Request) -> str:
    """The page of ours on which a button was pressed, else the first page."""
    return inside(_split(request.headers.get("referer", "")).path)


def _split(address: str) -> SplitResult:
    """The parts of an address; of none at all for what is no address."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def is_page(request: Request) -> bool:
    """Whether whoever asks wants a page, refusals included."""
    path: str = request.url.path
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def refusal(request: Request, error: XunheError) -> Response:
    """What went wrong, as a page; whoever is not signed in is led to the sign-in."""
    is_htmx = request.headers.get("hx-request") == "true"
    if isinstance(error, Unauthenticated):
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method != "GET":
            wanted = _came_from(request)
        address = f"{SIGN_IN}?next={quote(wanted)}"
        if is_htmx:
            return Response(status_code=204, headers={"HX-Redirect": address})
        return RedirectResponse(address, status_code=303)
    raw = error.members.get("errors")
    answer = page(
        "refusal.html",
        None,
        status=error.status,
        title=error.title,
        detail=error.detail,
        faults=raw if isinstance(raw, list) else [],
        back=_came_from(request),
    )
    if retry_after := error.members.get("retry_after"):
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def shown(template: str, **values: object) -> str:
    """A piece of a page, for htmx."""
    return _environment().get_template(f"dashboard/{template}").render(**values)


@cache
def _environment() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415  as in rendering

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, object] = labels.FILTERS
    environment.filters.update(filters)
    environment.globals["nav"] = labels.NAV
    return environment
