"""Every text that the system sends, at its longest, against the limit of where it goes.

What is said is asked of the code itself: the values of reminders by type of field, the sentences of
reminders, the replies of the chat with the longest names there could be, and the news.
"""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import product
from pathlib import Path
from typing import Any

from app.domain import reminder_texts, replies
from app.domain.reminder_texts import FIGURES, LIMITS, PHRASES, SUITS, Item, Notice

ROOT = Path(__file__).parents[1]
NAME = "示例阳宗大河下游左岸第一村民小组段至第二水闸之间的巡河责任区"
LAST_DAY = date(2026, 12, 31)
AT = datetime(2026, 12, 31, 4, 58, tzinfo=UTC)
_DATES = {"time": 18, "date": 11}


@dataclass(frozen=True)
class Said:
    """A text, where it stands in the code, and how long it may be."""

    where: str
    text: str
    most: int

    @property
    def fits(self) -> bool:
        """Whether it is short enough."""
        return len(self.text) <= self.most

    def row(self) -> str:
        """A line of a table."""
        words = self.text.replace("|", "\\|").replace("\n", "↵")
        return f"| {self.where} | {words} | {len(self.text)} | {self.most} |"


def _item(kind: str, *, closed: bool = False) -> Item:
    # A task called after its holder would name them once.
    return Item(kind, "OB-1", NAME, 364, 365, LAST_DAY, 364, 364, NAME[1:], closed)


def notices() -> Iterator[tuple[str, Notice]]:
    """Reminders of all kinds: one duty, several, mixed, figures."""
    figures = dict.fromkeys(FIGURES, 9999)
    for kind in PHRASES:
        if kind in {"digest", "review"}:
            counted = figures if kind == "digest" else {"reviews": 9999}
            yield kind, Notice(kind, LAST_DAY, (), counted, NAME)
            continue
        one = _item(kind)
        yield f"{kind}, one", Notice(kind, LAST_DAY, (one,), {}, NAME)
        yield f"{kind}, several", Notice(kind, LAST_DAY, (one,) * 99, {}, NAME)
    over = {reminder_texts.UNMET: 9999}
    yield "digest, of closed windows alone", Notice("digest", LAST_DAY, (), over, NAME)
    closed = _item("behind", closed=True)
    yield "behind, a short window closed", Notice("behind", LAST_DAY, (closed,), {}, NAME)
    everything = (_item("behind"), _item("due_soon"), _item("escalation"))
    yield "everything at once", Notice("behind", LAST_DAY, everything, figures, NAME)


def values() -> list[Said]:
    """The longest of each of our values in each type of field that it suits."""
    found = []
    for ours, types in SUITS.items():
        for type_ in sorted(types):
            field = f"{type_}1"
            texts = [
                reminder_texts.fields_of(notice, {field: ours}, name=NAME)[field]
                for _, notice in notices()
            ]
            most = LIMITS.get(type_, _DATES.get(type_, 0))
            found.append(Said(f"`{ours}` in `{type_}`", max(texts, key=len), most))
    return found


def sentences() -> list[Said]:
    """What is said in the chat where there is no template."""
    return [Said(what, reminder_texts.sentence(notice), replies.MOST) for what, notice in notices()]


_PLACE = {kind: {"name": NAME, "distance_m": 1999.0} for kind in ("grid_cell", "reach", "stele")}
_GIVEN: dict[str, list[Any]] = {
    "str": [NAME * 3],
    "int": [9999],
    "int | None": [999, None],
    "float": [1999.0],
    "bool": [True, False],
    "datetime": [AT],
    "date": [LAST_DAY],
    "date | None": [LAST_DAY, None],
    "Mapping[str, Any]": [_PLACE],
    "Mapping[str, int]": [dict.fromkeys(replies.VERDICTS, 9999)],
    "tuple[str, float] | None": [(NAME, 1999.0), None],
    "tuple[datetime, Mapping[str, Any]] | None": [(AT, _PLACE), None],
    "Sequence[str]": [[NAME] * 5, []],
    "Sequence[tuple[datetime, Mapping[str, Any], str]]": [[(AT, _PLACE, "accepted")] * 5, []],
}
# Parts of replies, not replies.
_PARTS = frozenset({"fit", "cut", "first_that_fits", "short", "moment", "metres", "where"})


def chat() -> list[Said]:
    """The replies, constants as they are and the others with the longest that may be put in."""
    found = []
    for name, value in vars(replies).items():
        if name.startswith("_") or name in _PARTS:
            continue
        if name.isupper() and isinstance(value, str):
            found.append(Said(f"`{name}`", value, replies.MOST))
        elif inspect.isfunction(value) and value.__module__ == replies.__name__:
            texts = [value(**given) for given in _arguments(value)]
            found.append(Said(f"`{name}()`", max(texts, key=len), replies.MOST))
    return found


def _arguments(reply: Any) -> Iterator[dict[str, Any]]:
    """Every mixture of the longest arguments; a verdict is one of three words, a link a link."""
    choices = []
    named = inspect.signature(reply).parameters
    for name, parameter in named.items():
        kind = inspect.formatannotation(parameter.annotation).replace("collections.abc.", "")
        kind = kind.replace("typing.", "").replace("datetime.datetime", "datetime")
        if name == "verdict":
            choices.append(list(replies.VERDICTS))
        elif name == "url":
            choices.append(["https://xunhe.example.gov.cn/my/permits"])
        else:
            choices.append(_GIVEN[kind.replace("datetime.date", "date")])
    for mixture in product(*choices):
        yield dict(zip(named, mixture, strict=True))


def news() -> list[tuple[str, str]]:
    """What `messages.tell` is given, by file: the expression where it is put together there."""
    found = []
    for path in sorted((ROOT / "app" / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "messages.tell":
                text = next(each.value for each in node.keywords if each.arg == "text")
                found.append((str(path.relative_to(ROOT)), _spelled(text)))
    return found


def _spelled(text: ast.expr) -> str:
    if isinstance(text, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in text.values
        )
    return str(text.value) if isinstance(text, ast.Constant) else f"`{ast.unparse(text)}`"


def page() -> str:
    """docs/messages.md."""
    head = ["| what | at its longest | characters | at most |", "| --- | --- | --- | --- |"]
    return "\n".join(
        [
            "# Messages",
            "",
            "Every text that the system sends, at its longest, against the limit of where it goes.",
            "Written by `python docs/generate.py`; a test holds that nothing exceeds.",
            "",
            "## Reminders by template",
            "",
            "A template's fields are WeChat's, the values ours: a setting such as",
            '`XUNHE_TEMPLATE_REMINDER={"id": …, "thing1": "task"}` says which goes where. A value',
            "is made to fit its field by type and never cut inside a number. Those that a type",
            "cannot hold are not in this table, and `xunhe wechat check` names them.",
            "",
            *head,
            *(said.row() for said in values()),
            "",
            "Each links to the duty (`/my/obligations/CODE`, in the mini-program",
            "`pages/obligations/index?code=CODE`), several to all of them.",
            "",
            "## Reminders by customer service",
            "",
            "Followed by `点开查看：` and the address, which are not counted.",
            "",
            *head,
            *(said.row() for said in sentences()),
            "",
            "## Replies in the chat",
            "",
            "`app/domain/replies.py`; `progress_texts` adds how a duty stands and is cut alike.",
            "",
            *head,
            *(said.row() for said in chat()),
            "",
            "## News",
            "",
            "Told by `messages.tell`, which cuts all of them at "
            f"{replies.MOST} characters; `…` is what is put in.",
            "",
            "| where | text |",
            "| --- | --- |",
            *(f"| `{where}` | {text} |" for where, text in news()),
            "",
        ]
    )
