"""Held: what was sent before we may read it, kept for days and then let go."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.notices import NOTICES
from app.models import (
    ChatMedia,
    Consent,
    HeldMessage,
    NoticeKind,
    WechatUser,
)
from app.services.conversations.turns import Turn
from app.settings import Settings

MOST_HELD = 100
_MOST_SWEPT = 200


async def hold(turn: Turn, kind: str, content: dict[str, Any]) -> bool:
    """Keep a message unread; false when so many are kept already that this one is not."""
    if await is_full(turn):
        return False
    turn.session.add(
        HeldMessage(
            wechat_user_id=turn.user.id,
            kind=kind,
            content=content,
            sent_at=turn.message.sent_at,
            received_at=turn.now,
        )
    )
    await turn.session.flush()
    return True


async def is_full(turn: Turn) -> bool:
    """Whether so much is kept for this sender that nothing more is."""
    count = await turn.session.scalar(
        select(func.count()).where(
            HeldMessage.wechat_user_id == turn.user.id, HeldMessage.released_at.is_(None)
        )
    )
    return (count or 0) >= MOST_HELD


async def drop_positions(session: AsyncSession, user: WechatUser) -> None:
    """Delete held positions: their sender does not want them used."""
    await session.execute(
        delete(HeldMessage).where(
            HeldMessage.wechat_user_id == user.id, HeldMessage.kind == "location"
        )
    )


async def agreed(session: AsyncSession) -> list[UUID]:
    """Whose held messages may be released although no job is at it: they agreed elsewhere."""
    return await _whose(session, True)


async def drop_refused(session: AsyncSession) -> None:
    """Delete the held positions of people who said no elsewhere."""
    users = await _whose(session, False)
    await session.execute(
        delete(HeldMessage).where(
            HeldMessage.wechat_user_id.in_(users), HeldMessage.kind == "location"
        )
    )


async def _whose(session: AsyncSession, answer: bool) -> list[UUID]:
    latest = (
        select(Consent)
        .where(Consent.person_id == WechatUser.person_id, Consent.notice == NoticeKind.position)
        .order_by(Consent.recorded_at.desc(), Consent.id.desc())
        .limit(1)
    )
    conditions = [latest.with_only_columns(Consent.agreed).scalar_subquery() == answer]
    if answer:
        version = latest.with_only_columns(Consent.version).scalar_subquery()
        conditions.append(version == NOTICES[NoticeKind.position].version)
    else:
        conditions.append(HeldMessage.kind == "location")
    rows = await session.scalars(
        select(HeldMessage.wechat_user_id)
        .join(WechatUser, WechatUser.id == HeldMessage.wechat_user_id)
        .where(HeldMessage.released_at.is_(None), *conditions)
        .distinct()
        .limit(_MOST_SWEPT)
    )
    return list(rows)


async def drop_old(session: AsyncSession, settings: Settings, *, now: datetime) -> None:
    """Forget what was held too long, with its media, and the notes of what was released."""
    old = HeldMessage.received_at <= now - timedelta(days=settings.hold_days)
    rows = await session.execute(
        delete(HeldMessage).where(old).returning(HeldMessage.content, HeldMessage.released_at)
    )
    media = [
        UUID(content["media"])
        for content, released_at in rows
        if released_at is None and "media" in content
    ]
    if media:
        await session.execute(
            delete(ChatMedia).where(ChatMedia.id.in_(media), ChatMedia.check_in_id.is_(None))
        )
