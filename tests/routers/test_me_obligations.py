"""What one owes: one's own, one's organisation's and those above it, figure by figure."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AreaKind,
    Exemption,
    ExemptionKind,
    ExemptionState,
    Membership,
    Obligation,
    Organisation,
    Period,
    Person,
    PhotoRule,
)
from app.wechat.simulator.photos import sample
from tests.conftest import Client, Lake, Member
from tests.factories import LONG_AGO, a_person, a_token

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
"""A Monday, ten in the morning at the lake."""
EAST = (103.01, 24.90)
WEST = (102.97, 24.90)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


async def owes(
    session: AsyncSession, holder: Person | Organisation, code: str, **given: Any
) -> Obligation:
    """Six a year anywhere, unless told otherwise."""
    whose = "holder_person_id" if isinstance(holder, Person) else "holder_organisation_id"
    defaults = {
        "code": code,
        "area_kind": AreaKind.any,
        "times": 6,
        "period": Period.year,
        "starts_on": date(2026, 1, 1),
        whose: holder.id,
    }
    row = Obligation(**defaults | given)
    session.add(row)
    await session.commit()
    return row


async def was_here(
    clock: time_machine.Traveller,
    member: Member,
    day: date,
    at: tuple[float, float] = EAST,
    *,
    accuracy_m: float = 10,
) -> dict[str, Any]:
    """A check-in at noon of that day; beyond 200 m of accuracy it awaits review."""
    noon = datetime(day.year, day.month, day.day, 4, 0, tzinfo=UTC)
    clock.move_to(noon)
    response = await member.client.put(
        f"/api/v1/check-ins/{uuid4()}",
        json={
            "at": noon.isoformat(),
            "position": {"lon": at[0], "lat": at[1], "accuracy_m": accuracy_m, "datum": "wgs84"},
        },
    )
    assert response.status_code == 201
    clock.move_to(NOW)
    answer: dict[str, Any] = response.json()
    return answer


async def read(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    response = await client.get("/api/v1/me/obligations")
    assert response.status_code == 200
    body = response.json()
    assert list(body) == ["items"]
    items: list[dict[str, Any]] = body["items"]
    return items


async def test_own_duties_come_first_then_those_of_the_organisations_upwards(
    session: AsyncSession, clock: time_machine.Traveller, lake: Lake, li: Member, zhou: Member
) -> None:
    lake.east_branch.short_name = "东岸"
    await owes(session, li.person, "Z-OWN", area_kind=AreaKind.reach, reach_id=lake.reach.id)
    await owes(session, lake.east_branch, "M-BRANCH", times=2, period=Period.month)
    await owes(
        session,
        lake.committee,
        "A-ABOVE",
        times=1,
        period=Period.week,
        area_kind=AreaKind.paired,
    )
    await owes(session, zhou.person, "A-HIS")
    await owes(session, lake.west_branch, "A-THEIRS")
    for day in (date(2026, 2, 10), date(2026, 4, 20)):
        await was_here(clock, li, day)
    await was_here(clock, li, date(2026, 5, 20), WEST)
    await was_here(clock, li, NOW.date(), accuracy_m=900)

    assert await read(li.client) == [
        {
            "code": "Z-OWN",
            "area": {"kind": "reach", "code": "R-1", "name": "东岸河段"},
            "times": 6,
            "period": "year",
            "window": {"from": "2026-01-01", "to": "2026-12-31"},
            "owed": 6,
            "done": 2,
            "pending": 1,
            "due_by_now": 2,
            "behind": 0,
            "next_due_on": "2026-07-02",
            "state": "on_track",
            "holder": {"kind": "person", "code": "LI", "name": "示例李"},
            "forecast": {"by": "2026-12-31", "done": 5, "owed": 6},
            "summary": "照现在的进度，到年底能完成5/6次；下一次请在7月2日前。另有1天待核。",
        },
        {
            "code": "M-BRANCH",
            "area": {"kind": "any", "code": None, "name": "不限"},
            "times": 2,
            "period": "month",
            "window": {"from": "2026-06-01", "to": "2026-06-30"},
            "owed": 2,
            "done": 0,
            "pending": 1,
            "due_by_now": 0,
            "behind": 0,
            "next_due_on": "2026-06-15",
            "state": "on_track",
            "holder": {"kind": "organisation", "code": "EAST", "name": "东岸党支部"},
            "forecast": {"by": "2026-06-30", "done": 0, "owed": 2},
            "summary": "本期应巡2次，还没有开始；第一次请在6月15日前。另有1天待核。",
        },
        {
            "code": "A-ABOVE",
            "area": {"kind": "paired", "code": None, "name": "挂钩河段"},
            "times": 1,
            "period": "week",
            "window": {"from": "2026-06-01", "to": "2026-06-07"},
            "owed": 1,
            "done": 0,
            "pending": 0,
            "due_by_now": 0,
            "behind": 0,
            "next_due_on": "2026-06-07",
            "state": "due_soon",
            "holder": {"kind": "organisation", "code": "GWH", "name": "示例管委会"},
            "forecast": {"by": "2026-06-07", "done": 0, "owed": 1},
            "summary": "本期应巡1次，还没有开始；第一次请在6月7日前。",
        },
    ]


async def test_a_duty_is_shown_while_it_runs_even_when_nothing_is_owed(
    session: AsyncSession, li: Member
) -> None:
    await owes(session, li.person, "1-SEASON", times=2, period=Period.month, months="11-3")
    await owes(session, li.person, "2-LAST-DAY", ends_on=NOW.date())
    await owes(session, li.person, "3-FIRST-DAY", starts_on=NOW.date())
    await owes(session, li.person, "4-TOMORROW", starts_on=NOW.date() + timedelta(days=1))
    await owes(session, li.person, "5-OVER", ends_on=NOW.date() - timedelta(days=1))
    await owes(session, li.person, "6-RETIRED", retired_on=NOW.date())
    await owes(session, li.person, "7-LEAVES-TOMORROW", retired_on=NOW.date() + timedelta(days=1))
    shown = [
        {key: item[key] for key in ("code", "owed", "behind", "next_due_on", "state", "summary")}
        for item in await read(li.client)
    ]
    # 152 of 365 days: 2 * 6 * 152 + 365 over 730 is 2; slices end on days 76 and 152.
    behind = {
        "owed": 2,
        "behind": 1,
        "next_due_on": "2026-03-17",
        "state": "behind",
        "summary": "本期应巡2次，还没有开始；已比进度少1次，第一次请尽快安排。",
    }
    assert shown == [
        {
            "code": "1-SEASON",
            "owed": 0,
            "behind": 0,
            "next_due_on": None,
            "state": "done",
            "summary": "本期不用巡河。",
        },
        {"code": "2-LAST-DAY", **behind},
        {
            # 214 days: 2 * 6 * 214 + 365 over 730 is 4; the first slice ends on day 54.
            "code": "3-FIRST-DAY",
            "owed": 4,
            "behind": 0,
            "next_due_on": "2026-07-24",
            "state": "on_track",
            "summary": "本期应巡4次，还没有开始；第一次请在7月24日前。",
        },
        {"code": "7-LEAVES-TOMORROW", **behind},
    ]


async def test_leave_and_membership_shrink_what_a_person_owes(
    session: AsyncSession, clock: time_machine.Traveller, li: Member
) -> None:
    await owes(session, li.person, "OWN", times=10, period=Period.month)
    await session.execute(
        update(Membership)
        .where(Membership.person_id == li.person.id)
        .values(from_on=date(2026, 6, 1), to_on=date(2026, 6, 12))
    )
    session.add(
        Exemption(
            code="X",
            holder_person_id=li.person.id,
            from_on=date(2026, 6, 4),
            to_on=date(2026, 6, 9),
            kind=ExemptionKind.leave,
            reason="住院",
            state=ExemptionState.granted,
            recorded_at=LONG_AGO,
        )
    )
    await session.commit()
    # Active: 1-3 and 10-12. Slices of two end on the 3rd and the 12th.
    (item,) = await read(li.client)
    assert (item["owed"], item["next_due_on"], item["state"]) == (2, "2026-06-03", "due_soon")
    await was_here(clock, li, date(2026, 6, 1))
    (item,) = await read(li.client)
    assert (item["done"], item["next_due_on"], item["state"]) == (1, "2026-06-12", "on_track")
    assert item["forecast"] == {"by": "2026-06-30", "done": 6, "owed": 2}
    assert item["summary"] == "照现在的进度，到本月底能完成2/2次；下一次请在6月12日前。"
    clock.move_to(datetime(2026, 6, 12, 2, 0, tzinfo=UTC))
    (item,) = await read(li.client)
    assert (item["state"], item["summary"]) == (
        "due_soon",
        "照现在的进度，到本月底能完成1/2次；下一次请在今天。",
    )


async def test_what_is_done_says_so(
    session: AsyncSession, clock: time_machine.Traveller, li: Member
) -> None:
    await owes(session, li.person, "OWN", times=1, period=Period.quarter)
    for day in (date(2026, 4, 3), date(2026, 5, 3)):
        await was_here(clock, li, day)
    (item,) = await read(li.client)
    assert {key: item[key] for key in ("done", "owed", "next_due_on", "state", "summary")} == {
        "done": 2,
        "owed": 1,
        "next_due_on": None,
        "state": "done",
        "summary": "本期应巡1次，已巡2次，已完成。",
    }


async def test_who_is_behind_catches_up_by_a_photo_where_one_is_required(
    session: AsyncSession, clock: time_machine.Traveller, li: Member
) -> None:
    await owes(session, li.person, "OWN", photo=PhotoRule.required)
    visit = await was_here(clock, li, NOW.date())
    assert visit["counts_for"] == []
    (item,) = await read(li.client)
    assert (item["done"], item["behind"], item["state"]) == (0, 2, "behind")
    response = await li.client.post(
        f"/api/v1/check-ins/{visit['id']}/photos",
        data={"id": str(uuid4())},
        files={"file": ("1.jpg", sample(1), "image/jpeg")},
    )
    assert response.status_code == 201
    (item,) = await read(li.client)
    assert (item["done"], item["behind"], item["state"]) == (1, 1, "behind")
    assert item["summary"] == ("照现在的进度，到年底能完成2/6次；已比进度少1次，下一次请尽快安排。")


async def test_the_same_answer_has_the_same_etag_until_something_counts(
    session: AsyncSession, clock: time_machine.Traveller, li: Member
) -> None:
    await owes(session, li.person, "OWN")
    first = await li.client.get("/api/v1/me/obligations")
    again = await li.client.get(
        "/api/v1/me/obligations", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    await was_here(clock, li, NOW.date())
    third = await li.client.get(
        "/api/v1/me/obligations", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (third.status_code, third.json()["items"][0]["done"]) == (200, 1)


async def test_nobody_else_is_told(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    li: Member,
    zhou: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
) -> None:
    await owes(session, li.person, "OWN")
    await owes(session, lake.east_branch, "BRANCH")
    # Not even a manager: these are one's own.
    for other in (zhou, wang):
        assert await read(other.client) == []
    former = await a_person(
        session, organisation_id=lake.east_branch.id, to_on=NOW.date() - timedelta(days=1)
    )
    refusals = [
        await refused.get("/api/v1/me/obligations")
        for refused in (
            client(None),
            client("forged"),
            stranger,
            client(await a_token(session, former)),
            program,
        )
    ]
    assert [(each.status_code, each.json()["code"]) for each in refusals] == [
        (401, "unauthenticated"),
        (401, "unauthenticated"),
        (403, "not-bound"),
        (403, "not-bound"),
        (403, "forbidden"),
    ]


async def test_whoever_changes_over_owes_with_the_new_organisation(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    await owes(session, lake.east_branch, "EAST-ONE")
    await owes(session, lake.west_branch, "WEST-ONE")
    before = (
        await session.scalars(select(Membership).where(Membership.person_id == li.person.id))
    ).one()
    before.to_on = NOW.date() - timedelta(days=1)
    session.add(
        Membership(
            person_id=li.person.id,
            organisation_id=lake.west_branch.id,
            from_on=NOW.date(),
            recorded_at=LONG_AGO,
        )
    )
    await session.commit()
    assert [item["code"] for item in await read(li.client)] == ["WEST-ONE"]


@contextmanager
def trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that reaches the driver, whoever sends it."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", noting)
        yield sent


async def test_one_duty_asks_as_much_as_fifty(
    session: AsyncSession, lake: Lake, li: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owes(session, li.person, "D-00", area_kind=AreaKind.reach, reach_id=lake.reach.id)
    with trips(monkeypatch) as for_one:
        assert len(await read(li.client)) == 1
    holders: list[Person | Organisation] = [li.person, lake.east_branch, lake.committee]
    for n in range(1, 50):
        await owes(session, holders[n % 3], f"D-{n:02}")
    with trips(monkeypatch) as for_fifty:
        assert len(await read(li.client)) == 50
    assert len(for_fifty) == len(for_one) > 0
