"""Reminders: how many went out, why others did not, and whether what was missing was caught up."""

from collections.abc import Sequence
from typing import Any, LiteralString

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import ReminderKind
from app.services import words
from app.services.reports import records
from app.services.reports.report import Asked, Column, Definition, Kind, Report

CATCH_UP_DAYS = 7
KINDS = {kind: words.REMINDER_KINDS[kind] for kind in ReminderKind}

DEFINITION = Definition(
    report="reminders",
    version=1,
    title="提醒",
    text=(
        "按提醒所属日期、提醒类别统计；收提醒的人按现在所在组织。一个人一天最多一条，类别取其中最急的一项。"
        "计划 = 已发 + 发送失败 + 转电话 + 不必再发 + 待发。"
        "已发：微信已受理。发送失败：发过但没有一种渠道送出，或没有等到微信的答复。"
        "转电话：没有可用的渠道，或本期已提醒满次数。不必再发：发出前已经补上。"
        "补上：提醒那天起7天内，提醒所列的各项任务当时欠的次数都已巡满（只算有效的）；"
        "补上率 = 补上 ÷ 发出已满7天且列有任务的提醒，不会超过100%。"
    ),
    columns=(
        Column("name", "类别", Kind.text),
        Column("planned", "计划"),
        Column("sent", "已发"),
        Column("failed", "发送失败"),
        Column("unreachable", "转电话"),
        Column("dropped", "不必再发"),
        Column("waiting", "待发"),
        Column("reasons", "未送达原因", Kind.parts),
        Column("measured", "已满7天"),
        Column("caught_up", "补上"),
        Column("caught_up_rate", "补上率", Kind.rate),
    ),
)

COUNTED = (
    "planned",
    "sent",
    "failed",
    "unreachable",
    "dropped",
    "waiting",
    "measured",
    "caught_up",
)

# What had become of a reminder; when one was given up is told by the last answer to an attempt.
_OUTCOME_NOW: LiteralString = """
    CASE r.state WHEN 'sent' THEN 'sent' WHEN 'confirmed' THEN 'sent' WHEN 'unknown' THEN 'failed'
      WHEN 'dropped' THEN 'dropped'
      WHEN 'call_list' THEN CASE
        WHEN EXISTS (SELECT FROM deliveries v WHERE v.reminder_id = r.id) THEN 'failed'
        ELSE 'unreachable' END
      ELSE 'waiting' END
"""
_OUTCOME_THEN: LiteralString = f"""
    CASE WHEN r.sent_at > %(known_at)s OR EXISTS (
        SELECT FROM deliveries v
        WHERE v.reminder_id = r.id AND v.answered_at > %(known_at)s AND r.state = 'call_list')
      THEN 'waiting' ELSE {_OUTCOME_NOW} END
"""
_CREDITED_NOW: LiteralString = "k.revoked_at IS NULL"
_CREDITED_THEN: LiteralString = """
    k.recorded_at <= %(known_at)s AND (k.revoked_at IS NULL OR k.revoked_at > %(known_at)s)
"""


def _told(*, then: bool) -> LiteralString:
    """Beginning of a statement: each reminder with what came of it.

    Caught up is what has, seven days on, as many days in its window as were due when it was told.
    """
    outcome = _OUTCOME_THEN if then else _OUTCOME_NOW
    credited = _CREDITED_THEN if then else _CREDITED_NOW
    return f"""
    WITH planned AS MATERIALIZED (
      SELECT r.id, r.kind, r.day, r.reason, {outcome} AS outcome
      FROM reminders r JOIN people h ON h.id = r.person_id
      WHERE r.day >= %(first)s AND r.day <= %(until)s
        AND (CAST(%(scope)s AS uuid[]) IS NULL OR h.organisation_id = ANY(%(scope)s))
        AND (CAST(%(known_at)s AS timestamptz) IS NULL OR r.planned_at <= %(known_at)s)
    ), followed AS (
      SELECT p.id, bool_and(greatest(i.slice, i.done + i.behind) <= (
          SELECT count(DISTINCT k.counted_on) FROM credits k
          WHERE k.obligation_id = i.obligation_id AND NOT k.pending AND {credited}
            AND k.counted_on >= i.window_from AND k.counted_on <= p.day + %(days)s
            AND k.counted_on < i.window_from + CASE b.period
              WHEN 'year' THEN interval '12 months' WHEN 'half_year' THEN interval '6 months'
              WHEN 'quarter' THEN interval '3 months' WHEN 'month' THEN interval '1 month'
              ELSE interval '7 days' END)) AS caught_up
      FROM planned p
      JOIN reminder_items i ON i.reminder_id = p.id
      JOIN obligations b ON b.id = i.obligation_id
      WHERE p.outcome = 'sent' AND p.day + %(days)s < %(over_by)s
      GROUP BY p.id
    ), told AS (
      SELECT p.id, p.kind, p.day, p.outcome, f.caught_up,
        CASE WHEN p.outcome IN ('failed', 'unreachable') THEN coalesce(p.reason, '未说明') END
          AS reason
      FROM planned p LEFT JOIN followed f ON f.id = p.id
    )
    """  # noqa: S608


def _figures(*, then: bool) -> LiteralString:
    return f"""
    {_told(then=then)}
    SELECT kind, outcome, reason, caught_up, count(*) AS number FROM told GROUP BY 1, 2, 3, 4
    """  # noqa: S608


def _behind(*, then: bool) -> LiteralString:
    return f"""
    {_told(then=then)} SELECT * FROM told ORDER BY day, id LIMIT %(most)s
    """  # noqa: S608


async def report(session: AsyncSession, asked: Asked) -> Report:
    """A row for each kind of reminder, always all of them.

    Raises `Invalid` where more is to be explained than one answer holds.
    """
    then = asked.known_at is not None
    known_on = clock.day_of(asked.known_at) if asked.known_at is not None else asked.as_of
    said = {
        "first": asked.from_on,
        "until": asked.until,
        "scope": None if asked.scope is None else list(asked.scope),
        "known_at": asked.known_at,
        "days": CATCH_UP_DAYS,
        "over_by": min(asked.as_of, known_on),
        "most": records.MOST + 1,
    }
    (found,) = await at_once(session, (_figures(then=then), said))
    rows = [
        {"code": kind.value, "name": name, **_counted([row for row in found if row.kind == kind])}
        for kind, name in KINDS.items()
    ]
    if asked.explain:
        (behind,) = await at_once(session, (_behind(then=then), said))
        records.bound(behind)
        for row in rows:
            row |= _explained([each for each in behind if each.kind == row["code"]])
    return Report(DEFINITION, asked, rows, _counted(found))


def _counted(found: Sequence[Any]) -> dict[str, Any]:
    counted: dict[str, Any] = dict.fromkeys(COUNTED, 0)
    reasons: dict[str, int] = {}
    for row in found:
        for figure in _figures_of(row):
            counted[figure] += row.number
        if row.reason is not None:
            reasons[row.reason] = reasons.get(row.reason, 0) + row.number
    measured = counted["measured"]
    return {
        **counted,
        "reasons": dict(sorted(reasons.items())),
        "caught_up_rate": counted["caught_up"] / measured if measured else None,
    }


def _explained(behind: Sequence[Any]) -> dict[str, Any]:
    """Whoever is told a figure looks after all the people in it: nothing is hidden."""
    by_figure = {
        figure: [row.id for row in behind if figure in _figures_of(row)] for figure in COUNTED
    }
    return records.named(by_figure, {row.id for row in behind})


def _figures_of(row: Any) -> list[str]:
    """The figures that a reminder is counted in."""
    figures = ["planned", row.outcome]
    if row.caught_up is not None:
        figures += ["measured", "caught_up"] if row.caught_up else ["measured"]
    return figures
