"""Visit days: each grid cell's visits by day, counted again where a check-in changed.

The database marks the day of whatever changes (a trigger on check_ins), in the same transaction.
Whoever reads takes `visit_days` for days without a mark and the check-ins themselves for the
others, in one statement (`UP_TO_NOW`): that is exact at any time, however late the job is.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import LiteralString

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import at_once

# Any number that nothing else in this database uses as an advisory lock.
_LOCK = 0x7875_6E68_6504
_DAYS_TOGETHER = 31

# The visits of the days `d` from the check-ins themselves: in every cell that covers one.
_COUNT: LiteralString = """
    SELECT u.grid_cell_id, d.day, CAST(count(*) AS int) AS visits
    FROM d
    JOIN check_ins c ON c.at >= CAST(d.day AS timestamp) AT TIME ZONE 'Asia/Shanghai'
      AND c.at < CAST(d.day + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai'
    CROSS JOIN LATERAL unnest(c.grid_cell_ids) AS u (grid_cell_id)
    WHERE c.verdict = 'accepted' AND c.withdrawn_at IS NULL
    GROUP BY 1, 2
"""

# Beginning of a statement: `v` (grid_cell_id, day, visits) up to the day `until`, and `d`, the days
# among them that are marked. `v` is not materialised: a filter on it reaches the index.
UP_TO_NOW: LiteralString = f"""
    WITH d AS MATERIALIZED (
      SELECT DISTINCT day FROM stale_visit_days WHERE day <= %(until)s
    ), recounted AS MATERIALIZED ({_COUNT}), v AS NOT MATERIALIZED (
      SELECT grid_cell_id, day, visits FROM visit_days
      WHERE day <= %(until)s AND day NOT IN (SELECT day FROM d)
      UNION ALL
      SELECT grid_cell_id, day, visits FROM recounted
    )
"""  # noqa: S608  parts of this page

_HOLD = "SELECT pg_advisory_xact_lock(%(lock)s)"
# The newest first: that is what people look at.
_TAKE = """
    DELETE FROM stale_visit_days WHERE day IN (
      SELECT DISTINCT day FROM stale_visit_days ORDER BY day DESC LIMIT %(most)s
    )
    RETURNING day
"""
_RECOUNT: LiteralString = f"""
    WITH d AS MATERIALIZED (
      SELECT DISTINCT day FROM unnest(CAST(%(days)s AS date[])) AS given (day)
    ), counted AS MATERIALIZED ({_COUNT}), gone AS (
      DELETE FROM visit_days v WHERE v.day = ANY(%(days)s) AND NOT EXISTS (
        SELECT FROM counted n WHERE n.grid_cell_id = v.grid_cell_id AND n.day = v.day)
    )
    INSERT INTO visit_days AS v (grid_cell_id, day, visits)
    SELECT grid_cell_id, day, visits FROM counted
    ON CONFLICT (grid_cell_id, day) DO UPDATE SET visits = excluded.visits
    WHERE v.visits <> excluded.visits
"""  # noqa: S608

_KNOWN_DAYS = """
    SELECT least(
        (SELECT CAST(min(at) AT TIME ZONE 'Asia/Shanghai' AS date) FROM check_ins),
        (SELECT min(day) FROM visit_days)) AS first,
      greatest(
        (SELECT CAST(max(at) AT TIME ZONE 'Asia/Shanghai' AS date) FROM check_ins),
        (SELECT max(day) FROM visit_days)) AS last
"""
_DIFFERENCES: LiteralString = f"""
    WITH d AS MATERIALIZED (
      SELECT CAST(g.day AS date) AS day
      FROM generate_series(CAST(%(first)s AS timestamp), CAST(%(last)s AS timestamp),
        interval '1 day') AS g (day)
      WHERE CAST(g.day AS date) NOT IN (SELECT day FROM stale_visit_days)
    ), counted AS ({_COUNT})
    SELECT coalesce(c.code, CAST(grid_cell_id AS text)) AS code, day,
      coalesce(v.visits, 0) AS noted, coalesce(n.visits, 0) AS counted
    FROM (SELECT v.* FROM visit_days v JOIN d USING (day)) v
    FULL JOIN counted n USING (grid_cell_id, day)
    LEFT JOIN grid_cells c ON c.id = grid_cell_id
    WHERE v.visits IS DISTINCT FROM n.visits
    ORDER BY day, code
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Difference:
    """A day on which a cell's noted visits are not those of its check-ins."""

    cell: str
    day: date
    noted: int
    counted: int


async def refresh(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Count all marked days again, some in a transaction; marks that come meanwhile stay."""
    more = True
    while more:
        async with sessions() as session, session.begin():
            more = await recount(session)


async def recount(session: AsyncSession) -> bool:
    """Count the marked days again, a month's worth at most; whether there may be more."""
    _, taken = await at_once(session, (_HOLD, {"lock": _LOCK}), (_TAKE, {"most": _DAYS_TOGETHER}))
    days = sorted({row.day for row in taken})
    if days:
        await at_once(session, (_RECOUNT, {"days": days}))
    return len(days) == _DAYS_TOGETHER


async def differences(
    session: AsyncSession, told: Callable[[int], None] = lambda _done: None
) -> AsyncIterator[Difference]:
    """Wherever days without a mark are not what the check-ins say; there should be none.

    `told` hears how many days were looked at.
    """
    ((known,),) = await at_once(session, (_KNOWN_DAYS, {}))
    if known.first is None:
        return
    for n in range(0, (known.last - known.first).days + 1, _DAYS_TOGETHER):
        first = known.first + timedelta(days=n)
        last = min(known.last, first + timedelta(days=_DAYS_TOGETHER - 1))
        (rows,) = await at_once(session, (_DIFFERENCES, {"first": first, "last": last}))
        for row in rows:
            yield Difference(row.code, row.day, row.noted, row.counted)
        told(n + (last - first).days + 1)
