"""Map layers: the water, and the steles with how they stand on a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, LiteralString

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import Reach, Waterbody
from app.services import access, edits
from app.services.access import Caller

_VISITED_WITHIN = timedelta(days=30)

# Whose it is decides whether its visits are told. The last visit is looked up from the newest on,
# at those that name the stele and at those that name none and stood there.
_STELES: LiteralString = """
    SELECT s.code, s.name, s.kind, s.lon, s.lat, o.name AS organisation, w.ours, v.last_at,
      EXISTS (SELECT FROM stele_prints p WHERE p.stele_id = s.id
        AND p.printed_at < %(ends)s AND (p.revoked_at IS NULL OR p.revoked_at >= %(ends)s)
      ) AS printed
    FROM steles s
    JOIN organisations o ON o.id = s.organisation_id
    CROSS JOIN LATERAL (
      SELECT CAST(%(scope)s AS uuid[]) IS NULL OR s.organisation_id = ANY(%(scope)s) AS ours
    ) w
    LEFT JOIN LATERAL (
      SELECT greatest(
        (SELECT i.at FROM check_ins i
         WHERE i.stele_id = s.id AND i.stele_within AND i.verdict = 'accepted'
           AND i.withdrawn_at IS NULL AND i.at < %(ends)s
         ORDER BY i.at DESC LIMIT 1),
        (SELECT i.at FROM check_ins i
         WHERE i.nearest_stele_id = s.id AND i.stele_id IS NULL AND i.nearest_stele_within
           AND i.verdict = 'accepted' AND i.withdrawn_at IS NULL AND i.at < %(ends)s
         ORDER BY i.at DESC LIMIT 1)) AS last_at
    ) v ON w.ours
    WHERE s.retired_on IS NULL OR s.retired_on > %(as_of)s
    ORDER BY s.code
"""


class SteleState(StrEnum):
    """30 天内到过, 30 天内没有到过, 不属于本单位."""

    visited = "visited"
    unvisited = "unvisited"
    elsewhere = "elsewhere"


@dataclass(frozen=True, slots=True)
class StelePoint:
    """A stele as it stands; of others' steles nothing but where and whose they are."""

    code: str
    name: str
    kind: str
    lon: float
    lat: float
    organisation: str
    state: SteleState
    last_visit_on: date | None
    printed: bool | None


@dataclass(frozen=True, slots=True)
class Water:
    """The waterbodies and reaches of today."""

    waterbodies: Sequence[Waterbody]
    reaches: Sequence[Reach]


async def water(session: AsyncSession, *, today: date) -> Water:
    """All the water, by code."""
    bodies = await session.scalars(
        select(Waterbody).where(edits.not_retired(Waterbody, today)).order_by(Waterbody.code)
    )
    reaches = await session.scalars(
        select(Reach).where(edits.not_retired(Reach, today)).order_by(Reach.code)
    )
    return Water(bodies.all(), reaches.all())


async def steles(session: AsyncSession, caller: Caller, *, as_of: date) -> list[StelePoint]:
    """All steles, by code, as they stood at the end of the day."""
    scope = await access.scope_of(session, caller)
    asked = {
        "scope": None if scope is None else list(scope),
        "as_of": as_of,
        "ends": clock.end_of(as_of),
    }
    (rows,) = await at_once(session, (_STELES, asked))
    return [_point(row, as_of) for row in rows]


def _point(row: Any, as_of: date) -> StelePoint:
    last_on = clock.day_of(row.last_at) if row.last_at else None
    if not row.ours:
        state = SteleState.elsewhere
    elif last_on is not None and as_of - last_on <= _VISITED_WITHIN:
        state = SteleState.visited
    else:
        state = SteleState.unvisited
    return StelePoint(
        row.code, row.name, row.kind, row.lon, row.lat, row.organisation, state, last_on,
        row.printed if row.ours else None,
    )  # fmt: skip
