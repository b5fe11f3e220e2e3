"""Edges of the rule, one at a time: what is owed and what counts, worked out by hand."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AreaKind, Credit, Period
from app.models import Obligation as ObligationRow
from app.services import credits, progress
from tests.conftest import Member
from tests.reference import duties as reference
from tests.reference.duties import (
    SHANGHAI,
    CheckIn,
    Companion,
    Exemption,
    Membership,
    Obligation,
    Paper,
    Patrol,
    Person,
    Post,
    World,
)
from tests.services.duty_rows import WRITTEN_AT, id_of, write

LONG_AGO = date(2024, 1, 1)


def a_world(*obligations: Obligation, **given: Any) -> World:
    """P1 and P2 of the department DEP under TOP, two reaches, two cells, two steles."""
    defaults: dict[str, Any] = {
        "organisations": [reference.Organisation("TOP"), reference.Organisation("DEP", "TOP")],
        "people": [Person(code, [Membership("DEP")]) for code in ("P1", "P2")],
        "waterbodies": [reference.Waterbody("W1")],
        "reaches": [reference.Reach("R1", "W1"), reference.Reach("R2", "W1")],
        "cells": [reference.Cell("C0"), reference.Cell("C1", "C0")],
        "steles": [reference.Stele("S1", "R1"), reference.Stele("S2")],
        "obligations": list(obligations),
    }
    return World(**defaults | given)


def owes(code: str = "D", **given: Any) -> Obligation:
    """P1 owes two patrols a month, anywhere."""
    defaults: dict[str, Any] = {
        "holder_kind": "person",
        "holder": "P1",
        "area_kind": "any",
        "area": None,
        "times": 2,
        "period": "month",
        "starts_on": LONG_AGO,
    }
    return Obligation(code, **defaults | given)


def walked(day: date, clock: str = "10:00:00", person: str = "P1", **given: Any) -> Patrol:
    """A patrol with one good check-in."""
    at = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=SHANGHAI)
    defaults: dict[str, Any] = {
        "seconds": 3600,
        "metres": 1000.0,
        "check_ins": [CheckIn("accepted")] if "paper" not in given else [],
    }
    return Patrol(person, at, **defaults | given)


Figures = tuple[int, int, int, int, str]


async def figures(session: AsyncSession, world: World, day: date, code: str = "D") -> Figures:
    """Owed, done, pending, behind and state; the reference has to agree, and the books as well."""
    await write(session, world)
    await credits.judge_everything(session, now=WRITTEN_AT)
    assert [each async for each in credits.differences(session)] == []
    key = (id_of(code), day)
    said = (await progress.of(session, [key]))[key]
    obligation = next(each for each in world.obligations if each.code == code)
    expected = reference.answer(world, obligation, day)
    found = (said.window.owed, said.done, said.pending, said.behind, said.state.value)
    assert found == (
        expected.owed, expected.done, expected.pending, expected.behind, expected.state
    )  # fmt: skip
    assert said.window.slices() == expected.slices
    assert said.next_due_on == expected.next_due_on
    return found


JUNE_1, JUNE_15, JUNE_16, JUNE_30 = (date(2026, 6, n) for n in (1, 15, 16, 30))


@pytest.mark.parametrize(
    ("given", "day", "expected"),
    [
        # Nothing is asked for.
        ({"times": 0}, JUNE_30, (0, 0, 0, 0, "done")),
        ({"months": "7-12"}, JUNE_15, (0, 0, 0, 0, "done")),
        ({"starts_on": JUNE_16, "ends_on": JUNE_15}, JUNE_30, (0, 0, 0, 0, "done")),
        ({"starts_on": date(2026, 7, 1)}, JUNE_30, (0, 0, 0, 0, "done")),
        # A half rounds up: 2 of 30 days' worth are owed for half of half of them.
        ({"ends_on": date(2026, 6, 7)}, JUNE_30, (0, 0, 0, 0, "done")),
        ({"ends_on": date(2026, 6, 8)}, JUNE_30, (1, 0, 0, 1, "behind")),
        ({"times": 1, "ends_on": JUNE_15}, JUNE_30, (1, 0, 0, 1, "behind")),
        # The last day of a slice is not yet too late, the day after is.
        ({}, date(2026, 6, 7), (2, 0, 0, 0, "on_track")),
        ({}, date(2026, 6, 8), (2, 0, 0, 0, "due_soon")),
        ({}, JUNE_15, (2, 0, 0, 0, "due_soon")),
        ({}, JUNE_16, (2, 0, 0, 1, "behind")),
        ({}, JUNE_30, (2, 0, 0, 1, "behind")),
        # Also after the last active day.
        ({"ends_on": JUNE_15}, JUNE_16, (1, 0, 0, 1, "behind")),
        # More than there are days: asked for all the same.
        ({"times": 9, "period": "week"}, date(2026, 6, 3), (9, 0, 0, 2, "behind")),
    ],
)
async def test_terms(
    session: AsyncSession, given: dict[str, Any], day: date, expected: Figures
) -> None:
    assert await figures(session, a_world(owes(**given)), day) == expected


@pytest.mark.parametrize(
    ("memberships", "expected"),
    [
        ([Membership("DEP", JUNE_16, JUNE_16)], (1, 0, 0, 1, "behind")),
        ([Membership("DEP", JUNE_16, JUNE_15)], (0, 0, 0, 0, "done")),
        ([], (0, 0, 0, 0, "done")),
        # Twice the same days are the same days.
        (
            [Membership("DEP", JUNE_1, JUNE_15), Membership("TOP", JUNE_1, JUNE_16)],
            (16, 0, 0, 16, "behind"),
        ),
    ],
)
async def test_days_on_the_roster(
    session: AsyncSession, memberships: list[Membership], expected: Figures
) -> None:
    people = [Person("P1", memberships), Person("P2", [Membership("DEP")])]
    world = a_world(owes(times=30), people=people)
    assert await figures(session, world, JUNE_30) == expected


async def test_an_exemption_is_its_holders_and_only_when_granted(session: AsyncSession) -> None:
    world = a_world(
        owes(times=30),
        owes("E", times=30),
        exemptions=[
            Exemption("person", "P1", JUNE_1, JUNE_15, "E"),
            Exemption("person", "P1", JUNE_1, date(2026, 6, 10)),
            Exemption("person", "P1", JUNE_16, JUNE_30, granted=False),
            Exemption("person", "P2", JUNE_1, JUNE_30),
            Exemption("person", "P1", JUNE_16, JUNE_15),
        ],
        patrols=[walked(date(2026, 6, 10)), walked(date(2026, 6, 11)), walked(JUNE_16)],
    )
    assert await figures(session, world, JUNE_30) == (20, 2, 0, 17, "behind")
    key = (id_of("E"), JUNE_30)
    other = (await progress.of(session, [key]))[key]
    assert (other.window.owed, other.done) == (15, 1)


@pytest.mark.parametrize("what", ["obligation", "person", "stele", "letter", "organisation"])
async def test_what_retires_ends_the_day_before(session: AsyncSession, what: str) -> None:
    held = {"holder_kind": "organisation", "holder": "DEP"} if what == "organisation" else {}
    world = a_world(
        owes(times=30, area_kind="stele", area="S1", letter="L1", **held),
        letters=[reference.Letter("L1")],
        patrols=[
            walked(day, check_ins=[CheckIn("accepted", nearest_stele="S1", nearest_distance_m=5)])
            for day in (JUNE_15, JUNE_16)
        ],
    )
    retired: Any = {
        "obligation": world.obligations[0],
        "person": world.people[0],
        "stele": world.steles[0],
        "letter": world.letters[0],
        "organisation": world.organisations[1],
    }[what]
    retired.retired_on = JUNE_16
    assert await figures(session, world, JUNE_30) == (15, 1, 0, 14, "behind")


async def test_a_leap_day_is_a_day(session: AsyncSession) -> None:
    leap = date(2024, 2, 29)
    world = a_world(owes(times=29), patrols=[walked(leap)])
    assert await figures(session, world, leap) == (29, 1, 0, 27, "behind")


async def test_a_week_across_the_new_year_is_one_week(session: AsyncSession) -> None:
    world = a_world(
        owes(period="week", times=3),
        patrols=[walked(date(2025, 12, 28)), walked(date(2025, 12, 31)), walked(date(2026, 1, 1))],
    )
    assert await figures(session, world, date(2026, 1, 4)) == (3, 2, 0, 0, "due_soon")


@pytest.fixture(params=["UTC", "America/New_York"])
def abroad(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server whose own clock is set to another zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    assert os.environ["TZ"] == request.param
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("abroad")
@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2026-05-31T15:59:59", (2, 0, 0, 0, "on_track")),  # 23:59:59 of 31 May at the lake
        ("2026-05-31T16:00:00", (2, 1, 0, 0, "on_track")),
        ("2026-06-30T15:59:59", (2, 1, 0, 0, "due_soon")),
        ("2026-06-30T16:00:00", (2, 0, 0, 1, "behind")),
    ],
)
async def test_days_are_the_lakes(session: AsyncSession, clock: str, expected: Figures) -> None:
    at = datetime.fromisoformat(clock).replace(tzinfo=UTC)
    patrol = walked(JUNE_1)
    patrol.started_at = at
    today = JUNE_1 if at.month == 5 else JUNE_30
    assert await figures(session, a_world(owes(), patrols=[patrol]), today) == expected


async def test_two_of_a_department_on_a_day_are_one_and_several_duties_share_a_day(
    session: AsyncSession,
) -> None:
    held: dict[str, Any] = {"holder_kind": "organisation", "holder": "TOP", "times": 4}
    world = a_world(
        owes(**held),
        owes("E", **held, area_kind="grid_cell", area="C0"),
        owes("F", holder="P2", area_kind="grid_cell", area="C1"),
        patrols=[
            walked(JUNE_1, person="P1", check_ins=[CheckIn("accepted", cells=["C1"])]),
            walked(JUNE_1, person="P2", check_ins=[CheckIn("accepted", cells=["C1"])]),
            walked(JUNE_15, person="P1"),
        ],
    )
    assert await figures(session, world, JUNE_15) == (4, 2, 0, 0, "on_track")
    keys = [(id_of(code), JUNE_15) for code in ("E", "F")]
    found = await progress.of(session, keys)
    assert [found[key].done for key in keys] == [1, 1]


@pytest.mark.parametrize(
    ("along", "done"),
    [
        (Companion("P1"), 1),
        (Companion("P1", declined=True), 0),
        (Companion("P1", removed=True), 0),
    ],
)
async def test_companions_walk_unless_they_did_not(
    session: AsyncSession, along: Companion, done: int
) -> None:
    world = a_world(owes(times=1), patrols=[walked(JUNE_1, person="P2", companions=[along])])
    assert (await figures(session, world, JUNE_1))[1] == done


@pytest.mark.parametrize(
    ("check_in", "done"),
    [
        (CheckIn("accepted", nearest_stele="S1", nearest_distance_m=100), 1),
        (CheckIn("accepted", nearest_stele="S1", nearest_distance_m=100.1, accuracy_m=50), 0),
        (CheckIn("accepted", named_stele="S1", named_distance_m=150, accuracy_m=50), 1),
        (CheckIn("accepted", named_stele="S1", named_distance_m=150.1, accuracy_m=50), 0),
        (CheckIn("accepted", named_stele="S1", named_distance_m=200, accuracy_m=900), 1),
        (CheckIn("accepted", named_stele="S1", named_distance_m=200.1, accuracy_m=900), 0),
        (CheckIn("accepted", named_stele="S1", named_distance_m=200, from_chat=True), 1),
        # It names another: that this one is nearest does not matter.
        (
            CheckIn(
                "accepted", named_stele="S2", named_distance_m=20, nearest_stele="S1",
                nearest_distance_m=0,
            ),
            0,
        ),
    ],
)  # fmt: skip
async def test_at_a_stele(session: AsyncSession, check_in: CheckIn, done: int) -> None:
    world = a_world(
        owes(times=1, area_kind="stele", area="S1"),
        patrols=[walked(JUNE_1, check_ins=[check_in])],
    )
    assert (await figures(session, world, JUNE_1))[1] == done


@pytest.mark.parametrize(
    ("given", "patrol", "done", "pending"),
    [
        ({"min_minutes": 60}, {"seconds": 3600}, 1, 0),
        ({"min_minutes": 60}, {"seconds": 3599}, 0, 0),
        ({"min_minutes": 1}, {"seconds": None}, 0, 0),
        ({"min_metres": 500}, {"metres": 500.0}, 1, 0),
        ({"min_metres": 500}, {"metres": 499.9}, 0, 0),
        ({"kinds": ["boat"]}, {"kind": "foot"}, 0, 0),
        ({"kinds": ["boat", "foot"]}, {"kind": "boat"}, 1, 0),
        ({}, {"check_ins": [CheckIn("flagged")]}, 0, 1),
        ({}, {"check_ins": [CheckIn("rejected")]}, 0, 0),
        ({}, {"check_ins": [CheckIn("flagged"), CheckIn("accepted")]}, 1, 0),
        ({}, {"check_ins": [CheckIn("accepted", withdrawn=True)]}, 0, 0),
        # The photo has to be on a good check-in in the area, not just anywhere.
        ({"photo": "required"}, {"check_ins": [CheckIn("accepted", photos=1)]}, 1, 0),
        ({"photo": "required"}, {"check_ins": [CheckIn("accepted")]}, 0, 0),
        (
            {"photo": "required"},
            {"check_ins": [CheckIn("accepted"), CheckIn("flagged", photos=1)]},
            0,
            1,
        ),
        (
            {"photo": "required", "area_kind": "reach", "area": "R1"},
            {"check_ins": [CheckIn("accepted", "R1"), CheckIn("accepted", "R2", photos=1)]},
            0,
            0,
        ),
        # On paper: that very area, the cells above it, and anywhere.
        ({}, {"paper": Paper("reach", "R1"), "seconds": None}, 1, 0),
        ({"area_kind": "reach", "area": "R1"}, {"paper": Paper("reach", "R1")}, 1, 0),
        ({"area_kind": "reach", "area": "R1"}, {"paper": Paper("stele", "S1")}, 0, 0),
        ({"area_kind": "grid_cell", "area": "C0"}, {"paper": Paper("grid_cell", "C1")}, 1, 0),
        ({"area_kind": "grid_cell", "area": "C1"}, {"paper": Paper("grid_cell", "C0")}, 0, 0),
        ({"area_kind": "stele", "area": "S1"}, {"paper": Paper("any", None)}, 0, 0),
        ({"photo": "required"}, {"paper": Paper("any", None)}, 0, 0),
        ({"photo": "required"}, {"paper": Paper("any", None, photo=True)}, 1, 0),
    ],
)
async def test_what_makes_a_patrol_count(
    session: AsyncSession, given: dict[str, Any], patrol: dict[str, Any], done: int, pending: int
) -> None:
    world = a_world(owes(times=1, **given), patrols=[walked(JUNE_1, **patrol)])
    assert (await figures(session, world, JUNE_1))[1:3] == (done, pending)


@pytest.mark.parametrize(
    ("area", "posted", "done"),
    [
        (("any", None), (None, None), 1),
        (("any", None), ("reach", "R1"), 0),
        (("reach", "R1"), ("waterbody", "W1"), 1),
        (("stele", "S1"), ("waterbody", "W1"), 1),
        (("stele", "S2"), ("waterbody", "W1"), 0),  # a stele on no reach
        (("stele", "S1"), ("reach", "R1"), 1),
        (("stele", "S1"), ("reach", "R2"), 0),
        (("reach", "R1"), ("stele", "S1"), 0),
        (("grid_cell", "C1"), ("grid_cell", "C0"), 1),
        (("grid_cell", "C0"), ("grid_cell", "C1"), 0),
    ],
)
async def test_a_deputy_walks_for_what_the_post_is_about(
    session: AsyncSession,
    area: tuple[str, str | None],
    posted: tuple[str | None, str | None],
    done: int,
) -> None:
    stele = area[1] if area[0] == "stele" else None
    everywhere = CheckIn(
        "accepted", "R1", ["C1"], nearest_stele=stele, nearest_distance_m=0 if stele else None
    )
    world = a_world(
        owes(times=9, area_kind=area[0], area=area[1]),
        posts=[Post("P1", "P2", *posted, first=JUNE_1, last=JUNE_15)],
        patrols=[
            walked(day, person="P2", check_ins=[everywhere])
            for day in (JUNE_1 - timedelta(days=1), JUNE_15, JUNE_16)
        ],
    )
    assert (await figures(session, world, JUNE_30))[1] == done


# --- Through the doors --------------------------------------------------------------------------
# Monday, 1 June 2026, 10:00 at the lake.

MONDAY = datetime(2026, 6, 1, 10, tzinfo=SHANGHAI)


async def weekly(session: AsyncSession, member: Member, **given: Any) -> ObligationRow:
    """The member owes two patrols a week, anywhere."""
    row = ObligationRow(
        code="D", holder_person_id=member.person.id, area_kind=AreaKind.any, times=2,
        period=Period.week, starts_on=date(2026, 1, 1),
    )  # fmt: skip
    for name, value in given.items():
        setattr(row, name, value)
    session.add(row)
    await session.flush()
    await credits.judge_obligations(session, [row.id], now=WRITTEN_AT)
    await session.commit()
    return row


async def check_in(client: httpx.AsyncClient, at: datetime, **given: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "at": at.isoformat(),
        "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"},
    }
    answer = await client.put(f"/api/v1/check-ins/{uuid4()}", json=body | given)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def done_on(session: AsyncSession, row: ObligationRow, day: date) -> tuple[int, int]:
    """Done and pending; the books hold nothing to correct."""
    assert [each async for each in credits.differences(session)] == []
    found = (await progress.of(session, [(row.id, day)]))[row.id, day]
    return found.done, found.pending


async def test_last_weeks_check_in_synced_today_fills_last_week(
    session: AsyncSession, li: Member
) -> None:
    duty = await weekly(session, li)
    with time_machine.travel(MONDAY, tick=False):
        late = await check_in(li.client, MONDAY - timedelta(days=2))
    assert (
        late["verdict"],
        [(each["obligation"], each["done"]) for each in late["counts_for"]],
    ) == (
        "accepted",
        [("D", 1)],
    )
    assert await done_on(session, duty, date(2026, 5, 30)) == (1, 0)
    assert await done_on(session, duty, date(2026, 5, 31)) == (1, 0)
    assert await done_on(session, duty, MONDAY.date()) == (0, 0)
    assert await done_on(session, duty, date(2026, 5, 29)) == (0, 0)


async def test_a_patrol_past_midnight_counts_on_the_day_it_started(
    session: AsyncSession, li: Member
) -> None:
    """Sunday evening; its only check-in is of Monday, which is another week."""
    duty = await weekly(session, li)
    url = f"/api/v1/patrols/{uuid4()}"
    since = MONDAY - timedelta(hours=10, minutes=10)
    with time_machine.travel(MONDAY, tick=False):
        started = await li.client.put(url, json={"started_at": since.isoformat()})
        assert started.status_code == 201
        at = since + timedelta(minutes=20)
        found = await check_in(li.client, at, patrol_id=url.rsplit("/", 1)[1])
    assert (at.astimezone(SHANGHAI).date(), found["verdict"]) == (MONDAY.date(), "accepted")
    assert await done_on(session, duty, MONDAY.date() - timedelta(days=1)) == (1, 0)
    assert await done_on(session, duty, MONDAY.date()) == (0, 0)


async def test_a_verdict_to_and_fro_takes_the_credit_along_and_forgets_nothing(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    duty = await weekly(session, li)
    with time_machine.travel(MONDAY, tick=False) as traveller:
        visit = await check_in(li.client, MONDAY)
        assert await done_on(session, duty, MONDAY.date()) == (1, 0)
        for n, (verdict, done) in enumerate(
            (("rejected", 0), ("accepted", 1), ("rejected", 0), ("accepted", 1)), start=1
        ):
            traveller.move_to(MONDAY + timedelta(hours=n), tick=False)
            answer = await wang.client.post(
                f"/api/v1/check-ins/{visit['id']}/review",
                json={"verdict": verdict, "reason": "核对过"},
            )
            assert answer.status_code == 200, answer.text
            assert await done_on(session, duty, MONDAY.date()) == (done, 0)
    rows = (await session.scalars(select(Credit).order_by(Credit.id))).all()
    hours = [
        tuple(
            None if at is None else (at - MONDAY) / timedelta(hours=1)
            for at in (row.recorded_at, row.revoked_at)
        )
        for row in rows
    ]
    assert hours == [(0, 1), (2, 3), (4, None)]


async def test_who_declines_was_not_there(session: AsyncSession, li: Member, zhou: Member) -> None:
    duty = await weekly(session, zhou)
    url = f"/api/v1/patrols/{uuid4()}"
    with time_machine.travel(MONDAY, tick=False):
        await li.client.put(url, json={"started_at": MONDAY.isoformat(), "companions": ["ZHOU"]})
        await check_in(li.client, MONDAY, patrol_id=url.rsplit("/", 1)[1])
        assert await done_on(session, duty, MONDAY.date()) == (1, 0)
        assert (await zhou.client.post(f"{url}/decline")).status_code == 204
    assert await done_on(session, duty, MONDAY.date()) == (0, 0)


async def test_the_same_day_twice_is_once_and_a_doubtful_day_is_pending(
    session: AsyncSession, li: Member
) -> None:
    duty = await weekly(session, li)
    unsure = {"lon": 103.01, "lat": 24.9, "accuracy_m": 0, "datum": "wgs84"}
    tuesday = MONDAY + timedelta(days=1)
    with time_machine.travel(tuesday, tick=False):
        await check_in(li.client, MONDAY)
        await check_in(li.client, MONDAY + timedelta(hours=3))
        await check_in(li.client, MONDAY + timedelta(hours=4), position=unsure)
        assert (await check_in(li.client, tuesday, position=unsure))["verdict"] == "flagged"
    assert await done_on(session, duty, tuesday.date()) == (1, 1)
