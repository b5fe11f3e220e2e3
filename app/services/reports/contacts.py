"""Contacts: whom a shortfall of a duty's holder is told to, and whether a message reaches them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import Channel
from app.services.reminders import channels, recipients
from app.settings import Settings

# As `recipients` has it: a person themselves; an organisation's liaisons, without one its managers,
# without any the nearest ancestor's. Whoever is on the call list comes first, then by code.
_CONTACTS: LiteralString = f"""
    WITH RECURSIVE staff AS ({recipients.STAFF}), chain AS (
      SELECT id AS start, id AS organisation_id, 0 AS depth
      FROM organisations WHERE id = ANY(CAST(%(organisations)s AS uuid[]))
      UNION ALL
      SELECT c.start, g.parent_id, c.depth + 1 FROM chain c
      JOIN organisations g ON g.id = c.organisation_id AND g.parent_id IS NOT NULL
    ), desks AS (
      SELECT c.start, s.person_id,
        rank() OVER (PARTITION BY c.start ORDER BY 2 * c.depth + s.rank) AS nearest
      FROM chain c JOIN staff s ON s.organisation_id = c.organisation_id
    ), told AS (
      SELECT start AS holder_id, person_id FROM desks WHERE nearest = 1
      UNION
      SELECT id, id FROM people WHERE id = ANY(CAST(%(people)s AS uuid[]))
    )
    SELECT t.holder_id, p.id, p.code, p.name, p.organisation_id, c.id AS call_id
    FROM told t
    JOIN people p ON p.id = t.person_id
    LEFT JOIN calls c ON c.person_id = p.id AND c.phoned_at IS NULL AND c.closed_at IS NULL
    ORDER BY c.id IS NULL, p.code
"""  # noqa: S608  parts of another page


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to telephone about a holder, and by which channel anybody of them can be sent to.

    `because` says why nobody can. `call_id` is their open entry on the call list, where it is the
    caller's to tick off.
    """

    code: str | None
    name: str | None
    call_id: UUID | None
    channel: Channel | None
    because: str | None


_NOBODY = Contact(None, None, None, None, "没有联络员和管理人员")


async def of(
    session: AsyncSession,
    people: Collection[UUID],
    organisations: Collection[UUID],
    settings: Settings,
    *,
    scope: Collection[UUID] | None,
    now: datetime,
) -> Mapping[UUID, Contact]:
    """By holder, as it is just now; any number at the same cost."""
    said = {
        "people": list(people),
        "organisations": list(organisations),
        "day": clock.day_of(now),
    }
    (rows,) = await at_once(session, (_CONTACTS, said))
    told: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        told[row.holder_id].append(row)
    reached = await channels.channel_of(session, {row.id for row in rows}, settings, now=now)
    return {
        holder: _contact(told.get(holder, ()), reached, scope)
        for holder in (*people, *organisations)
    }


def _contact(
    told: Sequence[Any],
    reached: Mapping[UUID, tuple[Channel | None, str]],
    scope: Collection[UUID] | None,
) -> Contact:
    if not told:
        return _NOBODY
    first = told[0]
    channel = next((reached[row.id][0] for row in told if reached[row.id][0]), None)
    because = None if channel else reached[first.id][1]
    is_theirs = scope is None or first.organisation_id in scope
    call_id = first.call_id if is_theirs else None
    return Contact(first.code, first.name, call_id, channel, because)
