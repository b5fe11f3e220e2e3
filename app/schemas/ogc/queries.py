"""What may stand behind the question mark: everything else is refused (/req/core/query-param-*)."""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Names
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.errors import BadRequest
from app.services.features.collection import Collection
from app.services.features.finding import Wanted
from app.services.features.place import Box

LIMIT, MOST = 100, 1000
_LONGEST = 500
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,9})?([Zz]|[+ -]\d{2}:\d{2})\Z", re.ASCII
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def once(given: Sequence[tuple[str, str]], known: Names[str]) -> dict[str, str]:
    """The parameters by their names. Raises `BadRequest` for one that is unknown or said twice."""
    found: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            raise BadRequest(f"不认识参数 {name[:50]!r}，可用的有：{'、'.join(known)}。")
        if name in found:
            raise BadRequest(f"参数 {name} 只能写一次。")
        if len(value) > _LONGEST or _CONTROL.search(value):
            raise BadRequest(f"参数 {name} 太长，或含有控制字符。")
        found[name] = value
    return found


def known_of(collection: Collection) -> list[str]:
    """What the items of a collection may be asked for."""
    return ["bbox", "datetime", "limit", "cursor", "f", *collection.filters]


def wanted(collection: Collection, given: Mapping[str, str]) -> Wanted:
    """Which features are asked for. Raises `BadRequest`."""
    from_at, to_at = _interval(given["datetime"]) if "datetime" in given else (None, None)
    return Wanted(
        limit=_limit(given["limit"]) if "limit" in given else LIMIT,
        boxes=_boxes(given["bbox"]) if "bbox" in given else (),
        from_at=from_at,
        to_at=to_at,
        matching={name: _matching(collection, name, given) for name in _filters(collection, given)},
        after=_after(collection, given["cursor"]) if "cursor" in given else None,
    )


def _filters(collection: Collection, given: Mapping[str, str]) -> list[str]:
    return [name for name in collection.filters if name in given]


def _matching(collection: Collection, name: str, given: Mapping[str, str]) -> str:
    choices, value = collection.property_of(name).choices, given[name]
    if choices and value not in choices:
        raise BadRequest(f"参数 {name} 只能是：{'、'.join(choices)}。")
    return value


def _limit(text: str) -> int:
    """A number above the most is taken for the most (/req/core/fc-limit-response-1)."""
    if not re.fullmatch(r"\+?\d{1,18}", text, re.ASCII) or int(text) < 1:
        raise BadRequest(f"参数 limit 要写成 1 到 {MOST} 的整数。")
    return min(int(text), MOST)


def _boxes(text: str) -> list[Box]:
    """One box, or two where it crosses 180°; heights are read and not looked at: we have none."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in {4, 6} or not all(map(_NUMBER.match, parts)):
        raise BadRequest("参数 bbox 要写成四个或六个数：西,南,东,北，例如 102.9,24.8,103.1,25。")
    numbers = [float(part) for part in parts]
    if len(numbers) == 6:
        west, south, low, east, north, high = numbers
    else:
        (west, south, east, north), low, high = numbers, 0.0, 0.0
    if not all(map(math.isfinite, numbers)) or max(abs(west), abs(east)) > 180:
        raise BadRequest("参数 bbox 的经度应在 -180 到 180 之间。")
    if max(abs(south), abs(north)) > 90:
        raise BadRequest("参数 bbox 的纬度应在 -90 到 90 之间。")
    if south > north or low > high:
        raise BadRequest("参数 bbox 的下限大于上限，顺序是：西,南,东,北。")
    if west <= east:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def _interval(text: str) -> tuple[datetime | None, datetime | None]:
    """An instant, or two with a slash between; `..` or nothing on one side is an open end."""
    parts = text.split("/")
    if len(parts) == 1:
        return _instant(text), _instant(text)
    ends = [None if part in {"", ".."} else _instant(part) for part in parts]
    if len(ends) != 2 or ends == [None, None]:
        raise _bad_time()
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        raise BadRequest("参数 datetime 的开始时间晚于结束时间。")
    return ends[0], ends[1]


def _bad_time() -> BadRequest:
    return BadRequest(
        "参数 datetime 要写成带时区的时间，例如 2026-06-01T00:00:00+08:00，"
        "或两个时间中间加斜线，一边可以写 ..。"
    )


def _instant(text: str) -> datetime:
    found = _INSTANT.match(text)
    if not found:
        raise _bad_time()
    day, time, fraction, offset = found.groups()
    # A plus that was not escaped in the address has become a blank.
    offset = offset.upper().replace(" ", "+")
    try:
        instant = datetime.fromisoformat(f"{day}T{time}{(fraction or '')[:7]}{offset}")
    except ValueError:
        raise _bad_time() from None
    # Far enough from the edges of the calendar for every time zone.
    if not 1000 <= instant.year <= 9000:
        raise _bad_time()
    return instant


def cursor_of(key: Sequence[Any]) -> str:
    """The place of a feature in the order of its collection, as one opaque word."""
    return base64.urlsafe_b64encode(orjson.dumps(list(key))).decode().rstrip("=")


def _stamped(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or not 1000 <= instant.year <= 9000:
        raise ValueError
    return instant


def _word(text: str) -> str:
    if not isinstance(text, str) or _CONTROL.search(text):
        raise ValueError
    return text


_READERS: Mapping[type, Callable[[str], Any]] = {datetime: _stamped, UUID: UUID, str: _word}


def _after(collection: Collection, cursor: str) -> Sequence[Any]:
    """Where `cursor_of` was; raises `BadRequest` for anything that it did not make."""
    key = collection.source.key if collection.source is not None else ()
    try:
        parts = orjson.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        if not isinstance(parts, list):
            raise ValueError
        return [_READERS[kind](part) for (_, kind), part in zip(key, parts, strict=True)]
    except (binascii.Error, UnicodeError, ValueError, TypeError, AttributeError):
        raise BadRequest("翻页标记无效，请从第一页重新查看。") from None
