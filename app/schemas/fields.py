"""The kinds of value that cross the wire: instants, positions, texts, codes."""

import re
from contextvars import ContextVar
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from app import clock
from app.domain import datum as datums
from app.domain.datum import Datum

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

answer_datum: ContextVar[Datum] = ContextVar("answer_datum", default=Datum.wgs84)
"""In which datum this request is answered: set by `?datum=` on a GET, WGS-84 otherwise."""


class Strict(BaseModel):
    """A body: nothing is guessed (no numbers out of strings), unknown members are ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


def _is_rfc3339(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.match(value):
        raise PydanticCustomError(
            "instant", "时间要写成带时区的格式，例如 2026-06-01T08:30:00+08:00"
        )
    return value


def _is_a_day(value: Any) -> Any:
    if isinstance(value, str) and not _DAY.match(value):
        raise PydanticCustomError("instant", "日期要写成 2026-06-01 的格式")
    return value


def _is_within_reason(value: datetime) -> datetime:
    if not 2000 <= value.year <= 2100:
        raise PydanticCustomError("instant", "时间超出可用范围")
    return value


def _is_of_our_times(value: date) -> date:
    # Pydantic's own words for a bound would show Python's notation of a date.
    if not 2000 <= value.year <= 2100:
        raise PydanticCustomError("instant", "日期应在 2000-01-01 至 2100-12-31 之间")
    return value


def has_control_characters(value: str) -> bool:
    """Whether there is in it what neither the database nor a document can hold."""
    return _CONTROL.search(value) is not None


def _is_plain(value: str) -> str:
    if has_control_characters(value):
        raise PydanticCustomError("text", "文字里有无法保存的控制字符")
    return value


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_is_rfc3339),
    AfterValidator(_is_within_reason),
    PlainSerializer(lambda at: at.astimezone(clock.LAKE).isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An RFC 3339 instant with offset; answered in +08:00."""


def text(limit: int) -> Any:
    """A text of 1 to `limit` characters without control characters, trimmed."""
    return Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=limit),
        AfterValidator(_is_plain),
    ]


Code = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_is_plain)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=50),
    AfterValidator(_is_plain),
]
Note = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_is_plain)
]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_is_plain),
]
Words = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_is_plain),
]
Device = Annotated[str, StringConstraints(max_length=200), AfterValidator(_is_plain)]


# A number is a number: "103.0" and true are not.
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
Accuracy = Annotated[float, Field(strict=True, ge=0, le=1_000_000)]

Day = Annotated[date, BeforeValidator(_is_a_day), AfterValidator(_is_of_our_times)]
"""A calendar day at the lake, `YYYY-MM-DD` and nothing longer."""

AnyDay = Annotated[date, BeforeValidator(_is_a_day)]
"""The same of any year: somebody may be on the roster since long ago."""


class NewPosition(Strict):
    """A position as a phone sends it; `datum` says in whose degrees."""

    lon: Longitude
    lat: Latitude
    accuracy_m: Accuracy | None = None
    datum: Datum


class Position(BaseModel):
    """A position as we answer it: WGS-84, or GCJ-02 where the request said `?datum=gcj02`."""

    lon: float
    lat: float
    accuracy_m: float | None = None
    datum: Literal["wgs84", "gcj02"] = "wgs84"

    @classmethod
    def of(cls, lon: float, lat: float, accuracy_m: float | None = None) -> Self:
        """From WGS-84 degrees, in the datum this request is answered in."""
        if answer_datum.get() is Datum.gcj02:
            lon, lat = datums.to_gcj02(lon, lat)
            return cls(lon=lon, lat=lat, accuracy_m=accuracy_m, datum="gcj02")
        return cls(lon=lon, lat=lat, accuracy_m=accuracy_m)
