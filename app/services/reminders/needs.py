"""Needs: what is to be told to whom on a day, from the standings and from what was sent already.

Statements over temporary tables, for all open obligations at once. What was dropped before it went
out was not told; days are compared both ways, because clocks have been known to go back.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from app import clock
from app.domain import duties
from app.services import standings
from app.services.reminders import recipients
from app.settings import Reminders

SLICE_DAYS = 14
NOTICE_DAYS = 7
GRAVE_BEHIND = 2
GRAVE_DAYS = 14

# What needs doing: who is behind, or nears the end of a long slice, that pending days do not fill.
# `missing` is what those would leave. A slice is as long as it has active days.
_NEEDING: LiteralString = """
    CREATE TEMP TABLE plan_needing ON COMMIT DROP AS
    SELECT f.obligation_id, b.code, f.kind, f.window_from, f.slice, f.due_on, f.done, f.owed,
      f.behind, f.closes_on, b.holder_person_id, b.holder_organisation_id,
      coalesce(b.holder_organisation_id, p.organisation_id) AS organisation_id,
      f.kind = 'behind' AND (f.missing >= %(grave_behind)s
        OR CAST(%(day)s AS date) - f.slices[f.slice + f.pending] >= %(grave_days)s) AS is_grave
    FROM (
      SELECT s.obligation_id, s.window_from, s.slices, s.done, cardinality(s.slices) AS owed,
        s.done + 1 AS slice, s.next_due_on AS due_on,
        s.slices[cardinality(s.slices)] AS closes_on,
        CASE WHEN s.next_due_on < %(day)s THEN 'behind' ELSE 'due_soon' END AS kind,
        greatest(0, d.due_by - s.done) AS behind, q.pending,
        greatest(0, d.due_by - s.done) - q.pending AS missing,
        s.next_due_on >= %(day)s AND s.done = d.due_by AND q.pending = 0
          AND l.long >= %(slice_days)s
          AND (s.next_due_on < %(third_workday)s
            OR s.next_due_on - CAST(least(%(notice_days)s, l.long / 4) AS int)
              < %(next_workday)s) AS is_soon
      FROM {standings} s
      CROSS JOIN LATERAL (
        SELECT width_bucket(CAST(%(day)s AS date) - 1, s.slices) AS due_by
      ) d
      CROSS JOIN LATERAL (
        SELECT (s.active * (s.done + 1) + cardinality(s.slices) - 1) / cardinality(s.slices)
          - (s.active * s.done + cardinality(s.slices) - 1) / cardinality(s.slices) AS long
      ) l
      CROSS JOIN LATERAL (
        SELECT CAST(count(DISTINCT k.counted_on) AS int) AS pending FROM credits k
        WHERE k.obligation_id = s.obligation_id AND k.pending AND k.revoked_at IS NULL
          AND k.counted_on BETWEEN s.window_from AND %(day)s
          AND NOT EXISTS (SELECT FROM credits c
                          WHERE c.obligation_id = k.obligation_id AND c.counted_on = k.counted_on
                            AND NOT c.pending AND c.revoked_at IS NULL)
      ) q
      WHERE s.next_due_on < greatest(CAST(%(third_workday)s AS date),
          CAST(%(next_workday)s AS date) + CAST(%(notice_days)s AS int))
        AND s.good_from <= %(day)s AND s.good_to >= %(day)s
    ) f
    JOIN obligations b ON b.id = f.obligation_id
    LEFT JOIN people p ON p.id = b.holder_person_id
    WHERE f.missing > 0 OR f.is_soon
"""

# How many week and month windows closed unmet in the week before; empty on any day but a digest's.
_UNMET = """
    CREATE TEMP TABLE plan_unmet (organisation_id uuid, unmet bigint) ON COMMIT DROP
"""
_COUNT_UNMET: LiteralString = f"""
    INSERT INTO plan_unmet
    SELECT coalesce(b.holder_organisation_id, p.organisation_id), count(*)
    FROM {standings.UNMET} u
    JOIN obligations b ON b.id = u.obligation_id
    LEFT JOIN people p ON p.id = b.holder_person_id
    GROUP BY 1
"""  # noqa: S608  parts of this page

_FREE: LiteralString = """
    NOT EXISTS (SELECT FROM reminders r WHERE r.person_id = t.person_id AND r.day = %(day)s)
"""
_WHOM: LiteralString = "h.id AS person_id, h.code AS person_code, h.name AS person_name"
_ITEM: LiteralString = f"""
    {_WHOM}, t.obligation_id, t.code, t.window_from, t.slice, t.due_on, t.done, t.owed, t.behind
"""
# What was told of the very same: how often of this slice, and when last.
_HISTORY: LiteralString = """
    SELECT CAST(count(*) AS int) AS times, max(r.day) AS last_on
    FROM reminder_items i JOIN reminders r ON r.id = i.reminder_id
    WHERE i.obligation_id = t.obligation_id AND i.window_from = t.window_from AND i.slice = t.slice
      AND r.person_id = t.person_id AND r.state <> 'dropped'
"""
_PERSON: LiteralString = "JOIN people h ON h.id = t.person_id"
# One's own duties. After the last active day there is nothing to be done: it is told once. Whoever
# was told as often as may be is on the call list since, or goes there now.
_OWN: LiteralString = f"""
    SELECT t.kind, {_ITEM}, told.times >= %(most_a_slice)s AS is_exhausted, EXISTS (
        SELECT FROM calls c
        WHERE c.person_id = t.person_id AND c.phoned_at IS NULL AND c.closed_at IS NULL
      ) AS is_listed
    FROM plan_told t {_PERSON}
    CROSS JOIN LATERAL ({_HISTORY} AND i.kind = t.kind) told
    WHERE {_FREE}
      AND NOT EXISTS (
        SELECT FROM reminders r JOIN reminder_items i ON i.reminder_id = r.id
        WHERE r.day BETWEEN %(lately_from)s AND %(lately_to)s AND r.state <> 'dropped'
          AND r.person_id = t.person_id AND i.obligation_id = t.obligation_id
          AND i.kind = t.kind AND t.kind = 'behind')
      AND CASE WHEN t.kind = 'due_soon' THEN told.times = 0
        WHEN t.closes_on < %(day)s
          THEN told.times = 0 OR (told.times < %(most_a_slice)s AND told.last_on <= t.closes_on)
        ELSE told.times < %(most_a_slice)s OR NOT EXISTS (
          SELECT FROM calls c WHERE c.person_id = t.person_id AND c.day >= told.last_on) END
    ORDER BY t.person_id, t.kind, t.due_on, t.code
"""  # noqa: S608  parts of this page
# What others owe, for whoever is above them, after they were told of it or put on the call list.
_ABOVE: LiteralString = f"""
    WITH ripe AS MATERIALIZED (
      SELECT n.obligation_id
      FROM plan_needing n
      JOIN reminder_items i ON i.obligation_id = n.obligation_id
        AND i.window_from = n.window_from AND i.kind = 'behind'
      JOIN reminders r ON r.id = i.reminder_id
      WHERE n.is_grave AND r.day > n.due_on AND r.day < %(day)s
        AND r.state IN ('sent', 'confirmed', 'unknown', 'call_list')
      UNION
      SELECT o.obligation_id FROM plan_told o JOIN calls c ON c.person_id = o.person_id
      WHERE o.is_grave AND c.day > o.due_on AND c.day < %(day)s AND c.closed_at IS NULL
    )
    SELECT 'escalation' AS kind, {_ITEM}, false AS is_exhausted, false AS is_listed
    FROM ({recipients.ABOVE}) t {_PERSON}
    CROSS JOIN LATERAL ({_HISTORY} AND i.kind = 'escalation') told
    WHERE {_FREE} AND told.times = 0
    ORDER BY t.person_id, t.due_on, t.code
"""  # noqa: S608
# Records that wait for a review too long, for the level above those who should have decided; again
# when there are new ones.
_REVIEWS: LiteralString = f"""
    WITH waiting AS (
      SELECT organisation_id, count(*) AS reviews, max(received_at) AS until FROM check_ins
      WHERE verdict = 'flagged' AND withdrawn_at IS NULL AND received_at < %(reviewed_before)s
      GROUP BY 1
    ), ranked AS (
      SELECT d.*, dense_rank() OVER (PARTITION BY d.organisation_id ORDER BY d.level) AS up
      FROM plan_desks d WHERE mod(d.level, 2) = 0
    ), t AS (
      SELECT r.person_id, CAST(sum(w.reviews) AS int) AS reviews,
        CAST(floor(extract(epoch FROM max(w.until)) * 1000000) AS bigint) AS until
      FROM waiting w JOIN ranked r ON r.organisation_id = w.organisation_id
      WHERE r.up = 2 OR (r.up = 1 AND NOT EXISTS (
        SELECT FROM ranked o WHERE o.organisation_id = r.organisation_id AND o.up = 2))
      GROUP BY 1
    )
    SELECT {_WHOM}, t.reviews, t.until FROM t {_PERSON}
    WHERE {_FREE} AND NOT EXISTS (
      SELECT FROM reminders r WHERE r.person_id = t.person_id AND r.state <> 'dropped'
        AND CAST(r.figures ->> 'received_until' AS bigint) >= t.until)
    ORDER BY 1
"""  # noqa: S608
_DIGESTS: LiteralString = f"""
    WITH figures AS (
      SELECT organisation_id, count(*) AS behind,
        count(DISTINCT coalesce(holder_person_id, holder_organisation_id)) AS people,
        0 AS calls, 0 AS reviews, 0 AS unmet
      FROM plan_needing WHERE kind = 'behind' GROUP BY 1
      UNION ALL
      SELECT p.organisation_id, 0, 0, count(*), 0, 0
      FROM calls c JOIN people p ON p.id = c.person_id
      -- Those of today are news to nobody yet: a second plan would tell of what the first one did.
      WHERE c.phoned_at IS NULL AND c.closed_at IS NULL AND c.day < %(day)s GROUP BY 1
      UNION ALL
      SELECT organisation_id, 0, 0, 0, count(*), 0 FROM check_ins
      WHERE verdict = 'flagged' AND withdrawn_at IS NULL GROUP BY 1
      UNION ALL
      SELECT organisation_id, 0, 0, 0, 0, unmet FROM plan_unmet
    )
    SELECT {_WHOM}, CAST(sum(f.behind) AS int) AS behind, CAST(sum(f.people) AS int) AS people,
      CAST(sum(f.calls) AS int) AS calls, CAST(sum(f.reviews) AS int) AS reviews,
      CAST(sum(f.unmet) AS int) AS unmet
    FROM figures f
    JOIN plan_chain c ON c.start = f.organisation_id
    JOIN plan_staff t ON t.organisation_id = c.organisation_id AND t.rank = 2
    {_PERSON}
    WHERE {_FREE} AND NOT EXISTS (
      SELECT FROM reminders r
      WHERE r.person_id = t.person_id AND r.day BETWEEN %(monday)s AND %(sunday)s
        AND r.state <> 'dropped' AND jsonb_exists(r.figures, 'behind'))
    GROUP BY 1, 2, 3 ORDER BY 1
"""  # noqa: S608
_CAPPED = """
    SELECT person_id FROM reminders
    WHERE day BETWEEN %(monday)s AND %(sunday)s AND kind IN ('due_soon', 'behind', 'review')
      AND state NOT IN ('dropped', 'call_list')
    GROUP BY 1 HAVING count(*) >= %(most_a_week)s
"""
# Who is told of nothing overdue any more, and whose call is about nothing that still stands.
_CLOSE: LiteralString = """
    UPDATE calls c SET closed_at = %(now)s
    WHERE c.phoned_at IS NULL AND c.closed_at IS NULL AND c.day <= %(day)s
      AND NOT EXISTS (SELECT FROM plan_told t
                      WHERE t.person_id = c.person_id AND t.kind = 'behind')
      AND NOT EXISTS (
        SELECT FROM reminder_items i
        JOIN {standings} s ON s.obligation_id = i.obligation_id AND s.window_from = i.window_from
        WHERE i.reminder_id = c.reminder_id AND s.done < i.slice AND s.next_due_on IS NOT NULL
          AND s.good_from <= %(day)s AND s.good_to >= %(day)s)
"""
_DROP: LiteralString = f"DROP TABLE plan_needing, plan_unmet, {recipients.TABLES}"


@dataclass(frozen=True, slots=True)
class Need:
    """A duty that somebody is to be told of; `is_exhausted`: as often as may be already.

    `is_listed`: that person is on the call list.
    """

    kind: str
    person_id: UUID
    person_code: str
    person_name: str
    obligation_id: UUID
    code: str
    window_from: date
    slice: int
    due_on: date
    done: int
    owed: int
    behind: int
    is_exhausted: bool
    is_listed: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records that wait too long for a review; `until`: the last one's instant in microseconds."""

    person_id: UUID
    person_code: str
    person_name: str
    reviews: int
    until: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What there is to be done below somebody; `unmet`: what closed in the week before."""

    person_id: UUID
    person_code: str
    person_name: str
    behind: int
    people: int
    calls: int
    reviews: int
    unmet: int


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything to be told on a day; `capped`: who has had a week's messages of their own."""

    duties: list[Need]
    waiting: list[Waiting]
    digests: list[Digest]
    capped: frozenset[UUID]


async def find(
    connection: AsyncConnection[Any],
    limits: Reminders,
    day: date,
    *,
    table: LiteralString,
    digests: bool,
) -> Needs:
    """What is to be told on `day`, a workday, by the standings in `table`; `digests`: those too.

    Leaves its temporary tables for `close_calls`, until `forget`.
    """
    monday = day - timedelta(days=day.weekday())
    ahead = clock.workdays_after(day, 3)
    asked = {
        "day": day,
        "next_workday": ahead[0],
        "third_workday": ahead[2],
        "slice_days": SLICE_DAYS,
        "notice_days": NOTICE_DAYS,
        "grave_behind": GRAVE_BEHIND,
        "grave_days": GRAVE_DAYS,
        "lately_from": day - timedelta(days=limits.apart_days - 1),
        "lately_to": day + timedelta(days=limits.apart_days - 1),
        "most_a_slice": limits.most_a_slice,
        "most_a_week": limits.most_a_week,
        "monday": monday,
        "sunday": monday + timedelta(days=6),
        "reviewed_before": clock.start_of(clock.workdays_before(day, limits.review_workdays)[-1]),
    }
    await connection.execute(_NEEDING.replace("{standings}", table), asked, prepare=False)
    await connection.execute("ANALYZE plan_needing")
    await connection.execute(_UNMET)
    if digests:
        await standings.unmet(connection, _closed_before(monday))
        await connection.execute(_COUNT_UNMET, prepare=False)
        await connection.execute(f"DROP TABLE {standings.UNMET}")
    await recipients.find(connection, day)

    async def rows(kind: type[Any], question: LiteralString) -> list[Any]:
        cursor = connection.cursor(row_factory=class_row(kind))
        return await (await cursor.execute(question, asked, prepare=False)).fetchall()

    capped = await connection.execute(_CAPPED, asked, prepare=False)
    return Needs(
        await rows(Need, _OWN) + await rows(Need, _ABOVE),
        await rows(Waiting, _REVIEWS),
        await rows(Digest, _DIGESTS) if digests else [],
        frozenset(row[0] for row in await capped.fetchall()),
    )


def _closed_before(monday: date) -> standings.Spans:
    """The week before, and the month that ended in it, if one did."""
    week = duties.period_of("week", monday - timedelta(days=7))
    month = duties.period_of("month", week[0])
    return {"week": week} | ({"month": month} if month[1] <= week[1] else {})


async def close_calls(
    connection: AsyncConnection[Any], day: date, *, now: datetime, table: LiteralString
) -> None:
    """Take off the call list whoever has caught up by `day`."""
    said = {"day": day, "now": now}
    await connection.execute(_CLOSE.replace("{standings}", table), said, prepare=False)


async def forget(connection: AsyncConnection[Any]) -> None:
    """Drop the temporary tables: a transaction may plan once more."""
    await connection.execute(_DROP)
