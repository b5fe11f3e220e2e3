"""The overview: every figure is the report's, for whoever looks, and leads to what is behind it."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import orjson
import pytest
import time_machine
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import Period
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.settings import Settings
from tests.conftest import Client, Lake, Member
from tests.queries import counted
from tests.services.duty_book import (
    an_obligation,
    at,
    delivered,
    doubtful,
    follows,
    june,
    planned,
    walked,
    with_template,
)

TODAY = june(16)
PAGE = "/dashboard"


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with time_machine.travel(at(TODAY, 10), tick=True):
        yield


@pytest.fixture
async def history(
    session: AsyncSession, settings: Settings, lake: Lake, li: Member, zhou: Member, zhao: Member
) -> None:
    """Some months of both banks and the village, with a doubt and a reminder."""
    await an_obligation(session, li.person, code="A", times=2)
    await an_obligation(session, zhou.person, code="B", times=6, period=Period.year)
    await an_obligation(session, lake.village, code="C", times=1)
    april = june(1).replace(month=4)
    await walked(session, li.person, april, april.replace(day=9), april.replace(day=10), june(2))
    await walked(session, zhou.person, june(3))
    await walked(session, zhao.person, june(4).replace(month=2))
    await doubtful(session, zhou.person, june(5))
    await follows(session, zhou.person)
    await planned(session, with_template(settings), TODAY)
    await delivered(session)


async def look(
    client: Client, session: AsyncSession, member: Member, **params: str
) -> httpx.Response:
    browser = client(None)
    cookie = await web_sessions.begin(session, member.person, via="link", now=clock.now())
    await session.commit()
    browser.cookies.set(WEB_COOKIE, cookie)
    return await browser.get(PAGE, params=params)


def cards(page: httpx.Response) -> dict[str, tuple[str, str]]:
    """By its heading, a card's figure and where it leads."""
    assert page.status_code == 200, page.text
    found = re.findall(r'<a class="card" href="([^"]+)">([^<]+)<b>([^<]+)</b><small>', page.text)
    return {name: (figure, unescape(link)) for link, name, figure in found}


def months(page: httpx.Response) -> list[dict[str, Any]]:
    """What the chart draws, which must be what the table says."""
    (drawn,) = re.findall(r'data-months="([^"]+)"', page.text)
    found: list[dict[str, Any]] = orjson.loads(unescape(drawn))
    rows = re.findall(
        r'<th scope="row"><a [^>]+>([^<]+)</a></th>((?:<td[^>]*>[^<]*</td>)+)', page.text
    )
    table = [(month, *re.findall(r">([^<]*)</td>", rest)) for month, rest in rows]
    assert table == [
        (
            each["month"],
            str(each["owed"]),
            str(each["met"]),
            "—" if each["rate"] is None else f"{each['rate'] * 100:.1f}%",
        )
        for each in found
    ]
    return found


async def report(member: Member, name: str, **asked: str) -> dict[str, Any]:
    answer = await member.client.get(f"/api/v1/reports/{name}", params=asked)
    assert answer.status_code == 200, answer.text
    totals: dict[str, Any] = answer.json()["totals"]
    return totals


def asked(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


@pytest.mark.usefixtures("history")
async def test_each_figure_is_that_of_the_report_it_leads_to(
    client: Client, session: AsyncSession, wang: Member, zhao: Member
) -> None:
    for member, organisation in ((wang, ""), (wang, "WEST"), (zhao, "")):
        page = await look(client, session, member, organisation=organisation)
        shown = cards(page)
        for name in ("今年完成率", "冷点网格", "今年已发提醒"):
            assert asked(shown[name][1]).get("organisation", "") == organisation
        progress = await report(member, "patrol-progress", **asked(shown["今年完成率"][1]))
        coverage = await report(member, "coverage", **asked(shown["冷点网格"][1]))
        reminders = await report(member, "reminders", **asked(shown["今年已发提醒"][1]))
        rate = progress["rate"]
        assert {name: figure for name, (figure, _) in shown.items()} == {
            "今年完成率": "—" if rate is None else f"{rate * 100:.1f}%",
            "进度落后": str(progress["behind"]),
            "冷点网格": str(coverage["cold"]),
            "待审核": {"": {"WANG": "1", "ZHAO": "0"}, "WEST": {"WANG": "1"}}[organisation][
                member.person.code
            ],
            "今年已发提醒": str(reminders["sent"]),
        }
        assert f"应巡 {progress['owed']} 次，完成 {progress['met']} 次" in page.text
        assert f"{coverage['cells']} 个网格中" in page.text
        assert f"{reminders['caught_up']} 条提醒后" in page.text


@pytest.mark.usefixtures("history")
async def test_each_month_is_that_months_report(
    client: Client, session: AsyncSession, wang: Member, zhao: Member
) -> None:
    for member in (wang, zhao):
        page = await look(client, session, member)
        drawn = months(page)
        assert [each["month"] for each in drawn] == [
            *(f"2025-{month:02}" for month in range(7, 13)),
            *(f"2026-{month:02}" for month in range(1, 7)),
        ]
        links = re.findall(r'<th scope="row"><a href="([^"]+)">', page.text)
        for each, link in zip(drawn, links, strict=True):
            totals = await report(member, "patrol-progress", **asked(unescape(link)))
            assert {name: totals[name] for name in ("owed", "met", "rate")} == {
                name: each[name] for name in ("owed", "met", "rate")
            }
        assert asked(unescape(links[-1])) == {"from": "2026-06-01", "to": "2026-06-16"}
        year = await report(member, "patrol-progress", **{"from": "2026-01-01", "to": "2026-06-16"})
        assert sum(each["owed"] for each in drawn[6:]) == year["owed"]
        assert sum(each["met"] for each in drawn[6:]) == year["met"] > 0


@pytest.mark.usefixtures("history")
async def test_other_organisations_are_not_there(
    client: Client, session: AsyncSession, zhao: Member
) -> None:
    page = await look(client, session, zhao)
    assert "东岸党支部" not in page.text
    for code in ("EAST", "NOWHERE"):
        assert (await look(client, session, zhao, organisation=code)).status_code == 404


async def test_an_empty_lake_has_an_overview(
    client: Client, session: AsyncSession, wang: Member
) -> None:
    page = await look(client, session, wang)
    shown = cards(page)
    assert (shown["今年完成率"][0], shown["进度落后"][0], shown["冷点网格"][0]) == ("—", "0", "4")
    assert {(each["owed"], each["met"], each["rate"]) for each in months(page)} == {(0, 0, None)}


@pytest.mark.usefixtures("history")
async def test_more_duties_cost_no_more_questions(
    client: Client, session: AsyncSession, lake: Lake, wang: Member, chen: Member
) -> None:
    with counted(session) as before:
        await look(client, session, wang)
    for code in ("X", "Y"):
        await an_obligation(session, chen.person, code=code, times=3)
    with counted(session) as after:
        await look(client, session, wang)
    assert lake.committee.code == "GWH"
    assert after.statements == before.statements


async def test_members_have_no_overview(client: Client, li: Member) -> None:
    assert (await client(None).get(PAGE)).headers[
        "location"
    ] == "/dashboard/sign-in?next=/dashboard"
    browser = client(None)
    browser.headers["Authorization"] = li.client.headers["Authorization"]
    assert (await browser.get(PAGE)).status_code == 303
