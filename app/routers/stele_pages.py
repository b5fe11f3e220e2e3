"""The page behind a stele's QR code, and the files by which WeChat proves that a domain is ours."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from markupsafe import Markup

from app.errors import NotFound
from app.models import PostKind, SteleKind
from app.routers.deps import AppKeys, AppSettings, Limited, Now, Session
from app.schemas.steles import stele_of
from app.services import stele_codes, steles, verification_files

if TYPE_CHECKING:
    import jinja2

router = APIRouter(include_in_schema=False, dependencies=[Limited])

_WEB = Path(__file__).parents[1] / "web"
# In the page and not beside it: one request is what one bar of signal carries.
_CSS = (_WEB / "static" / "stele.css").read_text()
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KINDS = {SteleKind.boundary_stone: "界碑", SteleKind.notice_board: "公示牌"}
_POSTS = {
    PostKind.general_chief: "总河长",
    PostKind.chief: "河长（湖长）",
    PostKind.reach_chief: "河段长",
    PostKind.assistant: "河长助理",
    PostKind.liaison: "联络员",
    PostKind.grid_worker: "网格员",
    PostKind.enterprise_chief: "企业河长",
}


@router.get("/{name}.txt")
@router.get("/s/{name}.txt")
async def verification_file(name: str, settings: AppSettings) -> PlainTextResponse:
    """A file that WeChat looks for, put into `DATA_DIR/verification/` by an admin."""
    content = await verification_files.read(settings.data_dir, f"{name}.txt")
    return PlainTextResponse(content, headers={"X-Content-Type-Options": "nosniff"})


@router.get("/s/{code}")
async def stele_page(
    code: str,
    session: Session,
    settings: AppSettings,
    keys: AppKeys,
    now: Now,
    t: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """Name, code, water, who is responsible, and how to check in by chat; without any script."""
    try:
        here = await steles.describe(session, code, settings, now=now)
    except NotFound:
        return _page("stele_unknown.html", 404, phone=settings.office_phone)
    scanned = (here.stele.id, t or "")
    standing = (await stele_codes.check(session, keys, [scanned]))[scanned] if t else None
    stele = stele_of(here, settings.office_phone, None)
    return _page("stele.html", 200, stele=stele, standing=standing, kinds=_KINDS, posts=_POSTS)


@cache
def _pages() -> "jinja2.Environment":
    import jinja2  # noqa: PLC0415 - a sixtieth of a start, for pages that may never be asked for

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_WEB / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _page(template: str, status: int, **shown: object) -> HTMLResponse:
    body = _pages().get_template(template).render(css=Markup(_CSS), **shown)  # noqa: S704  our own file
    return HTMLResponse(body, status_code=status, headers=_HEADERS)
