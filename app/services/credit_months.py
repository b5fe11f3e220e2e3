"""Credit months: on which days something counts for each obligation, as bits of a month.

The database marks the month of whatever changes (a trigger on credits), in the same transaction.
Whoever reads takes `credit_months` for months without a mark and the credits themselves for the
others, in one statement: that is exact at any time, however late the job is.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from typing import LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import at_once

# Any number that nothing else in this database uses as an advisory lock.
_LOCK = 0x7875_6E68_6505
_MARKS_TOGETHER = 50_000
_OBLIGATIONS_TOGETHER = 1000

# The days of credits `k` as bits: those that count, and those that await review.
BITS: LiteralString = """
    coalesce(bit_or(1 << (CAST(extract(day FROM k.counted_on) AS int) - 1))
      FILTER (WHERE NOT k.pending), 0) AS days,
    coalesce(bit_or(1 << (CAST(extract(day FROM k.counted_on) AS int) - 1))
      FILTER (WHERE k.pending), 0) AS pending
"""

_HOLD = "SELECT pg_advisory_xact_lock(%(lock)s)"
# In one statement: what it sees of the marks it sees of the credits that were written with them.
_RECOUNT: LiteralString = f"""
    WITH taken AS (
      DELETE FROM stale_credit_months
      WHERE id IN (SELECT id FROM stale_credit_months ORDER BY id LIMIT %(most)s)
      RETURNING obligation_id, month
    ), marked AS MATERIALIZED (SELECT DISTINCT obligation_id, month FROM taken), noted AS (
      INSERT INTO credit_months AS m (obligation_id, month, days, pending)
      SELECT s.obligation_id, s.month, {BITS}
      FROM marked s
      LEFT JOIN credits k ON k.obligation_id = s.obligation_id AND k.revoked_at IS NULL
        AND k.counted_on >= s.month
        AND k.counted_on < s.month + interval '1 month'
      GROUP BY s.obligation_id, s.month
      ON CONFLICT (obligation_id, month) DO UPDATE
        SET days = excluded.days, pending = excluded.pending
        WHERE (m.days, m.pending) <> (excluded.days, excluded.pending)
    )
    SELECT count(*) AS marks FROM taken
"""  # noqa: S608  parts of this page

_OBLIGATIONS_AFTER = """
    SELECT id FROM obligations WHERE id > %(after)s ORDER BY id LIMIT %(most)s
"""
_DIFFERENCES: LiteralString = f"""
    SELECT b.code, month, coalesce(m.days, 0) AS noted_days, coalesce(c.days, 0) AS days,
      coalesce(m.pending, 0) AS noted_pending, coalesce(c.pending, 0) AS pending
    FROM (
      SELECT * FROM credit_months WHERE obligation_id > %(after)s AND obligation_id <= %(last)s
    ) m
    FULL JOIN (
      SELECT k.obligation_id, CAST(date_trunc('month', CAST(k.counted_on AS timestamp)) AS date)
        AS month, {BITS}
      FROM credits k
      WHERE k.obligation_id > %(after)s AND k.obligation_id <= %(last)s AND k.revoked_at IS NULL
      GROUP BY 1, 2
    ) c USING (obligation_id, month)
    LEFT JOIN obligations b ON b.id = obligation_id
    WHERE (coalesce(m.days, 0), coalesce(m.pending, 0))
        <> (coalesce(c.days, 0), coalesce(c.pending, 0))
      AND NOT EXISTS (
        SELECT FROM stale_credit_months s
        WHERE s.obligation_id = coalesce(m.obligation_id, c.obligation_id)
          AND s.month = coalesce(m.month, c.month))
    ORDER BY b.code, month
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Difference:
    """A month whose noted days are not those of the credits."""

    obligation: str
    month: date
    noted: int
    counted: int
    noted_pending: int
    pending: int


async def refresh(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Count all marked months again, some in a transaction; marks that come meanwhile stay."""
    more = True
    while more:
        async with sessions() as session, session.begin():
            more = await recount(session)


async def recount(session: AsyncSession) -> bool:
    """Count some of the marked months again; whether there may be more."""
    _, (taken,) = await at_once(
        session, (_HOLD, {"lock": _LOCK}), (_RECOUNT, {"most": _MARKS_TOGETHER})
    )
    return bool(taken.marks == _MARKS_TOGETHER)


async def differences(
    session: AsyncSession, told: Callable[[int], None] = lambda _done: None
) -> AsyncIterator[Difference]:
    """Wherever months without a mark are not what the credits say; there should be none.

    `told` hears how many obligations were looked at.
    """
    after, done = UUID(int=0), 0
    while True:
        page = {"after": after, "most": _OBLIGATIONS_TOGETHER}
        (ids,) = await at_once(session, (_OBLIGATIONS_AFTER, page))
        if not ids:
            return
        last = ids[-1].id
        (rows,) = await at_once(session, (_DIFFERENCES, {"after": after, "last": last}))
        for row in rows:
            yield Difference(
                row.code,
                row.month,
                row.noted_days.bit_count(),
                row.days.bit_count(),
                row.noted_pending.bit_count(),
                row.pending.bit_count(),
            )
        after = last
        done += len(ids)
        told(done)
