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
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import DatabaseUnavailable, Forbidden, Unexpected
from app.models import App, CallbackNonce, CallbackReceipt
from app.wechat.callback import FRESH_FOR_S, Incoming

log = structlog.get_logger(__name__)

callbacks_total = Counter("xunhe_wechat_callbacks_total", "Pushes", ["app", "outcome"])

TRIES = 3
ALIVE_WITHIN_S = 1.4
PROBE_WITHIN_S = 0.4
ANSWER_WITHIN_S = 4.5
_DATABASE_IS_AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
)
# Remember the nonce and claim the message, in one round trip: it is said for every push. Both
# wait for whoever is at the same message. `ours` is false when it was answered before; a message
# whose last try failed is claimed again.
_CLAIM = text(
    """
    WITH remembered AS (
        INSERT INTO callback_nonces (app, timestamp, nonce, digest, received_at)
        VALUES (:app, :timestamp, :nonce, :digest, :now)
        ON CONFLICT DO NOTHING RETURNING 1
    ), claimed AS (
        INSERT INTO callback_receipts AS receipt (app, key, received_at, failures)
        VALUES (:app, :key, :now, 0)
        ON CONFLICT (app, key) DO UPDATE SET failures = 0 WHERE receipt.failures > 0
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM remembered) AS fresh, EXISTS (SELECT FROM claimed) AS ours
    """
)
_KEPT = text(
    "SELECT digest FROM callback_nonces"
    " WHERE app = :app AND timestamp = :timestamp AND nonce = :nonce"
)
_REPLIED = text("UPDATE callback_receipts SET reply = :reply WHERE app = :app AND key = :key")
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
    outcome = "failed"
    try:
        reply = await _in_time(sessions, incoming, answer, now)
        outcome = "answered"
        return reply
    except Forbidden:
        outcome = "replayed"
        raise
    except DatabaseUnavailable:
        outcome = "unavailable"
        raise
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
    work = asyncio.create_task(_attempt(sessions, incoming, answer, now))
    try:
        await asyncio.wait({work}, timeout=ALIVE_WITHIN_S)
        if not work.done() and await _is_alive(sessions):
            await asyncio.wait({work}, timeout=ANSWER_WITHIN_S - ALIVE_WITHIN_S - PROBE_WITHIN_S)
        if not work.done():
            log.error("callback not answered in time", app=incoming.app)
            raise DatabaseUnavailable
        return work.result()
    finally:
        _leave(work)


async def _is_alive(sessions: async_sessionmaker[AsyncSession]) -> bool:
    """Whether it is worth waiting: the database may hang, or only this message may."""
    probe = asyncio.create_task(_pulse(sessions))
    try:
        await asyncio.wait({probe}, timeout=PROBE_WITHIN_S)
        return probe.done() and probe.exception() is None
    finally:
        _leave(probe)


async def _pulse(sessions: async_sessionmaker[AsyncSession]) -> None:
    async with sessions() as session:
        await session.execute(text("SELECT 1"))


def _leave(work: asyncio.Task[Any]) -> None:
    """Let go without waiting: a hung connection may take long to cancel."""
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
    sessions: async_sessionmaker[AsyncSession], incoming: Incoming, answer: Answer, now: datetime
) -> str | None:
    claimed = asyncio.Event()
    try:
        return await _or_unavailable(_once(sessions, incoming, answer, now, claimed))
    except DatabaseUnavailable:
        if claimed.is_set():
            raise
        # A pooled connection that died in its sleep: the next one is new.
        return await _or_unavailable(_once(sessions, incoming, answer, now, claimed))
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
    claimed: asyncio.Event,
) -> str | None:
    given, same = incoming.nonce, {"app": incoming.app.value, "key": incoming.message.key}
    nonce = {"timestamp": given.timestamp, "nonce": given.nonce, "digest": given.digest}
    async with sessions() as session, session.begin():
        row = (await session.execute(_CLAIM, {**same, **nonce, "now": now})).one()
        claimed.set()
        if not row.fresh:
            # A used nonce: WeChat's retry brings the same request, anybody else another.
            kept = await session.scalar(_KEPT, {**same, **nonce})
            if kept != given.digest:
                raise Forbidden
        if not row.ours:
            return await _earlier_reply(session, incoming)
        reply = await answer(session, incoming.app, incoming, now=now)
        if reply is not None:
            await session.execute(_REPLIED, {**same, "reply": reply})
        return reply


async def _earlier_reply(session: AsyncSession, incoming: Incoming) -> str | None:
    reply: str | None = await session.scalar(
        select(CallbackReceipt.reply).where(
            CallbackReceipt.app == incoming.app, CallbackReceipt.key == incoming.message.key
        )
    )
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
