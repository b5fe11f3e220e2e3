"""What every report is made of: what was asked, what its figures mean, its rows and totals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Invalid
from app.services import access
from app.services.access import Caller


class By(StrEnum):
    """What a row of a report is about."""

    organisation = "organisation"
    person = "person"
    reach = "reach"
    grid_cell = "grid_cell"
    stele = "stele"


class Kind(StrEnum):
    """How the values of a column are to be read and written."""

    text = "text"
    number = "number"
    decimal = "decimal"
    rate = "rate"  # 0 to 1, null where nothing was owed
    day = "day"
    instant = "instant"
    flag = "flag"
    parts = "parts"  # an object or a list; left out of CSV and of tables


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of a row: its name in JSON, its heading for people, how it is written."""

    name: str
    title: str
    kind: Kind = Kind.number


@dataclass(frozen=True, slots=True)
class Definition:
    """What a report says, in words; whoever changes what a figure means raises the version."""

    report: str
    version: int
    title: str
    text: str
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked for. Days are inclusive, at the lake.

    `as_of` is the day about which is asked; `known_at` the moment whose knowledge is asked for,
    null for all that is known now. `scope` are the organisations that it covers, None = all.
    """

    caller: Caller
    scope: Collection[UUID] | None
    from_on: date
    to_on: date
    as_of: date
    now: datetime
    known_at: datetime | None = None
    organisation: str | None = None
    by: By = By.organisation
    explain: bool = False

    @property
    def until(self) -> date:
        """The last day of which anything counts."""
        return min(self.to_on, self.as_of)

    def about(self, by: By) -> "Asked":
        """The same with other rows."""
        return replace(self, by=by)


@dataclass(frozen=True, slots=True)
class Report:
    """The answer; each row is by the definition's columns, `records` added when explained."""

    definition: Definition
    asked: Asked
    rows: Sequence[Mapping[str, Any]]
    totals: Mapping[str, Any] = field(default_factory=dict)


_LONGEST_DAYS = 3 * 366 + 1


async def ask(
    session: AsyncSession,
    caller: Caller,
    *,
    now: datetime,
    from_on: date | None = None,
    to_on: date | None = None,
    as_of: date | None = None,
    known_at: datetime | None = None,
    organisation: str | None = None,
    by: By = By.organisation,
    explain: bool = False,
) -> Asked:
    """What is left out filled in: as of today, the calendar year that contains that day.

    Raises `NotFound` for an organisation that the caller does not see, `Invalid` for days the
    wrong way round or too far apart, or a `known_at` in the future.
    """
    as_of = as_of or clock.day_of(now)
    from_on = from_on or date((to_on or as_of).year, 1, 1)
    to_on = to_on or date(from_on.year, 12, 31)
    faults = []
    if to_on < from_on:
        faults.append({"pointer": "/to", "detail": "结束日期不能早于开始日期"})
    elif (to_on - from_on).days > _LONGEST_DAYS:
        faults.append({"pointer": "/to", "detail": "一次最多查三年"})
    if known_at is not None and known_at > now:
        faults.append({"pointer": "/known_at", "detail": "不能是将来的时间"})
    if faults:
        raise Invalid(errors=faults)
    return Asked(
        caller=caller,
        scope=await access.within(session, caller, organisation),
        from_on=from_on,
        to_on=to_on,
        as_of=as_of,
        now=now,
        known_at=known_at,
        organisation=organisation,
        by=by,
        explain=explain,
    )
