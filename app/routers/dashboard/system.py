"""Pages of the system: how it stands, who saw or changed what, and the keys of programs."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse

from app.routers.dashboard.doors import AdminPoster, AdminViewer
from app.routers.dashboard.pages import PREFIX, page, to
from app.routers.deps import AppSettings, Now, Session
from app.schemas.fields import Code, Day, Reason
from app.schemas.pages import cursor_of, read_cursor
from app.services import api_keys, audit_lists, system
from app.services.audit_lists import Wanted
from app.services.reports import choices

router = APIRouter(prefix=f"{PREFIX}/system", include_in_schema=False)

_A_PAGE = 50
_WORDS: Mapping[str, str] = {
    "see": "查看",
    "create": "新增",
    "edit": "修改",
    "retire": "停用",
    "review": "审核",
    "sign-in": "登录",
    "sign-out": "退出",
    "login-link": "生成登录链接",
    "invite": "邀请",
    "bind": "绑定微信",
    "unbind": "解绑微信",
    "replace-identity": "更换微信",
    "join-application": "同意申请",
    "decline-application": "拒绝申请",
    "dataset.import": "导入",
    "keep-edit": "保留修改",
    "take-file": "采用文件",
    "remind": "提醒",
    "phoned": "打过电话",
    "sign": "签发",
    "confirm": "确认",
    "new-stele-print": "重印界碑码",
    "create-api-key": "生成密钥",
    "revoke-api-key": "作废密钥",
    "rulebook.change": "改计数设置",
    "erase": "删除个人内容",
}

_DOORS: Mapping[str, str] = {
    "web": "管理页面",
    "api": "接口",
    "cli": "命令行",
    "settings": "设置",
}


@router.get("")
async def show_system(
    visit: AdminViewer, session: Session, settings: AppSettings, now: Now
) -> HTMLResponse:
    """What there is to put right, and what lies behind it."""
    return page("system.html", visit, found=await system.look(session, settings, now=now), now=now)


def get_wanted(
    actor: Annotated[str, Query(max_length=64)] = "",
    subject: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
    from_on: Annotated[Day | Literal[""] | None, Query(alias="from")] = None,
    to_on: Annotated[Day | Literal[""] | None, Query(alias="to")] = None,
) -> Wanted:
    """The filters of the form; an empty field is none."""
    return Wanted(actor.strip(), subject.strip(), action.strip(), from_on or None, to_on or None)


@router.get("/audit")
async def list_audit(
    visit: AdminViewer,
    session: Session,
    which: Annotated[Wanted, Depends(get_wanted)],
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """Who saw or changed what, the newest first."""
    found = await audit_lists.page(session, which, after=read_cursor(cursor), limit=_A_PAGE + 1)
    given = {
        "actor": which.actor,
        "subject": which.subject,
        "action": which.action,
        "from": which.from_on,
        "to": which.to_on,
    }
    if len(found) > _A_PAGE:
        last = found[_A_PAGE - 1].entry
        more = given | {"cursor": cursor_of(last.at, last.id)}
    else:
        more = None
    return page(
        "audit.html",
        visit,
        shown=found[:_A_PAGE],
        which=which,
        words=_WORDS,
        doors=_DOORS,
        query=_query(given),
        more=_query(more) if more else None,
    )


def _query(given: Mapping[str, object]) -> str:
    return urlencode({name: value for name, value in given.items() if value})


@router.get("/keys")
async def list_keys(visit: AdminViewer, session: Session) -> HTMLResponse:
    """Every key ever made, without the keys themselves."""
    return await _keys(visit, session)


@router.post("/keys")
async def create_key(
    visit: AdminPoster,
    session: Session,
    now: Now,
    organisation: Annotated[Code, Form()],
    name: Annotated[str, Form(min_length=1, max_length=60)],
) -> HTMLResponse:
    """A new key; this answer is the only one that shows it."""
    made = await api_keys.create_by(session, visit.person, organisation, name=name.strip(), now=now)
    return await _keys(visit, session, made=made)


@router.post("/keys/{id}/revoke")
async def revoke_key(
    id: UUID, visit: AdminPoster, session: Session, now: Now, reason: Annotated[Reason, Form()]
) -> RedirectResponse:
    """End it at once."""
    await api_keys.revoke_by(session, visit.person, id, reason=reason, now=now)
    return to(f"{PREFIX}/system/keys", said="已作废")


async def _keys(visit: AdminViewer, session: Session, made: str | None = None) -> HTMLResponse:
    return page(
        "keys.html",
        visit,
        keys=await api_keys.every(session),
        used_at=await api_keys.used_at(session),
        organisations=await choices.organisations(session, visit.caller),
        made=made,
    )
