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
