"""How duties stand, in words: one sentence each for a page, a line or two for the chat.

A hint on progress, never a verdict. Nothing is over 100 characters, and no number is ever cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from app.domain import duties
from app.domain.duties import Progress, State
from app.domain.replies import first_that_fits, short

STATES: Mapping[State, str] = {
    State.on_track: "进度正常",
    State.due_soon: "即将到期",
    State.behind: "进度落后",
    State.overdue: "已逾期",
    State.done: "已完成",
}
AREAS: Mapping[str, str] = {"any": "不限", "paired": "挂钩河段"}
PERIODS: Mapping[str, str] = {
    "year": "每年",
    "half_year": "每半年",
    "quarter": "每季度",
    "month": "每月",
    "week": "每周",
}
# The most pressing first.
_ORDER = (State.behind, State.overdue, State.due_soon, State.on_track, State.done)
_NAME = 16
_LINES = 3


class Duty(Protocol):
    """What is said about a duty: whose it is, where, and how it stands."""

    @property
    def code(self) -> str:
        """Its code."""
        ...

    @property
    def area_kind(self) -> str:
        """As in `AreaKind`."""
        ...

    @property
    def area_short_name(self) -> str | None:
        """The place, in few characters; none for any and paired."""
        ...

    @property
    def holder_short_name(self) -> str:
        """Whose it is, in few characters."""
        ...

    @property
    def is_own(self) -> bool:
        """Whether it is the reader's, and not their organisation's."""
        ...

    @property
    def period(self) -> str:
        """As in `Period`."""
        ...

    @property
    def progress(self) -> Progress:
        """How it stands."""
        ...


def name_of(area_kind: str, place: str | None, holder: str = "") -> str:
    """A duty's name in the chat: the place, behind whose it is where that is not the reader.

    A place that is called after its holder, as an enterprise's stele is, says so by itself.
    """
    where = place or {"any": "巡河", "paired": AREAS["paired"]}.get(area_kind, "巡河")
    whose = "" if where.startswith(holder) else short(holder, 8)
    return short(f"{whose}{where}", _NAME)


def month_and_day(day: date) -> str:
    """`6月12日`."""
    return f"{day.month}月{day.day}日"


# -- one duty in one sentence ----------------------------------------------------------------


def summary(period: str, progress: Progress, day: date) -> str:
    """How it stands on `day`, what comes of it at this pace, and by when the next one is due."""
    owed, done = progress.window.owed, progress.done
    waiting = f"另有{progress.pending}天待核。" if progress.pending else ""
    if owed == 0:
        return f"本期不用巡河。{waiting}"
    if done >= owed:
        return f"本期应巡{owed}次，已巡{done}次，已完成。"
    if done == 0:
        return f"本期应巡{owed}次，还没有开始；{_next('第一次', progress, day)}。{waiting}"
    reached = min(owed, duties.forecast(progress.window, day, done))
    return (
        f"照现在的进度，到{_end(period, progress.window.to_on)}能完成{reached}/{owed}次；"
        f"{_next('下一次', progress, day)}。{waiting}"
    )


def _end(period: str, last: date) -> str:
    if period == "week":
        return "本周日"
    if period == "month":
        return "本月底"
    return "年底" if last.month == 12 else f"{last.month}月底"


def _next(which: str, progress: Progress, day: date) -> str:
    due_on = progress.next_due_on
    if progress.behind or due_on is None or due_on < day:
        return f"已比进度少{progress.behind}次，{which}请尽快安排"
    return f"{which}请在今天" if due_on == day else f"{which}请在{month_and_day(due_on)}前"


# -- all of them in the chat -----------------------------------------------------------------


def progress(standing: Sequence[Duty], day: date, url: str) -> str:
    """`进度`: one duty in full; of several the most pressing, how many more, and where they are."""
    asked = [duty for duty in standing if duty.progress.window.owed or duty.progress.done]
    if not asked:
        return "您的巡河任务本期都不用巡河。"
    ranked = sorted(asked, key=_pressing)
    if len(ranked) == 1:
        (duty,) = ranked
        if duty.progress.window.owed and duty.progress.state is State.done:
            head = f"{_line(duty)}。"
            return first_that_fits((f"{head}点开查看：{url}", head))
        # What waits is in the sentence.
        told = f"{_line(duty, waiting=False)}。{summary(duty.period, duty.progress, day)}"
        return first_that_fits((f"{told}点开查看：{url}", told, f"{_line(duty)}。"))
    return first_that_fits(
        _several([_line(duty, day) for duty in ranked[:shown]], len(ranked) - shown, link)
        for link in (url, "")
        for shown in range(min(_LINES, len(ranked)), 0, -1)
    )


def _pressing(duty: Duty) -> tuple[int, int, date, bool, str]:
    now = duty.progress
    due_on = now.next_due_on or date.max
    return (_ORDER.index(now.state), -now.behind, due_on, not duty.is_own, duty.code)


def _line(duty: Duty, day: date | None = None, *, waiting: bool = True) -> str:
    """`七星河中段 3/6 即将到期，6月12日前`; the day only where one is given to compare with."""
    now = duty.progress
    holder = "" if duty.is_own else duty.holder_short_name
    name = name_of(duty.area_kind, duty.area_short_name, holder)
    pending = f"（待核{now.pending}）" if now.pending and waiting else ""
    due_on = now.next_due_on
    until = ""
    if day is not None and not now.behind and due_on is not None and due_on >= day:
        until = "，今天" if due_on == day else f"，{month_and_day(due_on)}前"
    return f"{name} {now.done}/{now.window.owed}{pending} {STATES[now.state]}{until}"


def _several(lines: Sequence[str], more: int, url: str) -> str:
    tail = f"还有{more}项" if more else ""
    if url:
        tail = f"{tail}：{url}" if tail else url
    return "\n".join([*lines, tail] if tail else lines)


# -- what a record counts for ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """A duty that a record counts for: `done` with that record, of `owed`; `next_due_on` after it.

    `how`: `counted`; `pending`, once it is reviewed; `photo`, once its photo is there.
    """

    name: str
    done: int
    owed: int
    behind: int
    next_due_on: date | None
    how: str = "counted"


_HOWS: Mapping[str, str] = {
    "counted": "已计入",
    "photo": "照片存好后计入",
    "pending": "核对后计入",
}
_ASKED_HOWS: Mapping[str, str] = {**_HOWS, "photo": "发照片后计入"}


def tallied(tallies: Sequence[Tally], day: date, *, photo_asked: bool = False) -> list[str]:
    """What counts and what is still owed: from the fullest wording to the shortest, none if none.

    `photo_asked`: the photo that is missing is still to be sent.
    """
    hows = _ASKED_HOWS if photo_asked else _HOWS
    groups = [
        (words, group)
        for how, words in hows.items()
        if (group := [each for each in tallies if each.how == how])
    ]
    return [
        "".join(f"{words}：{say(group, day)}。" for words, group in groups)
        for say in (_in_full, _figures, _shortest)
        if groups
    ]


def _in_full(group: Sequence[Tally], day: date) -> str:
    if len(group) > 1:
        return _figures(group, day)
    (tally,) = group
    left = tally.owed - tally.done
    if left <= 0:
        return f"{_figure(tally)}，本期已完成"
    due_on = tally.next_due_on
    if tally.behind or due_on is None or due_on < day:
        return f"{_figure(tally)}，还差{left}次，请尽快安排"
    return f"{_figure(tally)}，还差{left}次，下次请在{month_and_day(due_on)}前"


def _figures(group: Sequence[Tally], _day: date) -> str:
    shown = "、".join(_figure(tally) for tally in group[:2])
    if len(group) > 2:
        return f"{shown}等{len(group)}项"
    left = group[0].owed - group[0].done
    return f"{shown}，还差{left}次" if len(group) == 1 and left > 0 else shown


def _shortest(group: Sequence[Tally], _day: date) -> str:
    tally = group[0]
    shown = f"{short(tally.name, 12)} {tally.done}/{tally.owed}"
    return f"{shown}等{len(group)}项" if len(group) > 1 else shown


def _figure(tally: Tally) -> str:
    return f"{tally.name} {tally.done}/{tally.owed}"


# -- letters ---------------------------------------------------------------------------------

NO_LETTER = "您名下没有目标责任书。有疑问请联系您的管理员。"


def no_letter_of(typed: str) -> str:
    """A number that none of one's letters has."""
    return f"您名下没有编号为{short(typed, 30)}的责任书。请回复“责任书”查看。"


@dataclass(frozen=True, slots=True)
class LetterTask:
    """A duty that hangs on a letter."""

    name: str
    times: int
    period: str


@dataclass(frozen=True, slots=True)
class LetterShown:
    """A letter: its number, its term, what it asks for, and where it can be read."""

    number: str
    starts_on: date
    ends_on: date
    tasks: Sequence[LetterTask]
    url: str


def letter(shown: LetterShown, *, waiting: int) -> str:
    """`责任书`: the letter; `waiting` of them are not confirmed yet, this one among them if any."""
    if waiting == 0:
        return _letter(shown, "已确认。", "")
    more = f"共{waiting}份待确认。" if waiting > 1 else ""
    return _letter(shown, "读后请回复“确认责任书”。", more)


def confirmed(number: str, *, again: bool, waiting: int) -> str:
    """`确认责任书`: this one is; `waiting` others are still to be confirmed."""
    head = f"责任书{short(number, 30)}"
    said = f"{head}已经确认过了。" if again else f"{head}已确认，谢谢。"
    more = f"还有{waiting}份待确认，请再回复“确认责任书”。" if waiting else ""
    return said + more


def _letter(shown: LetterShown, end: str, more: str) -> str:
    same = shown.starts_on.year == shown.ends_on.year
    last = month_and_day(shown.ends_on) if same else _full(shown.ends_on)
    term = f"{_full(shown.starts_on)}至{last}"
    number = short(shown.number, 24)
    tasks = [f"{each.name}{PERIODS[each.period]}{each.times}次" for each in shown.tasks]
    listed = f"，{'、'.join(tasks)}" if tasks else ""
    first = f"，{tasks[0]}等{len(tasks)}项" if len(tasks) > 1 else listed
    # What is confirmed stands in the reply sooner than where else it can be read.
    return first_that_fits(
        f"责任书{number}：{term}{duty}。{more}{end}{link}"
        for duty in (listed, first, f"，{len(tasks)}项任务" if tasks else "")
        for link in (shown.url, "")
    )


def _full(day: date) -> str:
    return f"{day.year}年{month_and_day(day)}"
