"""Rendering: server-made pages for phones, each in one request, with what they may load said."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi.responses import HTMLResponse
from markupsafe import Markup

if TYPE_CHECKING:
    import jinja2

_WEB = Path(__file__).parents[1] / "web"
# In the page and not beside it: one request is what one bar of signal carries.
_CSS = (_WEB / "static" / "stele.css").read_text()
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(template: str, status: int, *, policy: str = _POLICY, **shown: object) -> HTMLResponse:
    """A template of app/web/templates as an answer; `policy` is its Content-Security-Policy."""
    body = _templates().get_template(template).render(css=Markup(_CSS), **shown)  # noqa: S704  our own file
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(body, status_code=status, headers=headers)


@cache
def _templates() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415 - a sixtieth of a start, for pages that may never be asked for

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
