"""The rule of duties, quick, against the reference, obvious."""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain import duties
from tests.reference import duties as reference

FIRST, LAST = date(2023, 11, 1), date(2026, 3, 1)
DAYS = st.dates(FIRST, LAST)
PERIODS = st.sampled_from(["year", "half_year", "quarter", "month", "week"])
MONTHS = st.one_of(
    st.none(),
    st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(1, 12).map(str),
)
# Between those days lie a leap year and the New Years that ISO weeks cross; runs may be empty
# (ends before starts), of one day, overlapping or open.
RUNS = st.lists(st.tuples(DAYS, DAYS), max_size=4)


def _is_active(window: duties.Window, day: date) -> bool:
    return any(first <= day.toordinal() <= last for first, last in window.runs)


@st.composite
def terms(draw: st.DrawFn) -> duties.Terms:
    return duties.Terms(
        times=draw(st.integers(0, 12)),
        period=draw(PERIODS),
        starts_on=draw(DAYS),
        ends_on=draw(st.one_of(st.none(), DAYS)),
        months=draw(MONTHS),
    )


def the_world(
    terms: duties.Terms,
    roster: list[tuple[date, date]],
    exempt: list[tuple[date, date]],
    walked: list[date],
) -> reference.World:
    """One person who owes the terms everywhere, and walked on those days."""
    return reference.World(
        organisations=[reference.Organisation("O")],
        people=[
            reference.Person("P", [reference.Membership("O", *run) for run in roster]),
        ],
        exemptions=[reference.Exemption("person", "P", *run) for run in exempt],
        obligations=[reference.Obligation("D", "person", "P", "any", None, **asdict(terms))],
        patrols=[
            reference.Patrol(
                "P",
                datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
                check_ins=[reference.CheckIn("accepted")],
            )
            for day in walked
        ],
    )


def ordinals(runs: list[tuple[date, date]]) -> list[tuple[int, int]]:
    return [(first.toordinal(), last.toordinal()) for first, last in runs]


def the_product(
    terms: duties.Terms,
    roster: list[tuple[date, date]],
    exempt: list[tuple[date, date]],
    walked: list[date],
    of: date,
    today: date,
) -> reference.Answer:
    window = duties.window_of(terms, of, roster=ordinals(roster), exempt=ordinals(exempt))
    done = len({day for day in walked if _is_active(window, day) and day <= today})
    progress = duties.progress(window, today, done=done)
    return reference.Answer(
        window_from=window.from_on,
        window_to=window.to_on,
        season_days=window.season,
        active_days=window.active,
        owed=window.owed,
        slices=window.slices(),
        due_by=progress.due_by_now,
        done=progress.done,
        pending=progress.pending,
        behind=progress.behind,
        next_due_on=progress.next_due_on,
        state=progress.state,
    )


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    terms=terms(),
    roster=st.one_of(st.just([(FIRST, LAST)]), RUNS),
    exempt=RUNS,
    walked=st.lists(DAYS, max_size=12),
    of=DAYS,
    later=st.one_of(st.just(0), st.integers(0, 400)),
    crowd=st.booleans(),
)
@example(  # more owed than there are active days: a week of seven in which one day is left
    duties.Terms(7, "week", FIRST, None, None),
    [(date(2024, 12, 31), date(2024, 12, 31))],
    [],
    [date(2024, 12, 31)],
    date(2025, 1, 1),
    0,
    False,
)
@example(  # nothing is in season
    duties.Terms(3, "month", FIRST, None, "3-12"),
    [(FIRST, LAST)],
    [],
    [],
    date(2024, 2, 29),
    0,
    False,
)
def test_every_answer_is_the_references(
    terms: duties.Terms,
    roster: list[tuple[date, date]],
    exempt: list[tuple[date, date]],
    walked: list[date],
    of: date,
    later: int,
    crowd: bool,
) -> None:
    today = of + timedelta(days=later)
    if crowd:  # walked near the day asked about, where it makes a difference
        walked = [of + (day - of) % timedelta(days=9) for day in walked]
    world = the_world(terms, roster, exempt, walked)
    expected = reference.answer(world, world.obligations[0], today, of)
    assert the_product(terms, roster, exempt, walked, of, today) == expected


@settings(max_examples=60, deadline=None, derandomize=True)
@given(terms=terms(), roster=st.just([(FIRST, LAST)]), exempt=RUNS, of=DAYS)
def test_slices_hold_all_active_days_and_differ_by_one_at_most(
    terms: duties.Terms,
    roster: list[tuple[date, date]],
    exempt: list[tuple[date, date]],
    of: date,
) -> None:
    window = duties.window_of(terms, of, roster=ordinals(roster), exempt=ordinals(exempt))
    active = [
        day
        for day in reference.days_between(window.from_on, window.to_on)
        if _is_active(window, day)
    ]
    assert len(active) == window.active
    if not window.owed:
        return
    numbers = [active.index(day) + 1 for day in window.slices()]
    lengths = [after - before for before, after in zip([0, *numbers], numbers, strict=False)]
    assert sum(lengths) == window.active
    assert max(lengths) - min(lengths) <= 1


@settings(derandomize=True)
@given(terms=terms(), of=DAYS, done=st.integers(0, 12))
def test_a_forecast_never_takes_back_what_is_done(terms: duties.Terms, of: date, done: int) -> None:
    window = duties.window_of(terms, of)
    passed = window.active_before(of + timedelta(days=1))
    expected = done
    if passed:
        whole, rest = divmod(done * window.active, passed)
        expected = max(done, whole + (2 * rest >= passed))
    assert duties.forecast(window, of, done) == expected


def test_weeks_cross_the_new_year_and_months_do_not() -> None:
    assert duties.period_of("week", date(2025, 1, 1)) == (date(2024, 12, 30), date(2025, 1, 5))
    assert duties.period_of("month", date(2024, 2, 10)) == (date(2024, 2, 1), date(2024, 2, 29))
    assert duties.period_of("quarter", date(2024, 12, 31)) == (
        date(2024, 10, 1),
        date(2024, 12, 31),
    )
    assert duties.period_of("half_year", date(2024, 6, 30)) == (date(2024, 1, 1), date(2024, 6, 30))
    assert duties.period_of("year", date(2024, 6, 30)) == (date(2024, 1, 1), date(2024, 12, 31))


@settings(derandomize=True)
@given(
    terms=terms(),
    roster=st.one_of(st.just([(FIRST, LAST)]), RUNS),
    exempt=RUNS,
    first=DAYS,
    long=st.integers(0, 500),
    cut=st.integers(0, 500),
)
def test_each_slice_is_asked_for_once_by_the_range_in_which_it_ends(
    terms: duties.Terms,
    roster: list[tuple[date, date]],
    exempt: list[tuple[date, date]],
    first: date,
    long: int,
    cut: int,
) -> None:
    """Two ranges side by side ask for what the whole asks for, whatever windows they cut."""
    last, middle = first + timedelta(days=long), first + timedelta(days=min(cut, long))
    windows = list(
        duties.windows_between(terms, first, last, roster=ordinals(roster), exempt=ordinals(exempt))
    )
    assert [(window.from_on, window.to_on) for window in windows] == sorted(
        {
            reference.calendar_period(terms.period, day)
            for day in reference.days_between(first, last)
        }
    )
    for window in windows:
        before, by = window.slices_between(first, last)
        ends = window.slices()
        assert ends[before:by] == [day for day in ends if first <= day <= last]
        early = window.slices_between(first, middle)
        late = window.slices_between(middle + timedelta(days=1), last)
        if middle < last:
            assert (early[0], early[1], late[1]) == (before, late[0], by)
        assert window.is_active_between(first, last) == any(
            _is_active(window, day) for day in reference.days_between(first, last)
        )
