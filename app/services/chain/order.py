"""The chain's own order: links, their end and the days' closings, as far as they can be proven."""

import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.services.chain import signing
from app.services.chain.shapes import SHAPES
from app.services.cursors import AT_A_TIME, rows

Told = Callable[[str, int], None]

_LINKS = """
    SELECT l.position, l.event_id, l.key_version AS signed_with, l.mac AS link,
      e.id, e.record_id, e.day, e.encoding, e.key_version, e.kind, e.origin, e.core, e.mac
    FROM chain_links l LEFT JOIN chain_events e ON e.id = l.event_id ORDER BY l.position
"""
_HEAD = "SELECT * FROM chain_heads"
_CLOSINGS = "SELECT * FROM chain_closings ORDER BY day"
_ASTRAY = """
    SELECT e.id, e.kind, e.record_id FROM chain_events e
    WHERE NOT EXISTS (SELECT FROM chain_links l WHERE l.event_id = e.id)
      AND NOT EXISTS (SELECT FROM unsealed_events u WHERE u.event_id = e.id)
"""
_LOST = """
    SELECT u.event_id FROM unsealed_events u
    WHERE NOT EXISTS (SELECT FROM chain_events e WHERE e.id = u.event_id)
"""
_TWICE = """
    SELECT u.event_id FROM unsealed_events u JOIN chain_links l ON l.event_id = u.event_id
"""


async def faults(connection: AsyncConnection, told: Told) -> AsyncIterator[str]:
    """What is wrong with events, links, the chain's end and closings, one line each."""
    head = (await connection.execute(text(_HEAD))).one_or_none()
    closings = (await connection.execute(text(_CLOSINGS))).all()
    if head is not None and not _same(signing.head(head), head.mac):
        yield "存证链的链头被改动过"
    ends: dict[int, bytes] = {0: b""}
    wanted = {closing.position for closing in closings}
    position, before = 0, b""
    async for row in rows(connection, _LINKS):
        if row.position % AT_A_TIME == 0:
            told("存证链", row.position)
        if row.position != position + 1:
            yield f"存证链缺环：第 {position + 1} 至第 {row.position - 1} 环"
        elif row.id is None:
            yield f"存证不见了：第 {row.position} 环，存证 {row.event_id}"
        elif not _same(signing.link(row.signed_with, before, row.position, row), row.link):
            yield f"存证或存证链被改动过：第 {row.position} 环，{_named(row)}"
        position, before = row.position, row.link
        if position in wanted:
            ends[position] = before
    if head is None:
        if position or closings:
            yield "存证链的链头不见了"
    elif head.position > position:
        yield f"存证链缺环：第 {position + 1} 至第 {head.position} 环"
    elif position and (head.position, head.link) != (position, before):
        yield f"存证链的链头与最后一环不符：链头在第 {head.position} 环，最后是第 {position} 环"
    for line in _wrong_closings(closings, head, ends):
        yield line
    async for row in rows(connection, _ASTRAY):
        yield f"存证没有封存，也不在等待封存：存证 {row.id}，{_named(row)}"
    async for row in rows(connection, _LOST):
        yield f"等待封存的存证不见了：存证 {row.event_id}"
    async for row in rows(connection, _TWICE):
        yield f"存证已经封存，却还在等待：存证 {row.event_id}"


def _wrong_closings(closings: Sequence[Any], head: Any, ends: dict[int, bytes]) -> list[str]:
    """Days whose closing is missing, was changed, or is not what the links say."""
    found, before, position = [], b"", 0
    if head is not None:
        day, last = clock.day_of(head.opened_at), clock.day_of(head.sealed_at)
        there = {closing.day for closing in closings}
        found += [f"封账不见了：{each}" for each in _days(day, last) if each not in there]
    for closing in closings:
        if not _same(signing.closing(closing, before), closing.mac):
            found.append(f"封账被改动过：{closing.day}")
        elif closing.position and ends.get(closing.position) != closing.link:
            found.append(f"封账与存证链不符：{closing.day}，第 {closing.position} 环")
        elif closing.events != closing.position - position:
            found.append(f"封账的条数与存证链不符：{closing.day}")
        before, position = closing.mac, closing.position
    return found


def _days(first: date, until: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((until - first).days)]


def _named(row: Any) -> str:
    shape = SHAPES.get(row.kind)
    return f"{shape.name if shape else row.kind} {row.record_id}"


def _same(made: bytes, stored: bytes) -> bool:
    return hmac.compare_digest(made, stored)
