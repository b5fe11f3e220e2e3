"""Duty facts: what the rule looks at of all duties in a scope, in one statement for any number.

As it is known now, or as it was at `known_at`: rows as `earlier_versions` has them, facts that were
recorded by then and not revoked by then. Days are counted from the first day that matters, those on
which something counts are bits (31 a month, `Calendar`), and what duties share is written in the
same words, so that the rule is put to each kind of duty once.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import driver_connection
from app.domain import duties
from app.services.credit_months import BITS
from app.services.reports.report import Asked

_PERIODS = ("year", "half_year", "quarter", "month", "week")
_AT_A_TIME = 5000
_MONTH = 31


class Duty(NamedTuple):
    """A duty: ids as text, `opens`, `closes` and the runs in days from the calendar's first.

    `key` is what the report's row is about, null where it is none of its kind. `months` and `days`
    belong together: bits of the month with that number; `waiting` are those that await review.
    """

    id: str
    code: str
    holder: str
    is_person: bool
    organisation: str
    area_kind: str
    area: str | None
    key: str | None
    period: str
    times: int
    season: str | None
    opens: int
    closes: int
    roster: str
    exempt: str
    months: Sequence[int] | None
    days: Sequence[int] | None
    waiting: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days about which a report has to know, from the first day of a month on."""

    first: date
    last: date
    spans: Mapping[str, tuple[date, date]]
    """By period: from the first day of the first window to the last of the last."""

    def months(self) -> Iterator[date]:
        """The first days of its months."""
        month = self.first
        while month <= self.last:
            yield month
            month = (month + timedelta(days=_MONTH)).replace(day=1)

    def mask(self, first: date, last: date) -> int:
        """The bits of the days from `first` to `last`."""
        found = 0
        for n, month in enumerate(self.months()):
            following = (month + timedelta(days=_MONTH)).replace(day=1)
            begin, end = max(first, month), min(last, following - timedelta(days=1))
            if begin <= end:
                ones = (1 << (end - begin).days + 1) - 1
                found |= ones << n * _MONTH + (begin - month).days
        return found

    def bit(self, day: date) -> int:
        """The bit of one day."""
        number = 12 * (day.year - self.first.year) + day.month - self.first.month
        return 1 << number * _MONTH + day.day - 1

    def bits(self, months: Sequence[int], days: Sequence[int]) -> int:
        """One number out of the bits of the months with these numbers."""
        found = 0
        for month, these in zip(months, days, strict=True):
            found |= these << month * _MONTH
        return found


def calendar(asked: Asked) -> Calendar:
    """All windows that overlap the range or contain `as_of`."""
    low, high = min(asked.from_on, asked.as_of), max(asked.to_on, asked.as_of)
    spans = {
        period: (duties.period_of(period, low)[0], duties.period_of(period, high)[1])
        for period in _PERIODS
    }
    first = min(first for first, _ in spans.values()).replace(day=1)
    return Calendar(first, max(last for _, last in spans.values()), spans)


# Made by then: our ids say when, to the millisecond; what has another kind of id always was.
_MADE_THEN: LiteralString = """
    (o.id < CAST(%(made_before)s AS uuid) OR substr(CAST(o.id AS text), 15, 1) <> '7')
"""
_RECORDED_THEN: LiteralString = "r.recorded_at <= %(known_at)s"


def _then(
    table: LiteralString, columns: LiteralString, there: LiteralString = "true"
) -> LiteralString:
    """A table as it was known: each row as it is, or as it was before its next change."""
    return f"""
    {table}_then AS (
      SELECT {columns} FROM {table} o CROSS JOIN LATERAL (SELECT o.*) r
      WHERE {there} AND NOT EXISTS (
        SELECT FROM earlier_versions v WHERE v.row_id = o.id AND v.superseded_at > %(known_at)s)
      UNION ALL
      SELECT {columns} FROM (
        SELECT DISTINCT ON (v.row_id) v.row_id, v.content FROM earlier_versions v
        WHERE v.subject = '{table}' AND v.superseded_at > %(known_at)s
        ORDER BY v.row_id, v.superseded_at, v.id
      ) e
      JOIN {table} o ON o.id = e.row_id
      CROSS JOIN LATERAL jsonb_populate_record(o, e.content) r
      WHERE {there}
    )
    """  # noqa: S608  names of this page


_RETIRED: LiteralString = "r.id, r.retired_on"
_THEN_TABLES: LiteralString = ",".join(
    (
        _then("obligations", "r.*", _MADE_THEN),
        _then("exemptions", "r.*", _RECORDED_THEN),
        _then("people", "r.id, r.organisation_id, r.retired_on"),
        _then("organisations", _RETIRED),
        _then("reaches", _RETIRED),
        _then("grid_cells", _RETIRED),
        _then("steles", _RETIRED),
        _then("letters", _RETIRED),
    )
)
_COUNT_FROM_NOW: LiteralString = "SELECT count_from FROM rulebook"
_COUNT_FROM_THEN: LiteralString = """
    SELECT CASE WHEN e.content IS NULL THEN b.count_from
      ELSE CAST(e.content ->> 'count_from' AS date) END
    FROM rulebook b LEFT JOIN LATERAL (
      SELECT v.content FROM earlier_versions v
      WHERE v.row_id = '00000000-0000-0000-0000-000000000001' AND v.subject = 'rulebook'
        AND v.superseded_at > %(known_at)s
      ORDER BY v.superseded_at, v.id LIMIT 1
    ) e ON true
"""
_BELONGING_NOW: LiteralString = "m.revoked_at IS NULL"
_BELONGING_THEN: LiteralString = """
    m.recorded_at <= %(known_at)s AND (m.revoked_at IS NULL OR m.revoked_at > %(known_at)s)
"""


def _months(joined: LiteralString, *, then: bool) -> LiteralString:
    """The months as bits; `joined`: what joins a row `c` to the terms, where not all are asked for.

    Now: of months without a mark what is noted, of the others what the credits say. Marks are
    hashed, whatever the planner expects. Then: in two parts, each of which has its index.
    """
    if then:
        return f"""
        SELECT k.obligation_id,
          CAST(date_trunc('month', CAST(k.counted_on AS timestamp)) AS date) AS month, {BITS}
        FROM (
          SELECT c.* FROM credits c {joined}
          WHERE c.revoked_at IS NULL AND c.recorded_at <= %(known_at)s
            AND c.counted_on >= %(first)s AND c.counted_on <= %(last)s
          UNION ALL
          SELECT c.* FROM credits c {joined}
          WHERE c.revoked_at IS NOT NULL AND c.revoked_at > %(known_at)s
            AND c.recorded_at <= %(known_at)s
            AND c.counted_on >= %(first)s AND c.counted_on <= %(last)s
        ) k
        GROUP BY 1, 2
        """  # noqa: S608  parts of this page and another
    return f"""
    SELECT c.obligation_id, c.month, c.days, c.pending FROM credit_months c {joined}
    WHERE c.month >= %(first)s AND c.month <= %(last)s
      AND (c.obligation_id, c.month) NOT IN (SELECT obligation_id, month FROM marked)
    UNION ALL
    SELECT c.obligation_id, c.month, {BITS}
    FROM marked c {joined}
    JOIN credits k ON k.obligation_id = c.obligation_id AND k.revoked_at IS NULL
      AND k.counted_on >= c.month AND k.counted_on < c.month + interval '1 month'
    GROUP BY 1, 2
    """  # noqa: S608


def _statement(*, then: bool, all_of_them: bool) -> LiteralString:
    """Everybody's, or those of the organisations in `scope` as they were on `as_of`."""
    was: LiteralString = "_then" if then else ""
    tables: LiteralString = f"{_THEN_TABLES}," if then else ""
    count_from = _COUNT_FROM_THEN if then else _COUNT_FROM_NOW
    belonging = _BELONGING_THEN if then else _BELONGING_NOW
    months = _months("" if all_of_them else "JOIN terms t ON t.id = c.obligation_id", then=then)
    return f"""
    WITH {tables} spans AS (
      SELECT * FROM unnest(CAST(%(periods)s AS text[]), CAST(%(firsts)s AS date[]),
        CAST(%(lasts)s AS date[])) AS s (period, first, last)
    ), open AS MATERIALIZED (
      SELECT b.id, b.code, b.period, b.times, b.months, b.area_kind,
        b.holder_person_id, b.holder_organisation_id,
        coalesce(b.reach_id, b.grid_cell_id, b.stele_id) AS area_id,
        e.opens_on, e.closes_on, hp.organisation_id AS home_id
      FROM obligations{was} b
      JOIN spans s ON s.period = b.period
      LEFT JOIN people{was} hp ON hp.id = b.holder_person_id
      LEFT JOIN organisations{was} ho ON ho.id = b.holder_organisation_id
      LEFT JOIN reaches{was} ar ON ar.id = b.reach_id
      LEFT JOIN grid_cells{was} ac ON ac.id = b.grid_cell_id
      LEFT JOIN steles{was} ast ON ast.id = b.stele_id
      LEFT JOIN letters{was} al ON al.id = b.letter_id
      CROSS JOIN LATERAL (
        SELECT greatest(b.starts_on, ({count_from})) AS opens_on,
          least(b.ends_on, least(b.retired_on, hp.retired_on, ho.retired_on, ar.retired_on,
            ac.retired_on, ast.retired_on, al.retired_on) - 1) AS closes_on
      ) e
      WHERE e.opens_on <= s.last AND (e.closes_on IS NULL OR e.closes_on >= s.first)
        AND (CAST(%(scope)s AS uuid[]) IS NULL
          OR b.holder_organisation_id = ANY(%(scope)s)
          OR b.holder_person_id IN (
            SELECT m.person_id FROM memberships m WHERE m.organisation_id = ANY(%(scope)s)
            UNION
            SELECT h.id FROM people{was} h WHERE h.organisation_id = ANY(%(scope)s)))
    ), rosters AS (
      SELECT m.person_id,
        (array_agg(m.organisation_id ORDER BY m.from_on DESC NULLS LAST, m.id DESC)
          FILTER (WHERE (m.from_on IS NULL OR m.from_on <= %(as_of)s)
            AND (m.to_on IS NULL OR m.to_on >= %(as_of)s)))[1] AS organisation_id,
        string_agg(concat(greatest(m.from_on, %(first)s) - %(first)s, '+',
          least(m.to_on, %(last)s) - %(first)s), ',' ORDER BY m.from_on, m.to_on)
          FILTER (WHERE (m.from_on IS NULL OR m.from_on <= %(last)s)
            AND (m.to_on IS NULL OR m.to_on >= %(first)s)) AS runs
      FROM memberships m
      WHERE m.person_id IN (SELECT holder_person_id FROM open) AND {belonging}
      GROUP BY m.person_id
    ), terms AS MATERIALIZED (
      SELECT o.*, h.runs AS roster,
        coalesce(o.holder_organisation_id, h.organisation_id, o.home_id) AS organisation_id
      FROM open o LEFT JOIN rosters h ON h.person_id = o.holder_person_id
      WHERE CAST(%(scope)s AS uuid[]) IS NULL OR
        coalesce(o.holder_organisation_id, h.organisation_id, o.home_id) = ANY(%(scope)s)
    ), leaves AS (
      SELECT x.holder_person_id, x.holder_organisation_id, x.obligation_id,
        concat(greatest(x.from_on, %(first)s) - %(first)s, '+',
          least(x.to_on, x.retired_on - 1, %(last)s) - %(first)s) AS run
      FROM exemptions{was} x
      WHERE x.state = 'granted' AND x.from_on <= %(last)s
        AND least(x.to_on, x.retired_on - 1) >= %(first)s
    ), exempt AS (
      SELECT id, string_agg(run, ',' ORDER BY run) AS runs
      FROM (
        SELECT t.id, x.run FROM leaves x
        JOIN terms t ON t.holder_person_id = x.holder_person_id
        WHERE x.obligation_id IS NULL OR x.obligation_id = t.id
        UNION
        SELECT t.id, x.run FROM leaves x
        JOIN terms t ON t.holder_organisation_id = x.holder_organisation_id
        WHERE x.obligation_id IS NULL OR x.obligation_id = t.id
      ) taken
      GROUP BY id
    ), marked AS MATERIALIZED (
      SELECT DISTINCT obligation_id, month FROM stale_credit_months
      WHERE month >= %(first)s AND month <= %(last)s
    ), counted AS (
      SELECT c.obligation_id, array_agg(n.number) AS months, array_agg(c.days) AS days,
        CASE WHEN bit_or(c.pending) <> 0 THEN array_agg(c.pending) END AS waiting
      FROM ({months}) c
      JOIN unnest(CAST(%(months)s AS date[]), CAST(%(numbers)s AS int[])) AS n (month, number)
        ON n.month = c.month
      GROUP BY c.obligation_id
    )
    SELECT CAST(t.id AS text), t.code,
      CAST(coalesce(t.holder_person_id, t.holder_organisation_id) AS text),
      t.holder_person_id IS NOT NULL, CAST(t.organisation_id AS text),
      t.area_kind, CAST(t.area_id AS text),
      CAST(CASE CAST(%(by)s AS text) WHEN 'organisation' THEN t.organisation_id
        WHEN 'person' THEN t.holder_person_id
        WHEN t.area_kind THEN t.area_id END AS text),
      t.period, t.times, t.months, greatest(t.opens_on, %(first)s) - %(first)s,
      least(t.closes_on, %(last)s) - %(first)s,
      CASE WHEN t.holder_person_id IS NULL THEN '*' ELSE coalesce(t.roster, '') END,
      coalesce(x.runs, ''), d.months, d.days, d.waiting
    FROM terms t
    LEFT JOIN exempt x ON x.id = t.id
    LEFT JOIN counted d ON d.obligation_id = t.id
    """  # noqa: S608


_STATEMENTS = {
    (then, all_of_them): _statement(then=then, all_of_them=all_of_them)
    for then in (False, True)
    for all_of_them in (False, True)
}
_ALL_ORGANISATIONS = "SELECT count(*) FROM organisations"
# The months of each duty are put together: a year of a hundred thousand fits. To compile the
# statement takes longer than that saves.
_SETTINGS = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"


async def read(session: AsyncSession, asked: Asked, days: Calendar) -> AsyncIterator[list[Any]]:
    """The duties (rows of `Duty`) that are open in any of the windows, some thousands at a time."""
    await session.flush()
    connection = await driver_connection(session)
    months = list(days.months())
    scope = None if asked.scope is None else list(asked.scope)
    if scope is not None:
        organisations = await (await connection.execute(_ALL_ORGANISATIONS)).fetchone()
        scope = None if organisations and organisations[0] == len(set(scope)) else scope
    said = {
        "periods": list(days.spans),
        "firsts": [first for first, _ in days.spans.values()],
        "lasts": [last for _, last in days.spans.values()],
        "first": days.first,
        "last": days.last,
        "months": months,
        "numbers": list(range(len(months))),
        "as_of": asked.as_of,
        "by": asked.by.value,
        "scope": scope,
        "known_at": asked.known_at,
        "made_before": _made_before(asked),
    }
    await connection.execute(_SETTINGS)
    cursor = connection.cursor()
    statement = _STATEMENTS[asked.known_at is not None, scope is None]
    await cursor.execute(statement, said, prepare=False)
    while rows := await cursor.fetchmany(_AT_A_TIME):
        yield rows


def _made_before(asked: Asked) -> str | None:
    """The smallest id that is made a millisecond after `known_at`."""
    if asked.known_at is None:
        return None
    digits = f"{int(asked.known_at.timestamp() * 1000) + 1:012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
