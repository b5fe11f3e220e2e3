"""Records against their events: whoever changed, added or removed a row without the key."""

import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import ChainOrigin
from app.services.chain import signing
from app.services.chain.shapes import SHAPES, Shape
from app.services.cursors import AT_A_TIME, rows

Told = Callable[[str, int], None]

_EVENTS = """
    SELECT id, record_id, day, encoding, key_version, kind, origin, core, mac, salt
    FROM chain_events WHERE kind = :kind ORDER BY record_id, id
"""


async def faults(
    connection: AsyncConnection, told: Told, *, taken_over: bool
) -> AsyncIterator[str]:
    """What is wrong, one line each.

    Rows and events are read side by side in the order of their ids. Until all that was there
    before the chain is `taken_over`, a row without an event may be one of those.
    """
    unknown: set[int] = set()
    for shape in SHAPES.values():
        step = f"存证：{shape.name}"
        seen = count()
        async for id_, row, events in _side_by_side(connection, shape):
            if (n := next(seen)) % AT_A_TIME == 0:
                told(step, n)
            if not events:
                if taken_over:
                    yield f"{shape.name}没有存证，不是程序写入的：{id_}"
                continue
            if row is None:
                yield f"{shape.name}有存证，记录却不见了：{id_}"
                continue
            living = events[_last_erasure(events) :]
            if without := {e.key_version for e in living if not _has_key(e.key_version)}:
                for version in without - unknown:
                    yield f"没有存证密钥第 {version} 版，用它存证的记录无法核对"
                unknown |= without
            elif not _stands(shape, row._mapping, living):
                yield f"{shape.name}与存证不符，被改动过：{id_}"


def _last_erasure(events: Sequence[Any]) -> int:
    """Where the events begin of which the row still has what they are about."""
    erasures = [n for n, event in enumerate(events) if event.origin == ChainOrigin.erased]
    return erasures[-1] if erasures else 0


def _has_key(version: int) -> bool:
    return signing.keys_in_use().chain_key(version) is not None


def _stands(shape: Shape, row: Any, events: Sequence[Any]) -> bool:
    """Whether what never changes is what each event saw, and the rest what the last one saw."""
    if any(event.salt is None for event in events):
        return False
    last = events[-1]
    return all(
        hmac.compare_digest(signing.core_of(shape, row, event._mapping), event.core)
        for event in events
    ) and hmac.compare_digest(signing.mac_of(shape, row, last._mapping), last.mac)


async def _side_by_side(
    connection: AsyncConnection, shape: Shape
) -> AsyncIterator[tuple[UUID, Any, list[Any]]]:
    """Each row with its events, in the order of their ids; either may be missing."""
    columns = ", ".join((*shape.core, *shape.state))
    there = rows(connection, f"SELECT {columns} FROM {shape.table} ORDER BY id")  # noqa: S608
    vouched = rows(connection, _EVENTS, {"kind": shape.kind})
    row, event = await anext(there, None), await anext(vouched, None)
    while row is not None or event is not None:
        ids = [row.id] if row is not None else []
        id_ = min(ids if event is None else [*ids, event.record_id])
        events: list[Any] = []
        while event is not None and event.record_id == id_:
            events.append(event)
            event = await anext(vouched, None)
        if row is not None and row.id == id_:
            yield id_, row, events
            row = await anext(there, None)
        else:
            yield id_, None, events
