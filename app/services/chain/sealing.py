"""Sealing: events get their places in the chain as they become known, and each day is closed."""

from datetime import date, datetime, timedelta
from typing import Any, LiteralString

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.database import at_once
from app.models import ChainClosing, ChainHead
from app.services.chain import signing
from app.services.chain.signing import ChainBroken

log = structlog.get_logger(__name__)

_AT_A_TIME = 2000

# In the order of days, and within a day as they were written.
_WAITING: LiteralString = """
    SELECT e.id, e.record_id, e.day, e.encoding, e.key_version, e.kind, e.origin, e.core, e.mac,
      u.day AS waits_since
    FROM unsealed_events u JOIN chain_events e ON e.id = u.event_id
    WHERE u.day <= %(until)s ORDER BY u.day, u.event_id LIMIT %(most)s
"""
_LINK: LiteralString = """
    INSERT INTO chain_links (position, event_id, key_version, mac)
    SELECT n.position, n.event_id, %(version)s, n.mac
    FROM unnest(%(positions)s::bigint[], %(events)s::bigint[], %(macs)s::bytea[])
      AS n (position, event_id, mac)
"""
_SEALED: LiteralString = """
    DELETE FROM unsealed_events u USING unnest(%(days)s::date[], %(events)s::bigint[])
      AS n (day, event_id)
    WHERE u.day = n.day AND u.event_id = n.event_id
"""
_LATE: LiteralString = """
    SELECT count(*) AS late FROM chain_links l JOIN chain_events e ON e.id = l.event_id
    WHERE l.position > %(after)s AND l.position <= %(until)s AND e.day < %(day)s
"""


async def seal(sessions: async_sessionmaker[AsyncSession], *, now: datetime) -> int:
    """Give every committed event its place, and close the days that are over; how many events.

    In steps, each a transaction: whoever is killed leaves a chain that is whole. Of several that
    seal at once one does it. An event whose transaction commits later is for the next seal, also
    when it belongs to a day that is closed. Raises `ChainBroken`.
    """
    sealed = 0
    while True:
        async with sessions() as session, session.begin():
            step = await _step(session, now)
        if step is None:
            return sealed
        sealed += step


async def _step(session: AsyncSession, now: datetime) -> int | None:
    """Seal some, or close a day; None when there is nothing left to do."""
    head = await session.scalar(
        select(ChainHead)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if head is None:  # not opened yet, or somebody else is at it
        return None
    if signing.head(head) != head.mac:
        raise ChainBroken
    last = await session.scalar(select(ChainClosing).order_by(ChainClosing.day.desc()).limit(1))
    today = clock.day_of(now)
    due = last.day + timedelta(days=1) if last else clock.day_of(head.opened_at)
    until = due if due < today else date.max
    (waiting,) = await at_once(session, (_WAITING, {"until": until, "most": _AT_A_TIME}))
    if waiting:
        await _link(session, head, waiting)
    elif until == due:
        await _close(session, head, last, due, now)
    head.sealed_at, head.key_version = now, signing.keys_in_use().chain_version
    head.mac = signing.head(head)
    return len(waiting) if waiting or until == due else None


async def _link(session: AsyncSession, head: ChainHead, waiting: list[Any]) -> None:
    version = signing.keys_in_use().chain_version
    links = []
    for row in waiting:
        head.position += 1
        head.link = signing.link(version, head.link, head.position, row)
        links.append((head.position, row.id, head.link))
    await at_once(
        session,
        (
            _LINK,
            {
                "version": version,
                "positions": [link[0] for link in links],
                "events": [link[1] for link in links],
                "macs": [link[2] for link in links],
            },
        ),
        (
            _SEALED,
            {
                "days": [row.waits_since for row in waiting],
                "events": [row.id for row in waiting],
            },
        ),
    )


async def _close(
    session: AsyncSession, head: ChainHead, last: ChainClosing | None, day: date, now: datetime
) -> None:
    after = last.position if last else 0
    (counted,) = await at_once(
        session, (_LATE, {"after": after, "until": head.position, "day": day})
    )
    closing = ChainClosing(
        day=day,
        events=head.position - after,
        late=counted[0].late,
        position=head.position,
        link=head.link,
        closed_at=now,
        key_version=signing.keys_in_use().chain_version,
    )
    closing.mac = signing.closing(closing, last.mac if last else b"")
    session.add(closing)
    await session.flush()
    # Kept with the logs, which may lie on another machine: a chain cut short shows against it.
    log.info(
        "chain_closed", day=str(day), events=closing.events, late=closing.late,
        position=closing.position, link=closing.link.hex(),
    )  # fmt: skip
