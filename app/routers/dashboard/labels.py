"""Labels: how the dashboard's pages write days, instants, figures and the contract's words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from app import clock
from app.services import words
from app.services.dataset import labels as said

# Title, address, and whether only admins see it.
NAV: Sequence[tuple[str, str, bool]] = (
    ("总览", "/dashboard", False),
    ("地图", "/dashboard/map", False),
    ("落后", "/dashboard/behind", False),
    ("审核", "/dashboard/reviews", False),
    ("报表", "/dashboard/reports", False),
    ("通报", "/dashboard/bulletins", False),
    ("名册", "/dashboard/roster", False),
    ("系统", "/dashboard/system", True),
)


def _day(value: date | None) -> str:
    return f"{value.year}年{value.month}月{value.day}日" if value else "—"


def _instant(value: datetime | None) -> str:
    return f"{value.astimezone(clock.LAKE):%Y-%m-%d %H:%M}" if value else "—"


def _rate(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.1f}%"


def _number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


# The contract's words in Chinese, by what they are about: `{{ post.kind | word("post") }}`.
WORDS: Mapping[str, Mapping[str, str]] = {
    "organisation": said.ORGANISATION_KINDS,
    "role": said.ROLES,
    "post": said.POST_KINDS,
    "area": said.AREA_KINDS,
    "period": said.PERIODS,
    "patrol": said.PATROL_KINDS,
    "stele": said.STELE_KINDS,
    "cell": said.GRID_CELL_KINDS,
    "waterbody": said.WATERBODY_KINDS,
    "exemption": said.EXEMPTION_KINDS,
    "exemption_state": words.EXEMPTION_STATES,
    "duty": words.STATES,
    "verdict": words.VERDICTS,
    "patrol_state": words.PATROL_STATES,
    "findings": words.FINDINGS,
    "source": words.SOURCES,
    "origin": words.ORIGINS,
    "app": words.APPS,
    "channel": words.CHANNELS,
    "reminder": words.REMINDER_KINDS,
    "reminder_state": words.REMINDER_STATES,
}


def _word(value: str | None, about: str) -> str:
    """The Chinese for a value of an enumeration; what is not known stands as it is."""
    return WORDS[about].get(value, value) if value else "—"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "day": _day,
    "instant": _instant,
    "rate": _rate,
    "number": _number,
    "word": _word,
}
