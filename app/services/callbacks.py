"""Callbacks: each of WeChat's pushes is answered once, in one transaction, and in time.

WeChat waits 5 seconds and asks up to three times, perhaps while we are still at it. A retry waits
for the first and gets the same reply. When the database is away it hears 503 and comes again.
A message that makes us fail each time is given up with `success` after the last try, lest its
sender read of a broken service for ever.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from traceback import extract_tb
from typing import Any, Protocol

import psycopg
import sqlalchemy.exc
import structlog
from prometheus_client import Counter
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import DatabaseUnavailable, Forbidden, Unexpected
from app.models import App, CallbackNonce, CallbackReceipt
from app.wechat.callback import FRESH_FOR_S, Incoming

log = structlog.get_logger(__name__)

callbacks_total = Counter("xunhe_wechat_callbacks_total", "Pushes", ["app", "outcome"])

TRIES = 3
ALIVE_WITHIN_S = 1.5
ANSWER_WITHIN_S = 4.5
_DATABASE_IS_AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
)
_abandoned: set[asyncio.Task[Any]] = set()


class Answer(Protocol):
    """Whoever knows what a message means: `services.conversations.answer`."""

    async def __call__(
        self, session: AsyncSession, app: App, incoming: Incoming, *, now: datetime
    ) -> str | None:
        """The reply's text; None for none."""


async def receive(
    sessions: async_sessionmaker[AsyncSession],
    incoming: Incoming,
    answer: Answer,
    *,
    now: datetime,
) -> str | None:
    """The reply to `incoming`, made now or when it first came; None = `success` and no reply.

    Raises `Forbidden` for a signature used twice, `DatabaseUnavailable` when the database does
    not answer within `ALIVE_WITHIN_S` or the reply is not made within `ANSWER_WITHIN_S`,
    `Unexpected` after a fault of ours that another try might not meet.
    """
    try:
        reply = await _in_time(sessions, incoming, answer, now)
    except Forbidden:
        outcome = "replayed"
        raise
    except DatabaseUnavailable:
        outcome = "unavailable"
        raise
    except Unexpected:
        outcome = "failed"
        raise
    else:
        outcome = "answered"
        return reply
    finally:
        callbacks_total.labels(incoming.app, outcome).inc()


async def forget(session: AsyncSession, *, now: datetime) -> None:
    """Drop nonces that are no longer fresh, and receipts nobody will ask about again."""
    stale = now - timedelta(seconds=2 * FRESH_FOR_S)
    await session.execute(delete(CallbackNonce).where(CallbackNonce.received_at < stale))
    old = now - timedelta(days=30)
    await session.execute(delete(CallbackReceipt).where(CallbackReceipt.received_at < old))


async def last_heard_at(session: AsyncSession, app: App) -> datetime | None:
    """When WeChat last pushed something to this door; None = not within living memory."""
    found: datetime | None = await session.scalar(
        select(func.max(CallbackReceipt.received_at)).where(CallbackReceipt.app == app)
    )
    return found


async def _in_time(
    sessions: async_sessionmaker[AsyncSession], incoming: Incoming, answer: Answer, now: datetime
) -> str | None:
    """Never later than the limits: what hangs is left behind, not waited for."""
    alive = asyncio.Event()
    work = asyncio.create_task(_attempt(sessions, incoming, answer, now, alive))
    pulse = asyncio.create_task(alive.wait())
    try:
        done, _ = await asyncio.wait(
            {work, pulse}, timeout=ALIVE_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
        )
        if done:
            await asyncio.wait({work}, timeout=ANSWER_WITHIN_S - ALIVE_WITHIN_S)
        if not work.done():
            log.error("callback not answered in time", database_alive=alive.is_set())
            raise DatabaseUnavailable
        return work.result()
    finally:
        pulse.cancel()
        if not work.done():
            work.cancel()
            _abandoned.add(work)
            work.add_done_callback(_buried)


def _buried(work: asyncio.Task[Any]) -> None:
    """Nobody waits for it any more; asking for its exception keeps asyncio quiet."""
    _abandoned.discard(work)
    if not work.cancelled():
        work.exception()


async def _attempt(
    sessions: async_sessionmaker[AsyncSession],
    incoming: Incoming,
    answer: Answer,
    now: datetime,
    alive: asyncio.Event,
) -> str | None:
    work = _once(sessions, incoming, answer, now, alive)
    try:
        return await _or_unavailable(work)
    except DatabaseUnavailable:
        if alive.is_set():
            raise
        # A pooled connection that died in its sleep: the next one is new.
        return await _or_unavailable(_once(sessions, incoming, answer, now, alive))
    except Forbidden:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, WeChat must hear something
        log.error(
            "callback failed",
            app=incoming.app,
            message=type(incoming.message).__name__,
            error=type(error).__name__,
            # Where and not what: the texts of errors quote what people write.
            where=[f"{each.name}:{each.lineno}" for each in extract_tb(error.__traceback__)[-6:]],
        )
        return await _or_unavailable(_given_up(sessions, incoming, now, error))


async def _or_unavailable(work: Coroutine[Any, Any, str | None]) -> str | None:
    try:
        return await work
    except _DATABASE_IS_AWAY as error:
        log.warning("callback met no database", error=type(error).__name__)
        raise DatabaseUnavailable from error


async def _once(
    sessions: async_sessionmaker[AsyncSession],
    incoming: Incoming,
    answer: Answer,
    now: datetime,
    alive: asyncio.Event,
) -> str | None:
    async with sessions() as session, session.begin():
        await session.execute(text("SET LOCAL lock_timeout = '4s'"))
        alive.set()
        await _remember(session, incoming, now)
        if not await _is_first(session, incoming, now):
            return await _earlier_reply(session, incoming)
        reply = await answer(session, incoming.app, incoming, now=now)
        if reply is not None:
            await session.execute(
                update(CallbackReceipt).where(*_same(incoming)).values(reply=reply)
            )
        return reply


async def _remember(session: AsyncSession, incoming: Incoming, now: datetime) -> None:
    """Keep the nonce. A retry brings the same request again; any other use of it is refused."""
    given = incoming.nonce
    kept = await session.scalar(
        insert(CallbackNonce)
        .values(
            app=incoming.app,
            timestamp=given.timestamp,
            nonce=given.nonce,
            digest=given.digest,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(CallbackNonce.digest)
    )
    if kept is None:
        kept = await session.scalar(
            select(CallbackNonce.digest).where(
                CallbackNonce.app == incoming.app,
                CallbackNonce.timestamp == given.timestamp,
                CallbackNonce.nonce == given.nonce,
            )
        )
    if kept != given.digest:
        raise Forbidden


async def _is_first(session: AsyncSession, incoming: Incoming, now: datetime) -> bool:
    """Claim the message: false when it was answered before. Waits for whoever is at it."""
    claimed = await session.scalar(
        insert(CallbackReceipt)
        .values(app=incoming.app, key=incoming.message.key, received_at=now, failures=0)
        .on_conflict_do_update(
            index_elements=["app", "key"],
            set_={"failures": 0},
            where=CallbackReceipt.failures > 0,
        )
        .returning(CallbackReceipt.key)
    )
    return claimed is not None


async def _earlier_reply(session: AsyncSession, incoming: Incoming) -> str | None:
    reply: str | None = await session.scalar(select(CallbackReceipt.reply).where(*_same(incoming)))
    return reply


async def _given_up(
    sessions: async_sessionmaker[AsyncSession], incoming: Incoming, now: datetime, error: Exception
) -> str | None:
    """Count the failure where the rollback does not reach it; after the last try, `success`."""
    async with sessions() as session, session.begin():
        failures = await session.scalar(
            insert(CallbackReceipt)
            .values(app=incoming.app, key=incoming.message.key, received_at=now, failures=1)
            .on_conflict_do_update(
                index_elements=["app", "key"],
                set_={"failures": CallbackReceipt.failures + 1},
                where=CallbackReceipt.failures > 0,
            )
            .returning(CallbackReceipt.failures)
        )
        if failures is None:
            return await _earlier_reply(session, incoming)
    if failures < TRIES:
        raise Unexpected from error
    callbacks_total.labels(incoming.app, "given_up").inc()
    log.error("callback given up", app=incoming.app, message=type(incoming.message).__name__)
    return None


def _same(incoming: Incoming) -> tuple[Any, Any]:
    return (
        CallbackReceipt.app == incoming.app,
        CallbackReceipt.key == incoming.message.key,
    )
