"""Permits: the ledger of WeChat's leave to send, booked from its signed events and nothing else."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import App, SendPermit, WechatUser, uuid7
from app.settings import Settings
from app.wechat.messages import SubscribeChange, SubscribePopup

_ACCEPTED = frozenset({"accept", "acceptWithAudio", "acceptWithAlert"})

Told = tuple[WechatUser, SubscribePopup | SubscribeChange]


async def book(session: AsyncSession, told: Sequence[Told], settings: Settings) -> None:
    """Book what people granted and took back, in whatever order WeChat tells it.

    One accept counts once, however often it is told. What was taken back after it was granted
    stays void even where the grant is heard of later. Their users are locked by the caller.
    """
    granted: list[dict[str, Any]] = []
    taken_back: list[dict[str, Any]] = []
    for user, event in told:
        for n, item in enumerate(event.items):
            row: dict[str, Any] = {
                "id": uuid7(),
                "wechat_user_id": user.id,
                "template_id": item.template_id,
                "standing": is_standing(item.template_id, user.app, settings),
                "event_key": _key(user.app, event.key, item.template_id, n),
                "granted_at": event.sent_at,
                "void_at": None,
            }
            if isinstance(event, SubscribeChange):
                taken_back.append(row | {"void_at": event.sent_at})
            elif item.status in _ACCEPTED:
                granted.append(row)
    if taken_back:
        # Kept as permits that never were any: they tell when all before them ended.
        await session.execute(insert(SendPermit).values(taken_back).on_conflict_do_nothing())
        for row in taken_back:
            await void(
                session, {(row["wechat_user_id"], row["template_id"])}, granted_by=row["void_at"]
            )
    if granted:
        ended = await _ended(
            session, {(row["wechat_user_id"], row["template_id"]) for row in granted}
        )
        for row in granted:
            end = ended.get((row["wechat_user_id"], row["template_id"]))
            if end is not None and row["granted_at"] <= end:
                row["void_at"] = end
        await session.execute(insert(SendPermit).values(granted).on_conflict_do_nothing())


def is_standing(template_id: str, app: App, settings: Settings) -> bool:
    """Whether one accept of this template is good for many sends."""
    long_term = settings.templates.reminder_long_term
    return app is App.service_account and long_term is not None and long_term.id == template_id


async def void(
    session: AsyncSession, pairs: Collection[tuple[UUID, str]], *, granted_by: datetime
) -> None:
    """End every permit of these users for these templates that was granted up to then.

    The one that was being used as well: when it ended tells about grants still to be heard of.
    """
    await session.execute(
        update(SendPermit)
        .where(
            tuple_(SendPermit.wechat_user_id, SendPermit.template_id).in_(list(pairs)),
            SendPermit.void_at.is_(None),
            SendPermit.granted_at <= granted_by,
        )
        .values(void_at=granted_by)
    )


async def void_all(session: AsyncSession, user: WechatUser, *, now: datetime) -> None:
    """End all permits of a WeChat user who is being erased."""
    await session.execute(
        update(SendPermit)
        .where(SendPermit.wechat_user_id == user.id, SendPermit.void_at.is_(None))
        .values(void_at=now)
    )


async def take(session: AsyncSession, ids: Collection[UUID], *, now: datetime) -> set[UUID]:
    """Spend these permits; those that nobody else has spent, nor their owner taken back.

    A permit that somebody else is at just now counts as spent.
    """
    if not ids:
        return set()
    free = (
        select(SendPermit.id)
        .where(SendPermit.id.in_(ids), SendPermit.used_at.is_(None), SendPermit.void_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    rows = await session.scalars(
        update(SendPermit)
        .where(SendPermit.id.in_(free))
        .values(used_at=now)
        .returning(SendPermit.id)
    )
    return set(rows)


async def give_back(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Nothing was sent for these: they are good for another time."""
    if ids:
        await session.execute(update(SendPermit).where(SendPermit.id.in_(ids)).values(used_at=None))


async def _ended(
    session: AsyncSession, pairs: Collection[tuple[UUID, str]]
) -> Mapping[tuple[UUID, str], datetime]:
    """When the permits of these users for these templates were last void."""
    rows = await session.execute(
        select(SendPermit.wechat_user_id, SendPermit.template_id, func.max(SendPermit.void_at))
        .where(
            tuple_(SendPermit.wechat_user_id, SendPermit.template_id).in_(list(pairs)),
            SendPermit.void_at.is_not(None),
        )
        .group_by(SendPermit.wechat_user_id, SendPermit.template_id)
    )
    return {(user, template): at for user, template, at in rows if at is not None}


def _key(app: App, key: str, template_id: str, n: int) -> str:
    """The accept's name: a digest, because the event's begins with somebody's openid."""
    return hashlib.sha256(f"{app} {key} {template_id} {n}".encode()).hexdigest()
