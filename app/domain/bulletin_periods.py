"""Periods of bulletins: a month `2026-06` or a quarter `2026-Q2`, and what each compares with."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

_PATTERN = re.compile(r"(20\d{2})-(?:(0[1-9]|1[0-2])|Q([1-4]))", re.ASCII)
_QUARTERS = ("一", "二", "三", "四")


@dataclass(frozen=True, slots=True)
class BulletinPeriod:
    """A month or quarter of a year: `number` counts it from 1, `months` is 1 or 3."""

    year: int
    number: int
    months: int

    @property
    def code(self) -> str:
        """As it stands in addresses."""
        return f"{self.year}-Q{self.number}" if self.is_quarter else f"{self.year}-{self.number:02}"

    @property
    def is_quarter(self) -> bool:
        """Whether it is a quarter."""
        return self.months == 3

    @property
    def from_on(self) -> date:
        """Its first day."""
        return date(self.year, (self.number - 1) * self.months + 1, 1)

    @property
    def to_on(self) -> date:
        """Its last day."""
        return self.next.from_on - timedelta(days=1)

    @property
    def title(self) -> str:
        """What people call it."""
        if self.is_quarter:
            return f"{self.year}年第{_QUARTERS[self.number - 1]}季度"
        return f"{self.year}年{self.number}月"

    @property
    def next(self) -> "BulletinPeriod":
        """The one after it."""
        if self.number * self.months == 12:
            return BulletinPeriod(self.year + 1, 1, self.months)
        return BulletinPeriod(self.year, self.number + 1, self.months)

    @property
    def previous(self) -> "BulletinPeriod":
        """The one before it."""
        if self.number == 1:
            return BulletinPeriod(self.year - 1, 12 // self.months, self.months)
        return BulletinPeriod(self.year, self.number - 1, self.months)

    @property
    def year_ago(self) -> "BulletinPeriod":
        """The same of the year before."""
        return BulletinPeriod(self.year - 1, self.number, self.months)


def read(code: str) -> BulletinPeriod | None:
    """The period of this code; None if it names none."""
    found = _PATTERN.fullmatch(code)
    if found is None:
        return None
    if found[3]:
        return BulletinPeriod(int(found[1]), int(found[3]), 3)
    return BulletinPeriod(int(found[1]), int(found[2]), 1)


def of_day(day: date, *, quarter: bool = False) -> BulletinPeriod:
    """The month or quarter that contains the day."""
    if quarter:
        return BulletinPeriod(day.year, (day.month + 2) // 3, 3)
    return BulletinPeriod(day.year, day.month, 1)
