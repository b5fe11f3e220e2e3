"""Doubts: what a dataset may say and probably does not mean; each becomes a warning."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain import duties
from app.domain.duties import Terms
from app.services import progress
from app.services.dataset.sheets import Sheet

_TOGETHER = 2000
_DAY = timedelta(days=1)

# Duties of one holder, area and period, where there are several.
_CROWDED: LiteralString = """
    WITH live AS (
      SELECT id, code, starts_on, coalesce(ends_on, 'infinity') AS ends_on,
        coalesce(holder_person_id, holder_organisation_id) AS holder,
        concat(area_kind, coalesce(reach_id, grid_cell_id, stele_id)) AS area, period
      FROM obligations WHERE retired_on IS NULL AND NOT starts_with(code, 'PAIR-')
    ), crowded AS (
      SELECT holder, area, period FROM live GROUP BY 1, 2, 3 HAVING count(*) > 1
    )
    SELECT id, code, starts_on,
      CASE WHEN ends_on = 'infinity' THEN NULL ELSE ends_on END AS ends_on,
      dense_rank() OVER (ORDER BY holder, area, period) AS crowd
    FROM live JOIN crowded USING (holder, area, period)
    ORDER BY crowd, starts_on, code
"""
# Who owes patrols where they are paired, and is paired with no reach, nor is any organisation
# that they were in.
_UNPAIRED: LiteralString = """
    WITH departments AS (
      SELECT DISTINCT department_id AS id FROM pairings
      WHERE reach_id IS NOT NULL AND retired_on IS NULL
    )
    SELECT b.id FROM obligations b
    WHERE b.area_kind = 'paired' AND b.retired_on IS NULL AND NOT starts_with(b.code, 'PAIR-')
      AND NOT EXISTS (SELECT FROM departments d WHERE d.id = b.holder_organisation_id)
      AND NOT EXISTS (
        SELECT FROM departments d JOIN memberships m ON m.organisation_id = d.id
        WHERE m.person_id = b.holder_person_id AND m.revoked_at IS NULL)
"""
_NOT_THEIRS: LiteralString = """
    SELECT x.id, b.code FROM exemptions x JOIN obligations b ON b.id = x.obligation_id
    WHERE x.retired_on IS NULL
      AND (x.holder_person_id IS DISTINCT FROM b.holder_person_id
        OR x.holder_organisation_id IS DISTINCT FROM b.holder_organisation_id)
"""
_VILLAGES_ONLY: LiteralString = """
    SELECT p.id FROM pairings p
    WHERE p.reach_id IS NULL AND p.retired_on IS NULL AND NOT EXISTS (
      SELECT FROM pairings r WHERE r.department_id = p.department_id AND r.reach_id IS NOT NULL
        AND r.retired_on IS NULL)
"""


async def find(session: AsyncSession, sheets: Sequence[Sheet], today: date) -> list[str]:
    """A line for each doubt about the rows of the sheets, which stand in the database by now."""
    found: list[str] = []
    for sheet in sheets:
        by_row: list[tuple[int, str, str]] = []
        if sheet.table.stem == "obligations":
            by_row += _without_days(sheet)
            by_row += [each async for each in _more_than_days(session, sheet, today)]
            by_row += await _overlapping(session, sheet)
            by_row += await _named(
                session, sheet, _UNPAIRED, "area_kind", "责任主体没有挂钩任何河段，无处可巡"
            )
        elif sheet.table.stem == "exemptions":
            by_row += await _named(
                session, sheet, _NOT_THEIRS, "obligation_code",
                "“{code}”不是这个责任主体的任务，这条免巡不起作用",
            )  # fmt: skip
        elif sheet.table.stem == "pairings":
            by_row += await _named(
                session, sheet, _VILLAGES_ONLY, "reach_code",
                "这个部门只挂钩了村，没有挂钩河段，不产生巡河任务",
            )  # fmt: skip
        found += [str(sheet.fault(*each)) for each in sorted(by_row)]
    return found


def _without_days(sheet: Sheet) -> Iterator[tuple[int, str, str]]:
    """No times at all, or no day of the season between beginning and end."""
    known: dict[tuple[date, date, str], bool] = {}
    for row, (times, first, last, months) in enumerate(
        zip(sheet["times"], sheet["starts_on"], sheet["ends_on"], sheet["months"], strict=True)
    ):
        if times == 0:
            yield row, "times", "为 0，这项任务不要求巡河"
        if last and months:
            key = (first, last, months)
            if key not in known:
                known[key] = _has_days(*key)
            if not known[key]:
                yield row, "months", f"{first} 至 {last} 没有一天在季节里，这项任务不要求巡河"


def _has_days(first: date, last: date, months: str) -> bool:
    inside = duties.months_of(months)
    if (last - first).days >= 366:
        return True
    return any(
        date.fromordinal(day).month in inside
        for day in range(first.toordinal(), last.toordinal() + 1)
    )


async def _more_than_days(
    session: AsyncSession, sheet: Sheet, today: date
) -> AsyncIterator[tuple[int, str, str]]:
    """More patrols in some window of this year or the next than days on which they could count.

    A day counts once; so that more than its days can only be owed in a window whose season is
    shorter than `times`.
    """
    known: dict[tuple[int, str, str], list[date]] = {}
    asked: dict[UUID, int] = {}
    for row, key in enumerate(zip(sheet["times"], sheet["period"], sheet["months"], strict=True)):
        if key[2] and key not in known:
            known[key] = _short_windows(*key, date(today.year, 1, 1), date(today.year + 1, 12, 31))
        if key[2] and known[key]:
            asked[UUID(sheet.ids[row])] = row
    ids = list(asked)
    for n in range(0, len(ids), _TOGETHER):
        for id_, facts in (await progress.facts_of(session, ids[n : n + _TOGETHER])).items():
            row = asked[id_]
            key = (sheet["times"][row], sheet["period"][row], sheet["months"][row])
            for day in known[key]:
                window = facts.window(day)
                if window.owed > window.active:
                    days = f"{window.from_on} 至 {window.to_on} "
                    what = f"{days}应巡 {window.owed} 次，能巡的日子只有 {window.active} 天"
                    yield row, "times", what
                    break


def _short_windows(times: int, period: str, months: str, first: date, last: date) -> list[date]:
    """A day of each window whose season has fewer days than there are times."""
    terms = Terms(times, period, first, None, months)
    days: list[date] = []
    while first <= last:
        window = duties.window_of(terms, first)
        if 0 < window.season < times:
            days.append(first)
        first = window.to_on + _DAY
    return days


async def _overlapping(session: AsyncSession, sheet: Sheet) -> list[tuple[int, str, str]]:
    """Duties of one holder, area and period on the same days: each patrol fills them all."""
    (rows,) = await at_once(session, (_CROWDED, {}))
    if not rows:
        return []
    own = _rows(sheet)
    found: dict[int, str] = {}
    longest: Any = None
    for duty in rows:
        together = longest is not None and longest.crowd == duty.crowd
        if together and (longest.ends_on is None or longest.ends_on >= duty.starts_on):
            for one, other in ((duty, longest), (longest, duty)):
                if one.id in own:
                    what = f"与“{other.code}”责任主体、区域、周期都相同，日期重叠，一次巡河算两项"
                    found.setdefault(own[one.id], what)
                    break
        if not together or (
            longest.ends_on is not None and (duty.ends_on is None or duty.ends_on > longest.ends_on)
        ):
            longest = duty
    return [(row, "code", what) for row, what in found.items()]


async def _named(
    session: AsyncSession, sheet: Sheet, statement: LiteralString, column: str, what: str
) -> list[tuple[int, str, str]]:
    """The sheet's rows that the statement names, `what` filled from what it says of each."""
    (rows,) = await at_once(session, (statement, {}))
    own = _rows(sheet) if rows else {}
    return [(own[row.id], column, what.format_map(row._asdict())) for row in rows if row.id in own]


def _rows(sheet: Sheet) -> Mapping[UUID, int]:
    return {UUID(identity): row for row, identity in enumerate(sheet.ids)}
