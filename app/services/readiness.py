"""Readiness: whether this process can do its work now, and the figures an operator graphs."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import queue
from app.errors import StorageUnavailable
from app.models import Alarm, Call, Reminder, ReminderState, WechatCircuit
from app.opening import Revisions
from app.services import alarms, chain
from app.settings import Settings
from app.storage import Store

log = structlog.get_logger(__name__)

WITHIN_S = 2.0
_STORE_BELIEVED_FOR_S = 10.0
_UNKNOWN_FOR_DAYS = 7


@dataclass(frozen=True)
class Readiness:
    """By part: `ok`, or what is the matter in a word."""

    database: str
    schema: str
    queue: str
    storage: str

    @property
    def is_ready(self) -> bool:
        """Whether all is well."""
        return {self.database, self.schema, self.queue, self.storage} == {"ok"}


class StoreProbe:
    """Asks the store now and then, and remembers: a probe a second costs a file a second else."""

    def __init__(self) -> None:
        self._asked_at = -_STORE_BELIEVED_FOR_S
        self._answer = "ok"
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, store: Store) -> str:
        """`ok`, or `unavailable` when it takes no bytes within two seconds."""
        async with self._one_at_a_time:
            if time.monotonic() - self._asked_at >= _STORE_BELIEVED_FOR_S:
                try:
                    await asyncio.wait_for(store.check(), WITHIN_S)
                    self._answer = "ok"
                except (StorageUnavailable, TimeoutError):
                    self._answer = "unavailable"
                self._asked_at = time.monotonic()
            return self._answer


async def check(
    sessions: async_sessionmaker[AsyncSession], store: Store, probe: StoreProbe, *, now: datetime
) -> Readiness:
    """Every part, within some two seconds whatever hangs."""
    (database, schema, jobs), storage = await asyncio.gather(
        _ask_database(sessions, now), probe.ask(store)
    )
    return Readiness(database, schema, jobs, storage)


async def _ask_database(
    sessions: async_sessionmaker[AsyncSession], now: datetime
) -> tuple[str, str, str]:
    schema = jobs = "unknown"
    try:
        async with asyncio.timeout(WITHIN_S), sessions() as session:
            schema = await _schema(session)
            if schema == "ok":
                jobs = await _queue(session, now)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("not ready", error=type(error).__name__)
        return "unavailable", schema, jobs
    return "ok", schema, jobs


async def _schema(session: AsyncSession) -> str:
    if await session.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return "old"
    rows = await session.scalars(text("SELECT version_num FROM alembic_version"))
    return "ok" if frozenset(rows) == _newest() else "old"


@lru_cache(maxsize=1)
def _newest() -> frozenset[str]:
    return Revisions.read().newest


async def _queue(session: AsyncSession, now: datetime) -> str:
    health = await queue.health(session, now=now)
    if health.oldest_due_at is not None and now - health.oldest_due_at > alarms.QUEUE_LATE:
        return "late"
    seen_at = health.worker_seen_at
    # An idle system may do without a worker; one with work to do may not.
    if health.due and (seen_at is None or now - seen_at > alarms.WORKER_SILENT):
        return "no-worker"
    return "ok"


@dataclass(frozen=True)
class Figures:
    """What is read from the database at each scrape; labels hold no person and no secret."""

    due: int
    lag_s: float
    failed: int
    worker_silent_s: float | None
    circuits: dict[tuple[str, str], int]
    media_failed: int
    media_late: int
    alarms: dict[str, int]
    backup_age_s: float | None
    reminders: dict[str, int]
    calls_open: int
    unsealed: int
    seal_age_s: float | None


async def figures(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, *, now: datetime
) -> Figures | None:
    """The figures, or None when the database does not give them within two seconds."""
    try:
        async with asyncio.timeout(WITHIN_S), sessions() as session:
            return await _figures(session, settings, now)
    except (SQLAlchemyError, OSError, TimeoutError):
        return None


async def _figures(session: AsyncSession, settings: Settings, now: datetime) -> Figures:
    health = await queue.health(session, now=now)
    circuits: dict[tuple[str, str], int] = {}
    for app_id, path in await session.execute(
        select(WechatCircuit.app_id, WechatCircuit.path).where(WechatCircuit.closes_at > now)
    ):
        # Without what follows "#": a template's id is nobody else's business.
        label = alarms.app_of(app_id, settings) or "other", path.partition("#")[0]
        circuits[label] = circuits.get(label, 0) + 1
    kind = func.split_part(Alarm.name, ":", 1)
    standing = await session.execute(select(kind, func.count()).group_by(kind))
    failed, late = await alarms.failed_media(session, now=now)
    backup_at = await alarms.reached_at(session, "backup")
    sealing = await chain.standing(session)
    return Figures(
        due=health.due,
        lag_s=_age_s(health.oldest_due_at, now) or 0.0,
        failed=health.failed,
        worker_silent_s=_age_s(health.worker_seen_at, now),
        circuits=circuits,
        media_failed=failed,
        media_late=late,
        alarms={row[0]: row[1] for row in standing},
        backup_age_s=_age_s(backup_at, now),
        reminders=await _waiting_reminders(session),
        calls_open=await session.scalar(
            select(func.count()).where(Call.phoned_at.is_(None), Call.closed_at.is_(None))
        )
        or 0,
        unsealed=sealing.unsealed,
        seal_age_s=_age_s(sealing.sealed_at, now),
    )


async def _waiting_reminders(session: AsyncSession) -> dict[str, int]:
    """Those on their way, by an index; of those whose fate is unknown the last days'."""
    queued = await session.scalar(
        select(func.count()).where(
            Reminder.state.in_([ReminderState.queued, ReminderState.sending])
        )
    )
    unknown = await session.scalar(
        select(func.count()).where(
            Reminder.state == ReminderState.unknown,
            Reminder.day >= func.current_date() - _UNKNOWN_FOR_DAYS,
        )
    )
    return {"queued": queued or 0, "unknown": unknown or 0}


def _age_s(instant: datetime | None, now: datetime) -> float | None:
    return None if instant is None else max(0.0, (now - instant).total_seconds())
