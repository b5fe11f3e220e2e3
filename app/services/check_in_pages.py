"""Check-in pages: many check-ins as plain rows, for lists that are long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import CheckIn, Verdict
from app.services import filters, newest, progress
from app.services.access import Caller
from app.services.progress import Counted

# What is JSON already stays as it is: to read and write it again takes longer than all the rest.
_ROWS: LiteralString = """
    SELECT c.id, c.at, c.received_at, c.lon, c.lat, c.accuracy_m,
      CAST(c.place -> 'grid_cell' AS text) AS grid_cell,
      CAST(c.place -> 'stele' AS text) AS stele,
      CAST(c.place -> 'reach' AS text) AS reach,
      c.patrol_id, p.code AS person, c.note, c.verdict,
      r.verdict AS review, r.reason AS review_reason, r.recorded_at AS reviewed_at,
      CAST(c.evidence AS text) AS evidence,
      (SELECT count(*) FROM photos h WHERE h.check_in_id = c.id) AS photos_received,
      c.photos_expected, c.withdrawn_at
    FROM check_ins c
    JOIN people p ON p.id = c.person_id
    LEFT JOIN check_in_verdicts r ON r.check_in_id = c.id AND r.reviewer_id IS NOT NULL
      AND r.revoked_at IS NULL
    WHERE c.id = ANY(%(ids)s)
    ORDER BY c.at DESC, c.id DESC
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which check-ins to list; days are inclusive, at the lake."""

    mine: bool = False
    from_on: date | None = None
    to_on: date | None = None
    person: str | None = None
    verdict: Verdict | None = None
    patrol_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Rows as `_ROWS` names them, newest first, and by check-in what it counts for."""

    rows: Sequence[Any]
    counts_for: Mapping[UUID, Sequence[Counted]]


async def page(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    now: datetime,
) -> Listed:
    """Up to `limit` check-ins that the caller may see, newest first, after the cursor's place."""
    ids = await newest.check_ins(
        session,
        caller,
        newest.Asked(
            limit,
            after,
            filters.instants(CheckIn.at, wanted.from_on, wanted.to_on),
            [
                *filters.person(CheckIn.person_id, wanted.person),
                *filters.equal(CheckIn.verdict, wanted.verdict),
                *filters.equal(CheckIn.patrol_id, wanted.patrol_id),
            ],
            mine=wanted.mine,
        ),
    )
    if not ids:
        return Listed([], {})
    (rows,) = await at_once(session, (_ROWS, {"ids": ids}))
    return Listed(rows, await progress.counts_for(session, ids, clock.day_of(now)))
