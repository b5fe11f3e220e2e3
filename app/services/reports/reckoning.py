"""Reckoning: what the days of a duty come to in the windows of a report, by `domain.duties`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from app.domain import duties
from app.domain.duties import Run, Terms, Window
from app.services.reports.duty_facts import Calendar, Duty
from app.services.reports.report import Asked

_EVER: Sequence[Run] = ((date.min.toordinal(), date.max.toordinal()),)


@dataclass(frozen=True, slots=True)
class Asking:
    """What duties of the same terms, roster and leave are asked for.

    `windows` are those of which any slice ends in the range: the days up to `as_of` as bits, how
    many slices end before the range and how many by its last day. `present` is the window that
    contains `as_of`, where the duty is open on that day, with its days up to then as bits.
    """

    is_active: bool
    owed: int
    due: int
    windows: Sequence[tuple[int, int, int]]
    present: Window | None
    present_days: int
    present_due: int


class Reckoner:
    """Puts each kind of duty to the rule once, and remembers what it said."""

    def __init__(self, asked: Asked, days: Calendar) -> None:
        self._asked, self._days = asked, days
        self._known: dict[tuple[Any, ...], Asking] = {}
        self.range_days = days.mask(asked.from_on, asked.until)

    def of(self, duty: Sequence[Any]) -> Asking:
        """What is asked of the duty; `duty` as a plain row of `Duty`, there are many."""
        shared = tuple(duty[_SHARED])
        found = self._known.get(shared)
        if found is None:
            found = self._known[shared] = self._ask(*shared)
        return found

    def _ask(
        self,
        period: str,
        times: int,
        season: str | None,
        opens: int,
        closes: int,
        roster: str,
        exempt: str,
    ) -> Asking:
        asked, first = self._asked, self._days.first
        opens_on, closes_on = first + timedelta(days=opens), first + timedelta(days=closes)
        terms = Terms(times, period, opens_on, closes_on, season)
        there = list(_EVER if roster == "*" else _runs(roster, first))
        gone = list(_runs(exempt, first))
        owed, due, is_active = 0, 0, False
        windows = []
        for window in duties.windows_between(
            terms, asked.from_on, asked.to_on, roster=there, exempt=gone
        ):
            before, by = window.slices_between(asked.from_on, asked.to_on)
            is_active |= window.is_active_between(asked.from_on, asked.to_on)
            if by > before:
                days = self._days.mask(window.from_on, min(window.to_on, asked.as_of))
                windows.append((days, before, by))
                owed += by - before
                due += max(0, min(by, window.due_by(asked.as_of)) - before)
        if not opens_on <= asked.as_of <= closes_on:
            return Asking(is_active, owed, due, windows, None, 0, 0)
        present = duties.window_of(terms, asked.as_of, roster=there, exempt=gone)
        days = self._days.mask(present.from_on, asked.as_of)
        return Asking(is_active, owed, due, windows, present, days, present.due_by(asked.as_of))


_SHARED = slice(Duty._fields.index("period"), Duty._fields.index("exempt") + 1)


def _runs(said: str, first: date) -> Iterator[Run]:
    for run in filter(None, said.split(",")):
        begin, _, end = run.partition("+")
        yield first.toordinal() + int(begin), first.toordinal() + int(end)
