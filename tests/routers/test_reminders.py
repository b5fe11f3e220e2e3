"""The list of reminders: what stands in it, whose it is, how it is cut."""

from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Channel, Period, Reminder, ReminderState
from app.settings import Settings
from tests.conftest import Lake, Member
from tests.queries import counted
from tests.services.duty_book import (
    a_liaison,
    an_obligation,
    follows,
    june,
    planned,
    with_template,
)

URL = "/api/v1/reminders"


@pytest.fixture
async def told(
    session: AsyncSession, settings: Settings, lake: Lake, li: Member, zhou: Member, zhao: Member
) -> None:
    """Li of the east was told on the 16th, Zhou of the west and the village's Zhao on the 17th."""
    mailing = with_template(settings)
    await follows(session, li.person)
    await an_obligation(session, li.person, code="A", times=2)
    await planned(session, mailing, june(16))
    await an_obligation(session, zhou.person, code="B", times=2)
    await a_liaison(session, zhao.person, lake.village)
    await an_obligation(session, lake.village, code="C", times=2)
    await planned(session, mailing, june(17))


async def _codes(client: httpx.AsyncClient, **params: str | int) -> list[str]:
    response = await client.get(URL, params=params)
    assert response.status_code == 200
    return sorted(item["person"]["code"] for item in response.json()["items"])


@pytest.mark.usefixtures("told")
async def test_a_reminder_is_shown_with_its_duties_and_what_came_of_it(
    session: AsyncSession, wang: Member, li: Member
) -> None:
    sent_at = datetime(2026, 6, 16, 1, 2, tzinfo=UTC)
    await session.execute(
        update(Reminder)
        .where(Reminder.person_id == li.person.id)
        .values(
            state=ReminderState.sent, channel=Channel.template, sent_at=sent_at, text="进度提示"
        )
    )
    await session.commit()

    response = await wang.client.get(URL, params={"person": "LI"})

    body = response.json()
    (item,) = body["items"]
    assert body["next"] is None
    assert item == {
        "id": item["id"],
        "day": "2026-06-16",
        "person": {"code": "LI", "name": "示例李"},
        "organisation": {"code": "EAST", "name": "东岸党支部"},
        "kind": "behind",
        "state": "sent",
        "channel": "template",
        "reason": None,
        "text": "进度提示",
        "obligations": [
            {
                "code": "A",
                "kind": "behind",
                "window_from": "2026-06-01",
                "slice": 1,
                "due_on": "2026-06-15",
                "done": 0,
                "owed": 2,
                "behind": 1,
            }
        ],
        "figures": {},
        "planned_at": "2026-06-16T09:00:00+08:00",
        "as_of": None,
        "sent_at": "2026-06-16T09:02:00+08:00",
        "confirmed_at": None,
    }


async def test_a_digest_is_shown_with_its_figures(
    session: AsyncSession, settings: Settings, li: Member, wang: Member
) -> None:
    await follows(session, wang.person)
    await an_obligation(session, li.person, period=Period.week)
    await planned(session, with_template(settings), june(8))

    (item,) = (await wang.client.get(URL)).json()["items"]

    assert (item["kind"], item["obligations"]) == ("digest", [])
    assert item["figures"] == {"behind": 0, "people": 0, "calls": 0, "reviews": 0, "unmet": 1}


@pytest.mark.usefixtures("told")
async def test_everybody_sees_their_own_subtree(
    wang: Member,
    zhao: Member,
    qian: Member,
    li: Member,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    everybody = ["LI", "ZHAO", "ZHOU"]
    assert await _codes(wang.client) == everybody
    assert await _codes(qian.client) == everybody
    assert await _codes(program) == everybody
    assert await _codes(zhao.client) == ["ZHAO"]
    assert await _codes(west_program) == ["ZHOU"]
    assert (await li.client.get(URL)).status_code == 403


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("params", "codes"),
    [
        ({"from": "2026-06-17"}, ["ZHAO", "ZHOU"]),
        ({"to": "2026-06-16"}, ["LI"]),
        ({"from": "2026-06-16", "to": "2026-06-17"}, ["LI", "ZHAO", "ZHOU"]),
        ({"state": "call_list"}, ["ZHAO", "ZHOU"]),
        ({"state": "queued"}, ["LI"]),
        ({"kind": "due_soon"}, []),
        ({"person": "ZHOU"}, ["ZHOU"]),
        ({"organisation": "WEST"}, ["ZHOU"]),
        ({"organisation": "GWH"}, ["LI", "ZHAO", "ZHOU"]),
        ({"organisation": "NOWHERE"}, []),
    ],
)
async def test_filters(wang: Member, params: dict[str, str], codes: list[str]) -> None:
    assert await _codes(wang.client, **params) == codes


@pytest.mark.usefixtures("told")
async def test_pages_hold_each_once_newest_first(wang: Member) -> None:
    days, cursor = [], None
    for _ in range(3):
        params: dict[str, str | int] = {"limit": 1}
        if cursor:
            params["cursor"] = cursor
        page = (await wang.client.get(URL, params=params)).json()
        days += [item["day"] for item in page["items"]]
        cursor = page["next"]

    assert days == ["2026-06-17", "2026-06-17", "2026-06-16"]
    assert cursor is None


async def test_three_cost_as_many_queries_as_one(
    session: AsyncSession, settings: Settings, wang: Member, li: Member, zhou: Member, zhao: Member
) -> None:
    mailing, costs = with_template(settings), []
    for n, people in enumerate([[li], [zhou, zhao]]):
        for member in people:
            await an_obligation(session, member.person, times=2)
        await planned(session, mailing, june(16 + n))
        with counted(session) as seen:
            await wang.client.get(URL)
        costs.append(seen.statements)

    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    "params",
    [
        {"from": "16.06.2026"},
        {"kind": "nagging"},
        {"state": "lost"},
        {"limit": 0},
        {"limit": 1001},
        {"person": ""},
    ],
)
async def test_filters_that_make_no_sense_are_refused(
    wang: Member, params: dict[str, str | int]
) -> None:
    response = await wang.client.get(URL, params=params)

    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_a_forged_cursor_is_refused(wang: Member) -> None:
    response = await wang.client.get(URL, params={"cursor": "x"})

    assert (response.status_code, response.json()["code"]) == (400, "bad-request")
