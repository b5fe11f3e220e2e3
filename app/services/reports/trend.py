"""The trend: owed and met of the progress report, for many ranges in one reading of the facts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.services.reports import duty_facts
from app.services.reports.duty_facts import Duty
from app.services.reports.reckoning import Asking, Reckoner
from app.services.reports.report import Asked

_MONTHS_AT, _DAYS_AT = Duty._fields.index("months"), Duty._fields.index("days")


async def of(
    session: AsyncSession, asked: Asked, spans: Sequence[tuple[date, date]]
) -> list[Mapping[str, Any]]:
    """Owed, met and rate of each span (first and last day), as its own progress report has them."""
    each = [replace(asked, from_on=first, to_on=last) for first, last in spans]
    whole = replace(
        asked,
        from_on=min(first for first, _ in spans),
        to_on=max(last for _, last in spans),
    )
    days = duty_facts.calendar(whole)
    reckoners = [Reckoner(one, days) for one in each]
    owed, met = [0] * len(spans), [0] * len(spans)
    async for some in duty_facts.read(session, whole, days):
        for duty in some:
            months = duty[_MONTHS_AT]
            counted = days.bits(months, duty[_DAYS_AT]) if months else 0
            for n, reckoner in enumerate(reckoners):
                asking = reckoner.of(duty)
                owed[n] += asking.owed
                met[n] += _met(asking, counted)
    return [
        {"owed": a, "met": b, "rate": b / a if a else None} for a, b in zip(owed, met, strict=True)
    ]


def _met(asking: Asking, counted: int) -> int:
    """How many of the slices that are asked for the days have made up for."""
    met = 0
    for window_days, before, by in asking.windows:
        so_far = (counted & window_days).bit_count()
        met += min(so_far, by) - min(so_far, before)
    return met
