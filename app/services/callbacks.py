"""Callbacks: WeChat's pushes are known again, answered once, and their replies kept.

Set-based: one transaction answers all pushes that wait at one moment (`callback_queue`), a single
one is a batch of one. Locks are taken in one order everywhere: nonces, then receipts, then
(in `conversations`) senders, each sorted.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Question, at_once
from app.errors import Forbidden
from app.models import App, CallbackNonce, CallbackReceipt
from app.wechat.callback import FRESH_FOR_S, Incoming

# How long a batch waits for somebody's lock; then its pushes are answered apart.
_PATIENCE = "SELECT set_config('lock_timeout', '500ms', true)"
_PUSHES = """
    json_to_recordset(CAST(%(pushes)s AS json))
      AS push (n int, app text, key text, timestamp text, nonce text, digest bytea,
               received_at timestamptz)
"""
# A used nonce: WeChat's retry brings the same request, anybody else another. Asked push by push,
# so that no plan ever walks through all nonces.
_GENUINE = """
    push.digest = (SELECT digest FROM callback_nonces AS kept
                   WHERE kept.app = push.app AND kept.timestamp = push.timestamp
                     AND kept.nonce = push.nonce)
"""
_REMEMBER = f"""
    INSERT INTO callback_nonces (app, timestamp, nonce, digest, received_at)
    SELECT DISTINCT ON (app, timestamp, nonce) app, timestamp, nonce, digest, received_at
    FROM {_PUSHES} ORDER BY app, timestamp, nonce, n
    ON CONFLICT DO NOTHING
"""  # noqa: S608  parts of this page
# Waits for whoever is at the same message. Not returned when it was answered before; a message
# whose last try failed is claimed again.
_CLAIM = f"""
    INSERT INTO callback_receipts AS receipt (app, key, received_at, failures)
    SELECT DISTINCT ON (app, key) app, key, received_at, 0
    FROM {_PUSHES} WHERE {_GENUINE} ORDER BY app, key, n
    ON CONFLICT (app, key) DO UPDATE SET failures = 0, content = NULL WHERE receipt.failures > 0
    RETURNING app, key
"""  # noqa: S608
_KNOWN = f"""
    SELECT push.n, (SELECT reply FROM callback_receipts AS receipt
                    WHERE receipt.app = push.app AND receipt.key = push.key) AS reply
    FROM {_PUSHES} WHERE {_GENUINE}
"""  # noqa: S608
# They are there: an upsert finds each by its key, whatever the planner thinks of the table.
_REPLY = """
    INSERT INTO callback_receipts (app, key, received_at, failures, reply)
    SELECT app, key, received_at, 0, reply
    FROM json_to_recordset(CAST(%(replies)s AS json))
      AS r (app text, key text, received_at timestamptz, reply text)
    ON CONFLICT (app, key) DO UPDATE SET reply = excluded.reply
"""


class Answer(Protocol):
    """Whoever knows what messages mean: `services.conversations.answer_many`."""

    async def __call__(self, session: AsyncSession, pushes: Sequence[Incoming]) -> list[str | None]:
        """The replies' texts, in the order of the pushes; None for none."""


async def answer_together(
    session: AsyncSession,
    pushes: Sequence[Incoming],
    answer: Answer,
    claimed: asyncio.Event,
) -> list[str | Forbidden | None]:
    """The reply to each push, made now or when it first came; `Forbidden` for a used signature.

    `claimed` is set once the database has answered. Whatever goes wrong with one is raised and
    ends the transaction of all.
    """
    said = {"pushes": _json(pushes)}
    patience: Question | None = (_PATIENCE, {}) if len(pushes) > 1 else None
    _, _, ours, genuine = await at_once(
        session, patience, (_REMEMBER, said), (_CLAIM, said), (_KNOWN, said)
    )
    claimed.set()
    mine = {(row.app, row.key) for row in ours}
    first: dict[tuple[App, str], int] = {}
    kept: dict[int, str | None] = {}
    for row in sorted(genuine):
        if _same(pushes[row.n]) in mine:
            first.setdefault(_same(pushes[row.n]), row.n)
        else:
            kept[row.n] = row.reply
    made = await answer(session, [pushes[n] for n in first.values()]) if first else []
    replies = dict(zip(first, made, strict=True))
    await _keep(session, [(pushes[n], replies[same]) for same, n in first.items()])
    told: list[str | Forbidden | None] = [Forbidden() for _ in pushes]
    for row in genuine:
        told[row.n] = kept[row.n] if row.n in kept else replies[_same(pushes[row.n])]
    return told


def _key(push: Incoming) -> str:
    """The push's name in our receipts: a digest, because it begins with the sender's openid."""
    return hashlib.sha256(push.message.key.encode()).hexdigest()


async def count_failure(session: AsyncSession, push: Incoming) -> int | None:
    """How often the push has failed, this time included; None if it was answered meanwhile.

    What it said is kept with the count, lest a message that always makes us fail be lost. For a
    transaction of its own, which the failure's rollback does not reach.
    """
    content = push.message.model_dump(mode="json")
    failures: int | None = await session.scalar(
        insert(CallbackReceipt)
        .values(
            app=push.app,
            key=_key(push),
            received_at=push.received_at,
            failures=1,
            content=content,
        )
        .on_conflict_do_update(
            index_elements=["app", "key"],
            set_={"failures": CallbackReceipt.failures + 1},
            where=CallbackReceipt.failures > 0,
        )
        .returning(CallbackReceipt.failures)
    )
    return failures


async def earlier_reply(session: AsyncSession, push: Incoming) -> str | None:
    """What was answered to the push before."""
    reply: str | None = await session.scalar(
        select(CallbackReceipt.reply).where(
            CallbackReceipt.app == push.app, CallbackReceipt.key == _key(push)
        )
    )
    return reply


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


def _same(push: Incoming) -> tuple[App, str]:
    """What makes two pushes the same message."""
    return push.app, _key(push)


def _json(pushes: Sequence[Incoming]) -> str:
    return orjson.dumps(
        [
            {
                "n": n,
                "app": push.app,
                "key": _key(push),
                "timestamp": push.nonce.timestamp,
                "nonce": push.nonce.nonce,
                "digest": f"\\x{push.nonce.digest.hex()}",
                "received_at": push.received_at,
            }
            for n, push in enumerate(pushes)
        ]
    ).decode()


async def _keep(session: AsyncSession, replies: Sequence[tuple[Incoming, str | None]]) -> None:
    rows = [
        {
            "app": push.app,
            "key": _key(push),
            "received_at": push.received_at,
            "reply": reply,
        }
        for push, reply in replies
        if reply is not None
    ]
    if rows:
        await at_once(session, (_REPLY, {"replies": orjson.dumps(rows).decode()}))
