"""The demo's plan: a pure function of the day, within the bounds that people have."""

from collections import Counter
from datetime import date, timedelta

import pytest

from app.demo import plan, tricks
from app.demo.pictures import Album
from app.demo.plan import Outing, Picture

TODAY = date(2026, 11, 24)
TRICKS = tricks.every(TODAY)
KEPT_FREE = tricks.kept_free(TRICKS)


def year(today: date) -> list[Outing]:
    return [outing for month in plan.outings(today, KEPT_FREE) for outing in month]


@pytest.fixture(scope="module")
def outings() -> list[Outing]:
    return year(TODAY)


def test_a_later_start_only_adds_days(outings: list[Outing]) -> None:
    before = {outing.id: (outing.person, outing.started_at, outing.track) for outing in outings}
    later = year(TODAY + timedelta(days=9))
    after = {outing.id: (outing.person, outing.started_at, outing.track) for outing in later}
    fallen_out = {o.id for o in outings if o.on < TODAY + timedelta(days=9) - plan.YEAR}
    assert {id_: after.get(id_) for id_ in before.keys() - fallen_out} == {
        id_: said for id_, said in before.items() if id_ not in fallen_out
    }
    assert {o.on >= TODAY for o in later if o.id not in before} == {True}


def test_nobody_is_out_twice_a_day_or_while_busy_with_a_trick(outings: list[Outing]) -> None:
    out = [(who, o.on) for o in outings for who in (o.person, *o.companions)]
    assert [who for who, times in Counter(out).items() if times > 1] == []
    assert KEPT_FREE.isdisjoint(out)


def test_before_june_there_is_the_pilot_alone(outings: list[Outing]) -> None:
    pilot = {f"P{n:03}" for n in range(71, 81)} - {"P077"}
    early = {outing.person for outing in outings if outing.on < date(2026, 6, 1)}
    assert early
    assert early <= pilot


def test_nobody_is_out_on_leave(outings: list[Outing]) -> None:
    def days_of(person: str) -> set[date]:
        return {outing.on for outing in outings if outing.person == person}

    assert not {day for day in days_of("P055") if date(2026, 7, 6) <= day <= date(2026, 7, 26)}
    assert not {day for day in days_of("P091") if day.month == 9}
    assert not {day for day in days_of("P009") if 4 <= day.month <= 6}


def test_drop_outs_drop_out(outings: list[Outing]) -> None:
    last = {person: max((o.on for o in outings if o.person == person), default=None)
            for person in ("P132", "P136", "P042")}  # fmt: skip
    assert last == {"P132": None, "P136": date(2026, 7, 9), "P042": date(2026, 7, 16)}
    # And one comes back.
    assert min(o.on for o in outings if o.person == "P127") >= date(2026, 8, 1)


def test_pictures_are_the_same_in_every_run_and_each_unlike_the_others() -> None:
    first, second = Album([]), Album([])
    scenes = [Picture(f"scene/{n}") for n in range(3)]
    drawn = [first.draw(scene) for scene in scenes]
    assert drawn == [second.draw(scene) for scene in scenes]
    assert len(set(drawn)) == 3
    # One that is known already is drawn anew.
    assert first.draw(scenes[0]) != drawn[0]
