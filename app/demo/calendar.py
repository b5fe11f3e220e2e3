"""When a duty is walked: from a month and a pair of dice to the days of its outings.

Every rule is a pure function of holder, duty and month, so that a later start of the demo only
adds days and never moves old ones.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from random import Random

SEED = "20260601"
# Holder, duty, first of the month → the days wished for.
When = Callable[[str, str, date], Sequence[date]]


def dice(holder: str, duty: str, month: date) -> Random:
    """The dice of this duty in this month."""
    return Random(f"{SEED}/{holder}/{duty}/{month:%Y-%m}")  # noqa: S311 - a story


def month_after(month: date, months: int = 1) -> date:
    """The first of the month so many months later."""
    years, index = divmod(month.month - 1 + months, 12)
    return date(month.year + years, index + 1, 1)


def days_of(month: date) -> list[date]:
    """All days of the month."""
    count = (month_after(month) - month).days
    return [month + timedelta(days=n) for n in range(count)]


def monthly(times: float, *, since: date = date.min, until: date = date.max) -> When:
    """So many outings a month on average, within the months from `since` to `until`."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        if not since <= month <= until:
            return []
        dice_ = dice(holder, duty, month)
        count = int(times) + (dice_.random() < times % 1)
        return sorted(dice_.sample(days_of(month), count))

    return when


def evenly(times: float) -> When:
    """So many outings a month, spread evenly: months with one more and one fewer take turns."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        number = month.year * 12 + month.month
        begin = dice(holder, duty, date(2025, 1, 1)).random()
        count = int((number + 1) * times + begin) - int(number * times + begin)
        return sorted(dice(holder, duty, month).sample(days_of(month), count))

    return when


def last_days(chance: float) -> When:
    """Once a month with that chance, on one of its last two days."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        dice_ = dice(holder, duty, month)
        return [dice_.choice(days_of(month)[-2:])] if dice_.random() < chance else []

    return when


def weekly(
    chance: float, *, months: Sequence[int], summer: float | None = None, since: date = date.min
) -> When:
    """Once in each week whose Monday lies in the season; `summer` holds for July and August."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        if month.month not in months or month < since:
            return []
        dice_ = dice(holder, duty, month)
        here = summer if summer is not None and month.month in {7, 8} else chance
        mondays = [day for day in days_of(month) if day.weekday() == 0]
        drawn = [(monday, dice_.random(), dice_.randrange(5)) for monday in mondays]
        wished = [
            (monday, monday + timedelta(days=step)) for monday, luck, step in drawn if luck < here
        ]
        return [day if day.month == month.month else monday for monday, day in wished]

    return when


def once_in(months: int, chance: float, *, times: int = 1, last_week: bool = False) -> When:
    """So many times in each quarter (`months` 3) or half-year (6), in different months of it."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        first = month_after(month, -((month.month - 1) % months))
        dice_ = dice(holder, duty, first)
        wanted = dice_.sample(range(months), times)
        if last_week:
            wanted = [months - 1]
        done = dice_.random() < chance
        if not done or month not in [month_after(first, step) for step in wanted]:
            return []
        days = days_of(month)
        return [dice(holder, duty, month).choice(days[-7:] if last_week else days)]

    return when


def only(*days: date) -> When:
    """On these very days."""

    def when(holder: str, duty: str, month: date) -> Sequence[date]:
        del holder, duty
        return [day for day in days if (day.year, day.month) == (month.year, month.month)]

    return when
