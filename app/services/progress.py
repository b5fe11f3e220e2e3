"""Progress: how duties stand on a day, straight from the facts, by the rule of `domain.duties`."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Question, at_once
from app.domain import duties
from app.domain.duties import Progress, Run, Terms, Window
from app.services.crediting import IN_AREA, VISIT

_FIRST, _LAST = date.min.toordinal(), date.max.toordinal()

# Those that check-ins count for, in the window of the patrol, as it stands today.
_COUNTED_FOR: LiteralString = f"""
    WITH v AS MATERIALIZED (
      SELECT i.patrol_id, {VISIT} FROM check_ins i
      WHERE i.id = ANY(%(check_ins)s) AND i.verdict = 'accepted' AND i.withdrawn_at IS NULL
    )
    SELECT DISTINCT v.id AS check_in_id, k.obligation_id, k.counted_on AS day, b.period
    FROM v
    JOIN patrols p ON p.id = v.patrol_id
    JOIN credits k ON k.patrol_id = v.patrol_id AND k.revoked_at IS NULL AND NOT k.pending
    JOIN obligations b ON b.id = k.obligation_id
    WHERE {IN_AREA}
      AND (b.photo <> 'required' OR EXISTS (SELECT FROM photos h WHERE h.check_in_id = v.id))
"""  # noqa: S608  parts of another page


_TERMS = """
    SELECT b.id, b.code, b.times, b.period, b.ends_on, b.months,
      greatest(b.starts_on, (SELECT count_from FROM rulebook)) AS starts_on,
      b.holder_person_id, b.holder_organisation_id,
      least(b.retired_on, hp.retired_on, ho.retired_on, ar.retired_on, ac.retired_on,
        ast.retired_on, al.retired_on) AS retired_on
    FROM obligations b
    LEFT JOIN people hp ON hp.id = b.holder_person_id
    LEFT JOIN organisations ho ON ho.id = b.holder_organisation_id
    LEFT JOIN reaches ar ON ar.id = b.reach_id
    LEFT JOIN grid_cells ac ON ac.id = b.grid_cell_id
    LEFT JOIN steles ast ON ast.id = b.stele_id
    LEFT JOIN letters al ON al.id = b.letter_id
    WHERE b.id = ANY(%(obligations)s)
"""
_ROSTER = """
    SELECT m.person_id, m.from_on, m.to_on FROM memberships m
    WHERE m.revoked_at IS NULL AND m.person_id IN (
      SELECT holder_person_id FROM obligations WHERE id = ANY(%(obligations)s))
"""
_EXEMPT = """
    SELECT x.id, x.code, x.kind, x.reason, b.id AS obligation_id, x.from_on,
      least(x.to_on, x.retired_on - 1) AS to_on
    FROM obligations b
    JOIN exemptions x ON (x.holder_person_id = b.holder_person_id
        OR x.holder_organisation_id = b.holder_organisation_id)
      AND (x.obligation_id IS NULL OR x.obligation_id = b.id) AND x.state = 'granted'
    WHERE b.id = ANY(%(obligations)s)
"""
# Up to a day, in the window that contains a day, and never beyond that window.
_SPANS: LiteralString = """
    (
      SELECT given.obligation_id, given.day, w.first,
        least(given.until, CAST(w.first + w.long AS date) - 1) AS last
      FROM unnest(CAST(%(obligations)s AS uuid[]), CAST(%(days)s AS date[]),
        CAST(%(untils)s AS date[])) AS given (obligation_id, day, until)
      JOIN obligations b ON b.id = given.obligation_id
      CROSS JOIN LATERAL (
        SELECT CASE b.period
            WHEN 'half_year' THEN make_date(CAST(extract(year FROM given.day) AS int),
              CASE WHEN extract(month FROM given.day) <= 6 THEN 1 ELSE 7 END, 1)
            ELSE CAST(date_trunc(b.period, CAST(given.day AS timestamp)) AS date)
          END AS first,
          CASE b.period WHEN 'half_year' THEN interval '6 months'
            WHEN 'quarter' THEN interval '3 months' ELSE CAST('1 ' || b.period AS interval)
          END AS long
      ) w
    )
"""
_DAYS: LiteralString = f"""
    SELECT q.obligation_id, q.day,
      count(DISTINCT k.counted_on) FILTER (WHERE NOT k.pending) AS done,
      count(DISTINCT k.counted_on) AS with_pending
    FROM {_SPANS} q
    LEFT JOIN credits k ON k.obligation_id = q.obligation_id AND k.revoked_at IS NULL
      AND k.counted_on BETWEEN q.first AND q.last
    GROUP BY q.obligation_id, q.day
"""  # noqa: S608  parts of this page
# A day that somebody walked for themselves is theirs, whoever else was out or wrote it down later.
_WAYS: LiteralString = f"""
    SELECT c.obligation_id, c.day, count(*) FILTER (WHERE c.own) AS own,
      count(*) FILTER (WHERE NOT c.own AND c.proxy) AS proxy,
      count(*) FILTER (WHERE NOT c.own AND NOT c.proxy) AS late_entry
    FROM (
      SELECT q.obligation_id, q.day, k.counted_on,
        bool_or(NOT k.proxy AND p.origin <> 'paper') AS own,
        bool_or(k.proxy AND p.origin <> 'paper') AS proxy
      FROM {_SPANS} q
      JOIN credits k ON k.obligation_id = q.obligation_id AND k.revoked_at IS NULL
        AND NOT k.pending AND k.counted_on BETWEEN q.first AND q.last
      JOIN patrols p ON p.id = k.patrol_id
      GROUP BY q.obligation_id, q.day, k.counted_on
    ) c
    GROUP BY c.obligation_id, c.day
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Facts:
    """What of an obligation the rule looks at; days as in `domain.duties`."""

    id: UUID
    code: str
    terms: Terms
    roster: Sequence[Run]
    exempt: Sequence[Run]

    def window(self, day: date) -> Window:
        """The window that contains the day."""
        return duties.window_of(self.terms, day, roster=self.roster, exempt=self.exempt)


@dataclass(frozen=True, slots=True)
class Counted:
    """An obligation that a check-in counts for, and how it stands."""

    code: str
    done: int
    owed: int
    behind: int


@dataclass(frozen=True, slots=True)
class Ways:
    """How the days that count came about: walked, walked by a deputy, entered from paper."""

    own: int = 0
    proxy: int = 0
    late_entry: int = 0


Asked = Collection[tuple[UUID, date]]


async def facts_of(session: AsyncSession, obligation_ids: Collection[UUID]) -> Mapping[UUID, Facts]:
    """The facts about these obligations but their credits."""
    ids = {"obligations": list(obligation_ids)}
    terms, roster, exempt = await at_once(session, (_TERMS, ids), (_ROSTER, ids), (_EXEMPT, ids))
    return _facts(terms, roster, exempt)


async def of(session: AsyncSession, asked: Asked) -> Mapping[tuple[UUID, date], Progress]:
    """How each obligation stands on its day, by what is known now about the days up to then."""
    if not asked:
        return {}
    terms, roster, exempt, days = await at_once(session, *_questions(asked))
    facts = _facts(terms, roster, exempt)
    return {
        (row.obligation_id, row.day): duties.progress(
            facts[row.obligation_id].window(row.day),
            row.day,
            done=row.done,
            pending=row.with_pending - row.done,
        )
        for row in days
    }


async def ways_of(session: AsyncSession, asked: Asked) -> Mapping[tuple[UUID, date], Ways]:
    """How the days came about that `of` counts as done; none, no entry."""
    values = _spans(asked, None)
    (rows,) = await at_once(session, (_WAYS, values))
    return {(row.obligation_id, row.day): Ways(row.own, row.proxy, row.late_entry) for row in rows}


async def counts_for(
    session: AsyncSession, check_in_ids: Collection[UUID], today: date
) -> Mapping[UUID, list[Counted]]:
    """By check-in: the obligations that it counts for, as they stand today; none, no entry."""
    if not check_in_ids:
        return {}
    (pairs,) = await at_once(session, (_COUNTED_FOR, {"check_ins": list(check_in_ids)}))
    # All days of a window stand alike today: each window is asked about once.
    asked = {_window_of(pair) for pair in pairs}
    if not asked:
        return {}
    terms, roster, exempt, days = await at_once(session, *_questions(asked, today))
    facts = _facts(terms, roster, exempt)
    standing: dict[tuple[UUID, date], Counted] = {}
    for row in days:
        known = facts[row.obligation_id]
        window = known.window(row.day)
        now = duties.progress(window, today, done=row.done)
        standing[row.obligation_id, row.day] = Counted(
            known.code, now.done, window.owed, now.behind
        )
    found: dict[UUID, list[Counted]] = defaultdict(list)
    for pair in pairs:
        found[pair.check_in_id].append(standing[_window_of(pair)])
    return {check_in: sorted(each, key=lambda one: one.code) for check_in, each in found.items()}


def _window_of(pair: Any) -> tuple[UUID, date]:
    """The obligation and the first day of its window that a check-in counts in."""
    return pair.obligation_id, duties.period_of(pair.period, pair.day)[0]


def _questions(asked: Asked, today: date | None = None) -> list[Question]:
    """About obligations and days; each up to its day, or `today` in the window of its day."""
    ids = {"obligations": list({obligation_id for obligation_id, _ in asked})}
    return [(_TERMS, ids), (_ROSTER, ids), (_EXEMPT, ids), (_DAYS, _spans(asked, today))]


def _spans(asked: Asked, today: date | None) -> dict[str, Any]:
    return {
        "obligations": [obligation_id for obligation_id, _ in asked],
        "days": [day for _, day in asked],
        "untils": [today or day for _, day in asked],
    }


def _facts(
    terms: Sequence[Any], roster: Sequence[Any], exempt: Sequence[Any]
) -> Mapping[UUID, Facts]:
    there: dict[UUID, list[Run]] = defaultdict(list)
    for row in roster:
        there[row.person_id].append(_run(row.from_on, row.to_on))
    gone: dict[UUID, list[Run]] = defaultdict(list)
    for row in exempt:
        gone[row.obligation_id].append(_run(row.from_on, row.to_on))
    found = {}
    for row in terms:
        # Retired: nothing from that day on.
        last = date.fromordinal(row.retired_on.toordinal() - 1) if row.retired_on else None
        found[row.id] = Facts(
            row.id,
            row.code,
            Terms(
                row.times,
                row.period,
                row.starts_on,
                min(filter(None, (row.ends_on, last)), default=None),
                row.months,
            ),
            there[row.holder_person_id] if row.holder_person_id else [(_FIRST, _LAST)],
            gone[row.id],
        )
    return found


def _run(first: date | None, last: date | None) -> Run:
    return (first.toordinal() if first else _FIRST, last.toordinal() if last else _LAST)
