"""The call list: who is on it and why, and ticking off."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import AuditEntry, Call, Period, Reminder
from app.services.reminders import channels
from app.settings import Settings
from tests.conftest import Lake, Member
from tests.queries import counted
from tests.services.duty_book import (
    a_liaison,
    an_obligation,
    at,
    june,
    planned,
    walked,
    with_template,
)

URL = "/api/v1/calls"
TODAY = june(16)


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    """What is owed now is asked of the clock: it is the middle of a Tuesday morning."""
    with time_machine.travel(at(TODAY, 10), tick=True):
        yield


@pytest.fixture
async def listed(
    session: AsyncSession, settings: Settings, lake: Lake, li: Member, zhou: Member, zhao: Member
) -> None:
    """Li, Zhou, and Zhao for the village, none of whom can be reached."""
    given = {"period": Period.month, "times": 10}
    await an_obligation(session, li.person, code="A", **given)
    await an_obligation(session, zhou.person, code="B", **given)
    await a_liaison(session, zhao.person, lake.village)
    await an_obligation(session, lake.village, code="C", **given)
    await planned(session, with_template(settings), TODAY)


async def _calls(client: httpx.AsyncClient, **params: str | int) -> list[dict[str, Any]]:
    response = await client.get(URL, params=params)
    assert response.status_code == 200
    items: list[dict[str, Any]] = response.json()["items"]
    return sorted(items, key=lambda item: str(item["person"]["code"]))


@pytest.mark.usefixtures("listed")
async def test_an_entry_says_whom_to_telephone_why_and_about_what(
    session: AsyncSession, wang: Member, li: Member
) -> None:
    walked_on = TODAY - timedelta(days=2)
    await walked(session, li.person, walked_on)
    reminded_at = at(walked_on)
    await session.execute(
        update(Reminder).where(Reminder.person_id == li.person.id).values(sent_at=reminded_at)
    )
    await session.commit()

    items = await _calls(wang.client)

    assert [item["person"]["code"] for item in items] == ["LI", "ZHAO", "ZHOU"]
    assert items[0] == {
        "id": items[0]["id"],
        "state": "open",
        "person": {"code": "LI", "name": "示例李", "phone": li.person.phone},
        "organisation": {"code": "EAST", "name": "东岸党支部"},
        "reason": channels.ONLY_MINI_PROGRAM,
        "day": TODAY.isoformat(),
        "opened_at": at(TODAY).astimezone(clock.LAKE).isoformat(),
        "owed": [
            {
                "code": "A",
                "done": 1,
                "owed": 10,
                "pending": 0,
                "behind": 4,
                "next_due_on": "2026-06-06",
                "state": "behind",
            }
        ],
        "last_patrol_on": walked_on.isoformat(),
        "last_reminder_at": reminded_at.astimezone(clock.LAKE).isoformat(),
        "phoned_at": None,
        "phoned_by": None,
        "note": None,
        "closed_at": None,
    }
    assert [[each["code"] for each in item["owed"]] for item in items] == [["A"], ["C"], ["B"]]


@pytest.mark.usefixtures("listed")
async def test_everybody_sees_their_own_subtree_and_programs_no_numbers(
    zhao: Member,
    li: Member,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    assert [item["person"]["code"] for item in await _calls(zhao.client)] == ["ZHAO"]
    assert [item["person"]["phone"] for item in await _calls(program)] == [None, None, None]
    assert [item["person"]["code"] for item in await _calls(west_program)] == ["ZHOU"]
    assert (await li.client.get(URL)).status_code == 403


async def _id_of(client: httpx.AsyncClient, code: str) -> str:
    (found,) = [item["id"] for item in await _calls(client) if item["person"]["code"] == code]
    return str(found)


@pytest.mark.usefixtures("listed")
async def test_ticking_off(
    session: AsyncSession, wang: Member, zhao: Member, program: httpx.AsyncClient
) -> None:
    id_ = await _id_of(wang.client, "LI")
    phoned_at = datetime.now(clock.LAKE).replace(microsecond=0) - timedelta(minutes=5)
    body = {"at": phoned_at.isoformat(), "note": "本周五去"}

    others = [
        (await client.post(f"{URL}/{id_}/phoned", json=body)).status_code
        for client in (zhao.client, program)
    ]
    response = await wang.client.post(f"{URL}/{id_}/phoned", json=body)

    assert others == [404, 403]
    assert response.status_code == 200
    item = response.json()
    assert (item["state"], item["phoned_at"], item["phoned_by"], item["note"]) == (
        "phoned",
        phoned_at.isoformat(),
        "WANG",
        "本周五去",
    )
    assert [item["person"]["code"] for item in await _calls(wang.client)] == ["ZHAO", "ZHOU"]
    assert [each["id"] for each in await _calls(wang.client, state="phoned")] == [id_]
    assert await _calls(wang.client, state="closed") == []
    entry = await session.scalar(select(AuditEntry).where(AuditEntry.action == "phoned"))
    assert entry is not None
    assert (entry.actor_id, entry.subject, entry.reason, entry.after) == (
        wang.person.id,
        f"call:{id_}",
        "本周五去",
        {"person": "LI", "phoned_at": phoned_at.isoformat()},
    )

    again = await wang.client.post(f"{URL}/{id_}/phoned", json={})
    assert (again.status_code, again.json()["code"]) == (409, "wrong-state")


@pytest.mark.usefixtures("listed")
async def test_without_a_time_it_was_just_now(wang: Member) -> None:
    id_ = await _id_of(wang.client, "LI")
    before = clock.now()

    response = await wang.client.post(f"{URL}/{id_}/phoned", json={})

    said = datetime.fromisoformat(response.json()["phoned_at"])
    assert before <= said <= clock.now()
    assert response.json()["note"] is None


@pytest.mark.usefixtures("listed")
async def test_what_closed_by_itself_may_still_be_ticked_off(
    session: AsyncSession, wang: Member
) -> None:
    id_ = await _id_of(wang.client, "LI")
    await session.execute(update(Call).values(closed_at=clock.now()))
    await session.commit()
    closed = [item["id"] for item in await _calls(wang.client, state="closed")]

    response = await wang.client.post(f"{URL}/{id_}/phoned", json={})

    assert id_ in closed
    assert (response.status_code, response.json()["state"]) == (200, "phoned")


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    "body",
    [
        {"at": "2999-01-01T00:00:00+08:00"},
        {"at": "2026-06-16T10:30:00+08:00"},
        {"at": "2026-06-01T08:30:00"},
        {"note": 7},
        {"note": "x" * 2001},
        [],
    ],
)
async def test_bad_bodies_are_refused(wang: Member, body: Any) -> None:
    id_ = await _id_of(wang.client, "LI")

    response = await wang.client.post(f"{URL}/{id_}/phoned", json=body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert len(await _calls(wang.client)) == 3


async def test_an_entry_that_is_not_there_is_404(wang: Member) -> None:
    response = await wang.client.post(f"{URL}/{uuid4()}/phoned", json={})

    assert (response.status_code, response.json()["code"]) == (404, "not-found")


@pytest.mark.usefixtures("listed")
async def test_three_cost_as_many_queries_as_one(
    session: AsyncSession, wang: Member, zhao: Member
) -> None:
    with counted(session) as one:
        assert len(await _calls(zhao.client)) == 1
    with counted(session) as three:
        assert len(await _calls(wang.client)) == 3

    assert one.statements == three.statements


@pytest.mark.usefixtures("listed")
async def test_pages_hold_each_once(wang: Member) -> None:
    seen, cursor = [], None
    for _ in range(3):
        params: dict[str, str | int] = {"limit": 1}
        if cursor:
            params["cursor"] = cursor
        page = (await wang.client.get(URL, params=params)).json()
        seen += [item["person"]["code"] for item in page["items"]]
        cursor = page["next"]

    assert (sorted(seen), cursor) == (["LI", "ZHAO", "ZHOU"], None)
