"""What a reminder says: the values of a template's fields and one plain sentence, made to fit.

A hint on progress, never a verdict: 未完成 stands only where a short window has closed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from app.domain.replies import MOST, short

PAGE = "pages/obligations/index"
# Kinds in the order of their urgency, as a message is headed by the first it holds.
PHRASES: Mapping[str, str] = {
    "behind": "进度落后",
    "due_soon": "即将到期",
    "escalation": "下级落后",
    "review": "待核超期",
    "digest": "每周汇总",
}
UNFINISHED = "未完成"
# What a digest or an overdue review counts, and how that is said: first what is over.
UNMET = "unmet"
FIGURES: Mapping[str, str] = {
    UNMET: "上周有{}项未完成",
    "behind": "{}项落后",
    "reviews": "{}条待核",
    "calls": "{}人待电话",
}
_OWN = ("behind", "due_soon")


@dataclass(frozen=True, slots=True)
class Item:
    """A duty in a reminder: its task's short name, how it stands, and whose it is if not theirs.

    `missing` is how many are to be done until `due_on`. `closed`: its window, a short one, is over.
    """

    kind: str
    code: str
    name: str
    done: int
    owed: int
    due_on: date
    missing: int
    behind: int = 0
    holder: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """All that one reminder is about; `figures` need no duty, `day` is the day it is sent for.

    Figures: `behind` (duties behind below the reader), `reviews` (records that wait), `calls`
    (people to be telephoned), `unmet` (short windows below the reader that closed last week).
    """

    kind: str
    day: date
    items: Sequence[Item]
    figures: Mapping[str, int]
    office: str = ""


# -- where a message leads -------------------------------------------------------------------


def address(public_url: str, notice: Notice) -> str:
    """The page of exactly that duty, or of all of them."""
    base = f"{public_url.rstrip('/')}/my/obligations"
    return f"{base}/{quote(notice.items[0].code, safe='')}" if _is_single(notice) else base


def page(notice: Notice) -> str:
    """The same in the mini-program."""
    return f"{PAGE}?code={quote(notice.items[0].code, safe='')}" if _is_single(notice) else PAGE


def _is_single(notice: Notice) -> bool:
    return len(notice.items) == 1 and not notice.figures


# -- the values ------------------------------------------------------------------------------

# What may stand on the right of a template's field map, and the field types that can hold it.
SUITS: Mapping[str, frozenset[str]] = {
    "task": frozenset({"thing", "const"}),
    "done_of_owed": frozenset({"character_string", "thing", "const"}),
    "done": frozenset({"number", "character_string", "thing", "const"}),
    "owed": frozenset({"number", "character_string", "thing", "const"}),
    "missing": frozenset({"number", "character_string", "thing", "const"}),
    "due": frozenset({"time", "date", "thing", "const"}),
    "day": frozenset({"time", "date", "thing", "const"}),
    "hint": frozenset({"thing", "const"}),
    "phrase": frozenset({"phrase", "thing", "const"}),
    "name": frozenset({"name", "thing", "const"}),
    "organisation": frozenset({"thing", "const"}),
}


def misfits(fields: Mapping[str, str]) -> list[str]:
    """The fields of a map that ask for what we do not have, or what their type cannot hold."""
    return [
        field
        for field, ours in fields.items()
        if field_type(field) not in SUITS.get(ours, frozenset())
    ]


def fields_of(notice: Notice, fields: Mapping[str, str], *, name: str) -> dict[str, str]:
    """The values of a template's fields by its map; `name` is whom the message is for."""
    told = values(notice, name=name)
    return {field: fit(told.get(ours, ""), field_type(field)) for field, ours in fields.items()}


def field_type(field: str) -> str:
    """`thing` of `thing12`."""
    return field.rstrip("0123456789")


def values(notice: Notice, *, name: str) -> dict[str, str]:
    """Everything a template may ask for, before it is made to fit."""
    items = _leading(notice)
    done, owed = sum(item.done for item in items), sum(item.owed for item in items)
    missing = sum(item.missing for item in items)
    due_on = min((item.due_on for item in items), default=notice.day)
    return {
        "task": _task(notice),
        "done_of_owed": f"{done}/{owed}" if items else str(_total(notice)),
        "done": str(done),
        "owed": str(owed),
        "missing": str(missing if items else _total(notice)),
        "due": moment(due_on),
        "day": moment(notice.day),
        "hint": _hint(notice),
        "phrase": _phrase(notice),
        "name": name,
        "organisation": notice.office or "河长制办公室",
    }


def moment(day: date) -> str:
    """The end of office hours on a day, as WeChat's time fields want it."""
    return f"{day.year}年{day.month}月{day.day}日 18:00"


def _leading(notice: Notice) -> Sequence[Item]:
    """One's own duties where there are any: what others owe is told beside them."""
    own = [item for item in notice.items if item.kind in _OWN]
    return own or notice.items


def _total(notice: Notice) -> int:
    return sum(notice.figures.get(name, 0) for name in FIGURES)


def _task(notice: Notice) -> str:
    items = _leading(notice)
    if len(items) == 1:
        return _task_name(items[0])
    if items:
        what = "巡河任务待完成" if items[0].kind in _OWN else "下级巡河任务进度落后"
        return f"{len(items)}项{what}"
    if notice.kind == "review":
        return f"{notice.figures.get('reviews', 0)}条巡河记录待核"
    return "本周巡河情况汇总"


def _task_name(item: Item) -> str:
    """The task, behind whose it is where that is not the reader."""
    holder = _whose(item)
    return f"{holder} {item.name}" if holder else item.name


def _whose(item: Item) -> str:
    """Whose the task is, unless its name says so: an enterprise's stele is called after it."""
    return "" if item.name.startswith(item.holder) else item.holder


def _phrase(notice: Notice) -> str:
    items = _leading(notice)
    if items and all(item.closed for item in items):
        return UNFINISHED
    return PHRASES.get(items[0].kind if items else notice.kind, "进度提示")


def _hint(notice: Notice) -> str:
    items = _leading(notice)
    missing = sum(item.missing for item in items)
    if items and items[0].kind in _OWN:
        if all(item.closed for item in items):
            return f"上期未完成{missing}次，点开查看"
        return f"本期还差{missing}次，点开查看" if len(items) == 1 else "点开查看各项进度"
    if len(items) == 1:
        return f"落后{items[0].behind}次，请帮助安排"
    if items:
        return "请帮助安排，点开查看"
    return fit(_figures(notice, "本周" if notice.figures.get(UNMET) else ""), "thing")


def _figures(notice: Notice, present: str) -> str:
    """All that is not nothing; `present` keeps what is so now apart from what closed last week."""
    said = {
        name: words.format(notice.figures[name])
        for name, words in FIGURES.items()
        if notice.figures.get(name)
    }
    over = [said.pop(UNMET)] if UNMET in said else []
    now = [f"{present}{'，'.join(said.values())}"] if said else []
    return "，".join(over + now)


# -- one plain sentence ----------------------------------------------------------------------


def sentence(notice: Notice, *, url: str = "") -> str:
    """What is said where there is no template, at most 100 characters without the address."""
    parts = []
    own = [item for item in notice.items if item.kind in _OWN]
    others = [item for item in notice.items if item.kind not in _OWN]
    if len(own) == 1:
        parts.append(_of_one(own[0]))
    elif own:
        names = "、".join(short(item.name, 12) for item in own[:2])
        more = "等" if len(own) > 2 else ""
        parts.append(f"{names}{more}{len(own)}项巡河任务待完成。")
    if len(others) == 1:
        item = others[0]
        holder = _whose(item) if item.holder else "下级"
        whose = f"{short(holder, 10)}的" if holder else ""
        parts.append(f"{whose}{short(item.name, 14)}落后{item.behind}次，请帮助安排。")
    elif others:
        parts.append(f"{len(others)}项下级巡河任务进度落后，请帮助安排。")
    if figures := _figures(notice, "巡河记录" if notice.kind == "review" else "本周"):
        parts.append(f"{figures}。")
    words = cut(f"进度提示：{''.join(parts)}", MOST - len("点开查看："))
    return f"{words}点开查看：{url}" if url else words


def _of_one(item: Item) -> str:
    name = short(f"{short(_whose(item), 8)}{item.name}", 20)
    if item.closed:
        return f"{name}上期{item.done}/{item.owed}次，未完成{item.missing}次。"
    until = f"{item.due_on.month}月{item.due_on.day}日"
    if item.kind == "behind":
        return f"{name}已巡{item.done}/{item.owed}次，比进度少{item.missing}次，请尽快安排。"
    return f"{name}已巡{item.done}/{item.owed}次，{until}前还差{item.missing}次。"


# -- made to fit -----------------------------------------------------------------------------

_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_NOT_HAN = re.compile("[^\u3400-\u9fff\U00020000-\U000323af·]")
_NOT_ASCII = re.compile(r"[^\x20-\x7e]")
_DAY = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日")
_SPACES = re.compile(r"\s+")
LIMITS: Mapping[str, int] = {
    "thing": 20,
    "const": 20,
    "number": 32,
    "character_string": 32,
    "phrase": 5,
    "name": 10,
}


def cut(text: str, most: int) -> str:
    """At most so many characters, an ellipsis for the rest, and no number cut in two."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if text[most - 1].isdigit():
        kept = kept.rstrip("0123456789/.年月")
    return kept.rstrip("，。、：（") + "…"


def _thing(text: str) -> str:
    return cut(_SPACES.sub(" ", text).strip(), LIMITS["thing"]) or "点开查看"


def _number(text: str) -> str:
    found = _DIGITS.search(text)
    number = found.group() if found else "0"
    return number if len(number) <= LIMITS["number"] else "9" * LIMITS["number"]


def _character_string(text: str) -> str:
    return _NOT_ASCII.sub("", text).strip()[: LIMITS["character_string"]].strip() or "-"


def _date(text: str) -> str:
    found = _DAY.match(text)
    return found.group() if found else text


def _phrase_of(text: str) -> str:
    return _NOT_HAN.sub("", text)[: LIMITS["phrase"]] or "进度提示"


def _name(text: str) -> str:
    return _NOT_HAN.sub("", text)[: LIMITS["name"]] or "巡河人员"


_FITTED: Mapping[str, Callable[[str], str]] = {
    "thing": _thing,
    "const": _thing,
    "number": _number,
    "character_string": _character_string,
    "date": _date,
    "phrase": _phrase_of,
    "name": _name,
}


def fit(text: str, type_: str) -> str:
    """A value as a field of that type takes it; of an unknown type it is left as it is."""
    fitted = _FITTED.get(type_)
    return fitted(text) if fitted else text
