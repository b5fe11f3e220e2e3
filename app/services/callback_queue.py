"""The short queue behind the callback's door: pushes that wait at one moment share one commit.

WeChat waits 5 seconds and asks up to three times, perhaps while we are still at it. A retry waits
for the first and gets the same reply. When the database is away it hears 503 and comes again.
A message that makes us fail each time is given up with `success` after the last try, lest its
sender read of a broken service for ever.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any

import psycopg
import sqlalchemy.exc
import structlog
from prometheus_client import Counter
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import Busy, DatabaseUnavailable, Forbidden, Unexpected, XunheError
from app.models import App
from app.services import callbacks
from app.services.callbacks import Answer
from app.wechat.callback import Incoming

log = structlog.get_logger(__name__)

callbacks_total = Counter("xunhe_wechat_callbacks_total", "Pushes", ["app", "outcome"])

TRIES = 3
ALIVE_WITHIN_S = 1.4
PROBE_WITHIN_S = 0.4
ANSWER_WITHIN_S = 4.5
_MOST_TOGETHER = 32
_MOST_WAITING = 2000
_GATHER_S = 0.01
# Those behind a batch that takes longer set out beside it.
_NEXT_AFTER_S = 0.25
_DATABASE_IS_AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A push, the caller's future, and with whom it is being answered by which task."""

    push: Incoming
    reply: asyncio.Future[str | None]
    batch: "Sequence[_Waiting]" = ()
    work: asyncio.Task[None] | None = None


class CallbackQueue:
    """One per process. It owns its transactions and answers each caller after COMMIT."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], answer: Answer) -> None:
        self._sessions = sessions
        self._answer = answer
        self._waiting: deque[_Waiting] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._lately = 1
        self._enough = asyncio.Event()
        self._probe: asyncio.Task[None] | None = None
        self._at_work: set[asyncio.Task[None]] = set()

    async def receive(self, push: Incoming) -> str | None:
        """The reply to a push, made now or when it first came; None = `success` and no reply.

        Raises `Forbidden` for a signature used twice, `DatabaseUnavailable` when the database
        does not answer within `ALIVE_WITHIN_S` or the reply is not made within
        `ANSWER_WITHIN_S`, `Busy` when too many wait, `Unexpected` after a fault of ours that
        another try might not meet.
        """
        outcome = "failed"
        try:
            reply = await self._in_time(push)
            outcome = "answered"
            return reply
        except Forbidden:
            outcome = "replayed"
            raise
        except (DatabaseUnavailable, Busy):
            outcome = "unavailable"
            raise
        finally:
            callbacks_total.labels(push.app, outcome).inc()

    async def _in_time(self, push: Incoming) -> str | None:
        """Never later than the limits: what hangs is left behind, not waited for."""
        if len(self._waiting) >= _MOST_WAITING:
            raise Busy(retry_after=2)
        waiting = _Waiting(push, asyncio.get_running_loop().create_future())
        self._line_up(waiting)
        reply = waiting.reply
        try:
            await asyncio.wait({reply}, timeout=ALIVE_WITHIN_S)
            if not reply.done() and await self._is_alive():
                left = ANSWER_WITHIN_S - ALIVE_WITHIN_S - PROBE_WITHIN_S
                await asyncio.wait({reply}, timeout=left)
            if not reply.done():
                log.error("callback not answered in time", app=push.app)
                raise DatabaseUnavailable
            return reply.result()
        finally:
            _leave(waiting)

    async def _is_alive(self) -> bool:
        """Whether it is worth waiting: the database may hang, or only this message may.

        One look serves all who wonder: a look each would take the connections that they wait for.
        """
        if self._probe is None or self._probe.done():
            self._probe = self._start(self._pulse())
        probe = self._probe
        await asyncio.wait({probe}, timeout=PROBE_WITHIN_S)
        if not probe.done():
            probe.cancel()
            return False
        return not probe.cancelled() and probe.exception() is None

    async def _pulse(self) -> None:
        async with self._sessions() as session:
            await session.execute(text("SELECT 1"))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of its own, kept in mind until it ends: a hung one may take long to cancel."""
        task = asyncio.create_task(work)
        self._at_work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Asking for its exception keeps asyncio quiet about those nobody waits for."""
        self._at_work.discard(task)
        if not task.cancelled():
            task.exception()

    # -- in batches --------------------------------------------------------------------------

    def _line_up(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if len(self._waiting) >= self._lately:
            self._enough.set()
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._set_out())

    async def _set_out(self) -> None:
        while self._waiting:
            await self._gather()
            count = min(_MOST_TOGETHER, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            work = self._give(batch, self._together(batch))
            await asyncio.wait({work}, timeout=_NEXT_AFTER_S)

    async def _gather(self) -> None:
        """Under load, wait a moment for those whose last answer has just left to come again.

        Without it every second batch is the first of them alone, and the others wait behind it.
        """
        if len(self._waiting) < self._lately:
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GATHER_S):
                    await self._enough.wait()
        self._lately = min(_MOST_TOGETHER, len(self._waiting))

    def _give(
        self, batch: Sequence[_Waiting], work: Coroutine[Any, Any, None]
    ) -> asyncio.Task[None]:
        task = self._start(work)
        for waiting in batch:
            waiting.batch, waiting.work = batch, task
        return task

    async def _together(self, batch: Sequence[_Waiting]) -> None:
        """Answer these in one transaction; if that cannot be, each sender's in their own."""
        batch = [waiting for waiting in batch if not waiting.reply.done()]
        if not batch:
            return
        outcomes: Sequence[str | XunheError | None]
        try:
            outcomes = await self._attempt([waiting.push for waiting in batch])
        except Exception as error:  # noqa: BLE001  whatever it is, WeChat must hear something
            if _is_away(error) or (len(batch) == 1 and _met_a_lock(error)):
                log.warning("callback met no database", error=type(error).__name__)
                outcomes = [DatabaseUnavailable() for _ in batch]
            elif len(batch) == 1:
                outcomes = [await self._fail(batch[0].push, error)]
            else:
                self._part(batch)
                return
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.reply.done():
                continue
            if isinstance(outcome, XunheError):
                waiting.reply.set_exception(outcome)
            else:
                waiting.reply.set_result(outcome)

    def _part(self, batch: Sequence[_Waiting]) -> None:
        """One that fails, or waits for somebody, must not harm the others."""
        by_sender: dict[tuple[App, str], list[_Waiting]] = defaultdict(list)
        for waiting in batch:
            by_sender[waiting.push.app, waiting.push.message.openid].append(waiting)
        for own in by_sender.values():
            self._give(own, self._one_by_one(own))

    async def _one_by_one(self, own: Sequence[_Waiting]) -> None:
        for waiting in own:
            await self._together([waiting])

    # -- one transaction ---------------------------------------------------------------------

    async def _attempt(self, pushes: Sequence[Incoming]) -> list[str | Forbidden | None]:
        claimed = asyncio.Event()
        try:
            return await self._once(pushes, claimed)
        except _DATABASE_IS_AWAY as error:
            if claimed.is_set() or not _is_away(error):
                raise
        # A pooled connection that died in its sleep: the next one is new.
        return await self._once(pushes, claimed)

    async def _once(
        self, pushes: Sequence[Incoming], claimed: asyncio.Event
    ) -> list[str | Forbidden | None]:
        async with self._sessions() as session, session.begin():
            return await callbacks.answer_together(session, pushes, self._answer, claimed)

    async def _fail(self, push: Incoming, error: Exception) -> str | XunheError | None:
        """Count the failure where its rollback does not reach; after the last try, `success`."""
        log.error(
            "callback failed",
            app=push.app,
            message=type(push.message).__name__,
            error=type(error).__name__,
            # Where and not what: the texts of errors quote what people write.
            where=[f"{each.name}:{each.lineno}" for each in extract_tb(error.__traceback__)[-6:]],
        )
        try:
            async with self._sessions() as session, session.begin():
                failures = await callbacks.count_failure(session, push)
                if failures is None:
                    return await callbacks.earlier_reply(session, push)
        except _DATABASE_IS_AWAY as away:
            log.warning("callback met no database", error=type(away).__name__)
            return DatabaseUnavailable()
        except Exception as again:  # noqa: BLE001  not even counted: it will come again
            log.error("callback's failure not counted", error=type(again).__name__)
            return Unexpected()
        if failures < TRIES:
            return Unexpected()
        callbacks_total.labels(push.app, "given_up").inc()
        log.error("callback given up", app=push.app, message=type(push.message).__name__)
        return None


def _leave(waiting: _Waiting) -> None:
    """Nobody listens to this one any more; a batch that nobody listens to is let go."""
    waiting.reply.cancel()
    if waiting.work is not None and all(each.reply.done() for each in waiting.batch):
        waiting.work.cancel()
    waiting.batch, waiting.work = (), None


def _met_a_lock(error: Exception) -> bool:
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    return isinstance(cause, DeadlockDetected | LockNotAvailable)


def _is_away(error: Exception) -> bool:
    return isinstance(error, _DATABASE_IS_AWAY) and not _met_a_lock(error)
