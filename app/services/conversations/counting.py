"""Counting: what records of the chat count for, or will once they are reviewed or have a photo."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import Question, at_once
from app.domain import duties
from app.domain.duties import Progress
from app.domain.progress_texts import Tally, name_of
from app.models import CheckIn
from app.services import progress
from app.services.crediting import IN_AREA, OUGHT_WITH_PHOTOS, VISIT

# Of `x` (check_in_id, patrol_id, obligation_id, day, how, proxy): with names, and without what is
# somebody else's own and was not done for them by the sender.
_SHOWN: LiteralString = """
    SELECT x.check_in_id, x.obligation_id, x.day, x.how, b.area_kind,
      coalesce(ar.short_name, ast.short_name, ar.name, ac.name, ast.name) AS place,
      coalesce(hp.name, ho.short_name, ho.name) AS holder,
      b.holder_person_id IS NOT DISTINCT FROM s.person_id AS is_own, b.code
    FROM x
    JOIN check_ins s ON s.id = x.check_in_id
    JOIN obligations b ON b.id = x.obligation_id
      AND (x.proxy OR b.holder_person_id IS NULL OR b.holder_person_id = s.person_id)
    LEFT JOIN people hp ON hp.id = b.holder_person_id
    LEFT JOIN organisations ho ON ho.id = b.holder_organisation_id
    LEFT JOIN reaches ar ON ar.id = b.reach_id
    LEFT JOIN grid_cells ac ON ac.id = b.grid_cell_id
    LEFT JOIN steles ast ON ast.id = b.stele_id
    WHERE x.how = 'counted' OR NOT EXISTS (
      SELECT FROM credits k
      WHERE k.obligation_id = x.obligation_id AND k.counted_on = x.day
        AND k.revoked_at IS NULL AND NOT k.pending)
"""
_CREDITED: LiteralString = f"""
    WITH x AS (
      SELECT DISTINCT v.id AS check_in_id, k.obligation_id, k.counted_on AS day, k.proxy,
        CASE WHEN k.pending THEN 'pending' ELSE 'counted' END AS how
      FROM (SELECT i.patrol_id, i.verdict, {VISIT} FROM check_ins i
            WHERE i.id = ANY(%(check_ins)s) AND i.withdrawn_at IS NULL) v
      JOIN credits k ON k.patrol_id = v.patrol_id AND k.revoked_at IS NULL
      JOIN patrols p ON p.id = k.patrol_id
      JOIN obligations b ON b.id = k.obligation_id
      WHERE v.verdict = CASE WHEN k.pending THEN 'flagged' ELSE 'accepted' END AND {IN_AREA}
        AND (b.photo <> 'required' OR EXISTS (SELECT FROM photos h WHERE h.check_in_id = v.id))
    ) {_SHOWN}
"""  # noqa: S608  parts of this page and of another
_WITH_PHOTOS: LiteralString = f"""
    {OUGHT_WITH_PHOTOS}, x AS (
      SELECT i.id AS check_in_id, o.obligation_id, o.day, o.proxy,
        CASE WHEN o.pending THEN 'pending' ELSE 'photo' END AS how
      FROM ought o
      JOIN check_ins i ON i.patrol_id = o.patrol_id AND i.id = ANY(%(check_ins)s)
      WHERE NOT EXISTS (
        SELECT FROM credits k
        WHERE k.obligation_id = o.obligation_id AND k.patrol_id = o.patrol_id
          AND k.revoked_at IS NULL)
    ) {_SHOWN}
"""  # noqa: S608
# Whose senders might owe something with a photo; few do, and the rule is asked for them alone.
_PERHAPS_WITH_PHOTOS: LiteralString = """
    WITH RECURSIVE homes AS (
      SELECT i.id AS check_in_id, m.organisation_id FROM check_ins i
      JOIN memberships m ON m.person_id = i.person_id AND m.revoked_at IS NULL
      WHERE i.id = ANY(%(check_ins)s)
      UNION
      SELECT h.check_in_id, g.parent_id FROM homes h
      JOIN organisations g ON g.id = h.organisation_id AND g.parent_id IS NOT NULL
    )
    SELECT i.id AS check_in_id FROM check_ins i
    JOIN obligations b ON b.holder_person_id = i.person_id AND b.photo = 'required'
    WHERE i.id = ANY(%(check_ins)s)
    UNION
    SELECT i.id FROM check_ins i
    JOIN posts t ON t.deputy_id = i.person_id
    JOIN obligations b ON b.holder_person_id = t.person_id AND b.photo = 'required'
    WHERE i.id = ANY(%(check_ins)s)
    UNION
    SELECT h.check_in_id FROM homes h
    JOIN obligations b ON b.holder_organisation_id = h.organisation_id AND b.photo = 'required'
"""


def questions(check_ins: Collection[CheckIn]) -> list[Question]:
    """The questions whose answers `tallies` takes."""
    values = {"check_ins": [check_in.id for check_in in check_ins]}
    return [(_CREDITED, values), (_PERHAPS_WITH_PHOTOS, values)]


async def tallies(
    session: AsyncSession,
    check_ins: Collection[CheckIn],
    answers: Sequence[Sequence[Any]],
    today: date,
) -> Mapping[UUID, Sequence[Tally]]:
    """By check-in, the sender's own first: what it counts for and how that then stands.

    Set-based: one trip for all of them, and one more where a photo may be lacking; none where there
    is nothing.
    """
    credited, perhaps = answers
    rows = list(credited)
    lacking = {row.check_in_id for row in perhaps}
    if lacking:
        patrols = {each.patrol_id for each in check_ins if each.id in lacking}
        values = {"check_ins": list(lacking), "patrols": list(patrols)}
        (more,) = await at_once(session, (_WITH_PHOTOS, values))
        rows += more
    if not rows:
        return {}
    asked = {(row.obligation_id, day) for row in rows for day in (row.day, today)}
    standing = await progress.of(session, asked)
    found: dict[UUID, list[Tally]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: (not each.is_own, each.code)):
        now, then = standing[row.obligation_id, today], standing[row.obligation_id, row.day]
        is_over = now.window.from_on != then.window.from_on
        found[row.check_in_id].append(_tally(row, then if is_over else now, today))
    return found


async def of(
    session: AsyncSession, check_ins: Collection[CheckIn], today: date
) -> Mapping[UUID, Sequence[Tally]]:
    """`tallies` of these check-ins."""
    answers = await at_once(session, *questions(check_ins))
    return await tallies(session, check_ins, answers, today)


def _tally(row: Any, now: Progress, today: date) -> Tally:
    more = 0 if row.how == "counted" else 1
    after = duties.progress(now.window, min(today, now.window.to_on), done=now.done + more)
    holder = "" if row.is_own else row.holder
    return Tally(
        name_of(row.area_kind, row.place, holder),
        after.done,
        now.window.owed,
        after.behind,
        after.next_due_on,
        row.how,
    )
