"""Records: which records stand behind the figures of a report, and which of them a caller sees."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.errors import Invalid
from app.models import CheckIn, Patrol
from app.services import visibility
from app.services.access import Caller

# So many ids are one answer of 4 MB; whoever wants to see more looks at less at a time.
MOST = 100_000

# Whether a check-in `i` is a visit, by what is known now, or as it was known at `known_at`.
ACCEPTED: LiteralString = "i.verdict = 'accepted' AND i.withdrawn_at IS NULL"
ACCEPTED_THEN: LiteralString = """
    i.received_at <= %(known_at)s
    AND (i.withdrawn_at IS NULL OR i.withdrawn_at > %(known_at)s)
    AND EXISTS (
      SELECT FROM check_in_verdicts t
      WHERE t.check_in_id = i.id AND t.verdict = 'accepted' AND t.recorded_at <= %(known_at)s
        AND (t.revoked_at IS NULL OR t.revoked_at > %(known_at)s))
"""

# A record in words: what it is, when, whose, and how it stands.
_NAMED: LiteralString = """
    SELECT 'check_in' AS kind, CAST(i.id AS text) AS key, i.at, h.name,
      coalesce(i.place -> 'grid_cell' ->> 'name', '') AS about
    FROM check_ins i JOIN people h ON h.id = i.person_id WHERE i.id = ANY(%(ids)s)
    UNION ALL
    SELECT 'patrol', CAST(p.id AS text), p.started_at, h.name,
      round(CAST(p.distance_m / 1000 AS numeric), 2) || ' 公里'
    FROM patrols p JOIN people h ON h.id = p.person_id WHERE p.id = ANY(%(ids)s)
    UNION ALL
    SELECT 'reminder', h.code, r.planned_at, h.name, coalesce(r.text, r.reason, '')
    FROM reminders r JOIN people h ON h.id = r.person_id WHERE r.id = ANY(%(ids)s)
    UNION ALL
    SELECT 'obligation', b.code, NULL, coalesce(h.name, o.name), b.code
    FROM obligations b
    LEFT JOIN people h ON h.id = b.holder_person_id
    LEFT JOIN organisations o ON o.id = b.holder_organisation_id
    WHERE b.code = ANY(%(codes)s)
    ORDER BY at, key
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A record behind a figure, as a page lists it; `key` is its id, or a code.

    Of a reminder it is the code of whoever was reminded.
    """

    kind: str
    key: str
    at: datetime | None
    name: str
    about: str


def bound(found: Sequence[Any]) -> None:
    """Refuse to explain by more than one answer holds. Raises `Invalid`."""
    if len(found) > MOST:
        detail = f"依据的记录超过{MOST}条，请缩小日期或组织的范围"
        raise Invalid(errors=[{"pointer": "/explain", "detail": detail}])


def named(by_figure: Mapping[str, Collection[UUID]], seen: Collection[UUID]) -> dict[str, Any]:
    """What a row says when it is explained: the ids by figure, and how many others there are."""
    every = {id_ for ids in by_figure.values() for id_ in ids}
    return {
        "records": {
            figure: [str(id_) for id_ in ids if id_ in seen] for figure, ids in by_figure.items()
        },
        "hidden": len(every.difference(seen)),
    }


async def described(session: AsyncSession, names: Sequence[str]) -> Sequence[Record]:
    """The records of these ids or codes in words, the oldest first."""
    ids = []
    for name in names:
        try:
            ids.append(UUID(name))
        except ValueError:
            continue
    (rows,) = await at_once(session, (_NAMED, {"ids": ids, "codes": list(names)}))
    return [Record(*row) for row in rows]


async def seen_check_ins(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of the check-ins that the caller may see."""
    allowed = await visibility.check_ins_for(session, caller)
    rows = await session.scalars(select(CheckIn.id).where(CheckIn.id == _any_of(ids), allowed))
    return set(rows)


async def seen_patrols(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of the patrols that the caller may see."""
    allowed = await visibility.patrols_for(session, caller)
    rows = await session.scalars(select(Patrol.id).where(Patrol.id == _any_of(ids), allowed))
    return set(rows)


def _any_of(ids: Collection[UUID]) -> ColumnElement[UUID]:
    """As one parameter, however many they are."""
    return func.any(cast(list(ids), ARRAY(Uuid)))
