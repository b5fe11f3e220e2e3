"""Pairing duties: the obligations that the pairings of departments with reaches make.

They follow from pairings, settings and what the dataset says itself, and are brought to that
whenever one of these changes. Their codes begin with `PAIR-`, which nobody else's may.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.models import AreaKind, Obligation, Period, PhotoRule, uuid7
from app.services import credits
from app.settings import PairingDuty, Settings

PREFIX = "PAIR-"
_DAY = timedelta(days=1)

# A village alone is no place to patrol: only pairings with a reach oblige. Their days end with the
# pairing, and with the reach.
_LINKS: LiteralString = """
    SELECT d.id AS department_id, d.code AS department, r.id AS reach_id, r.code AS reach,
      p.from_on, least(p.to_on, least(p.retired_on, r.retired_on) - 1) AS until_on
    FROM pairings p
    JOIN organisations d ON d.id = p.department_id
    JOIN reaches r ON r.id = p.reach_id
    ORDER BY d.code, r.code, p.id
"""
# What the dataset says itself about the same department and area.
_SAID: LiteralString = """
    SELECT b.holder_organisation_id AS department_id, b.reach_id, b.starts_on, b.ends_on
    FROM obligations b
    LEFT JOIN letters l ON l.id = b.letter_id
    WHERE b.holder_organisation_id IN (SELECT department_id FROM pairings)
      AND b.area_kind = %(area_kind)s AND b.retired_on IS NULL AND l.retired_on IS NULL
      AND NOT starts_with(b.code, %(prefix)s)
"""
_OPENED: LiteralString = "SELECT opened_on FROM rulebook"


@dataclass(frozen=True, slots=True)
class Duty:
    """An obligation as it ought to be; without a reach it is about all that are paired."""

    code: str
    department_id: UUID
    reach_id: UUID | None
    times: int
    starts_on: date
    ends_on: date | None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What the obligation's row says."""
        return {
            "holder_organisation_id": self.department_id,
            "area_kind": AreaKind.reach if self.reach_id else AreaKind.paired,
            "reach_id": self.reach_id,
            "times": self.times,
            "period": Period.year,
            "starts_on": self.starts_on,
            "ends_on": self.ends_on,
            "photo": PhotoRule.wanted,
            "retired_on": None,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """An obligation that is not what it ought to be; `row` is null for one that is missing."""

    code: str
    row: Obligation | None
    attributes: Mapping[str, Any]


async def settle(session: AsyncSession, settings: Settings, *, now: datetime) -> None:
    """Bring the obligations to what the pairings say, and judge again what that changes.

    Doing it again changes nothing. One that is no longer owed at all is retired from its first
    day: it counts nowhere. Has the books alone, if there is anything to do.
    """
    if not await changes(session, settings, now=now):
        return
    await credits.hold_alone(session)
    # What was seen before we had the books may be done by now.
    ids: list[UUID] = []
    for change in await changes(session, settings, now=now):
        row = change.row
        if row is None:
            row = Obligation(id=uuid7(), code=change.code, **change.attributes)
            session.add(row)
        for name, value in change.attributes.items():
            setattr(row, name, value)
        ids.append(row.id)
    await session.flush()
    await credits.judge_obligations(session, ids, now=now)


async def changes(session: AsyncSession, settings: Settings, *, now: datetime) -> Sequence[Change]:
    """What is to be done, in order of the codes; nothing is written."""
    by_reach = settings.pairing_duty is PairingDuty.reach
    said = {"area_kind": "reach" if by_reach else "paired", "prefix": PREFIX}
    links, others, opened = await at_once(session, (_LINKS, {}), (_SAID, said), (_OPENED, {}))
    first = opened[0].opened_on if opened else clock.day_of(now)
    wanted = {
        duty.code: duty
        for duty in _duties(
            links, others, settings.pairing_times, by_reach=by_reach, since=date(first.year, 1, 1)
        )
    }
    query = (
        select(Obligation)
        .where(Obligation.code.startswith(PREFIX, autoescape=True))
        .execution_options(populate_existing=True)
    )
    there = {row.code: row for row in await session.scalars(query)}
    found: list[Change] = []
    for code in sorted({*wanted, *there}):
        row, duty = there.get(code), wanted.get(code)
        if duty is not None:
            attributes = duty.attributes
        elif row is not None and row.retired_on is None:
            attributes = {"retired_on": row.starts_on}
        else:
            continue
        if row is None or any(getattr(row, name) != value for name, value in attributes.items()):
            found.append(Change(code, row, attributes))
    return found


def _duties(
    links: Iterable[Any], others: Iterable[Any], times: int, *, by_reach: bool, since: date
) -> Iterator[Duty]:
    """One for each department, or each of its reaches, from the first day paired to the last.

    `since` is where a pairing begins that has no beginning.
    """
    if times == 0:
        return
    together: dict[tuple[UUID, UUID | None], list[Any]] = defaultdict(list)
    for link in links:
        begins = link.from_on or since
        if link.until_on is None or link.until_on >= begins:
            together[link.department_id, link.reach_id if by_reach else None].append(link)
    replaced: dict[tuple[UUID, UUID | None], list[tuple[date, date]]] = defaultdict(list)
    for other in others:
        days = (other.starts_on, other.ends_on or date.max)
        replaced[other.department_id, other.reach_id].append(days)
    taken: set[str] = set()
    for key, paired in together.items():
        begins = min(link.from_on or since for link in paired)
        ends = max(link.until_on or date.max for link in paired)
        left = _without(begins, ends, replaced[key])
        if left is None:
            continue
        code = PREFIX + paired[0].department + (f"-{paired[0].reach}" if by_reach else "")
        # `A` with `B-C` and `A-B` with `C` would be called the same.
        while code in taken:
            code += "-"
        taken.add(code)
        begins, ends = left
        yield Duty(code, *key, times, begins, ends if ends < date.max else None)


def _without(
    begins: date, ends: date, taken: Iterable[tuple[date, date]]
) -> tuple[date, date] | None:
    """The last stretch of days that is not taken, if there is one."""
    for first, last in sorted(taken, key=lambda days: days[1], reverse=True):
        if begins > ends:
            return None
        if last < begins or first > ends:
            continue
        if last < ends:
            # What comes after; days before the others may be left too, but there is one duty only.
            return last + _DAY, ends
        if first <= begins:
            return None
        ends = first - _DAY
    return (begins, ends) if begins <= ends else None
