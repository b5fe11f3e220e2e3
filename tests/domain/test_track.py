"""Tracks: which points of a walk count."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import geometry, track
from app.domain.track import Fix, Reason

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
RECEIVED = START + timedelta(hours=4)


def fix(seconds: float, lon: float = 103.01, accuracy_m: float | None = 10, *, seq: int = 0) -> Fix:
    return Fix(seq, START + timedelta(seconds=seconds), lon, 24.9, accuracy_m)


def marks(*fixes: Fix) -> list[Reason | None]:
    return track.marks(fixes, [RECEIVED] * len(fixes), started_at=START)


@pytest.mark.parametrize(
    ("fixes", "expected"),
    [
        ([], []),
        ([fix(0)], [None]),
        ([fix(0, accuracy_m=None)], [None]),
        ([fix(0, accuracy_m=0)], [None]),
        ([fix(0, accuracy_m=100)], [None]),
        ([fix(0, accuracy_m=100.1)], ["inaccurate"]),
        ([fix(-300)], [None]),
        ([fix(-301)], ["outside"]),
        ([fix(4 * 3600 + 300)], [None]),
        ([fix(4 * 3600 + 301)], ["future"]),
        ([fix(0), fix(0)], [None, "duplicate"]),
        ([fix(0), fix(0), fix(1)], [None, "duplicate", None]),
        # 0.001 degrees are 101 m: 51 m beyond the jitter of a receiver.
        ([fix(0), fix(2, 103.011)], [None, None]),
        ([fix(0), fix(1, 103.011), fix(9, 103.011)], [None, "too_fast", None]),
        ([fix(0), fix(1, 103.0104)], [None, None]),
        # The first is wild; the second is; the last is.
        ([fix(0, 104), fix(9), fix(19)], ["too_fast", None, None]),
        ([fix(0, 104), fix(9, 105), fix(19), fix(29)], ["too_fast", "too_fast", None, None]),
        ([fix(0), fix(9, 104), fix(19)], [None, "too_fast", None]),
        ([fix(0), fix(9), fix(19, 104)], [None, None, "too_fast"]),
        # Nobody knows which of two is wrong; one has to stay.
        ([fix(0), fix(1, 104)], ["too_fast", None]),
        # A bad point is no measure for the next one.
        ([fix(0), fix(9, 104, 500), fix(19)], [None, "inaccurate", None]),
    ],
)
def test_marks(fixes: list[Fix], expected: list[Reason | None]) -> None:
    assert marks(*fixes) == expected


@given(
    st.lists(
        st.builds(
            fix,
            st.integers(-1000, 20_000),
            st.floats(102.9, 103.1),
            st.none() | st.floats(0, 200),
        ),
        max_size=30,
    )
)
def test_the_kept_line_can_be_walked_and_is_kept_when_walked_again(fixes: list[Fix]) -> None:
    fixes.sort(key=lambda each: each.at)

    found = marks(*fixes)
    kept = [each for each, reason in zip(fixes, found, strict=True) if reason is None]

    for a, b in pairwise(kept):
        assert a.at < b.at
        metres = geometry.distance_m(a.lon, a.lat, b.lon, b.lat)
        assert metres <= 50 + 120 / 3.6 * (b.at - a.at).total_seconds()
    assert marks(*kept) == [None] * len(kept)
    # Something usable always remains.
    if any(reason in {"too_fast", "duplicate"} for reason in found):
        assert kept


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60), st.integers(1, 30))
def test_a_walk_with_an_honest_receiver_is_kept_whole(noise: list[float], every_s: int) -> None:
    """5 km/h, off by up to 20 m at every fix."""
    fixes = [
        fix(n * every_s, 103.01 + (n * every_s * 1.4 + 20 * off) / 101_000, 25)
        for n, off in enumerate(noise)
    ]

    assert marks(*fixes) == [None] * len(fixes)
