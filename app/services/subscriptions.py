"""Subscriptions: what people answered when the mini-program asked to be allowed to remind them."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Subscription, WechatUser

# One tap is told once: the phone may send it again when its signal came and went.
SAME_TAP = timedelta(minutes=1)


async def record(
    session: AsyncSession, wechat_user: WechatUser, template_id: str, result: str, *, now: datetime
) -> tuple[Subscription, bool]:
    """The answer as kept, and whether it is new: the same one within a minute is the same tap."""
    await session.get_one(WechatUser, wechat_user.id, with_for_update={"key_share": True})
    same = await session.scalar(
        select(Subscription)
        .where(
            Subscription.wechat_user_id == wechat_user.id,
            Subscription.template_id == template_id,
            Subscription.result == result,
            Subscription.recorded_at > now - SAME_TAP,
        )
        .limit(1)
    )
    if same is not None:
        return same, False
    subscription = Subscription(
        wechat_user_id=wechat_user.id, template_id=template_id, result=result, recorded_at=now
    )
    session.add(subscription)
    await session.flush()
    return subscription, True
