"""Explanations: the arithmetic of obligations on a day, step by step, and the records behind."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain import duties, evidence_texts
from app.domain.duties import Run
from app.domain.progress_texts import STATES
from app.models import Exemption, ExemptionState, Obligation, Patrol
from app.services import progress, visibility
from app.services.access import Caller
from app.services.crediting import IN_AREA, VISIT
from app.services.dataset import labels
from app.services.obligations import Standing
from app.services.progress import Facts

_CREDITS: LiteralString = """
    SELECT k.obligation_id, k.counted_on, k.patrol_id, k.pending, k.proxy, p.origin, h.code
    FROM unnest(CAST(%(obligations)s AS uuid[]), CAST(%(firsts)s AS date[]),
      CAST(%(lasts)s AS date[])) AS w (id, first, last)
    JOIN credits k ON k.obligation_id = w.id AND k.revoked_at IS NULL
      AND k.counted_on BETWEEN w.first AND w.last
    JOIN patrols p ON p.id = k.patrol_id
    JOIN people h ON h.id = p.person_id
    ORDER BY k.counted_on, p.started_at, p.id, k.pending
"""
# The check-ins of those patrols that lie in the area, those that await review too.
_CHECK_INS: LiteralString = f"""
    SELECT b.id AS obligation_id, v.patrol_id, v.id, v.verdict, v.evidence
    FROM unnest(CAST(%(obligations)s AS uuid[]), CAST(%(patrols)s AS uuid[])) AS k (id, patrol_id)
    JOIN obligations b ON b.id = k.id
    JOIN patrols p ON p.id = k.patrol_id
    JOIN LATERAL (
      SELECT i.patrol_id, i.verdict, i.evidence, i.at, {VISIT} FROM check_ins i
      WHERE i.patrol_id = p.id AND i.withdrawn_at IS NULL AND i.verdict <> 'rejected'
    ) v ON {IN_AREA}
    ORDER BY v.at, v.id
"""  # noqa: S608  parts of another page


@dataclass(frozen=True, slots=True)
class Explained:
    """A standing and the steps that led to it, as plain JSON."""

    standing: Standing
    steps: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Records:
    """What stands behind some obligations' figures."""

    credits: Mapping[UUID, Sequence[Any]]
    check_ins: Mapping[tuple[UUID, UUID], Sequence[Any]]
    seen: frozenset[UUID]
    """The patrols that the caller may see; of others only the day is told."""
    by_program: bool
    """Programs are not told why somebody was on leave."""
    exemptions: Mapping[UUID, Sequence[Exemption]]


async def of(
    session: AsyncSession, caller: Caller, standings: Sequence[Standing], *, as_of: date
) -> list[Explained]:
    """The steps of each, for the day on which it was counted; any number at the same cost."""
    ids = [each.row.id for each in standings]
    facts = await progress.facts_of(session, ids)
    records = await _records(session, caller, standings, as_of)
    return [Explained(each, _steps(each, facts[each.row.id], records, as_of)) for each in standings]


async def _records(
    session: AsyncSession, caller: Caller, standings: Sequence[Standing], as_of: date
) -> _Records:
    ids = [each.row.id for each in standings]
    windows = [each.progress.window for each in standings]
    values = {
        "obligations": ids,
        "firsts": [window.from_on for window in windows],
        "lasts": [min(as_of, window.to_on) for window in windows],
    }
    (found,) = await at_once(session, (_CREDITS, values))
    pairs = sorted({(row.obligation_id, row.patrol_id) for row in found})
    patrols = {pair[1] for pair in pairs}
    behind = {"obligations": [pair[0] for pair in pairs], "patrols": [pair[1] for pair in pairs]}
    (visits,) = await at_once(session, (_CHECK_INS, behind))
    may_see = await visibility.patrols_for(session, caller)
    seen = await session.scalars(select(Patrol.id).where(Patrol.id.in_(patrols), may_see))
    credits: Mapping[UUID, list[Any]] = defaultdict(list)
    for row in found:
        credits[row.obligation_id].append(row)
    check_ins: Mapping[tuple[UUID, UUID], list[Any]] = defaultdict(list)
    for row in visits:
        check_ins[row.obligation_id, row.patrol_id].append(row)
    by_program = caller.api_key is not None
    taken = await _exemptions(session, ids)
    return _Records(credits, check_ins, frozenset(seen), by_program, taken)


async def _exemptions(
    session: AsyncSession, ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Exemption]]:
    taken: Mapping[UUID, list[Exemption]] = defaultdict(list)
    found = await session.execute(
        select(Obligation.id, Exemption)
        .join(
            Exemption,
            or_(
                Exemption.holder_person_id == Obligation.holder_person_id,
                Exemption.holder_organisation_id == Obligation.holder_organisation_id,
            ),
        )
        .where(
            Obligation.id.in_(ids),
            or_(Exemption.obligation_id.is_(None), Exemption.obligation_id == Obligation.id),
            Exemption.state == ExemptionState.granted,
            or_(Exemption.retired_on.is_(None), Exemption.retired_on > Exemption.from_on),
        )
        .order_by(Exemption.from_on, Exemption.code)
    )
    for id_, exemption in found:
        taken[id_].append(exemption)
    return taken


def _steps(standing: Standing, facts: Facts, records: _Records, as_of: date) -> dict[str, Any]:
    window, terms, how = standing.progress.window, facts.terms, standing.progress
    id_, said = standing.row.id, standing.row.said
    taken = [
        {
            "code": each.code,
            **_span((first, last), window.from_on, window.to_on),
            "kind": each.kind,
            "reason": None if records.by_program else each.reason,
        }
        for each in records.exemptions.get(id_, ())
        if (first := each.from_on.toordinal()) <= window.to_on.toordinal()
        and (last := _last(each)) >= window.from_on.toordinal()
    ]
    roster = None
    if said["holder_kind"] == "person":
        roster = [
            _span(run, window.from_on, window.to_on)
            for run in facts.roster
            if run[0] <= window.to_on.toordinal() and run[1] >= window.from_on.toordinal()
        ]
    counted, pending = _days(id_, records)
    slices = window.slices()
    period = labels.PERIODS[terms.period]
    expected = duties.forecast(window, as_of, how.done)
    behind = f"，落后{how.behind}次" if how.behind else ""
    return {
        "window": {
            "from": window.from_on,
            "to": window.to_on,
            "text": f"{_cn(as_of)}所在的周期（按{period}）："
            f"{_cn(window.from_on)}至{_cn(window.to_on)}。",
        },
        "season": {
            "months": terms.months,
            "days": window.season,
            "text": (f"应巡月份为{terms.months}月" if terms.months else "全年各月都要巡")
            + f"，周期内共{window.season}天。",
        },
        "active": {
            "days": window.active,
            "runs": [_span(run, window.from_on, window.to_on) for run in window.runs],
            "starts_on": terms.starts_on,
            "ends_on": terms.ends_on,
            "roster": roster,
            "exemptions": taken,
            "text": f"其中任务有效、责任人在册、没有免巡的有效日共{window.active}天"
            + (f"（有{len(taken)}条免巡）。" if taken else "。"),
        },
        "owed": {
            "times": terms.times,
            "active": window.active,
            "season": window.season,
            "owed": window.owed,
            "text": (
                f"应巡＝(2×{terms.times}×{window.active}＋{window.season})÷(2×{window.season})"
                f"，取整为{window.owed}次。"
            )
            if window.season
            else "周期内没有应巡的月份，应巡为0次。",
        },
        "slices": {
            "last_days": slices,
            "text": f"把{window.active}个有效日平均分成{window.owed}段，每段一次，最迟在段末完成。"
            if slices
            else "没有要完成的次数。",
        },
        "due": {
            "due_by_now": how.due_by_now,
            "text": f"{_cn(as_of)}以前已结束{how.due_by_now}段，应完成{how.due_by_now}次。",
        },
        "done": {
            "done": how.done,
            "days": counted,
            "text": f"到{_cn(as_of)}为止有{how.done}天计入，一天只计一次。",
        },
        "pending": {
            "pending": how.pending,
            "days": pending,
            "text": f"另有{how.pending}天等待审核，审核通过后计入。"
            if how.pending
            else "没有等待审核的日子。",
        },
        "state": {
            "state": how.state,
            "behind": how.behind,
            "next_due_on": how.next_due_on,
            "text": f"应完成{how.due_by_now}次，已完成{how.done}次{behind}：{STATES[how.state]}。",
        },
        "forecast": {
            "by": window.to_on,
            "done": expected,
            "owed": window.owed,
            "text": f"照现在的进度，到{_cn(window.to_on)}约完成{expected}次，应巡{window.owed}次。",
        },
    }


def _days(id_: UUID, records: _Records) -> tuple[list[Any], list[Any]]:
    """The days that count, and those that would; each with the patrols that the caller may see."""
    counted: dict[date, list[Any]] = {}
    waiting: dict[date, list[Any]] = {}
    for credit in records.credits.get(id_, ()):
        patrols = (waiting if credit.pending else counted).setdefault(credit.counted_on, [])
        if credit.patrol_id not in records.seen:
            continue
        visits = records.check_ins.get((id_, credit.patrol_id), ())
        shown: dict[str, Any] = {
            "id": credit.patrol_id,
            "person": credit.code,
            "way": "late_entry" if credit.origin == "paper" else "proxy" if credit.proxy else "own",
        }
        if credit.pending:
            shown["check_ins"] = [_doubt(visit) for visit in visits if visit.verdict == "flagged"]
        else:
            shown["check_in_ids"] = [visit.id for visit in visits if visit.verdict == "accepted"]
        patrols.append(shown)
    return (
        [{"day": day, "patrols": patrols} for day, patrols in counted.items()],
        [
            {"day": day, "patrols": patrols}
            for day, patrols in waiting.items()
            if day not in counted
        ],
    )


def _doubt(visit: Any) -> dict[str, Any]:
    """Why a check-in does not count yet."""
    failed = [entry["check"] for entry in visit.evidence if entry["passed"] is False]
    reasons = evidence_texts.doubts(visit.evidence)
    return {
        "id": visit.id,
        "failed": failed,
        "text": "待审核：" + ("、".join(reasons) or "审核为待核"),
    }


def _last(exemption: Exemption) -> int:
    """The last day that is taken off; from its retirement on it takes none."""
    last = exemption.to_on.toordinal()
    return min(last, exemption.retired_on.toordinal() - 1) if exemption.retired_on else last


def _span(run: Run, first: date, last: date) -> dict[str, date]:
    """A run of days, cut to the window."""
    return {
        "from": date.fromordinal(max(run[0], first.toordinal())),
        "to": date.fromordinal(min(run[1], last.toordinal())),
    }


def _cn(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
