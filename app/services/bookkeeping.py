"""Bookkeeping: whether what is kept beside the facts is what the facts say.

That is: credits, standings, duties of pairings, and visits by day.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, datetime
from itertools import count
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.domain import duties
from app.services import credit_months, credits, pairing_duties, progress, rulebook, visit_days
from app.services.credits import Difference
from app.settings import Settings

Told = Callable[[str, int], None]

_TOGETHER = 1000

_NAMES: LiteralString = """
    SELECT b.code, coalesce(p.code, CAST(p.id AS text)) AS patrol
    FROM unnest(CAST(%(obligations)s AS uuid[]), CAST(%(patrols)s AS uuid[]))
      WITH ORDINALITY AS given (obligation_id, patrol_id, n)
    JOIN obligations b ON b.id = given.obligation_id
    JOIN patrols p ON p.id = given.patrol_id
    ORDER BY given.n
"""
# Those that claim to be right today; the others will be made again before anybody looks.
_STANDINGS: LiteralString = """
    SELECT s.obligation_id, b.code, b.period, s.window_from, s.active, s.slices, s.done
    FROM standings s JOIN obligations b ON b.id = s.obligation_id
    WHERE s.obligation_id > %(after)s AND s.good_from <= %(day)s AND s.good_to >= %(day)s
      AND NOT EXISTS (SELECT FROM stale_standings t WHERE t.obligation_id = s.obligation_id)
    ORDER BY s.obligation_id LIMIT %(most)s
"""

_OWED: LiteralString = "SELECT id FROM obligations LIMIT 1"


async def faults(
    session: AsyncSession, settings: Settings, told: Told, *, now: datetime
) -> AsyncIterator[str]:
    """What is wrong, one Chinese line each; nothing is written, and nothing said of a new book.

    The session should see one snapshot. Takes the memory of a thousand rows, whatever there is.
    """
    async for line in _wrong_visits(session, told):
        yield line
    book = await rulebook.read(session)
    if book is None:
        return
    told("履职计数", 0)
    together: list[Difference] = []
    async for difference in credits.differences(session, lambda done: told("履职计数", done)):
        together.append(difference)
        if len(together) == _TOGETHER:
            for line in await _named(session, together):
                yield line
            together.clear()
    for line in await _named(session, together):
        yield line
    async for line in _wrong_months(session, told):
        yield line
    async for line in _wrong_standings(session, clock.day_of(now), told):
        yield line
    if not rulebook.differs(book, settings):
        for change in await pairing_duties.changes(session, settings, now=now):
            yield f"挂钩联系产生的任务不符：{change.code}"


async def remarks(session: AsyncSession, settings: Settings) -> list[str]:
    """What is no fault and will change of itself at the next start: the book is not kept yet."""
    book = await rulebook.read(session)
    if book is None:
        (rows,) = await at_once(session, (_OWED, {}))
        return ["履职还没有核算过，服务启动时会核算。"] if rows else []
    if rulebook.differs(book, settings):
        return ["履职是按原来的设置核算的（起算日、挂钩任务与现在不同），服务启动时会重新核算。"]
    return []


async def _wrong_months(session: AsyncSession, told: Told) -> AsyncIterator[str]:
    told("履职月份", 0)
    async for each in credit_months.differences(session, lambda done: told("履职月份", done)):
        yield (
            f"履职月份不符：任务 {each.obligation}，{each.month:%Y-%m}，"
            f"记为 {each.noted} 天、待审 {each.noted_pending} 天，"
            f"应为 {each.counted} 天、待审 {each.pending} 天"
        )


async def _wrong_visits(session: AsyncSession, told: Told) -> AsyncIterator[str]:
    told("网格到访", 0)
    async for each in visit_days.differences(session, lambda done: told("网格到访", done)):
        yield f"网格到访不符：{each.cell}，{each.day}，记为 {each.noted} 次，应为 {each.counted} 次"


async def _named(session: AsyncSession, differences: Sequence[Difference]) -> list[str]:
    if not differences:
        return []
    (names,) = await at_once(
        session,
        (
            _NAMES,
            {
                "obligations": [each.obligation_id for each in differences],
                "patrols": [each.patrol_id for each in differences],
            },
        ),
    )
    return [
        f"履职计数{'缺少' if each.missing else '多出'}：任务 {name.code}，{each.day}，"
        f"巡河 {name.patrol}{'，待审' if each.pending else ''}{'，代巡' if each.proxy else ''}"
        for each, name in zip(differences, names, strict=True)
    ]


async def _wrong_standings(session: AsyncSession, day: date, told: Told) -> AsyncIterator[str]:
    after = UUID(int=0)
    for batch in count():
        told("履职进度", batch * _TOGETHER)
        (rows,) = await at_once(
            session, (_STANDINGS, {"after": after, "day": day, "most": _TOGETHER})
        )
        if not rows:
            return
        facts = await progress.facts_of(session, [row.obligation_id for row in rows])
        # To the last day of the window: what is known of later days is counted there too.
        asked = {row.obligation_id: duties.period_of(row.period, day)[1] for row in rows}
        known = await progress.of(session, list(asked.items()))
        for row in rows:
            terms, now = facts[row.obligation_id].terms, known[row.obligation_id, asked[row[0]]]
            is_open = terms.starts_on <= day <= (terms.ends_on or date.max)
            slices: list[Any] = now.window.slices() if is_open else []
            ought = (now.window.from_on, now.window.active, slices, now.done)
            if ought != (row.window_from, row.active, row.slices, row.done):
                yield f"履职进度不符：任务 {row.code}，记为 {row.done} 天，应为 {now.done} 天"
        after = rows[-1].obligation_id
