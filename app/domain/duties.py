"""Duties: what an obligation asks for in a window, and how that stands on a day.

Days are ordinals of calendar days at the lake; a run is (first, last), both included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

Run = tuple[int, int]
Runs = tuple[Run, ...]

DUE_SOON_DAYS = 7
_EVER: Run = (date.min.toordinal(), date.max.toordinal())


class State(StrEnum):
    """How a duty stands: 进度正常, 即将到期, 进度落后, 已逾期, 已完成."""

    on_track = "on_track"
    due_soon = "due_soon"
    behind = "behind"
    overdue = "overdue"
    done = "done"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an obligation says: `times` patrols every `period`, on days between, in its months.

    `months` is a season such as `3-12`, which may wrap (`11-3`); null is the whole year.
    """

    times: int
    period: str
    starts_on: date
    ends_on: date | None
    months: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """A calendar period and what is owed in it.

    `runs` are the active days. `active` and `season` count days.
    """

    from_on: date
    to_on: date
    season: int
    active: int
    owed: int
    runs: Runs

    def day_number(self, number: int) -> date:
        """The active day with this number, counted from 1."""
        for first, last in self.runs:
            if number <= last - first + 1:
                return date.fromordinal(first + number - 1)
            number -= last - first + 1
        raise IndexError(number)

    def active_before(self, day: date) -> int:
        """How many active days lie before `day`."""
        ordinal = day.toordinal()
        return sum(max(0, min(last + 1, ordinal) - first) for first, last in self.runs)

    def slice_end(self, k: int) -> date:
        """The last day of slice `k`, counted from 1."""
        return self.day_number((self.active * k + self.owed - 1) // self.owed)

    def slices(self) -> list[date]:
        """The last days of all slices."""
        return [self.slice_end(k) for k in range(1, self.owed + 1)]

    def due_by(self, day: date) -> int:
        """How many slices have their last day before `day`.

        Slice k ends on active day ceil(active * k / owed): that is passed when so many active days
        have passed.
        """
        return self.active_before(day) * self.owed // self.active if self.active else 0

    def slices_between(self, first: date, last: date) -> tuple[int, int]:
        """How many slices end before `first`, and how many by `last`.

        Those between the two are what a report from `first` to `last` asks for: what ends in one
        range ends in no other, so the months of a year ask for what the year does.
        """
        return self.due_by(first), max(self.due_by(first), self.due_by(last + timedelta(days=1)))

    def is_active_between(self, first: date, last: date) -> bool:
        """Whether any active day lies in the range."""
        low, high = first.toordinal(), last.toordinal()
        return any(begin <= high and end >= low for begin, end in self.runs)


@dataclass(frozen=True, slots=True)
class Progress:
    """How a duty stands on a day, in the window that was asked about."""

    window: Window
    done: int
    pending: int
    due_by_now: int
    behind: int
    next_due_on: date | None
    state: State


def window_of(
    terms: Terms, day: date, *, roster: Sequence[Run] = (_EVER,), exempt: Sequence[Run] = ()
) -> Window:
    """The window that contains `day`.

    `roster`: the days on which the holder is there; `exempt`: the days taken off. Both may overlap
    in any way.
    """
    first, last = period_of(terms.period, day)
    return _window(
        terms.times,
        first,
        last,
        terms.months,
        max(first, terms.starts_on),
        min(last, terms.ends_on or last),
        _within(roster, first, last),
        _within(exempt, first, last),
    )


def windows_between(
    terms: Terms,
    first: date,
    last: date,
    *,
    roster: Sequence[Run] = (_EVER,),
    exempt: Sequence[Run] = (),
) -> Iterator[Window]:
    """The windows of all calendar periods that overlap the range, in their order."""
    day = first
    while day <= last:
        window = window_of(terms, day, roster=roster, exempt=exempt)
        yield window
        day = window.to_on + timedelta(days=1)


def progress(window: Window, day: date, *, done: int, pending: int = 0) -> Progress:
    """How it stands on `day`; `done` are the days that count up to then."""
    due = window.due_by(day)
    behind = max(0, due - done)
    next_due_on = None if done >= window.owed else window.slice_end(done + 1)
    return Progress(
        window, done, pending, due, behind, next_due_on, _state(window, day, done, due, behind)
    )


def _state(window: Window, day: date, done: int, due: int, behind: int) -> State:
    if done >= window.owed:
        return State.done
    if day > window.to_on:
        return State.overdue
    if behind > 0:
        return State.behind
    # Neither behind nor done: the running slice is the one after those that are due.
    running = due + 1
    if done < running:
        left = (window.slice_end(running) - day).days
        if 0 <= left <= DUE_SOON_DAYS:
            return State.due_soon
    return State.on_track


def forecast(window: Window, day: date, done: int) -> int:
    """How many there will be at the end of the window at the pace so far; halves are rounded up."""
    passed = window.active_before(day + timedelta(days=1))
    if passed == 0:
        return done
    return max(done, (2 * done * window.active + passed) // (2 * passed))


def period_of(period: str, day: date) -> tuple[date, date]:
    """First and last day of the calendar period that contains `day`; weeks begin on Monday."""
    if period == "week":
        first = day - timedelta(days=day.weekday())
        return first, first + timedelta(days=6)
    months = {"year": 12, "half_year": 6, "quarter": 3, "month": 1}[period]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    return first, _last_of_month(first.year, first.month + months - 1)


def months_of(season: str | None) -> frozenset[int]:
    """The months of a season such as `3-12`, `11-3` or `5`."""
    if not season:
        return frozenset(range(1, 13))
    first, _, last = season.partition("-")
    begin, end = int(first), int(last or first)
    if begin <= end:
        return frozenset(range(begin, end + 1))
    return frozenset(range(begin, 13)) | frozenset(range(1, end + 1))


def _last_of_month(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=1)


@lru_cache(maxsize=4096)
def _season(first: date, last: date, months: str | None) -> Runs:
    """The days of a period that are in season, as runs that do not touch."""
    inside = months_of(months)
    runs: list[Run] = []
    day = first
    while day <= last:
        end = min(last, _last_of_month(day.year, day.month))
        if day.month in inside:
            if runs and runs[-1][1] + 1 == day.toordinal():
                runs[-1] = (runs[-1][0], end.toordinal())
            else:
                runs.append((day.toordinal(), end.toordinal()))
        day = end + timedelta(days=1)
    return tuple(runs)


@lru_cache(maxsize=65536)
def _window(
    times: int,
    first: date,
    last: date,
    months: str | None,
    begins: date,
    ends: date,
    roster: Runs,
    exempt: Runs,
) -> Window:
    season = _season(first, last, months)
    runs = _both(season, ((begins.toordinal(), ends.toordinal()),) if begins <= ends else ())
    runs = _without(_both(runs, roster), exempt)
    season_days, active = _count(season), _count(runs)
    owed = (2 * times * active + season_days) // (2 * season_days) if season_days else 0
    return Window(first, last, season_days, active, owed, runs)


def _count(runs: Runs) -> int:
    return sum(last - first + 1 for first, last in runs)


def _within(runs: Sequence[Run], first: date, last: date) -> Runs:
    """The runs cut to a period, sorted, those that touch made one: equal days, equal value."""
    low, high = first.toordinal(), last.toordinal()
    joined: list[Run] = []
    for begin, end in sorted((max(low, a), min(high, b)) for a, b in runs):
        if begin > end:
            continue
        if joined and begin <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return tuple(joined)


def _both(one: Runs, other: Runs) -> Runs:
    """The days in both."""
    return tuple((max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d))


def _without(runs: Runs, gone: Runs) -> Runs:
    """The days of `runs` that are not in `gone`."""
    left: list[Run] = []
    for first, last in runs:
        begin = first
        for a, b in gone:
            if b < begin or a > last:
                continue
            if a > begin:
                left.append((begin, a - 1))
            begin = b + 1
        if begin <= last:
            left.append((begin, last))
    return tuple(left)
