"""Patrol progress: what was owed in a range of days, and how much of it has been met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.services.reports import duty_facts, duty_records
from app.services.reports.duty_facts import Calendar
from app.services.reports.duty_records import Behind
from app.services.reports.reckoning import Asking, Reckoner
from app.services.reports.report import Asked, By, Column, Definition, Kind, Report

DEFINITION = Definition(
    report="patrol-progress",
    version=1,
    title="履职进度",
    text=(
        "每项履职任务按自己的周期（北京时间）平均分成若干段，一段一次；段末落在所查时段内的次数为应巡，"
        "因此各月之和等于全年。到期：段末在截至日以前的次数。"
        "完成：应巡的次数中，到截至日为止，任务所在周期内计入的天数已经补足的次数；"
        "一天只计一次，多巡不超过应巡，完成率 = 各任务完成之和 ÷ 应巡之和，不会超过100%。"
        "巡河天数：时段内到截至日为止计入的天数，多巡也算。待核：只等审核、审核通过才计入的天数。"
        "达标：时段内应巡的任务全部完成的责任人。落后：截至日有任务进度落后的责任人。"
        "未完成：到期而没有完成的次数。"
        "任务算在责任单位；个人的任务算在截至日所在的组织，不含下级。按人员时只含个人的任务。"
        "按河段、网格、界碑时，不限地点的任务和其他地点的任务各列一行，同一责任人在每个地点各计一次。"
    ),
    columns=(
        Column("code", "编码", Kind.text),
        Column("name", "名称", Kind.text),
        Column("organisation_name", "所在组织", Kind.text),
        Column("duties", "任务"),
        Column("holders", "责任人"),
        Column("owed", "应巡"),
        Column("due", "到期"),
        Column("done", "巡河天数"),
        Column("met", "完成"),
        Column("pending", "待核"),
        Column("rate", "完成率", Kind.rate),
        Column("on_target", "达标"),
        Column("behind", "落后"),
        Column("missing", "未完成"),
    ),
)
ANYWHERE, ELSEWHERE = "不限地点", "其他地点"

_COUNTED = (
    "duties",
    "holders",
    "owed",
    "due",
    "done",
    "met",
    "pending",
    "on_target",
    "behind",
    "missing",
)
_UNBOUND = frozenset({"any", "paired"})

_NAMES: Mapping[By, LiteralString] = {
    By.organisation: """
        SELECT CAST(id AS text) AS id, code, name, NULL AS organisation, NULL AS organisation_name
        FROM organisations WHERE id = ANY(CAST(%(ids)s AS uuid[]))
    """,
    By.person: """
        SELECT CAST(p.id AS text) AS id, p.code, p.name,
          o.code AS organisation, o.name AS organisation_name
        FROM unnest(CAST(%(ids)s AS uuid[]), CAST(%(homes)s AS uuid[])) AS given (id, home_id)
        JOIN people p ON p.id = given.id JOIN organisations o ON o.id = given.home_id
    """,
    By.reach: """
        SELECT CAST(id AS text) AS id, code, name, NULL AS organisation, NULL AS organisation_name
        FROM reaches WHERE id = ANY(CAST(%(ids)s AS uuid[]))
    """,
    By.grid_cell: """
        SELECT CAST(a.id AS text) AS id, a.code, a.name,
          o.code AS organisation, o.name AS organisation_name
        FROM grid_cells a JOIN organisations o ON o.id = a.organisation_id
        WHERE a.id = ANY(CAST(%(ids)s AS uuid[]))
    """,
    By.stele: """
        SELECT CAST(a.id AS text) AS id, a.code, a.name,
          o.code AS organisation, o.name AS organisation_name
        FROM steles a JOIN organisations o ON o.id = a.organisation_id
        WHERE a.id = ANY(CAST(%(ids)s AS uuid[]))
    """,
}


@dataclass(slots=True)
class _Sums:
    """What comes together in a row: sums, and of each holder owed, met and whether behind."""

    home: str
    duties: int = 0
    due: int = 0
    done: int = 0
    pending: int = 0
    missing: int = 0
    holders: dict[str, list[int]] = field(default_factory=dict)
    behind_it: list[Behind] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """The columns of the row."""
        held = self.holders.values()
        asked = [each for each in held if each[0]]
        owed, met = sum(each[0] for each in asked), sum(each[1] for each in asked)
        return {
            "duties": self.duties,
            "holders": len(asked),
            "owed": owed,
            "due": self.due,
            "done": self.done,
            "met": met,
            "pending": self.pending,
            "rate": met / owed if owed else None,
            "on_target": sum(each[0] == each[1] for each in asked),
            "behind": sum(each[2] for each in held),
            "missing": self.missing,
        }


async def report(session: AsyncSession, asked: Asked) -> Report:
    """A row an organisation, person or place, in the order of their codes; nobody is ranked.

    Raises `Invalid` where more is to be explained than one answer holds.
    """
    days = duty_facts.calendar(asked)
    reckoner = Reckoner(asked, days)
    found: dict[str, _Sums] = {}
    async for some in duty_facts.read(session, asked, days):
        _add(found, some, reckoner, asked, days)
    names = await _names(session, asked.by, found)
    keys = sorted(found, key=lambda key: _place(names[key]))
    rows = [names[key] | found[key].figures() for key in keys]
    if asked.explain:
        behind = [found[key].behind_it for key in keys]
        explained = await duty_records.of(session, asked, days, behind)
        rows = [row | more for row, more in zip(rows, explained, strict=True)]
    return Report(DEFINITION, asked, rows, _totals(rows))


def _add(
    found: dict[str, _Sums],
    some: Sequence[Sequence[Any]],
    reckoner: Reckoner,
    asked: Asked,
    calendar: Calendar,
) -> None:
    """Put some duties where they belong; there may be a million of them."""
    people_only, range_days = asked.by is By.person, reckoner.range_days
    for row in some:
        (
            _, _, holder, is_person, home, area_kind, _, key,
            _, _, _, _, _, _, _, months, days, waiting,
        ) = row  # fmt: skip
        asking = reckoner.of(row)
        if not asking.is_active or (people_only and not is_person):
            continue
        if key is None:
            key = ANYWHERE if area_kind in _UNBOUND else ELSEWHERE
        sums = found.get(key)
        if sums is None:
            sums = found[key] = _Sums(home)
        counted = calendar.bits(months, days) if months else 0
        met = 0
        for window_days, before, by in asking.windows:
            so_far = (counted & window_days).bit_count()
            met += min(so_far, by) - min(so_far, before)
        sums.duties += 1
        sums.due += asking.due
        sums.done += (counted & range_days).bit_count()
        if waiting:
            sums.pending += (calendar.bits(months, waiting) & ~counted & range_days).bit_count()
        missing = max(0, asking.due - met)
        sums.missing += missing
        is_behind = (counted & asking.present_days).bit_count() < asking.present_due
        held = sums.holders.get(holder)
        if held is None:
            sums.holders[holder] = [asking.owed, met, is_behind]
        else:
            held[0] += asking.owed
            held[1] += met
            held[2] |= is_behind
        if asked.explain:
            sums.behind_it.append(_behind(row, asking, counted, range_days, missing, is_behind))


def _behind(
    row: Sequence[Any], asking: Asking, counted: int, range_days: int, missing: int, is_behind: bool
) -> Behind:
    figures = {
        "duties": True,
        "owed": asking.owed > 0,
        "missing": missing > 0,
        "behind": is_behind,
    }
    window_days = 0
    for days, _, _ in asking.windows:
        window_days |= days
    return Behind(
        row[0],
        figures,
        {"done": counted & range_days, "met": counted & window_days},
        range_days & ~counted,
    )


async def _names(
    session: AsyncSession, by: By, found: Mapping[str, _Sums]
) -> dict[str, dict[str, Any]]:
    """What the rows are called, by their keys."""
    nowhere = {"code": None, "organisation": None, "organisation_name": None}
    names = {name: {**nowhere, "name": name} for name in (ANYWHERE, ELSEWHERE) if name in found}
    ids = [key for key in found if key not in names]
    said = {"ids": ids, "homes": [found[key].home for key in ids]}
    (rows,) = await at_once(session, (_NAMES[by], said))
    names |= {row.id: {**row._asdict()} for row in rows}
    for row in names.values():
        row.pop("id", None)
    return names


def _place(row: Mapping[str, Any]) -> tuple[bool, str, str]:
    """By code, never by a rate; what has none comes last."""
    return row["code"] is None, row["code"] or "", row["name"]


def _totals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    totals: dict[str, Any] = {name: sum(row[name] for row in rows) for name in _COUNTED}
    return totals | {"rate": totals["met"] / totals["owed"] if totals["owed"] else None}
