"""Subscriptions: when people are asked for leave to be reminded, and what the phone says they said.

A hint: what may be sent is decided by WeChat's signed events (`reminders.permits`).
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.models import Subscription, WechatUser, uuid7

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


# Whoever has that many permits to send is not asked for more, and nobody too often.
FEW_PERMITS = 3
ASKED_APART = timedelta(days=1)
ASKED_IN_CHAT_APART = timedelta(days=30)

# Deciding and noting it are one: whoever is asked now is not asked again by the next record.
_ASK = """
    INSERT INTO subscriptions (id, wechat_user_id, template_id, result, recorded_at)
    SELECT u.id, u.wechat_user_id, %(template)s, 'asked', %(now)s
    FROM unnest(CAST(%(ids)s AS uuid[]), CAST(%(users)s AS uuid[])) AS u (id, wechat_user_id)
    WHERE (
        SELECT count(*) FROM send_permits p
        WHERE p.wechat_user_id = u.wechat_user_id AND p.template_id = %(template)s
          AND p.used_at IS NULL AND p.void_at IS NULL
      ) < %(few)s
      AND NOT EXISTS (
        SELECT FROM subscriptions s
        WHERE s.wechat_user_id = u.wechat_user_id AND s.template_id = %(template)s
          AND s.recorded_at > %(since)s)
    RETURNING wechat_user_id
"""


async def ask(
    session: AsyncSession,
    wechat_user_ids: Collection[UUID],
    template_id: str,
    *,
    few: int,
    apart: timedelta,
    now: datetime,
) -> set[UUID]:
    """Who of these is to be asked now for leave to send this template; noted as asked.

    Those with fewer than `few` permits left who were not asked, nor answered, within `apart`.
    """
    if not wechat_user_ids:
        return set()
    users = sorted(set(wechat_user_ids))
    values = {
        "ids": [uuid7() for _ in users],
        "users": users,
        "template": template_id,
        "few": few,
        "since": now - apart,
        "now": now,
    }
    (rows,) = await at_once(session, (_ASK, values))
    return {row.wechat_user_id for row in rows}
