"""Leases: at most one message at a time on its way to somebody, whichever process sends it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import SendLease

# A call gives up after three tries of 12 s, twice where the token is renewed: then it is nobody's.
AT_MOST = timedelta(minutes=3)


async def take(
    session: AsyncSession, wechat_user_ids: Collection[UUID], *, holder: UUID, now: datetime
) -> set[UUID]:
    """Those of them whom nobody is sending to: `holder` is, until `release` or for `AT_MOST`."""
    if not wechat_user_ids:
        return set()
    row = {"holder": holder, "until": now + AT_MOST}
    free = await session.scalars(
        insert(SendLease)
        .values([{"wechat_user_id": id_, **row} for id_ in sorted(wechat_user_ids)])
        .on_conflict_do_update(
            index_elements=["wechat_user_id"], set_=row, where=SendLease.until <= now
        )
        .returning(SendLease.wechat_user_id)
    )
    return set(free)


async def release(
    session: AsyncSession, wechat_user_ids: Collection[UUID], *, holder: UUID
) -> None:
    """Let others send to them again."""
    if wechat_user_ids:
        await session.execute(
            delete(SendLease).where(
                SendLease.wechat_user_id.in_(wechat_user_ids), SendLease.holder == holder
            )
        )
