"""Random small worlds of duties, in the words of the reference."""

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference import duties as reference
from tests.reference.duties import ONE_DAY, SHANGHAI, World

# Six weeks round a leap day, round a New Year inside an ISO week, and round the middle of a year.
ANCHORS = (date(2024, 2, 12), date(2024, 12, 16), date(2025, 6, 10))
LONG = 42
ORGANISATIONS = {"TOP": None, "DEP": "TOP", "BR": "DEP", "ENT": "TOP"}
PEOPLE = ("P1", "P2", "P3", "P4")
REACHES = {"R1": "W1", "R2": "W1", "R3": "W2"}
CELLS = {"C0": None, "C1": "C0", "C11": "C1", "C2": "C0"}
STELES = {"S1": "R1", "S2": "R3", "S3": None}
LETTERS = ("L1",)
PLACES: tuple[tuple[str, str | None], ...] = (
    *(("reach", code) for code in REACHES),
    *(("grid_cell", code) for code in CELLS),
    *(("stele", code) for code in STELES),
)
# When a calendar day begins and ends at the lake, and when one begins in UTC.
SECONDS = (0, 1, 8 * 3600 - 1, 8 * 3600, 12 * 3600, 24 * 3600 - 1)


def _one(draw: st.DrawFn, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def _rarely(draw: st.DrawFn, strategy: st.SearchStrategy[Any], of: int = 4) -> Any:
    """Nothing, but for one time in so many."""
    return draw(strategy) if draw(st.integers(1, of)) == of else None


def _many(draw: st.DrawFn, most: int, least: int = 0) -> range:
    return range(draw(st.integers(least, most)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, list[date]]:
    """A world, and days to ask about."""
    anchor = draw(st.sampled_from(ANCHORS))
    days = st.integers(0, LONG).map(lambda n: anchor + n * ONE_DAY)
    whole_world = World(
        organisations=[
            reference.Organisation(code, parent, _rarely(draw, days, 16))
            for code, parent in ORGANISATIONS.items()
        ],
        people=[
            reference.Person(code, _memberships(draw, days), _rarely(draw, days, 10))
            for code in PEOPLE
        ],
        waterbodies=[reference.Waterbody(code) for code in ("W1", "W2")],
        reaches=[
            reference.Reach(code, water, _rarely(draw, days, 10)) for code, water in REACHES.items()
        ],
        cells=[reference.Cell(code, up, _rarely(draw, days, 10)) for code, up in CELLS.items()],
        steles=[
            reference.Stele(code, reach, 100, _rarely(draw, days, 10))
            for code, reach in STELES.items()
        ],
        letters=[reference.Letter(code, _rarely(draw, days)) for code in LETTERS],
        pairings=[_pairing(draw, days) for _ in _many(draw, 3, 1)],
        posts=[_post(draw, days) for _ in _many(draw, 3, 1)],
        obligations=[_obligation(draw, days, anchor, n) for n in _many(draw, 4, 1)],
        patrols=[_patrol(draw, days) for _ in _many(draw, 12, 2)],
        count_from=_rarely(draw, days, 10),
    )
    whole_world.exemptions = [
        _exemption(draw, days, whole_world.obligations) for _ in _many(draw, 3)
    ]
    walked = {reference.day_of(patrol) for patrol in whole_world.patrols}
    return whole_world, sorted(
        {
            *draw(st.sets(days, min_size=2, max_size=4)),
            *draw(st.sets(st.sampled_from(sorted(walked)), min_size=1, max_size=4)),
        }
    )


def _memberships(draw: st.DrawFn, days: st.SearchStrategy[date]) -> list[reference.Membership]:
    """Mostly one for ever; else any: none, overlapping, of one day, ending before it starts."""
    if draw(st.integers(1, 3)) != 3:
        return [reference.Membership(_one(draw, "DEP", "BR", "ENT"))]
    return [
        reference.Membership(
            _one(draw, *ORGANISATIONS), _rarely(draw, days, 2), _rarely(draw, days, 2)
        )
        for _ in _many(draw, 3)
    ]


def _pairing(draw: st.DrawFn, days: st.SearchStrategy[date]) -> reference.Pairing:
    return reference.Pairing(
        _one(draw, "DEP", "DEP", "BR", "ENT"),
        _one(draw, "R1", *REACHES, None),
        _rarely(draw, days),
        _rarely(draw, days),
        _rarely(draw, days, 8),
    )


def _post(draw: st.DrawFn, days: st.SearchStrategy[date]) -> reference.Post:
    area_kind, area = _one(
        draw,
        (None, None),
        (None, None),
        ("waterbody", "W1"),
        ("waterbody", "W2"),
        ("grid_cell", "C0"),
        *PLACES,
    )
    return reference.Post(
        _one(draw, "P1", "P1", *PEOPLE),
        _one(draw, "P2", "P2", *PEOPLE, None),
        area_kind,
        area,
        _rarely(draw, days),
        _rarely(draw, days),
        _rarely(draw, days, 8),
    )


def _obligation(
    draw: st.DrawFn, days: st.SearchStrategy[date], anchor: date, n: int
) -> reference.Obligation:
    holder_kind, holder = _one(
        draw,
        ("person", "P1"),
        ("person", "P1"),
        ("person", "P2"),
        ("organisation", "DEP"),
        *(("organisation", code) for code in ORGANISATIONS),
    )
    area_kind, area = _one(
        draw,
        ("any", None),
        ("any", None),
        ("paired", None),
        ("paired", None),
        ("reach", "R1"),
        ("grid_cell", "C0"),
        ("grid_cell", "C1"),
        ("stele", "S1"),
        ("stele", "S1"),
        *PLACES,
    )
    return reference.Obligation(
        code=f"D{n}",
        holder_kind=holder_kind,
        holder=holder,
        area_kind=area_kind,
        area=area,
        times=draw(st.integers(0, 7)),
        period=_one(draw, "year", "half_year", "quarter", "month", "week", "week"),
        starts_on=_rarely(draw, days, 6) or anchor - 400 * ONE_DAY,
        ends_on=_rarely(draw, days, 6),
        months=_rarely(draw, st.sampled_from(["3-12", "11-2", "2-6", "6", "12-1"]), 6),
        min_minutes=_rarely(draw, st.sampled_from([0, 10]), 5),
        min_metres=_rarely(draw, st.sampled_from([0, 500]), 5),
        kinds=_rarely(draw, st.sampled_from([["foot"], ["boat", "drone"]]), 5),
        photo=_one(draw, "wanted", "wanted", "none", "required"),
        letter=_rarely(draw, st.just("L1"), 6),
        retired_on=_rarely(draw, days, 10),
    )


def _exemption(
    draw: st.DrawFn, days: st.SearchStrategy[date], obligations: list[reference.Obligation]
) -> reference.Exemption:
    """Of a holder there is; now and then about a duty, which need not be theirs."""
    of = draw(st.sampled_from(obligations))
    about = _rarely(draw, st.sampled_from(obligations), 2)
    return reference.Exemption(
        of.holder_kind,
        of.holder,
        draw(days),
        draw(days),
        about.code if about else None,
        granted=draw(st.integers(1, 4)) != 4,
        retired_on=_rarely(draw, days, 8),
    )


def _patrol(draw: st.DrawFn, days: st.SearchStrategy[date]) -> reference.Patrol:
    day = draw(days)
    patrol = reference.Patrol(
        person=_one(draw, "P1", "P1", "P2", *PEOPLE),
        started_at=datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)
        + timedelta(seconds=_one(draw, *SECONDS)),
        kind=_one(draw, "foot", "foot", "boat"),
        seconds=_one(draw, None, 599, 600, 7200, 7200),
        metres=_one(draw, 0.0, 499.9, 500.0, 500.0),
    )
    others = [code for code in PEOPLE if code != patrol.person]
    for code in draw(st.lists(st.sampled_from(others), max_size=2, unique=True)):
        patrol.companions.append(
            reference.Companion(
                code,
                declined=_rarely(draw, st.just(True)) or False,
                removed=_rarely(draw, st.just(True)) or False,
            )
        )
    if _rarely(draw, st.just(True), 5):
        area_kind, area = _one(draw, ("any", None), *PLACES)
        patrol.paper = reference.Paper(area_kind, area, photo=draw(st.booleans()))
    else:
        patrol.check_ins = [_check_in(draw) for _ in _many(draw, 3, 1)]
    return patrol


def _check_in(draw: st.DrawFn) -> reference.CheckIn:
    check_in = reference.CheckIn(
        verdict=_one(draw, "accepted", "accepted", "flagged", "rejected"),
        reach=_one(draw, "R1", "R1", "R1", *REACHES, None),
        cells=_one(draw, [], ["C0"], ["C1"], ["C11"], ["C11"], ["C2"], ["C1", "C2"]),
        from_chat=draw(st.booleans()),
        photos=_one(draw, 0, 0, 1, 2),
        withdrawn=_rarely(draw, st.just(True), 8) or False,
    )
    if not check_in.from_chat:
        check_in.accuracy_m = _one(draw, None, 0.0, 50.0, 100.0, 500.0)
    if (nearest := _one(draw, "S1", "S1", *STELES, None)) is not None:
        check_in.nearest_stele = nearest
        check_in.nearest_distance_m = _one(draw, 0.0, 100.0, 100.1, 150.0)
    if (named := _rarely(draw, st.sampled_from(("S1", *STELES)), 2)) is not None:
        check_in.named_stele = named
        check_in.named_distance_m = _one(draw, 60.0, 100.1, 150.0, 200.0, 200.1)
    return check_in
