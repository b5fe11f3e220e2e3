"""The system as its admins see it: what `doctor` says, and the rows behind it, without a secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.models import Alarm, App, WechatCircuit, WechatToken
from app.services import alarms, chain, diagnosis
from app.services.diagnosis import Finding
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Token:
    """A token that WeChat gave us: since when and until when, never the token."""

    app: App | None
    kind: str
    refreshed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Circuit:
    """A call that is switched off for now, or was a moment ago."""

    app: App | None
    path: str
    errcode: int
    opened_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class System:
    """How everything stands that an operator can put right."""

    findings: Sequence[Finding]
    queue: queue.Health
    tokens: Sequence[Token]
    circuits: Sequence[Circuit]
    alarms: Sequence[Alarm]
    backup_at: datetime | None
    chain: chain.Standing


async def look(session: AsyncSession, settings: Settings, *, now: datetime) -> System:
    """What `doctor` finds in settings and records, and what that is read from."""
    findings = diagnosis.of_settings(settings, now=now)
    findings += [each async for each in diagnosis.of_records(session, settings, now=now)]
    tokens = await session.scalars(
        select(WechatToken).order_by(WechatToken.app_id, WechatToken.kind)
    )
    circuits = await session.scalars(
        select(WechatCircuit).order_by(WechatCircuit.closes_at.desc(), WechatCircuit.path).limit(50)
    )
    standing = await session.scalars(select(Alarm).order_by(Alarm.raised_at.desc(), Alarm.name))
    return System(
        findings=findings,
        queue=await queue.health(session, now=now),
        tokens=[
            Token(alarms.app_of(row.app_id, settings), row.kind, row.refreshed_at, row.expires_at)
            for row in tokens
        ],
        circuits=[
            Circuit(
                alarms.app_of(row.app_id, settings),
                # Without what follows "#": a template's id is nobody else's business.
                row.path.partition("#")[0],
                row.errcode,
                row.opened_at,
                row.closes_at,
            )
            for row in circuits
        ],
        alarms=standing.all(),
        backup_at=await alarms.reached_at(session, "backup"),
        chain=await chain.standing(session),
    )
