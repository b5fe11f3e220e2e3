"""What a template's fields may hold: the platform's limits by type."""

import re
from collections.abc import Mapping
from typing import Any

from app.wechat.simulator.config import Template
from app.wechat.simulator.refusals import Refused

DAY = r"\d{4}年\d{1,2}月\d{1,2}日"
HOUR = r"([01]?\d|2[0-3]):[0-5]\d"
MOMENT = rf"({DAY} ?)?{HOUR}"
HAN = r"[\u3400-\u9fff\U00020000-\U000323af·]"

LIMITS: dict[str, re.Pattern[str]] = {
    "thing": re.compile(r".{1,20}", re.DOTALL),
    "number": re.compile(r"(?=.{1,32}$)\d+(\.\d+)?"),
    "letter": re.compile(r"[A-Za-z]{1,32}"),
    "symbol": re.compile(r"[^\w\s]{1,5}"),
    "character_string": re.compile(r"[\x20-\x7e]{1,32}"),
    "time": re.compile(rf"{DAY}|{MOMENT}(~{MOMENT})?|{DAY}~{DAY}"),
    "date": re.compile(rf"{DAY}( ?{HOUR})?(~{DAY}( ?{HOUR})?)?"),
    "amount": re.compile(r"[^\w\s]?\d{1,10}(\.\d{1,2})?元?"),
    "phone_number": re.compile(r"[\d+\-() ]{1,17}"),
    "car_number": re.compile(r"\w{1,8}"),
    "name": re.compile(rf"{HAN}{{1,10}}|[A-Za-z .'-]{{1,20}}"),
    "phrase": re.compile(rf"{HAN}{{1,5}}"),
    "const": re.compile(r".{1,20}", re.DOTALL),
}


def check(template: Template, data: Any) -> list[tuple[str, str]]:
    """The message's lines (label, value). Refuses 47003, naming the first field that is wrong.

    Every field of the template must be there, and no other, each `{"value": text}` within the
    limits of its type.
    """
    if not isinstance(data, Mapping):
        raise Refused(47003, "data is empty")
    strange = set(data) - {name for name, _ in template.fields}
    if strange:
        raise Refused(47003, f"data.{min(strange)} is not in the template")
    lines = []
    for name, label in template.fields:
        given = data.get(name)
        value = given.get("value") if isinstance(given, Mapping) else None
        if not isinstance(value, str) or not value.strip():
            raise Refused(47003, f"data.{name}.value is empty")
        limit = LIMITS.get(re.sub(r"\d+$", "", name))
        if limit is not None and not limit.fullmatch(value):
            raise Refused(47003, f"data.{name}.value invalid")
        lines.append((label, value))
    return lines


def content(template: Template) -> str:
    """The template's text as the platform lists it."""
    return "".join(f"{label}:{{{{{name}.DATA}}}}\n" for name, label in template.fields)
