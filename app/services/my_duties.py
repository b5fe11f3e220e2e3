"""My duties: what somebody owes on a day and how it stands, asked for in one trip."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain import duties
from app.domain.duties import Progress, Run, Terms
from app.models import Period, Person

_FIRST, _LAST = date.min.toordinal(), date.max.toordinal()
_EVER = [(_FIRST, _LAST)]

# The person's organisation on the day, and all above it.
_HOMES: LiteralString = """
    WITH RECURSIVE climb AS (
      SELECT m.organisation_id, 1 AS up FROM memberships m
      WHERE m.person_id = %(person)s AND m.revoked_at IS NULL
        AND (m.from_on IS NULL OR m.from_on <= %(day)s)
        AND (m.to_on IS NULL OR m.to_on >= %(day)s)
      UNION
      SELECT g.parent_id, c.up + 1 FROM climb c
      JOIN organisations g ON g.id = c.organisation_id AND g.parent_id IS NOT NULL
    ), homes AS (
      SELECT organisation_id, min(up) AS up FROM climb GROUP BY organisation_id
    )
"""
# Their own first, then their organisation's, up the tree; `first` begins the period of the day.
_MINE: LiteralString = f"""
    {_HOMES}, mine AS (
      SELECT b.*, 0 AS up FROM obligations b WHERE b.holder_person_id = %(person)s
      UNION ALL
      SELECT b.*, h.up FROM homes h
      JOIN obligations b ON b.holder_organisation_id = h.organisation_id
    )
    SELECT m.id, m.code, m.area_kind, m.times, m.period, m.starts_on, m.ends_on, m.months,
      greatest(m.starts_on, (SELECT count_from FROM rulebook)) AS counts_from,
      e.retired_on, m.holder_organisation_id, m.up = 0 AS is_own,
      ho.code AS holder_code, ho.name AS holder_name,
      coalesce(ho.short_name, ho.name) AS holder_short_name,
      coalesce(ar.code, ac.code, ast.code) AS area_code,
      coalesce(ar.name, ac.name, ast.name) AS area_name,
      coalesce(ar.short_name, ast.short_name, ar.name, ac.name, ast.name) AS area_short_name,
      c.done, c.with_pending
    FROM mine m
    LEFT JOIN organisations ho ON ho.id = m.holder_organisation_id
    LEFT JOIN reaches ar ON ar.id = m.reach_id
    LEFT JOIN grid_cells ac ON ac.id = m.grid_cell_id
    LEFT JOIN steles ast ON ast.id = m.stele_id
    LEFT JOIN letters al ON al.id = m.letter_id
    CROSS JOIN LATERAL (
      SELECT least(m.retired_on, ho.retired_on, ar.retired_on, ac.retired_on, ast.retired_on,
        al.retired_on, CASE WHEN m.up = 0 THEN CAST(%(retired_on)s AS date) END) AS retired_on
    ) e
    JOIN unnest(CAST(%(periods)s AS text[]), CAST(%(firsts)s AS date[])) AS w (period, first)
      ON w.period = m.period
    CROSS JOIN LATERAL (
      SELECT count(DISTINCT k.counted_on) FILTER (WHERE NOT k.pending) AS done,
        count(DISTINCT k.counted_on) AS with_pending
      FROM credits k
      WHERE k.obligation_id = m.id AND k.revoked_at IS NULL
        AND k.counted_on BETWEEN w.first AND %(day)s
    ) c
    WHERE m.starts_on <= %(day)s AND (m.ends_on IS NULL OR m.ends_on >= %(day)s)
      AND coalesce(e.retired_on, 'infinity') > %(day)s
    ORDER BY m.up, m.code
"""  # noqa: S608  parts of this page
_ROSTER = """
    SELECT from_on, to_on FROM memberships WHERE person_id = %(person)s AND revoked_at IS NULL
"""
_EXEMPT: LiteralString = f"""
    {_HOMES}
    SELECT x.holder_organisation_id, x.obligation_id, x.from_on,
      least(x.to_on, x.retired_on - 1) AS to_on
    FROM exemptions x WHERE x.holder_person_id = %(person)s AND x.state = 'granted'
    UNION ALL
    SELECT x.holder_organisation_id, x.obligation_id, x.from_on, least(x.to_on, x.retired_on - 1)
    FROM homes h JOIN exemptions x ON x.holder_organisation_id = h.organisation_id
    WHERE x.state = 'granted'
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Duty:
    """An obligation with whose it is and where, and how it stands."""

    id: UUID
    code: str
    area_kind: str
    times: int
    period: str
    starts_on: date
    ends_on: date | None
    holder_kind: str
    holder_code: str
    holder_name: str
    holder_short_name: str
    area_code: str | None
    area_name: str | None
    area_short_name: str | None
    is_own: bool
    progress: Progress


async def of(session: AsyncSession, person: Person, day: date) -> list[Duty]:
    """What the person owes on the day: their own first, then their organisation's, up the tree."""
    periods = list(Period)
    values = {
        "person": person.id,
        "day": day,
        "retired_on": person.retired_on,
        "periods": [period.value for period in periods],
        "firsts": [duties.period_of(period, day)[0] for period in periods],
    }
    rows, roster, exempt = await at_once(
        session, (_MINE, values), (_ROSTER, values), (_EXEMPT, values)
    )
    there = [_run(row.from_on, row.to_on) for row in roster]
    gone: dict[UUID | None, list[Any]] = defaultdict(list)
    for row in exempt:
        gone[row.holder_organisation_id].append(row)
    return [_duty(row, person, day, there if row.is_own else _EVER, gone) for row in rows]


def _duty(
    row: Any,
    person: Person,
    day: date,
    roster: Sequence[Run],
    exempt: Mapping[UUID | None, Sequence[Any]],
) -> Duty:
    ends = [row.ends_on, row.retired_on and row.retired_on - timedelta(days=1)]
    last = min((end for end in ends if end), default=None)
    window = duties.window_of(
        Terms(row.times, row.period, row.counts_from, last, row.months),
        day,
        roster=roster,
        exempt=[
            _run(each.from_on, each.to_on)
            for each in exempt.get(row.holder_organisation_id, ())
            if each.obligation_id in {None, row.id}
        ],
    )
    pending = row.with_pending - row.done
    return Duty(
        id=row.id,
        code=row.code,
        area_kind=row.area_kind,
        times=row.times,
        period=row.period,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        holder_kind="person" if row.is_own else "organisation",
        holder_code=person.code if row.is_own else row.holder_code,
        holder_name=person.name if row.is_own else row.holder_name,
        holder_short_name=person.name if row.is_own else row.holder_short_name,
        area_code=row.area_code,
        area_name=row.area_name,
        area_short_name=row.area_short_name,
        is_own=row.is_own,
        progress=duties.progress(window, day, done=row.done, pending=pending),
    )


def _run(first: date | None, last: date | None) -> Run:
    return (first.toordinal() if first else _FIRST, last.toordinal() if last else _LAST)
