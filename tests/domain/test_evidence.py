"""Evidence: each check by table, the verdict by property."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import evidence
from app.domain.evidence import Facts, Finding, Limits, NamedStele, Neighbour, PhotoFact, PhotoUse

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LI, ZHOU = UUID(int=1), UUID(int=2)
PATROL, OTHER_PATROL = UUID(int=11), UUID(int=12)
LIMITS = Limits()
HONEST = Facts(
    at=NOW,
    received_at=NOW,
    person_id=LI,
    patrol_id=PATROL,
    lon=103.01,
    lat=24.9,
    accuracy_m=15,
    picked_on_map=False,
    in_area_of_interest=None,
    stele=None,
    patrol_times=None,
    neighbours=(),
    elsewhere_m=None,
    identical_on_days=0,
    device_shared=None,
)
AT_STELE = NamedStele(
    distance_m=0, radius_m=100, nearest_distance_m=0, nearest_is_named=True, code=None
)
# One degree of latitude here is 110.78 km.
NORTH_1_KM = 24.9 + 1 / 110.78

CHECKS = [
    "area_of_interest",
    "accuracy",
    "stele_distance",
    "stele_nearest",
    "stele_code",
    "stele_print",
    "clock",
    "age",
    "patrol_time",
    "speed",
    "companion_elsewhere",
    "identical_coordinates",
    "device",
    "photo_type",
    "photo_taken",
    "photo_reused",
    "photo_near_same",
]


def finding_of(facts: Facts, check: str) -> Finding:
    _, findings = evidence.judge(facts, LIMITS)
    (found,) = [each for each in findings if each.check == check]
    return found


def after(**given: float) -> datetime:
    return NOW + timedelta(**given)


def stele(**given: Any) -> dict[str, Any]:
    return {"stele": replace(AT_STELE, **given)}


def neighbour(seconds: float, lat: float, accuracy_m: float | None = 15) -> dict[str, Any]:
    return {"neighbours": [Neighbour(after(seconds=seconds), 103.01, lat, accuracy_m)]}


def test_nothing_speaks_against_an_honest_one() -> None:
    verdict, findings = evidence.judge(HONEST, LIMITS)

    assert verdict == "accepted"
    assert [each.check for each in findings] == CHECKS
    assert {each.check for each in findings if each.passed is True} == {
        "accuracy",
        "clock",
        "age",
        "identical_coordinates",
    }


@pytest.mark.parametrize(
    ("check", "facts", "passed"),
    [
        ("area_of_interest", {"in_area_of_interest": None}, None),
        ("area_of_interest", {"in_area_of_interest": True}, True),
        ("area_of_interest", {"in_area_of_interest": False}, False),
        ("accuracy", {"accuracy_m": None}, None),
        ("accuracy", {"accuracy_m": 0}, False),
        ("accuracy", {"accuracy_m": 0.1}, True),
        ("accuracy", {"accuracy_m": 200}, True),
        ("accuracy", {"accuracy_m": 200.1}, False),
        ("accuracy", {"accuracy_m": 0, "picked_on_map": True}, None),
        ("stele_distance", {}, None),
        ("stele_distance", stele(distance_m=115), True),
        ("stele_distance", stele(distance_m=115.1), False),
        ("stele_distance", stele(distance_m=200) | {"accuracy_m": 150}, True),
        ("stele_distance", stele(distance_m=200.1) | {"accuracy_m": 150}, False),
        ("stele_distance", stele(distance_m=100.1) | {"accuracy_m": None}, False),
        ("stele_distance", stele(distance_m=200) | {"picked_on_map": True}, True),
        ("stele_distance", stele(distance_m=30.1, radius_m=15), False),
        ("stele_nearest", {}, None),
        ("stele_nearest", stele(), True),
        (
            "stele_nearest",
            stele(distance_m=80, nearest_distance_m=50, nearest_is_named=False),
            True,
        ),
        (
            "stele_nearest",
            stele(distance_m=80.1, nearest_distance_m=50, nearest_is_named=False),
            False,
        ),
        ("stele_code", stele(code=None), None),
        ("stele_code", stele(code="valid"), True),
        ("stele_code", stele(code="revoked"), True),
        ("stele_code", stele(code="bad"), False),
        ("stele_print", stele(code=None), None),
        ("stele_print", stele(code="valid"), True),
        ("stele_print", stele(code="revoked"), False),
        ("stele_print", stele(code="bad"), None),
        ("clock", {"at": after(seconds=300)}, True),
        ("clock", {"at": after(seconds=301)}, False),
        ("clock", {"at": after(days=-30)}, True),
        ("age", {"at": after(days=-7)}, True),
        ("age", {"at": after(days=-7, seconds=-1)}, False),
        ("patrol_time", {}, None),
        ("patrol_time", {"patrol_times": (after(hours=-1), None)}, True),
        ("patrol_time", {"patrol_times": (after(minutes=5), None)}, True),
        ("patrol_time", {"patrol_times": (after(minutes=5, seconds=1), None)}, False),
        ("patrol_time", {"patrol_times": (after(hours=-1), after(minutes=-5))}, True),
        ("patrol_time", {"patrol_times": (after(hours=-1), after(minutes=-5, seconds=-1))}, False),
        ("speed", {}, None),
        ("speed", neighbour(-60, 24.9), True),
        # 1 km, less 80 m of doubt, in 27 s are 123 km/h, in 28 s 118 km/h, before or after.
        ("speed", neighbour(-28, NORTH_1_KM), True),
        ("speed", neighbour(-27, NORTH_1_KM), False),
        ("speed", neighbour(27, NORTH_1_KM), False),
        ("speed", neighbour(-27, NORTH_1_KM) | {"picked_on_map": True}, True),
        ("speed", neighbour(-27, NORTH_1_KM, None), True),
        # Two fixes of one moment 100 m apart are no journey.
        ("speed", neighbour(0, 24.9009), True),
        ("speed", neighbour(0, 24.95), False),
        ("companion_elsewhere", {"elsewhere_m": None}, None),
        ("companion_elsewhere", {"elsewhere_m": 1000}, True),
        ("companion_elsewhere", {"elsewhere_m": 1000.1}, False),
        ("identical_coordinates", {"identical_on_days": 5}, True),
        ("identical_coordinates", {"identical_on_days": 6}, False),
        ("identical_coordinates", {"identical_on_days": 6, "picked_on_map": True}, None),
        ("device", {"device_shared": None}, None),
        ("device", {"device_shared": False}, True),
        ("device", {"device_shared": True}, False),
    ],
)
def test_each_check(check: str, facts: dict[str, Any], passed: bool | None) -> None:
    found = finding_of(replace(HONEST, **facts), check)
    verdict, _ = evidence.judge(replace(HONEST, **facts), LIMITS)

    assert found.passed is passed
    if passed is False:
        assert verdict == ("rejected" if check == "stele_code" else "flagged")


def photos(*given: PhotoFact, **at: Any) -> dict[str, Finding]:
    where: dict[str, Any] = {
        "at": NOW,
        "person_id": LI,
        "patrol_id": PATROL,
        "lon": 103.01,
        "lat": 24.9,
        "limits": LIMITS,
    }
    return {each.check: each for each in evidence.judge_photos(given, **where | at)}


def use(person_id: UUID = LI, patrol_id: UUID = OTHER_PATROL, lat: float = 24.9) -> list[PhotoUse]:
    return [PhotoUse(person_id, patrol_id, 103.01, lat)]


@pytest.mark.parametrize(
    ("check", "fact", "passed"),
    [
        ("photo_type", PhotoFact("image/jpeg", None), True),
        ("photo_type", PhotoFact("image/heic", None), True),
        ("photo_type", PhotoFact("image/png", None), None),
        ("photo_taken", PhotoFact("image/jpeg", None), None),
        ("photo_taken", PhotoFact("image/jpeg", after(days=-1)), True),
        ("photo_taken", PhotoFact("image/jpeg", after(days=1)), True),
        ("photo_taken", PhotoFact("image/jpeg", after(days=-1, seconds=-1)), False),
        ("photo_taken", PhotoFact("image/jpeg", after(days=1, seconds=1)), False),
        ("photo_reused", PhotoFact("image/jpeg", None), True),
        ("photo_reused", PhotoFact("image/jpeg", None, same=use()), False),
        ("photo_reused", PhotoFact("image/jpeg", None, same=use(ZHOU)), False),
        ("photo_reused", PhotoFact("image/jpeg", None, same=use(ZHOU, PATROL)), True),
        ("photo_reused", PhotoFact("image/jpeg", None, same=use(LI, PATROL)), False),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=None), None),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=()), True),
        # The same person at the same place: only noted.
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use()), True),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use(lat=24.9045)), True),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use(lat=24.9046)), False),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use(ZHOU)), False),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use(ZHOU, PATROL)), True),
        ("photo_near_same", PhotoFact("image/jpeg", None, near=use(LI, PATROL, 24.91)), False),
    ],
)
def test_each_check_of_photos(check: str, fact: PhotoFact, passed: bool | None) -> None:
    assert photos(fact)[check].passed is passed


def test_no_photo_is_no_offence_and_one_bad_of_two_is_seen() -> None:
    assert {each.passed for each in photos().values()} == {None}
    both = photos(
        PhotoFact("image/jpeg", NOW, near=()),
        PhotoFact("image/png", after(days=-3), same=use(), near=use(ZHOU)),
    )
    assert {check: each.passed for check, each in both.items()} == {
        "photo_type": None,
        "photo_taken": False,
        "photo_reused": False,
        "photo_near_same": False,
    }


def test_late_photos_change_the_verdict_and_change_it_back() -> None:
    verdict, findings = evidence.judge(HONEST, LIMITS)
    stored = [each.as_dict() for each in findings]

    bad = list(photos(PhotoFact("image/jpeg", None, same=use())).values())
    flagged, renewed = evidence.renew(stored, bad)
    good = list(photos(PhotoFact("image/jpeg", None)).values())
    accepted, again = evidence.renew(renewed, good)

    assert (verdict, flagged, accepted) == ("accepted", "flagged", "accepted")
    assert [each["check"] for each in renewed] == [each["check"] for each in again] == CHECKS
    changed = [new["check"] for old, new in zip(stored, renewed, strict=True) if old != new]
    assert changed == ["photo_type", "photo_reused"]


@given(
    st.dictionaries(st.sampled_from(CHECKS), st.sampled_from([True, False, None])),
)
def test_null_never_flags_and_the_worst_decides(passed: dict[str, bool | None]) -> None:
    verdict = evidence.conclude([Finding(check, how) for check, how in passed.items()])

    failed = {check for check, how in passed.items() if how is False}
    expected = "rejected" if "stele_code" in failed else "flagged" if failed else "accepted"
    assert verdict == expected


instants = st.integers(-(10**7), 10**7).map(lambda seconds: after(seconds=seconds))
accuracies = st.none() | st.floats(0.1, 200)


@given(
    distance_m=st.floats(0, 10_000),
    radius_m=st.floats(1, 500),
    accuracy_m=accuracies,
    picked_on_map=st.booleans(),
)
def test_a_worse_accuracy_never_costs_the_stele(
    distance_m: float, radius_m: float, accuracy_m: float | None, picked_on_map: bool
) -> None:
    """Within is radius plus the accuracy, at most 100 m of it; a chat position errs by 100 m."""
    facts = replace(
        HONEST,
        accuracy_m=accuracy_m,
        picked_on_map=picked_on_map,
        **stele(distance_m=distance_m, radius_m=radius_m),
    )

    found = finding_of(facts, "stele_distance")

    allowed = 100.0 if picked_on_map else min(accuracy_m or 0.0, 100.0)
    assert (found.passed, found.limit) == (distance_m <= radius_m + allowed, radius_m + allowed)


@given(
    seconds=st.floats(1, 86_400),
    speed_kmh=st.floats(0, 110),
    before=st.booleans(),
)
def test_nobody_is_flagged_for_driving(seconds: float, speed_kmh: float, before: bool) -> None:
    lat = 24.9 + speed_kmh / 3.6 * seconds / 1000 / 112
    facts = replace(HONEST, **neighbour(-seconds if before else seconds, min(lat, 80.0)))

    assert finding_of(facts, "speed").passed is True


@given(at=instants, received_at=instants, times=st.tuples(instants, st.none() | instants))
def test_times_are_judged_for_any_instants(
    at: datetime, received_at: datetime, times: tuple[datetime, datetime | None]
) -> None:
    facts = replace(HONEST, at=at, received_at=received_at, patrol_times=times)

    ahead, grace = at - received_at, timedelta(minutes=5)
    assert finding_of(facts, "clock").passed is (ahead <= grace)
    assert finding_of(facts, "age").passed is (-ahead <= timedelta(days=7))
    start, end = times
    within = start - grace <= at and (end is None or at <= end + grace)
    # A patrol that ends before it begins has no time at all.
    if end is None or end >= start:
        assert finding_of(facts, "patrol_time").passed is within
