"""Outings: which patrol a check-in belongs to, and what it adds to that patrol's line and time.

Set-based, because check-ins are: one statement for all that a batch needs. Patrols are locked here
(self-made ones first, then named ones, each in id order) before anything is read that depends on
them, so that two processes never extend one patrol from the same old state.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import Question, at_once
from app.domain import geometry
from app.models import CheckIn, Patrol, PatrolOrigin, PatrolState
from app.models.base import uuid7
from app.services import tracks

_NAMED = """
    SELECT p.id, p.person_id, p.origin, p.closed_by_us, p.started_at, p.finished_at,
      ARRAY(SELECT c.person_id FROM companions c WHERE c.patrol_id = p.id
              AND c.removed_at IS NULL AND c.declined_at IS NULL) AS companions
    FROM patrols p WHERE p.id = ANY(%(ids)s) ORDER BY p.id FOR NO KEY UPDATE OF p
"""

_OPEN = """
    SELECT person_id, id, started_at FROM patrols
    WHERE person_id = ANY(%(people)s) AND state = 'open' ORDER BY started_at DESC
"""

_SELF_MADE = """
    INSERT INTO patrols AS p (id, person_id, organisation_id, kind, state, origin, started_at,
      started_on, finished_at, closed_by_us, distance_m, duration_s, points_kept, points_marked,
      received_at)
    SELECT n.id, n.person_id, n.organisation_id, 'foot', 'finished', 'self_made', n.first_at, n.day,
      n.last_at, false, 0, floor(extract(epoch FROM n.last_at - n.first_at)), 0, 0, %(now)s
    FROM json_to_recordset(CAST(%(rows)s AS json))
      AS n (id uuid, person_id uuid, organisation_id uuid, day date, first_at timestamptz,
        last_at timestamptz)
    ORDER BY n.person_id, n.day
    ON CONFLICT (person_id, started_on) WHERE origin = 'self_made' DO UPDATE SET
      started_at = least(p.started_at, excluded.started_at),
      finished_at = greatest(p.finished_at, excluded.finished_at),
      duration_s = floor(extract(epoch FROM greatest(p.finished_at, excluded.finished_at)
        - least(p.started_at, excluded.started_at)))
    RETURNING p.id, p.person_id, p.started_on
"""

_LINE = """
    SELECT w.patrol_id, c.id, c.at, c.lon, c.lat
    FROM unnest(CAST(%(patrols)s AS uuid[]), CAST(%(firsts)s AS timestamptz[]),
                CAST(%(lasts)s AS timestamptz[])) AS w (patrol_id, first_at, last_at)
    CROSS JOIN LATERAL (
      (SELECT id, at, lon, lat FROM check_ins
       WHERE patrol_id = w.patrol_id AND at < w.first_at AND withdrawn_at IS NULL
       ORDER BY at DESC, id DESC LIMIT 1)
      UNION ALL
      (SELECT id, at, lon, lat FROM check_ins
       WHERE patrol_id = w.patrol_id AND at BETWEEN w.first_at AND w.last_at
         AND withdrawn_at IS NULL)
      UNION ALL
      (SELECT id, at, lon, lat FROM check_ins
       WHERE patrol_id = w.patrol_id AND at > w.last_at AND withdrawn_at IS NULL
       ORDER BY at, id LIMIT 1)
    ) c
"""

# A patrol that we closed for want of a finish went on for as long as check-ins show.
_LENGTHEN = """
    UPDATE patrols p SET
      distance_m = CASE WHEN p.points_kept = 0 THEN p.distance_m + n.metres ELSE p.distance_m END,
      finished_at = CASE WHEN p.closed_by_us THEN greatest(p.finished_at, n.last_at)
        ELSE p.finished_at END,
      duration_s = CASE
        WHEN p.origin <> 'phone' OR p.state = 'open' THEN p.duration_s
        WHEN p.points_kept = 0 THEN
          (SELECT least(floor(extract(epoch FROM max(c.at) - min(c.at))), 2147483647)
           FROM check_ins c
           WHERE c.patrol_id = p.id AND c.withdrawn_at IS NULL)
        WHEN p.closed_by_us THEN
          least(floor(extract(epoch FROM greatest(p.finished_at, n.last_at) - p.started_at)),
            2147483647)
        ELSE p.duration_s END
    FROM json_to_recordset(CAST(%(rows)s AS json))
      AS n (id uuid, metres float8, last_at timestamptz)
    WHERE p.id = n.id
"""

_TAKE_BACK = """
    WITH true_times AS (
      SELECT p.id, min(c.at) AS first_at, max(c.at) AS last_at
      FROM patrols p LEFT JOIN check_ins c ON c.patrol_id = p.id AND c.withdrawn_at IS NULL
      WHERE p.id = ANY(%(ids)s) AND p.origin = 'self_made'
      GROUP BY p.id
    ), gone AS (
      DELETE FROM patrols p USING true_times t WHERE p.id = t.id AND t.first_at IS NULL
        AND NOT EXISTS (SELECT FROM check_ins c WHERE c.patrol_id = p.id)
        AND NOT EXISTS (SELECT FROM companions k WHERE k.patrol_id = p.id)
    )
    UPDATE patrols p SET started_at = t.first_at, finished_at = t.last_at,
      duration_s = floor(extract(epoch FROM t.last_at - t.first_at))
    FROM true_times t WHERE p.id = t.id AND t.first_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What of a check-in matters here."""

    id: UUID
    person_id: UUID
    organisation_id: UUID
    at: datetime
    lon: float
    lat: float
    patrol_id: UUID | None


@dataclass(frozen=True, slots=True)
class Outing:
    """The patrol that a check-in joined; `times` only if the check-in named it."""

    patrol_id: UUID
    times: tuple[datetime, datetime] | None


def open_patrols(people: Collection[UUID]) -> Question:
    """What to ask the database (`at_once`) for the people's open patrols; for `join_many`."""
    return _OPEN, {"people": list(people)}


async def join_many(
    session: AsyncSession,
    steps: Sequence[Step],
    opened: Sequence[Any],
    *,
    open_for: timedelta,
    now: datetime,
) -> list[Outing | None]:
    """The outing of each step; None where it names a patrol that is not the walker's to name.

    `opened` answers `open_patrols` of the steps' people.
    """
    by_person: dict[UUID, list[tuple[UUID, datetime]]] = defaultdict(list)
    for row in opened:
        by_person[row.person_id].append((row.id, row.started_at))
    joined: list[UUID | None] = [
        step.patrol_id
        or next(
            (
                patrol
                for patrol, started in by_person[step.person_id]
                if started <= step.at <= started + open_for
            ),
            None,
        )
        for step in steps
    ]
    without = [step for step, id_ in zip(steps, joined, strict=True) if id_ is None]
    ids = sorted({id_ for id_ in joined if id_})
    made, named_rows = await at_once(
        session,
        (_SELF_MADE, {"rows": _days_of(without), "now": now}) if without else None,
        (_NAMED, {"ids": ids}) if ids else None,
    )
    self_made = {(row.person_id, row.started_on): row.id for row in made}
    named = {row.id: row for row in named_rows}
    outings: list[Outing | None] = []
    for step, id_ in zip(steps, joined, strict=True):
        if id_ is None:
            outings.append(Outing(self_made[step.person_id, clock.day_of(step.at)], None))
            continue
        row = named.get(id_)
        if row is None or step.person_id not in {row.person_id, *row.companions}:
            outings.append(None)
            continue
        said = step.patrol_id is not None and row.origin != PatrolOrigin.self_made
        outings.append(Outing(id_, _times(row, open_for) if said else None))
    return outings


def _times(row: Any, open_for: timedelta) -> tuple[datetime, datetime]:
    """From the start to the finish, or to the latest there can be as long as nobody said when."""
    if row.finished_at is not None and not row.closed_by_us:
        return row.started_at, row.finished_at
    latest = row.started_at + open_for
    return row.started_at, max(latest, row.finished_at or latest)


def _days_of(steps: Sequence[Step]) -> str:
    """The self-made patrols that the steps need, one a person and day, as JSON rows."""
    wanted: dict[tuple[UUID, date], dict[str, Any]] = {}
    for step in steps:
        key = step.person_id, clock.day_of(step.at)
        row = wanted.setdefault(
            key,
            {
                "id": uuid7(),
                "person_id": step.person_id,
                "organisation_id": step.organisation_id,
                "day": key[1],
                "first_at": step.at,
                "last_at": step.at,
            },
        )
        row["first_at"] = min(row["first_at"], step.at)
        row["last_at"] = max(row["last_at"], step.at)
    return orjson.dumps(list(wanted.values())).decode()


def line(added: Sequence[tuple[UUID, Step]]) -> Question:
    """What to ask the database (`at_once`) for the patrols' lines about new check-ins."""
    by_patrol = _by_patrol(added)
    return _LINE, {
        "patrols": list(by_patrol),
        "firsts": [min(step.at for step in steps) for steps in by_patrol.values()],
        "lasts": [max(step.at for step in steps) for steps in by_patrol.values()],
    }


def _by_patrol(added: Sequence[tuple[UUID, Step]]) -> Mapping[UUID, list[Step]]:
    by_patrol: dict[UUID, list[Step]] = defaultdict(list)
    for patrol_id, step in added:
        by_patrol[patrol_id].append(step)
    return by_patrol


async def lengthen_many(
    session: AsyncSession, added: Sequence[tuple[UUID, Step]], points_around: Sequence[Any]
) -> None:
    """Lead the lines of trackless patrols through their new check-ins.

    `points_around` answers `line`, asked after they were inserted. Only the stretch between the
    neighbours of what is new is looked at, so that the hundredth check-in of a day costs what the
    second did.
    """
    by_patrol = _by_patrol(added)
    stretches: dict[UUID, list[Any]] = defaultdict(list)
    for row in points_around:
        stretches[row.patrol_id].append(row)
    longer = []
    for patrol_id, steps in by_patrol.items():
        points = stretches[patrol_id]
        points.sort(key=lambda point: (point.at, point.id))
        new = {step.id for step in steps}
        before = [point for point in points if point.id not in new]
        # A day's first check-in without a patrol leaves nothing to add.
        if len(points) > 1 or any(step.patrol_id for step in steps):
            longer.append(
                {
                    "id": patrol_id,
                    "metres": _length(points) - _length(before),
                    "last_at": max(step.at for step in steps),
                }
            )
    if longer:
        await at_once(session, (_LENGTHEN, {"rows": orjson.dumps(longer).decode()}))


async def take_back(session: AsyncSession, patrol_ids: Collection[UUID]) -> None:
    """Undo what `join_many` did to self-made patrols for check-ins that were not inserted."""
    await at_once(session, (_TAKE_BACK, {"ids": list(patrol_ids)}))


async def shorten(session: AsyncSession, patrol: Patrol) -> None:
    """Measure the patrol anew, best locked, after a check-in of it was withdrawn."""
    rows = (
        await session.execute(
            select(CheckIn.at, CheckIn.lon, CheckIn.lat)
            .where(CheckIn.patrol_id == patrol.id, CheckIn.withdrawn_at.is_(None))
            .order_by(CheckIn.at, CheckIn.id)
        )
    ).all()
    if rows and patrol.origin is PatrolOrigin.self_made:
        patrol.started_at, patrol.finished_at = rows[0].at, rows[-1].at
    if patrol.points_kept == 0:
        patrol.distance_m = _length(rows)
        if patrol.state is PatrolState.finished and patrol.finished_at is not None:
            first, last = (rows[0].at, rows[-1].at) if rows else (patrol.started_at,) * 2
            patrol.duration_s = tracks.seconds_between(first, last)
    await session.flush()


def _length(points: Sequence[Any]) -> float:
    return geometry.path_length_m([point.lon for point in points], [point.lat for point in points])
