"""Standings: where every obligation stands in the window of a day, made again where that changed.

Facts come by few statements for any number of obligations; what many of them share (terms, roster
and exemptions inside the calendar period) is put through `domain.duties` once.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, LiteralString

from psycopg import AsyncConnection
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import driver_connection
from app.domain import duties
from app.domain.duties import Run, Terms

TABLE: LiteralString = "standings"
ELSEWHEN: LiteralString = "standings_as_at"
UNMET: LiteralString = "standings_unmet"

# Any number that nothing else in this database uses as an advisory lock.
_LOCK = 0x7875_6E68_6503
_PERIODS = ("year", "half_year", "quarter", "month", "week")
Spans = Mapping[str, tuple[date, date]]
# So many new rows at once, and the planner's statistics are about another table.
_MANY = 20_000

# Those told about come first, so that whatever commits while we work is told again.
_TAKE_STALE = """
    WITH told AS (DELETE FROM stale_standings RETURNING obligation_id)
    INSERT INTO standing_work (obligation_id) SELECT DISTINCT obligation_id FROM told
"""
_TAKE_WRONG = """
    INSERT INTO standing_work (obligation_id)
    SELECT obligation_id FROM standings
    WHERE good_to < %(day)s OR (good_to >= %(day)s AND good_from > %(day)s)
    ON CONFLICT DO NOTHING
"""
# Whoever makes an obligation says so; these are for those that nobody told about. The ids of new
# ones are the greatest; for all others both tables are read, once a week and when there is no row.
_TAKE_NEW = """
    INSERT INTO standing_work (obligation_id)
    SELECT b.id FROM obligations b
    WHERE b.id > (SELECT obligation_id FROM standings ORDER BY obligation_id DESC LIMIT 1)
    ON CONFLICT DO NOTHING
"""
_TAKE_MISSING = """
    INSERT INTO standing_work (obligation_id)
    SELECT b.id FROM obligations b
    WHERE NOT EXISTS (SELECT FROM standings s WHERE s.obligation_id = b.id)
    ON CONFLICT DO NOTHING
"""
_CHECK = """
    INSERT INTO milestones (name, at) VALUES ('standings', date_trunc('week', %(day)s::timestamp))
    ON CONFLICT (name) DO UPDATE SET at = excluded.at
    WHERE milestones.at <> excluded.at OR NOT EXISTS (SELECT FROM standings)
    RETURNING name
"""
_TAKE_ALL = "INSERT INTO standing_work (obligation_id) SELECT id FROM obligations"
_TAKE_PERIODS = """
    INSERT INTO standing_work (obligation_id)
    SELECT b.id FROM obligations b
    JOIN unnest(%(periods)s::text[], %(firsts)s::date[], %(lasts)s::date[])
      AS d (period, first, last) ON d.period = b.period
    WHERE b.starts_on <= d.last AND (b.ends_on IS NULL OR b.ends_on >= d.first)
"""

_WORK = """
    CREATE TEMP TABLE standing_work (obligation_id uuid PRIMARY KEY) ON COMMIT DROP;
    CREATE TEMP TABLE standing_periods (period text, first date, last date) ON COMMIT DROP;
    CREATE TEMP TABLE standing_shapes (
      shape text, window_from date, active int, slices date[]
    ) ON COMMIT DROP
"""
# Gone before the transaction is over: it may plan once more (tests do).
_DROP = "DROP TABLE standing_work, standing_periods, standing_shapes"
_PERIOD_ROWS = """
    INSERT INTO standing_periods
    SELECT * FROM unnest(%(periods)s::text[], %(firsts)s::date[], %(lasts)s::date[])
"""

# What of each obligation the rule looks at, cut to the calendar period, in one text: equal texts,
# equal windows. Days are written as they are subtracted from 2000-01-01, which is short.
_TERMS = """
    CREATE TEMP TABLE standing_terms ON COMMIT DROP AS
    WITH terms AS (
      SELECT b.id AS obligation_id, b.period, b.times, b.months, d.first, d.last,
        b.holder_person_id, b.holder_organisation_id,
        greatest(b.starts_on, r.count_from) AS opens_on,
        least(b.ends_on, least(b.retired_on, hp.retired_on, ho.retired_on, ar.retired_on,
          ac.retired_on, ast.retired_on, al.retired_on) - 1) AS closes_on
      FROM standing_work w
      JOIN obligations b ON b.id = w.obligation_id
      JOIN standing_periods d ON d.period = b.period
      LEFT JOIN rulebook r ON true
      LEFT JOIN people hp ON hp.id = b.holder_person_id
      LEFT JOIN organisations ho ON ho.id = b.holder_organisation_id
      LEFT JOIN reaches ar ON ar.id = b.reach_id
      LEFT JOIN grid_cells ac ON ac.id = b.grid_cell_id
      LEFT JOIN steles ast ON ast.id = b.stele_id
      LEFT JOIN letters al ON al.id = b.letter_id
    ), rosters AS (
      SELECT m.person_id, d.period,
        string_agg(DISTINCT concat(greatest(m.from_on, d.first) - d.first, '+',
          least(m.to_on, d.last) - d.first), ',') AS runs
      FROM memberships m
      JOIN standing_periods d ON (m.from_on IS NULL OR m.from_on <= d.last)
        AND (m.to_on IS NULL OR m.to_on >= d.first)
      WHERE m.revoked_at IS NULL AND m.person_id IN (SELECT holder_person_id FROM terms)
      GROUP BY 1, 2
    ), leaves AS (
      SELECT x.*, least(x.to_on, x.retired_on - 1) AS until_on
      FROM exemptions x WHERE x.state = 'granted'
    ), exempt AS (
      SELECT obligation_id, string_agg(run, ',' ORDER BY run) AS runs
      FROM (
        SELECT t.obligation_id, concat(greatest(x.from_on, t.first) - t.first, '+',
          least(x.until_on, t.last) - t.first) AS run
        FROM leaves x
        JOIN terms t ON t.holder_person_id = x.holder_person_id
        WHERE (x.obligation_id IS NULL OR x.obligation_id = t.obligation_id)
          AND x.from_on <= t.last AND x.until_on >= t.first
        UNION
        SELECT t.obligation_id, concat(greatest(x.from_on, t.first) - t.first, '+',
          least(x.until_on, t.last) - t.first)
        FROM leaves x
        JOIN terms t ON t.holder_organisation_id = x.holder_organisation_id
        WHERE (x.obligation_id IS NULL OR x.obligation_id = t.obligation_id)
          AND x.from_on <= t.last AND x.until_on >= t.first
      ) taken
      GROUP BY obligation_id
    )
    SELECT t.obligation_id, t.first, t.last, t.opens_on, t.closes_on,
      concat_ws('|', t.period, t.times, coalesce(t.months, ''),
        least(greatest(t.opens_on, t.first), t.last + 1) - t.first,
        greatest(least(t.closes_on, t.last), t.first - 1) - t.first,
        CASE WHEN t.holder_person_id IS NULL THEN '*' ELSE coalesce(h.runs, '') END,
        coalesce(x.runs, '')) AS shape
    FROM terms t
    LEFT JOIN rosters h ON h.person_id = t.holder_person_id AND h.period = t.period
    LEFT JOIN exempt x ON x.obligation_id = t.obligation_id
"""
# The whole table in the order of its index, or for a few obligations theirs alone.
_DONE = """
    SELECT k.obligation_id, count(DISTINCT k.counted_on) AS done
    FROM credits k JOIN standing_terms t ON t.obligation_id = k.obligation_id
    WHERE k.revoked_at IS NULL AND NOT k.pending
      AND k.counted_on >= t.first AND k.counted_on <= least(t.last, %(until)s)
    GROUP BY k.obligation_id
"""
_ROWS: LiteralString = f"""
    SELECT t.obligation_id, s.window_from,
      CASE WHEN t.closes_on < %(day)s THEN greatest(t.first, t.closes_on + 1)
        WHEN t.opens_on > %(day)s THEN t.first
        ELSE greatest(t.first, t.opens_on) END AS good_from,
      CASE WHEN t.closes_on < %(day)s THEN t.last
        WHEN t.opens_on > %(day)s THEN least(t.last, t.opens_on - 1, t.closes_on)
        ELSE least(t.last, t.closes_on) END AS good_to,
      s.active,
      CASE WHEN t.opens_on > %(day)s OR t.closes_on < %(day)s THEN '{{}}' ELSE s.slices END
        AS slices,
      coalesce(k.done, 0) AS done
    FROM standing_terms t
    JOIN standing_shapes s ON s.shape = t.shape
    LEFT JOIN ({_DONE}) k ON k.obligation_id = t.obligation_id
"""  # noqa: S608  parts of this page
_COLUMNS: LiteralString = "obligation_id, window_from, good_from, good_to, active, slices, done"
_KEEP: LiteralString = f"""
    INSERT INTO standings ({_COLUMNS}) {_ROWS}
    ON CONFLICT (obligation_id) DO UPDATE SET window_from = excluded.window_from,
      good_from = excluded.good_from, good_to = excluded.good_to, active = excluded.active,
      slices = excluded.slices, done = excluded.done
"""
_KEEP_ELSEWHEN: LiteralString = f"""
    CREATE TEMP TABLE standings_as_at ON COMMIT DROP AS
    SELECT rows.*, slices[done + 1] AS next_due_on FROM ({_ROWS}) rows
"""  # noqa: S608
# What is pending counts: nobody is to blame for a review that waits.
_KEEP_UNMET: LiteralString = f"""
    CREATE TEMP TABLE {UNMET} ON COMMIT DROP AS
    SELECT t.obligation_id
    FROM standing_terms t
    JOIN standing_shapes s ON s.shape = t.shape
    LEFT JOIN (
      SELECT k.obligation_id, count(DISTINCT k.counted_on) AS days
      FROM credits k JOIN standing_terms t ON t.obligation_id = k.obligation_id
      WHERE k.revoked_at IS NULL AND k.counted_on >= t.first AND k.counted_on <= t.last
      GROUP BY k.obligation_id
    ) k ON k.obligation_id = t.obligation_id
    WHERE coalesce(k.days, 0) < cardinality(s.slices)
"""  # noqa: S608  parts of this page


async def hold(session: AsyncSession) -> None:
    """Keep others from making standings, or throwing them away, until the transaction is over.

    Planning does so first of all; whoever judges everything, last of all.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def hold_at_once(session: AsyncSession) -> bool:
    """As `hold`, for whoever waits before a page: False where others are at it just now."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))))


async def refresh(session: AsyncSession, day: date) -> None:
    """Make again the standings that may not be right on `day`: of what changed, ended, is missing.

    Whoever calls this has asked for `hold`.
    """
    await session.flush()
    connection = await driver_connection(session)
    await connection.execute(_WORK)
    work = 0
    takes = [_TAKE_STALE, _TAKE_WRONG, _TAKE_NEW]
    checked = await (await connection.execute(_CHECK, {"day": day})).fetchone()
    if checked is not None:
        takes.append(_TAKE_MISSING)
    for take in takes:
        work += (await connection.execute(take, {"day": day}, prepare=False)).rowcount
    if work > _MANY:
        # A table's worth: what does not fit is sorted on disk.
        await connection.execute("SET LOCAL work_mem = '64MB'")
    if work:
        await _prepare(connection, _spans_of(day))
        # Whatever counts in the window, later days too: they come without being told again.
        await connection.execute(_KEEP, {"day": day, "until": date.max}, prepare=False)
        await connection.execute("DROP TABLE standing_terms")
    if work > _MANY:
        await connection.execute("ANALYZE standings")
    await connection.execute(_DROP)


async def as_at(session: AsyncSession, day: date) -> None:
    """The same for all obligations as at another day, counting up to it, in a temporary table."""
    await session.flush()
    connection = await driver_connection(session)
    await connection.execute(_WORK)
    await connection.execute(_TAKE_ALL, prepare=False)
    await _prepare(connection, _spans_of(day))
    await connection.execute(f"DROP TABLE IF EXISTS {ELSEWHEN}")
    await connection.execute(_KEEP_ELSEWHEN, {"day": day, "until": day}, prepare=False)
    await connection.execute(f"CREATE INDEX ON {ELSEWHEN} (next_due_on)")
    await connection.execute(f"ANALYZE {ELSEWHEN}")
    await connection.execute("DROP TABLE standing_terms")
    await connection.execute(_DROP)


async def unmet(connection: AsyncConnection[Any], spans: Spans) -> None:
    """Put the obligations of these closed periods that were not met, by now, into `UNMET`.

    `spans`: first and last day by period. Met is what has as many days, pending ones too, as owed.
    """
    await connection.execute(_WORK)
    taken = await connection.execute(_TAKE_PERIODS, _as_lists(spans), prepare=False)
    if taken.rowcount > _MANY:
        await connection.execute("SET LOCAL work_mem = '64MB'")
    await _prepare(connection, spans)
    await connection.execute(_KEEP_UNMET, prepare=False)
    await connection.execute("DROP TABLE standing_terms")
    await connection.execute(_DROP)


def _spans_of(day: date) -> Spans:
    return {period: duties.period_of(period, day) for period in _PERIODS}


def _as_lists(spans: Spans) -> dict[str, list[Any]]:
    return {
        "periods": list(spans),
        "firsts": [first for first, _ in spans.values()],
        "lasts": [last for _, last in spans.values()],
    }


async def _prepare(connection: AsyncConnection[Any], spans: Spans) -> None:
    """Fill the terms and shapes of the work in these periods."""
    await connection.execute("ANALYZE standing_work")
    await connection.execute(_PERIOD_ROWS, _as_lists(spans), prepare=False)
    await connection.execute(_TERMS, prepare=False)
    await connection.execute("ANALYZE standing_terms")
    found = await connection.execute("SELECT DISTINCT shape, first FROM standing_terms")
    rows = [(row[0], *_window(row[0], row[1])) for row in await found.fetchall()]
    async with connection.cursor().copy(
        "COPY standing_shapes (shape, window_from, active, slices) FROM STDIN"
    ) as copy:
        for row in rows:
            await copy.write_row(row)
    await connection.execute("ANALYZE standing_shapes")


def _window(shape: str, first: date) -> tuple[date, int, list[date]]:
    """First day of the window, its active days and the last days of its slices."""
    period, times, months, opens, closes, roster, exempt = shape.split("|")
    terms = Terms(
        int(times),
        period,
        first + timedelta(days=int(opens)),
        first + timedelta(days=int(closes)),
        months or None,
    )
    ever: Iterable[Run] = [(date.min.toordinal(), date.max.toordinal())]
    window = duties.window_of(
        terms,
        first,
        roster=list(ever if roster == "*" else _runs(roster, first)),
        exempt=list(_runs(exempt, first)),
    )
    return window.from_on, window.active, window.slices()


def _runs(said: str, first: date) -> Iterator[Run]:
    for run in filter(None, said.split(",")):
        begin, _, end = run.partition("+")
        yield first.toordinal() + int(begin), first.toordinal() + int(end)
