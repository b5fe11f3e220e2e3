"""Alarms: what an operator should know at once, told once while it stands, with what to do."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import Alarm, Milestone
from app.services.alarms import robot
from app.services.alarms.faults import (
    BACKUP_OLD,
    DISK_LEAST,
    QUEUE_LATE,
    WORKER_SILENT,
    app_of,
    failed_media,
    free_part,
    standing,
)
from app.services.alarms.milestones import reach, reached_at, said
from app.settings import Settings
from app.wechat.http import open_http

__all__ = [
    "BACKUP_OLD",
    "DISK_LEAST",
    "EVERY_S",
    "QUEUE_LATE",
    "WORKER_SILENT",
    "app_of",
    "failed_media",
    "free_part",
    "reach",
    "reached_at",
    "standing",
    "watch",
]

log = structlog.get_logger(__name__)

EVERY_S = 60


async def watch(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, *, now: datetime
) -> None:
    """Look, and tell what has not been told. Any process may call it as often as it likes.

    One looks at a time (the others leave at once), about once a minute. All is one transaction:
    an alarm counts as told only when the webhook has taken it, and is tried again until then.
    """
    async with sessions() as session, session.begin():
        if not await session.scalar(
            select(func.pg_try_advisory_xact_lock(func.hashtextextended("xunhe alarms", 0)))
        ):
            return
        last = await session.scalar(select(Milestone.at).where(Milestone.name == "watch"))
        if last is not None and timedelta(0) <= now - last < timedelta(seconds=EVERY_S * 0.8):
            return
        await reach(session, "watch", now)
        await _settle(session, await standing(session, settings, now=now), now)
        await _tell(session, settings, now)


async def _settle(session: AsyncSession, faults: Mapping[str, str], now: datetime) -> None:
    """New faults become alarms, those that are over are forgotten."""
    await session.execute(delete(Alarm).where(Alarm.name.not_in(list(faults))))
    for name, words in faults.items():
        new = await session.scalar(
            insert(Alarm)
            .values(name=name, text=words, raised_at=now, told_at=None)
            .on_conflict_do_nothing()
            .returning(Alarm.name)
        )
        if new is not None:
            log.error("alarm", alarm=name.partition("#")[0], text=words)


async def _tell(session: AsyncSession, settings: Settings, now: datetime) -> None:
    webhook = settings.alert_webhook
    if webhook is None:
        return
    alarms = (
        await session.scalars(
            select(Alarm).where(Alarm.told_at.is_(None)).order_by(Alarm.raised_at, Alarm.name)
        )
    ).all()
    if not alarms:
        return
    async with open_http(settings) as http:
        for alarm in alarms:
            if not await robot.tell(http, webhook.get_secret_value(), _message(alarm)):
                break  # it is the webhook, not the alarm: all the rest next time
            alarm.told_at = now
    await session.flush()


def _message(alarm: Alarm) -> str:
    return f"【巡河告警】{alarm.text}\n时间：{said(alarm.raised_at)}"
