"""What time it is, and what day that makes it on the lake: the only place that asks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

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


def is_workday(day: date) -> bool:
    """Whether offices work on `day`: by the State's calendar, Monday to Friday beyond it."""
    # It takes longer to load than all the rest of a command.
    import chinese_calendar  # noqa: PLC0415

    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def knows_workdays_of(year: int) -> bool:
    """Whether the State's calendar of that year came with this program."""
    import chinese_calendar  # noqa: PLC0415

    try:
        chinese_calendar.is_workday(date(year, 1, 1))
    except NotImplementedError:
        return False
    return True
