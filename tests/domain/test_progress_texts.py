"""What is said about duties always fits the chat, and no figure is ever cut."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import duties, progress_texts, replies
from app.domain.duties import Progress, Terms
from app.domain.progress_texts import LetterShown, LetterTask, Tally

TODAY = date(2026, 6, 1)
AT = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)
_FIGURES = re.compile(r"[0-9]+/[0-9]+")
names = st.text("河段岸碑", min_size=1, max_size=40)


@dataclass
class Duty:
    """As `services.progress` finds them."""

    code: str
    period: str
    progress: Progress
    area_kind: str = "reach"
    area_short_name: str | None = None
    holder_short_name: str = "示例甲"
    is_own: bool = True


@st.composite
def standing(draw: st.DrawFn) -> Duty:
    times = draw(st.integers(1, 365))
    window = duties.window_of(
        Terms(times, draw(st.sampled_from(sorted(progress_texts.PERIODS))), TODAY, None, None),
        TODAY,
        roster=[(TODAY.toordinal(), TODAY.toordinal() + draw(st.integers(0, 400)))],
    )
    done = draw(st.integers(0, window.owed + 2))
    now = duties.progress(window, TODAY, done=done, pending=draw(st.integers(0, 300)))
    return Duty(
        draw(names),
        draw(st.sampled_from(sorted(progress_texts.PERIODS))),
        now,
        area_short_name=draw(names),
        holder_short_name=draw(names),
        is_own=draw(st.booleans()),
    )


@given(st.lists(standing(), min_size=1, max_size=60), st.text("/abc", max_size=120))
def test_progress_fits_whatever_is_owed(standing: list[Duty], path: str) -> None:
    said = progress_texts.progress(standing, TODAY, f"https://xunhe.example{path}")
    figures = {f"{each.progress.done}/{each.progress.window.owed}" for each in standing}
    # A forecast is of what is owed, too.
    owed = {str(each.progress.window.owed) for each in standing}
    assert len(said) <= replies.MOST
    assert "…" not in re.sub("[河段岸碑]…", "", said)
    found = _FIGURES.findall(said.partition("https://")[0])
    assert {each.split("/")[1] for each in found} <= owed
    assert not found or found[0] in figures


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    owed = draw(st.integers(1, 365))
    return Tally(
        progress_texts.name_of("reach", draw(names), draw(names)),
        draw(st.integers(1, 365)),
        owed,
        draw(st.integers(0, owed)),
        draw(st.none() | st.dates(TODAY - timedelta(days=200), TODAY + timedelta(days=400))),
        draw(st.sampled_from(["counted", "pending", "photo"])),
    )


def place(cell: str | None, reach: str | None, stele: str | None) -> dict[str, Any]:
    shown = {"grid_cell": cell, "reach": reach, "stele": stele}
    return {
        kind: {"code": "X", "name": name, "distance_m": 123_456.0} if name else None
        for kind, name in shown.items()
    }


places = st.builds(place, st.none() | names, st.none() | names, st.none() | names)


@given(
    st.lists(tallies(), min_size=1, max_size=12),
    places,
    st.sampled_from(["accepted", "flagged"]),
    st.integers(0, 30),
    st.booleans(),
)
def test_a_reply_tells_the_figures_whole(
    counted: list[Tally], there: dict[str, Any], verdict: str, photos: int, asks: bool
) -> None:
    figures = {f"{each.done}/{each.owed}" for each in counted}
    counts = progress_texts.tallied(counted, TODAY, photo_asked=not photos)
    located = replies.recorded(verdict, there, None, photos, counts, asks=asks)
    joined = replies.photo_joined(AT, there, verdict, 30, None, counts)
    for said in (located, joined, replies.bound_and(located)):
        assert len(said) <= replies.MOST
        assert set(_FIGURES.findall(said)) <= figures
    assert _FIGURES.search(located)
    assert _FIGURES.search(joined)


@given(st.text("河段0123456789/", max_size=200), st.integers(5, 100))
def test_a_cut_never_goes_through_a_number(text: str, most: int) -> None:
    kept = replies.cut(text, most)
    assert len(kept) <= most
    if kept != text:
        before = kept.removesuffix("…")
        assert text.startswith(before)
        following = text[len(before) : len(before) + 1]
        assert not (before[-1:].isdigit() and following.isdigit())


@given(
    st.text("ZR-〔〕号0123", min_size=1, max_size=64),
    st.lists(st.builds(LetterTask, names, st.integers(1, 365), st.just("half_year")), max_size=30),
    st.integers(0, 40),
    st.integers(0, 120),
)
def test_a_letter_fits(number: str, tasks: list[LetterTask], waiting: int, length: int) -> None:
    shown = LetterShown(number, TODAY, date(2027, 12, 31), tasks, "https://x/" + "a" * length)
    said = progress_texts.letter(shown, waiting=waiting)
    assert len(said) <= replies.MOST
    assert "2026年6月1日至2027年12月31日" in said
    for again in (True, False):
        assert len(progress_texts.confirmed(number, again=again, waiting=waiting)) <= replies.MOST
    assert len(progress_texts.no_letter_of(number)) <= replies.MOST


@pytest.mark.parametrize(
    ("period", "ends", "day", "done", "said"),
    [
        (
            "year",
            None,
            date(2026, 6, 1),
            2,
            "照现在的进度，到年底能完成5/6次；下一次请在7月2日前。",
        ),
        (
            "half_year",
            None,
            date(2026, 1, 30),
            1,
            "照现在的进度，到6月底能完成6/6次；下一次请在3月2日前。",
        ),
        (
            "half_year",
            None,
            date(2026, 12, 2),
            5,
            "照现在的进度，到年底能完成6/6次；下一次请在12月31日前。",
        ),
        (
            "quarter",
            None,
            date(2026, 8, 16),
            3,
            "照现在的进度，到9月底能完成6/6次；下一次请在8月31日前。",
        ),
        (
            "month",
            None,
            date(2026, 2, 11),
            1,
            "照现在的进度，到本月底能完成3/6次；已比进度少1次，下一次请尽快安排。",
        ),
        (
            "week",
            None,
            date(2026, 6, 4),
            3,
            "照现在的进度，到本周日能完成5/6次；下一次请在6月5日前。",
        ),
        ("week", None, date(2026, 6, 4), 2, "照现在的进度，到本周日能完成4/6次；下一次请在今天。"),
        ("week", None, date(2026, 6, 1), 0, "本期应巡6次，还没有开始；第一次请在6月2日前。"),
        ("week", None, date(2026, 6, 2), 7, "本期应巡6次，已巡7次，已完成。"),
        ("week", date(2026, 5, 31), date(2026, 6, 2), 0, "本期不用巡河。"),
    ],
)
def test_one_sentence_says_where_the_pace_leads(
    period: str, ends: date | None, day: date, done: int, said: str
) -> None:
    window = duties.window_of(Terms(6, period, date(2020, 1, 1), ends, None), day)
    assert progress_texts.summary(period, duties.progress(window, day, done=done), day) == said


def test_what_awaits_review_is_said() -> None:
    window = duties.window_of(Terms(6, "week", date(2020, 1, 1), None, None), TODAY)
    now = duties.progress(window, TODAY, done=0, pending=1)
    assert progress_texts.summary("week", now, TODAY) == (
        "本期应巡6次，还没有开始；第一次请在6月2日前。另有1天待核。"
    )


def test_of_duties_that_ask_for_nothing_just_now_that_is_said() -> None:
    window = duties.window_of(Terms(6, "week", date(2020, 1, 1), TODAY - timedelta(1), None), TODAY)
    duty = Duty("A", "week", duties.progress(window, TODAY, done=0))
    assert progress_texts.progress([duty], TODAY, "https://x") == "您的巡河任务本期都不用巡河。"


def of_the_enterprise(done: int, pending: int = 0) -> Duty:
    """A stele called after the enterprise that owes twelve patrols a year there."""
    window = duties.window_of(Terms(12, "year", date(2020, 1, 1), None, None), TODAY)
    now = duties.progress(window, TODAY, done=done, pending=pending)
    return Duty("A", "year", now, "stele", "渔港餐饮", "渔港餐饮", is_own=False)


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (
            of_the_enterprise(5, pending=1),
            "渔港餐饮 5/12 进度正常。照现在的进度，到年底能完成12/12次；"
            "下一次请在7月2日前。另有1天待核。",
        ),
        (of_the_enterprise(12), "渔港餐饮 12/12 已完成。"),
    ],
)
def test_one_duty_says_everything_once(standing: Duty, said: str) -> None:
    assert progress_texts.progress([standing], TODAY, "https://x") == f"{said}点开查看：https://x"


def test_a_place_that_is_not_called_after_its_holder_stands_behind_them() -> None:
    assert progress_texts.name_of("stele", "一号碑", "渔港餐饮") == "渔港餐饮一号碑"


def test_a_letter_says_what_it_asks_for_sooner_than_where_it_is() -> None:
    task = LetterTask("渔港餐饮", 12, "year")
    url = "https://xunhe.example.gov.cn/my/letters/ZRS-2025-06"
    shown = LetterShown("ZRS-2025-06", date(2025, 1, 1), date(2027, 12, 31), [task], url)
    assert progress_texts.letter(shown, waiting=1) == (
        "责任书ZRS-2025-06：2025年1月1日至2027年12月31日，渔港餐饮每年12次。"
        "读后请回复“确认责任书”。"
    )
