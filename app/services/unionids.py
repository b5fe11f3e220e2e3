"""Unionids: asking WeChat which follower is the same human being as whom in the mini-program."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import App, WechatUser
from app.services import bindings
from app.wechat.client import WeChat
from app.wechat.errors import Refused

log = structlog.get_logger(__name__)


async def look_up(
    sessions: async_sessionmaker[AsyncSession],
    wechat: WeChat,
    wechat_user_id: UUID,
    *,
    now: datetime,
) -> None:
    """Ask for a follower's unionid, and join them to the person they are in the mini-program.

    Without an answer the two stay two until a phone or a code joins them. Raises `TryAgain`.
    """
    async with sessions() as session, session.begin():
        user = await session.get(WechatUser, wechat_user_id)
        if user is None or user.app is not App.service_account or user.openid is None:
            return
        openid, known = user.openid, user.unionid
    try:
        unionid = known or (await wechat.service_account.follower(openid)).unionid
    except Refused as error:
        log.warning("unionid_refused", errcode=error.errcode)
        return
    if unionid is None:
        return  # They follow us no more, or the apps hang on no Open Platform account.
    async with sessions() as session, session.begin():
        user = await session.get_one(
            WechatUser, wechat_user_id, with_for_update={"key_share": True}
        )
        if user.openid is not None:
            user.unionid, user.unionid_asked_at = unionid, now
            await session.flush()
            await bindings.join_by_unionid(session, user, now=now)
