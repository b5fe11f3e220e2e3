"""Erasing: what somebody wrote about themselves goes on request; that they were there stays."""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import CommandFailed
from app.models import ChainEvent, ChainOrigin, CheckIn
from app.services import audit, chain


async def erase(session: AsyncSession, check_in_id: UUID, *, reason: str, now: datetime) -> None:
    """Take note, device and words about a missing photo off a check-in, for good.

    The chain's earlier events of it lose their salts with them: nobody, key or not, can try texts
    until one fits. What is left is vouched for anew. Raises `CommandFailed` when there is no such
    check-in.
    """
    check_in = await session.scalar(
        select(CheckIn).where(CheckIn.id == check_in_id).with_for_update()
    )
    if check_in is None:
        raise CommandFailed(f"没有这条巡河记录：{check_in_id}")
    check_in.note = check_in.device = check_in.no_photo_reason = None
    # It was made of the note as well, and without a key.
    check_in.content_digest = secrets.token_bytes(32)
    await session.flush()
    await session.execute(
        update(ChainEvent)
        .where(ChainEvent.record_id == check_in_id, ChainEvent.kind == chain.CHECK_IN.kind)
        .values(salt=None)
    )
    await chain.append(session, {chain.CHECK_IN: [check_in_id]}, now=now, origin=ChainOrigin.erased)
    await audit.record(
        session, None, "erase", f"check_in:{check_in_id}", now=now, via="cli", reason=reason
    )
