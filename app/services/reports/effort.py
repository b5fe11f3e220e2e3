"""Effort: how often, how far and how long people were out, by those who walked or by the place."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.services.crediting import VISIT
from app.services.reports import records
from app.services.reports.report import Asked, By, Column, Definition, Kind, Report

DEFINITION = Definition(
    report="effort",
    version=1,
    title="巡河投入",
    text=(
        "只算已结束、至少有一条有效巡河记录的巡河，以及补录的纸质巡河；算在出发那一天（北京时间）。"
        "里程是轨迹相邻点之间的椭球面距离之和，没有轨迹的按现场记录相连，补录按所填里程；每次巡河各算各的，不同日子从不相连。"
        "天数：有巡河的日子有几天。"
        "时长：从出发到结束，没有轨迹的从第一条到最后一条现场记录，补录没有写明的算 0。"
        "按人员：巡河人和没有说明未参加的同行人各算一次。按组织：组织内有几个人同去也只算一次，按当时所在组织，不含下级。"
        "按河段、网格、界碑：在那里有有效记录的巡河各算一次全程，经过几处就在几处各算全程；"
        "包括所查组织的人走过的各处，以及所查组织的网格和界碑；网格含下级网格里的记录；补录按所填的地点。"
        "合计是不重复的巡河，因此不等于各行相加。里程不是考核项目。"
        "查某一时刻所知时，里程和时长仍用现在的轨迹。"
    ),
    columns=(
        Column("code", "编码", Kind.text),
        Column("name", "名称", Kind.text),
        Column("outings", "巡河次数"),
        Column("patrol_days", "巡河天数"),
        Column("km", "里程（公里）", Kind.decimal),
        Column("hours", "时长（小时）", Kind.decimal),
    ),
)

# Which outings there were, and who came along, by what is known now or was known at `known_at`.
_THERE_NOW: LiteralString = "p.state = 'finished' AND p.retired_on IS NULL"
# Whether it was finished, whenever that is said to have been: a finish may come days late.
_THERE_THEN: LiteralString = """
    p.received_at <= %(known_at)s AND CASE WHEN was.content IS NULL
      THEN p.state = 'finished' AND p.retired_on IS NULL
      ELSE was.content ->> 'state' = 'finished' AND was.content ->> 'retired_on' IS NULL END
"""
_WAS: LiteralString = """
    LEFT JOIN LATERAL (
      SELECT v.content FROM earlier_versions v
      WHERE v.row_id = p.id AND v.superseded_at > %(known_at)s
      ORDER BY v.superseded_at, v.id LIMIT 1
    ) was ON true
"""
_ALONG_NOW: LiteralString = "k.removed_at IS NULL AND k.declined_at IS NULL"
_ALONG_THEN: LiteralString = """
    k.added_at <= %(known_at)s AND (k.removed_at IS NULL OR k.removed_at > %(known_at)s)
    AND (k.declined_at IS NULL OR k.declined_at > %(known_at)s)
"""


def _of_people(subject: LiteralString) -> LiteralString:
    """Pairs of an outing and who or whose people took part, of those in scope."""
    return f"""
      SELECT DISTINCT w.patrol_id, w.{subject} AS subject_id FROM walkers w
      WHERE CAST(%(scope)s AS uuid[]) IS NULL OR w.organisation_id = ANY(%(scope)s)
    """  # noqa: S608


def _of_places(
    subject: LiteralString, join: LiteralString = "", owned: LiteralString = "false"
) -> LiteralString:
    """Pairs of an outing and a place with a visit; `owned`: the place itself is in scope."""
    return f"""
      SELECT DISTINCT v.patrol_id, {subject} AS subject_id FROM visits v {join}
      WHERE {subject} IS NOT NULL AND (CAST(%(scope)s AS uuid[]) IS NULL OR {owned}
        OR v.patrol_id IN (
          SELECT w.patrol_id FROM walkers w WHERE w.organisation_id = ANY(%(scope)s)))
    """  # noqa: S608


_CELLS: LiteralString = """
    CROSS JOIN LATERAL unnest(v.grid_cell_ids) AS u (id) JOIN grid_cells g ON g.id = u.id
"""
_STELES: LiteralString = "JOIN steles g ON g.id = v.stele_id"
_OWNED: LiteralString = "g.organisation_id = ANY(%(scope)s)"
# What a row is about, and the table that names it.
_SUBJECTS: Mapping[By, tuple[LiteralString, LiteralString]] = {
    By.organisation: (_of_people("organisation_id"), "organisations"),
    By.person: (_of_people("person_id"), "people"),
    By.reach: (_of_places("v.reach_id"), "reaches"),
    By.grid_cell: (_of_places("g.id", _CELLS, _OWNED), "grid_cells"),
    By.stele: (_of_places("g.id", _STELES, _OWNED), "steles"),
}


def _pairs(by: By, *, then: bool) -> LiteralString:
    """Beginning of a statement: the outings of the range, and `pairs` (patrol_id, subject_id)."""
    was, there, along, accepted = (
        (_WAS, _THERE_THEN, _ALONG_THEN, records.ACCEPTED_THEN)
        if then
        else ("", _THERE_NOW, _ALONG_NOW, records.ACCEPTED)
    )
    return f"""
    WITH outings AS MATERIALIZED (
      SELECT p.* FROM patrols p {was}
      WHERE p.started_at >= %(begins)s AND p.started_at < %(ends)s
        AND {there} AND (p.origin = 'paper' OR EXISTS (
          SELECT FROM check_ins i WHERE i.patrol_id = p.id AND {accepted}))
    ), walkers AS (
      SELECT p.id AS patrol_id, p.person_id, p.organisation_id FROM outings p
      UNION ALL
      SELECT k.patrol_id, k.person_id, k.organisation_id FROM outings p
      JOIN companions k ON k.patrol_id = p.id AND {along}
    ), visits AS (
      SELECT p.id AS patrol_id, v.reach_id, v.grid_cell_ids, v.stele_id FROM outings p
      CROSS JOIN LATERAL (
        SELECT {VISIT} FROM check_ins i WHERE i.patrol_id = p.id AND {accepted}
      ) v
      UNION ALL
      SELECT p.id, p.reach_id, g.lineage, p.stele_id FROM outings p
      LEFT JOIN grid_cells g ON g.id = p.grid_cell_id
      WHERE p.origin = 'paper'
    ), pairs AS MATERIALIZED ({_SUBJECTS[by][0]})
    """  # noqa: S608


# The last row, of nobody, is the total: each outing once.
def _figures(by: By, *, then: bool) -> LiteralString:
    return f"""
    {_pairs(by, then=then)}, together AS (
      SELECT subject_id, patrol_id FROM pairs
      UNION
      SELECT CAST(NULL AS uuid), patrol_id FROM pairs
    )
    SELECT f.subject_id, h.code, h.name, f.outings, f.patrol_days, f.metres, f.seconds
    FROM (
      SELECT t.subject_id, count(*) AS outings, count(DISTINCT p.started_on) AS patrol_days,
        sum(p.distance_m) AS metres, sum(p.duration_s) AS seconds
      FROM together t JOIN outings p ON p.id = t.patrol_id
      GROUP BY t.subject_id
    ) f
    LEFT JOIN {_SUBJECTS[by][1]} h ON h.id = f.subject_id
    ORDER BY h.code NULLS LAST
    """  # noqa: S608


def _behind(by: By, *, then: bool) -> LiteralString:
    return f"""
    {_pairs(by, then=then)}
    SELECT r.subject_id, p.id FROM pairs r JOIN outings p ON p.id = r.patrol_id
    ORDER BY p.started_at, p.id LIMIT %(most)s
    """  # noqa: S608


async def report(session: AsyncSession, asked: Asked) -> Report:
    """A row for each who or where there was an outing, by their codes.

    Raises `Invalid` where more is to be explained than one answer holds.
    """
    said = {
        "begins": clock.start_of(asked.from_on),
        "ends": clock.end_of(asked.until),
        "known_at": asked.known_at,
        "scope": None if asked.scope is None else list(asked.scope),
        "most": records.MOST + 1,
    }
    then = asked.known_at is not None
    (found,) = await at_once(session, (_figures(asked.by, then=then), said))
    rows = [
        {"code": row.code, "name": row.name, **_written(row)}
        for row in found
        if row.subject_id is not None
    ]
    if asked.explain:
        (behind,) = await at_once(session, (_behind(asked.by, then=then), said))
        records.bound(behind)
        await _explain(session, asked, found, behind, rows)
    totals = next((_written(row) for row in found if row.subject_id is None), _NOTHING)
    return Report(DEFINITION, asked, rows, totals)


_NOTHING: Mapping[str, Any] = {"outings": 0, "patrol_days": 0, "km": 0.0, "hours": 0.0}


def _written(row: Any) -> dict[str, Any]:
    return {
        "outings": row.outings,
        "patrol_days": row.patrol_days,
        "km": round(row.metres / 1000, 3),
        "hours": round((row.seconds or 0) / 3600, 2),
    }


async def _explain(
    session: AsyncSession,
    asked: Asked,
    found: Sequence[Any],
    behind: Sequence[Any],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Put to each row its outings, those that the caller may see: all its figures are of them."""
    seen = await records.seen_patrols(session, asked.caller, {row.id for row in behind})
    by_subject: dict[UUID, list[UUID]] = {}
    for row in behind:
        by_subject.setdefault(row.subject_id, []).append(row.id)
    for of, row in zip(found, rows, strict=False):
        row |= records.named({"outings": by_subject[of.subject_id]}, seen)
