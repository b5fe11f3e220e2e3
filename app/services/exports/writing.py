"""Writing: how the values of columns stand in CSV and NDJSON; the database itself does it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Text, Uuid, case, cast, func, literal, null

from app.services.exports.export import Column
from app.services.reports.report import Kind

# What spreadsheets take for the beginning of a formula, full width (in Chinese ones) too.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_BETWEEN = "、"
_SECONDS = 'YYYY-MM-DD"T"HH24:MI:SS"+08:00"'
_EXACTLY = 'YYYY-MM-DD"T"HH24:MI:SS.US"+08:00"'


def tabular(columns: Sequence[Column]) -> list[Column]:
    """Those that fit into the cell of a table."""
    return [column for column in columns if column.kind is not Kind.parts]


def cell(column: Column, value: Any) -> Any:
    """A value as text for CSV, safe to open in a spreadsheet."""
    if column.kind is Kind.instant:
        return func.to_char(func.timezone("Asia/Shanghai", value), _SECONDS)
    if column.kind is Kind.flag:
        return case((value, "是"), (~value, "否"))
    if column.kind is not Kind.text:
        return cast(value, Text)
    return _safe(worded(column, value))


def worded(column: Column, value: Any) -> Any:
    """A text as people read it: words for what is an enumeration, what is several in one line."""
    if column.several:
        joined = func.array_to_string(value, _BETWEEN)
        for name, word in (column.words or {}).items():
            joined = func.replace(joined, name, word)
        return joined
    text = cast(value, Text)
    if column.words:
        return case(*((text == name, word) for name, word in column.words.items()), else_=text)
    return value if isinstance(value.type, Uuid) else text


def _safe(text: Any) -> Any:
    if isinstance(text.type, Uuid):
        return cast(text, Text)
    return case((func.left(text, 1).in_(FORMULA), literal("'", Text).op("||")(text)), else_=text)


def json_line(columns: Sequence[Column], values: Sequence[Any]) -> Any:
    """The whole row as a JSON object; `position.lon` stands inside `position`.

    What stands inside something that is not there (whose first member is null) is not there.
    """
    members: dict[str, list[tuple[str, Any, Any]]] = {}
    for column, value in zip(columns, values, strict=True):
        outer, _, inner = column.name.partition(".")
        members.setdefault(outer, []).append((inner, value, _json_value(column, value)))
    pairs: list[Any] = []
    for outer, inside in members.items():
        pairs.append(literal(outer, Text))
        if not inside[0][0]:
            pairs.append(inside[0][2])
            continue
        made = func.json_build_object(
            *(part for name, _, shown in inside for part in (literal(name, Text), shown))
        )
        pairs.append(case((inside[0][1].is_not(None), made), else_=null()))
    return func.json_build_object(*pairs)


def _json_value(column: Column, value: Any) -> Any:
    if column.kind is Kind.instant:
        local = func.timezone("Asia/Shanghai", value)
        whole = func.date_trunc("second", local) == local
        return case((whole, func.to_char(local, _SECONDS)), else_=func.to_char(local, _EXACTLY))
    return value
