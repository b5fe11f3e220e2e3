"""Wording: how the values of a row are shown to people, codes with the names behind them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.services import choices, words
from app.services.dataset.conflicts import IN_USE, label_of
from app.services.dataset.register import area_stem
from app.services.dataset.rows import Row
from app.services.dataset.tables import BY_STEM

Names = Mapping[tuple[str, str], str]
Said = Mapping[str, Any]


async def names_in(session: AsyncSession, stem: str, found: Iterable[Said]) -> Names:
    """What people call all that these rows name."""
    codes: dict[str, set[str]] = defaultdict(set)
    for said in found:
        for column in said:
            named = _stem_of(stem, column, said)
            if named and said[column]:
                codes[named].add(said[column])
    return await choices.names(session, codes)


def shown(stem: str, column: str, said: Said, names: Names) -> str:
    """A value as people read it."""
    value = said.get(column)
    if column == "area_code" and not value and said.get("area_kind"):
        column, value = "area_kind", said["area_kind"]
    if value is None or value in ("", []):
        return "—"
    named = _stem_of(stem, column, said)
    if named:
        name = names.get((named, value))
        return f"{name}（{value}）" if name else str(value)
    if isinstance(value, bool):
        return "是" if value else "否"
    labels = next((one.labels for one in BY_STEM[stem].columns if one.name == column), None) or {}
    several = value if isinstance(value, list) else str(value).split(",")
    if labels:
        return "、".join(labels.get(each, each) for each in several)
    if isinstance(value, date):
        return f"{value.year}年{value.month}月{value.day}日"
    return str(value)


def disputed(stem: str, column: str, said: Said, names: Names, *, in_use: bool) -> str:
    """The same of what a conflict is about, which may be more than the columns of the file."""
    if column == IN_USE:
        return "在用" if in_use else "停用"
    if column == "state":
        return words.EXEMPTION_STATES[said[column]]
    return shown(stem, column, said, names)


def label(stem: str, column: str) -> str:
    """What a column is called where names stand in it, and not codes alone."""
    named = label_of(stem, column)
    return named.removesuffix("编码") if len(named) > len("编码") else named


def heading(stem: str, columns: Iterable[str], row: Row, names: Names) -> str:
    """What a row is called at the top of its page."""
    parts = dict.fromkeys(shown(stem, column, row.said, names) for column in columns)
    return " · ".join(part for part in parts if part != "—")


def _stem_of(stem: str, column: str, said: Said) -> str | None:
    """In which file the code of this column stands; none for what is no code."""
    if column == "holder_code":
        return "people" if said.get("holder_kind") == "person" else "organisations"
    if column == "area_code":
        return area_stem(said.get("area_kind") or "")
    found = next((one.refers_to for one in BY_STEM[stem].columns if one.name == column), None)
    return None if found in ("letters", "obligations") else found
