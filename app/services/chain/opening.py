"""Opening: the chain begins, and takes over what was recorded before there was one."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import structlog
from sqlalchemy import exists, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import at_once
from app.models import ChainClosing, ChainHead, ChainLink, ChainOrigin, CheckIn
from app.services.chain import recording, signing
from app.services.chain.shapes import SHAPES, Shape
from app.services.chain.signing import ChainBroken

log = structlog.get_logger(__name__)

_AT_A_TIME = 1000
_TAKING_OVER = "SELECT pg_try_advisory_xact_lock(hashtextextended('xunhe chain', 0))"
_LEFT: LiteralString = """
    SELECT t.id FROM {table} t
    WHERE NOT EXISTS (SELECT FROM chain_events e WHERE e.kind = :kind AND e.record_id = t.id)
"""


async def begin(session: AsyncSession, *, now: datetime) -> None:
    """Let there be a chain. Where nothing was recorded yet there is nothing to take over.

    From then on a row that nobody vouched for is a fault. A chain whose end was taken away is not
    begun anew: that would vouch for whatever stands there now.
    """
    if await session.scalar(select(exists().select_from(ChainHead))):
        return
    traces = [select(row.key_version) for row in (ChainLink, ChainClosing)]
    if any([await session.scalar(trace.limit(1)) for trace in traces]):
        log.error("chain_broken", what="its end is missing")
        return
    recorded = await session.scalar(select(CheckIn.id).limit(1))
    version = signing.keys_in_use().chain_version
    head = ChainHead(
        id=1,
        position=0,
        link=b"",
        opened_at=now,
        taken_over_at=now if recorded is None else None,
        sealed_at=now,
        key_version=version,
    )
    values = {column.key: getattr(head, column.key) for column in ChainHead.__table__.columns}
    new = insert(ChainHead).values(values | {"mac": signing.head(head)})
    await session.execute(new.on_conflict_do_nothing())


async def take_over(sessions: async_sessionmaker[AsyncSession], *, now: datetime) -> int:
    """Vouch for what was there before the chain, marked as such; how many rows.

    Does nothing once it is done. Whoever is killed leaves the rest to the next; two do not work at
    once. Nobody who records waits for longer than a batch. Raises `ChainBroken`.
    """
    async with sessions() as session, session.begin():
        await begin(session, now=now)
    count = 0
    async with sessions() as reading, reading.begin():
        head = await reading.scalar(select(ChainHead))
        if head is None or head.taken_over_at or not await reading.scalar(text(_TAKING_OVER)):
            return 0
        for shape in SHAPES.values():
            async for ids in _left(reading, shape):
                async with sessions() as session, session.begin():
                    count += await _vouch(session, shape, ids, now)
        async with sessions() as session, session.begin():
            end = await session.get_one(ChainHead, 1, with_for_update=True)
            if signing.head(end) != end.mac:
                raise ChainBroken
            end.taken_over_at = now
            end.mac = signing.head(end)
    log.info("chain_took_over", rows=count)
    return count


async def _left(session: AsyncSession, shape: Shape) -> AsyncIterator[Sequence[UUID]]:
    rows = await session.stream_scalars(
        text(_LEFT.format(table=shape.table)),
        {"kind": shape.kind},
        execution_options={"yield_per": _AT_A_TIME},
    )
    async for ids in rows.partitions():
        yield ids


async def _vouch(session: AsyncSession, shape: Shape, ids: Sequence[UUID], now: datetime) -> int:
    """Read them again, locked, so that no change of today comes between them and their event."""
    await at_once(session, (recording.row_of(shape, "FOR SHARE"), {"ids": list(ids)}))
    await recording.append(session, {shape: ids}, now=now, origin=ChainOrigin.taken_over)
    return len(ids)
