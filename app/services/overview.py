"""The overview: the figures that a manager looks at first, each from the report behind it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.services import review_queue
from app.services.access import Caller
from app.services.reports import coverage, progress, reminders, trend
from app.services.reports.report import Asked, Report, ask

MONTHS = 12
COLD_DAYS = 30

_ReportOf = Callable[[AsyncSession, Asked], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Span:
    """Days from and to, inclusive."""

    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class Month:
    """A month, up to today, with owed, met and rate of its progress report."""

    span: Span
    totals: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Overview:
    """Totals of reports, with the days that each is about; `waiting` are flagged check-ins."""

    year: Span
    progress: Mapping[str, Any]
    lately: Span
    coverage: Mapping[str, Any]
    waiting: int
    reminders: Mapping[str, Any]
    months: Sequence[Month]


async def of(
    session: AsyncSession, caller: Caller, organisation: str | None, *, now: datetime
) -> Overview:
    """The figures of the caller's organisations, or of one of them with all below it.

    Raises `NotFound` for an organisation that the caller does not see.
    """
    today = clock.day_of(now)
    year = Span(date(today.year, 1, 1), today)
    lately = Span(today - timedelta(days=COLD_DAYS - 1), today)

    this_year = await ask(
        session,
        caller,
        now=now,
        from_on=year.from_on,
        to_on=year.to_on,
        organisation=organisation,
    )

    async def totals(report: _ReportOf, span: Span) -> Mapping[str, Any]:
        asked = replace(this_year, from_on=span.from_on, to_on=span.to_on)
        return (await report(session, asked)).totals

    months = _months(today)
    trended = await trend.of(session, this_year, [(each.from_on, each.to_on) for each in months])
    return Overview(
        year=year,
        progress=await totals(progress.report, year),
        lately=lately,
        coverage=await totals(coverage.report, lately),
        waiting=await review_queue.count(
            session, caller, review_queue.Wanted(organisation=organisation)
        ),
        reminders=await totals(reminders.report, year),
        months=[Month(span, each) for span, each in zip(months, trended, strict=True)],
    )


def _months(today: date) -> Sequence[Span]:
    """The last twelve months, the one that runs up to today."""
    found = [Span(today.replace(day=1), today)]
    while len(found) < MONTHS:
        last = found[0].from_on - timedelta(days=1)
        found.insert(0, Span(last.replace(day=1), last))
    return found
