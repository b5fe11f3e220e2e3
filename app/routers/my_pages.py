"""The pages that our messages link to: how to see one's duties, and leave to be reminded."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import HTMLResponse

from app.routers.deps import AppSettings, Limited, Now, WeChatApi
from app.routers.rendering import page
from app.wechat.errors import WeChatError

router = APIRouter(prefix="/my", include_in_schema=False, dependencies=[Limited])

_WECHATS = "https://res.wx.qq.com"


@router.get("")
@router.get("/obligations")
@router.get("/obligations/{code:path}")
@router.get("/letters/{number:path}")
async def how_to_see(settings: AppSettings) -> HTMLResponse:
    """How to see duties and letters; nothing of anybody's stands here."""
    return page("my.html", 200, phone=settings.office_phone)


@router.get("/permits")
async def give_leave(
    settings: AppSettings,
    wechat: WeChatApi,
    now: Now,
    user_agent: Annotated[str, Header()] = "",
) -> HTMLResponse:
    """The button by which a follower allows one reminder, inside WeChat's own browser only.

    Vendor's page: "服务号订阅通知按钮" (`wx-open-subscribe`). Without a template, or when WeChat
    signs nothing just now, the page says so.
    """
    template = settings.templates.reminder_service_account
    nonce, timestamp = secrets.token_urlsafe(12), int(now.timestamp())
    url = f"{settings.public_url}/my/permits"
    signature = ""
    is_wechats = "MicroMessenger" in user_agent
    if is_wechats and template is not None and settings.service_account.is_configured:
        try:
            signature = await wechat.service_account.page_signature(
                url, nonce=nonce, timestamp=timestamp
            )
        except WeChatError:
            signature = ""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' {_WECHATS}; style-src 'unsafe-inline'; "
        f"img-src data: https:; connect-src https:; frame-src https:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page(
        "my_permits.html",
        200,
        policy=policy,
        signature=signature,
        is_wechats=is_wechats,
        template_id=template.id if template else "",
        app_id=settings.service_account.app_id,
        nonce=nonce,
        timestamp=timestamp,
        phone=settings.office_phone,
    )
