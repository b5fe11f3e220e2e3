"""Workdays: the State's calendar, an operator's table over it, Monday to Friday beyond."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import structlog

from app import clock


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """No table before and after."""
    clock.use_workdays({})
    yield
    clock.use_workdays({})


def test_the_states_calendar_knows_holidays_and_the_days_worked_for_them() -> None:
    # National Day 2026: Thursday 1 October off, Sunday 20 September worked.
    assert clock.is_workday(date(2026, 9, 30))
    assert not clock.is_workday(date(2026, 10, 1))
    assert clock.is_workday(date(2026, 9, 20))


def test_workdays_after_and_before_go_around_days_off() -> None:
    # 19-21 June 2026 are off.
    assert clock.workdays_after(date(2026, 6, 17), 3) == [
        date(2026, 6, 18),
        date(2026, 6, 22),
        date(2026, 6, 23),
    ]
    assert clock.workdays_before(date(2026, 6, 23), 3) == [
        date(2026, 6, 22),
        date(2026, 6, 18),
        date(2026, 6, 17),
    ]


def test_beyond_the_calendar_it_is_monday_to_friday_and_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "_unknown_years", set())
    with structlog.testing.capture_logs() as said:
        days = [clock.is_workday(date(2060, 1, day)) for day in (1, 2, 3, 4)]

    assert days == [True, True, False, False]  # Thursday, New Year's Day, and on
    assert [(entry["event"], entry["year"]) for entry in said] == [("workdays_unknown", 2060)]


def test_an_operators_table_has_the_last_word(tmp_path: Path) -> None:
    file = tmp_path / "workdays.csv"
    file.write_text("﻿day,workday\n2060-01-01,false\n2060-01-03,true\n2026-10-01,是\n")
    assert not clock.knows_workdays_of(2060)

    clock.use_workdays(clock.read_workdays(file))

    assert clock.knows_workdays_of(2060)
    assert not clock.is_workday(date(2060, 1, 1))
    assert clock.is_workday(date(2060, 1, 3))
    assert clock.is_workday(date(2026, 10, 1))
    assert clock.is_workday(date(2060, 1, 2))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ":1: the columns must be day,workday"),
        ("day,open\n", ":1: the columns must be day,workday"),
        ("day,workday\n2026/1/1,true\n", ":2: day must be YYYY-MM-DD"),
        ("day,workday\n2026-01-01,true\n2026-02-30,true\n", ":3: day must be YYYY-MM-DD"),
        ("day,workday\n2026-01-01\n", ":2: workday must be true or false"),
        ("day,workday\n2026-01-01,perhaps\n", ":2: workday must be true or false"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(text)

    with pytest.raises(clock.BadWorkdays) as refused:
        clock.read_workdays(file)

    assert str(refused.value) == f"table.csv{why}"


def test_a_table_without_workdays_does_not_turn_for_ever() -> None:
    clock.use_workdays({date(2026, 1, 1).fromordinal(date(2026, 1, 1).toordinal() + n): False
                        for n in range(800)})  # fmt: skip

    with pytest.raises(clock.BadWorkdays, match="no workday within a year of 2026-01-01"):
        clock.workdays_after(date(2026, 1, 1), 1)
