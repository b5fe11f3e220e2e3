"""What time it is, and what day that makes it on the lake: the only place that asks."""

import csv
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

log = structlog.get_logger(__name__)

LAKE = ZoneInfo("Asia/Shanghai")


def now() -> datetime:
    """The present instant, in UTC."""
    return datetime.now(UTC)


def day_of(instant: datetime) -> date:
    """The calendar day at the lake (Asia/Shanghai) that contains `instant`."""
    return instant.astimezone(LAKE).date()


def start_of(day: date) -> datetime:
    """The instant at which `day` begins at the lake."""
    return datetime.combine(day, time.min, LAKE).astimezone(UTC)


def end_of(day: date) -> datetime:
    """The instant at which `day` ends at the lake (exclusive)."""
    return start_of(day + timedelta(days=1))


_YES, _NO = frozenset({"1", "true", "yes", "是"}), frozenset({"0", "false", "no", "否"})
_ours: dict[date, bool] = {}
_unknown_years: set[int] = set()


class BadWorkdays(ValueError):
    """A line of the table of workdays that cannot be read; says which and why."""


def read_workdays(file: Path) -> dict[date, bool]:
    """An operator's table `day,workday`: for what the State's calendar lacks, or has wrong.

    Raises `BadWorkdays`, and OSError when there is no such file.
    """
    found: dict[date, bool] = {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines)
        if set(table.fieldnames or ()) != {"day", "workday"}:
            raise BadWorkdays(f"{file.name}:1: the columns must be day,workday")
        for row in table:
            where = f"{file.name}:{table.line_num}"
            said = (row["workday"] or "").strip().lower()
            try:
                day = date.fromisoformat((row["day"] or "").strip())
            except ValueError:
                raise BadWorkdays(f"{where}: day must be YYYY-MM-DD") from None
            if said not in _YES | _NO:
                raise BadWorkdays(f"{where}: workday must be true or false")
            found[day] = said in _YES
    return found


def use_workdays(table: dict[date, bool]) -> None:
    """Have these days as the table says, from now on in this process."""
    _ours.clear()
    _ours.update(table)


def is_workday(day: date) -> bool:
    """Whether offices work on `day`: by our table, the State's calendar, or Monday to Friday."""
    if day in _ours:
        return _ours[day]
    # It takes longer to load than all the rest of a command.
    import chinese_calendar  # noqa: PLC0415

    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        if day.year not in _unknown_years and not knows_workdays_of(day.year):
            _unknown_years.add(day.year)
            log.warning("workdays_unknown", year=day.year, assumed="Monday to Friday")
        return day.weekday() < 5


def workdays_after(day: date, count: int) -> list[date]:
    """The next so many workdays after `day`, the nearest first."""
    return _workdays(day, count, timedelta(days=1))


def workdays_before(day: date, count: int) -> list[date]:
    """The last so many workdays before `day`, the nearest first."""
    return _workdays(day, count, timedelta(days=-1))


def _workdays(day: date, count: int, step: timedelta) -> list[date]:
    found: list[date] = []
    # The table of an operator might hold nothing but days off.
    for n in range(1, 366 + 7 * count):
        if is_workday(day + n * step):
            found.append(day + n * step)
            if len(found) == count:
                return found
    raise BadWorkdays(f"there is no workday within a year of {day}")


def knows_workdays_of(year: int) -> bool:
    """Whether that year's workdays are known: by our table (its New Year's Day), or the State's."""
    if date(year, 1, 1) in _ours:
        return True
    import chinese_calendar  # noqa: PLC0415

    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True
