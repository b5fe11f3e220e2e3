"""Behind: the duties that are behind on a day, since when, and who of their holders is reached."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain.duties import Window
from app.domain.progress_texts import AREAS
from app.services import access
from app.services.reports import contacts, duty_facts, duty_records
from app.services.reports.contacts import Contact
from app.services.reports.duty_facts import Calendar, Duty
from app.services.reports.duty_records import CREDITED_NOW, CREDITED_THEN, Behind
from app.services.reports.reckoning import Reckoner
from app.services.reports.report import Asked, Column, Definition, Kind, Report
from app.settings import Settings

DEFINITION = Definition(
    report="behind",
    version=1,
    title="进度落后",
    text=(
        "截至日所在周期内进度落后的履职任务，每项一行：已计入的天数少于截至日以前已结束的段数。"
        "应巡、应完成、已巡都按这个周期；落后 = 应完成 − 已巡。"
        "待核：只等审核、审核通过才计入的天数。"
        "起始日：第一个没有完成的段结束后的第一天。最近巡河：计入这项任务的最近一天，不限周期。"
        "最近提醒：写有这项任务、没有撤下的最近一条。"
        "能否送达按现在的微信状态：个人的任务看本人，组织的任务看联络员，没有联络员的看管理人员，"
        "再没有的看上级组织；联系人是要打电话时找的人。"
        "按组织、责任人、任务编码排列，不是排名。"
    ),
    columns=(
        Column("obligation", "任务编码", Kind.text),
        Column("holder", "责任人编码", Kind.text),
        Column("holder_name", "责任人", Kind.text),
        Column("organisation_name", "所在组织", Kind.text),
        Column("area_name", "地点", Kind.text),
        Column("owed", "应巡"),
        Column("due", "应完成"),
        Column("done", "已巡"),
        Column("pending", "待核"),
        Column("behind", "落后"),
        Column("since", "起始日", Kind.day),
        Column("last_patrol_on", "最近巡河", Kind.day),
        Column("last_reminder_at", "最近提醒", Kind.instant),
        Column("reachable", "能否送达", Kind.flag),
        Column("unreachable_because", "不能送达的原因", Kind.text),
        Column("contact_name", "联系人", Kind.text),
    ),
)

_ADDED = ("owed", "due", "done", "pending", "behind")
_FIGURES: Mapping[str, bool] = {"obligation": True}


@dataclass(frozen=True, slots=True)
class _Late:
    """A duty that is behind, and what is known of its window so far."""

    duty: Duty
    window: Window
    due: int
    done: int
    pending: int
    window_days: int
    counted: int


def _about(credited: LiteralString) -> LiteralString:
    return f"""
    SELECT CAST(l.id AS text) AS id, l.n,
      coalesce(p.code, h.code) AS holder, coalesce(p.name, h.name) AS holder_name,
      o.code AS organisation, o.name AS organisation_name,
      coalesce(ar.code, ac.code, ast.code) AS area,
      coalesce(ar.name, ac.name, ast.name) AS area_name,
      (SELECT max(k.counted_on) FROM credits k
       WHERE k.obligation_id = l.id AND NOT k.pending AND k.counted_on <= %(as_of)s AND {credited})
        AS last_patrol_on,
      r.id AS reminder_id, coalesce(r.sent_at, r.planned_at) AS last_reminder_at,
      r.state AS last_reminder_state, r.organisation_id AS reminded_organisation_id
    FROM unnest(CAST(%(ids)s AS uuid[]), CAST(%(holders)s AS uuid[]),
      CAST(%(organisations)s AS uuid[]), CAST(%(areas)s AS uuid[]))
      WITH ORDINALITY AS l (id, holder_id, organisation_id, area_id, n)
    LEFT JOIN people p ON p.id = l.holder_id
    LEFT JOIN organisations h ON h.id = l.holder_id
    JOIN organisations o ON o.id = l.organisation_id
    LEFT JOIN reaches ar ON ar.id = l.area_id
    LEFT JOIN grid_cells ac ON ac.id = l.area_id
    LEFT JOIN steles ast ON ast.id = l.area_id
    LEFT JOIN LATERAL (
      SELECT r.id, r.planned_at, w.organisation_id,
        CASE WHEN t.is_sent THEN r.sent_at END AS sent_at,
        CASE WHEN t.is_sent OR r.sent_at IS NULL THEN r.state ELSE 'queued' END AS state
      FROM reminder_items i
      JOIN reminders r ON r.id = i.reminder_id
      JOIN people w ON w.id = r.person_id
      CROSS JOIN LATERAL (
        SELECT CAST(%(known_at)s AS timestamptz) IS NULL OR r.sent_at <= %(known_at)s AS is_sent
      ) t
      WHERE i.obligation_id = l.id AND r.day <= %(as_of)s AND r.state <> 'dropped'
        AND (CAST(%(known_at)s AS timestamptz) IS NULL OR r.planned_at <= %(known_at)s)
      ORDER BY r.planned_at DESC, r.id DESC LIMIT 1
    ) r ON true
    ORDER BY o.code, p.id IS NULL, holder, l.n
    """  # noqa: S608  parts of another page


_NOW, _THEN = _about(CREDITED_NOW), _about(CREDITED_THEN)


async def report(session: AsyncSession, asked: Asked, settings: Settings) -> Report:
    """A row a duty that is behind on `as_of`, in its window of that day; the range is no matter.

    Raises `Invalid` where more is to be explained than one answer holds.
    """
    asked = replace(asked, from_on=asked.as_of, to_on=asked.as_of)
    days = duty_facts.calendar(asked)
    late = await _late(session, asked, days)
    late.sort(key=lambda each: each.duty.code)
    duties = [each.duty for each in late]
    scope = await access.scope_of(session, asked.caller)
    reached = await contacts.of(
        session,
        {UUID(duty.holder) for duty in duties if duty.is_person},
        {UUID(duty.holder) for duty in duties if not duty.is_person},
        settings,
        scope=scope,
        now=asked.now,
    )
    said = {
        "ids": [duty.id for duty in duties],
        "holders": [duty.holder for duty in duties],
        "organisations": [duty.organisation for duty in duties],
        "areas": [duty.area for duty in duties],
        "as_of": asked.as_of,
        "known_at": asked.known_at,
    }
    (about,) = await at_once(session, (_NOW if asked.known_at is None else _THEN, said))
    late = [late[each.n - 1] for each in about]
    rows = [
        _row(each, of, reached[UUID(each.duty.holder)])
        for each, of in zip(late, about, strict=True)
    ]
    if asked.explain:
        rows = await _explained(session, asked, days, scope, late, about, rows)
    holders = {each.duty.holder for each in late}
    totals = {name: sum(row[name] for row in rows) for name in _ADDED}
    reachable = {each.duty.holder for each, row in zip(late, rows, strict=True) if row["reachable"]}
    counts = {"duties": len(rows), "holders": len(holders), "reachable_holders": len(reachable)}
    return Report(DEFINITION, asked, rows, counts | totals)


async def _late(session: AsyncSession, asked: Asked, days: Calendar) -> list[_Late]:
    reckoner = Reckoner(asked, days)
    found = []
    async for some in duty_facts.read(session, asked, days):
        for row in some:
            asking = reckoner.of(row)
            if asking.present is None or not asking.present_due:
                continue
            months, bits, waits = row[-3:]
            counted = days.bits(months, bits) if months else 0
            done = (counted & asking.present_days).bit_count()
            if done >= asking.present_due:
                continue
            waiting = days.bits(months, waits) if waits else 0
            pending = (waiting & ~counted & asking.present_days).bit_count()
            found.append(
                _Late(
                    Duty(*row), asking.present, asking.present_due, done, pending,
                    asking.present_days, counted,
                )
            )  # fmt: skip
    return found


def _row(late: _Late, about: Any, contact: Contact) -> dict[str, Any]:
    duty = late.duty
    return {
        "obligation": duty.code,
        "holder_kind": "person" if duty.is_person else "organisation",
        "holder": about.holder,
        "holder_name": about.holder_name,
        "organisation": about.organisation,
        "organisation_name": about.organisation_name,
        "area_kind": duty.area_kind,
        "area": about.area,
        "area_name": about.area_name or AREAS[duty.area_kind],
        "period": duty.period,
        "window_from": late.window.from_on,
        "window_to": late.window.to_on,
        "owed": late.window.owed,
        "due": late.due,
        "done": late.done,
        "pending": late.pending,
        "behind": late.due - late.done,
        "since": late.window.slice_end(late.done + 1) + timedelta(days=1),
        "last_patrol_on": about.last_patrol_on,
        "last_reminder_at": about.last_reminder_at,
        "last_reminder_state": about.last_reminder_state,
        "reachable": contact.channel is not None,
        "reachable_by": contact.channel,
        "unreachable_because": contact.because,
        "call_id": str(contact.call_id) if contact.call_id else None,
        "contact": contact.code,
        "contact_name": contact.name,
    }


async def _explained(
    session: AsyncSession,
    asked: Asked,
    days: Calendar,
    scope: Collection[UUID] | None,
    late: Sequence[_Late],
    about: Sequence[Any],
    rows: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The patrols that count in the window, those that wait, and the reminder."""
    behind = [
        [
            Behind(
                each.duty.id,
                _FIGURES,
                {"done": each.counted & each.window_days},
                each.window_days & ~each.counted,
            )
        ]
        for each in late
    ]
    explained = await duty_records.of(session, asked, days, behind)
    found = []
    for row, more, of in zip(rows, explained, about, strict=True):
        is_seen = scope is None or of.reminded_organisation_id in scope
        told = [str(of.reminder_id)] if of.reminder_id and is_seen else []
        hidden = more["hidden"] + int(of.reminder_id is not None and not is_seen)
        found.append(
            row | {"records": more["records"] | {"last_reminder_at": told}, "hidden": hidden}
        )
    return found
