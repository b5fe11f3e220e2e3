"""The page behind a stele's QR code, and the files by which WeChat proves that a domain is ours."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, PlainTextResponse

from app.errors import NotFound
from app.models import PostKind, SteleKind
from app.routers.deps import AppKeys, AppSettings, Limited, Now, Session
from app.routers.rendering import page
from app.schemas.steles import stele_of
from app.services import stele_codes, steles, verification_files

router = APIRouter(include_in_schema=False, dependencies=[Limited])

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
async def stelepage(
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
        return page("stele_unknown.html", 404, phone=settings.office_phone)
    scanned = (here.stele.id, t or "")
    standing = (await stele_codes.check(session, keys, [scanned]))[scanned] if t else None
    stele = stele_of(here, settings.office_phone, None)
    return page("stele.html", 200, stele=stele, standing=standing, kinds=_KINDS, posts=_POSTS)
