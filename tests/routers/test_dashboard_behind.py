"""The page of who is behind, and the page of somebody to telephone or to have reminded."""

import re
from collections.abc import Awaitable, Callable, Iterator
from html import unescape
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import AuditEntry, Call, Person, Reminder
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.settings import Settings
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.queries import counted
from tests.services.duty_book import (
    a_liaison,
    an_obligation,
    at,
    follows,
    june,
    planned,
    walked,
    with_template,
)

TODAY = june(16)
PAGE = "/dashboard/behind"
Enter = Callable[[Member], Awaitable[httpx.AsyncClient]]


@pytest.fixture
def state(state: State, settings: Settings) -> State:
    return {**state, "settings": with_template(settings)}


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with time_machine.travel(at(TODAY, 10), tick=True):
        yield


@pytest.fixture
def enter(client: Client, session: AsyncSession, state: State) -> Enter:
    """`enter(wang)`: Wang's browser, with the token that our forms carry."""

    async def entered(member: Member) -> httpx.AsyncClient:
        browser = client(None)
        cookie = await web_sessions.begin(session, member.person, via="link", now=clock.now())
        signed = await web_sessions.find(session, cookie, now=clock.now())
        await session.commit()
        assert signed is not None
        browser.cookies.set(WEB_COOKIE, cookie)
        browser.headers["X-Form-Token"] = web_sessions.form_token(state["keys"], signed)
        return browser

    return entered


@pytest.fixture
async def late(session: AsyncSession, lake: Lake, li: Member, zhou: Member, zhao: Member) -> None:
    """Li and Zhou by themselves, the village through Zhao; Li alone can be reminded."""
    await an_obligation(session, li.person, code="A", times=10)
    await an_obligation(session, zhou.person, code="B", times=5)
    await an_obligation(session, lake.village, code="C", times=10)
    await a_liaison(session, zhao.person, lake.village)
    await walked(session, li.person, june(3))
    await follows(session, li.person)


def cells(page: httpx.Response) -> list[dict[str, str]]:
    """The rows of the table, by the cells' own headings."""
    assert page.status_code == 200, page.text
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page.text, re.DOTALL) or [""]
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL):
        parts = re.findall(r'data-label="([^"]+)"[^>]*>(.*?)</t[hd]>', row, re.DOTALL)
        texts = {name: unescape(re.sub(r"<[^>]+>", " ", inner)).split() for name, inner in parts}
        found.append({name: " ".join(words) for name, words in texts.items()})
    return found


async def holders(browser: httpx.AsyncClient, **params: Any) -> list[str]:
    return [row["责任人"].split()[0] for row in cells(await browser.get(PAGE, params=params))]


@pytest.mark.usefixtures("late")
async def test_the_page_says_what_the_report_says(enter: Enter, wang: Member, zhao: Member) -> None:
    for member in (wang, zhao):
        report = (await member.client.get("/api/v1/reports/behind")).json()
        page = await (await enter(member)).get(PAGE)
        rows = cells(page)
        assert [
            (row["责任人"].split()[0], row["地点"], row["已巡/应完成"], row["落后"]) for row in rows
        ] == [
            (
                row["holder_name"],
                row["area_name"],
                f"{row['done']}/{row['due']}",
                f"{row['behind']} 次",
            )
            for row in report["rows"]
        ]
        totals = report["totals"]
        assert f"{totals['holders']} 个责任人、{totals['duties']} 项任务" in page.text
    assert [row["责任人"] for row in rows] == ["示例村"]


@pytest.mark.usefixtures("late")
async def test_a_row_says_all_that_one_wants_to_know(enter: Enter, wang: Member) -> None:
    rows = cells(await (await enter(wang)).get(PAGE, params={"q": "示例李"}))
    assert rows == [
        {
            "责任人": "示例李 东岸党支部",
            "地点": "不限",
            "已巡/应完成": "1/5",
            "落后": "4 次",
            "从何时起": "2026年6月7日",
            "最近巡河": "2026年6月3日",
            "最近提醒": "—",
            "提醒": "收得到",
            "联系人": "联系示例李",
        }
    ]


@pytest.mark.usefixtures("late")
async def test_filters(enter: Enter, wang: Member) -> None:
    browser = await enter(wang)
    assert await holders(browser) == ["示例李", "示例村", "示例周"]
    assert await holders(browser, organisation="EAST") == ["示例李"]
    assert await holders(browser, reachable="yes") == ["示例李"]
    assert await holders(browser, reachable="no") == ["示例村", "示例周"]
    assert await holders(browser, q="西岸") == ["示例周"]
    assert await holders(browser, q="示例赵") == ["示例村"]  # by the contact's name
    assert await holders(browser, q="c") == ["示例村"]  # by the duty's code
    assert await holders(browser, area="不限", organisation="", q="") == [
        "示例李",
        "示例村",
        "示例周",
    ]
    assert await holders(browser, area="东岸网格") == []
    assert await holders(browser, start=1) == ["示例村", "示例周"]
    assert (await browser.get(PAGE, params={"organisation": "NOWHERE"})).status_code == 404


@pytest.mark.usefixtures("late")
async def test_nobody_elses_are_shown(enter: Enter, zhao: Member) -> None:
    browser = await enter(zhao)
    assert await holders(browser) == ["示例村"]
    assert (await browser.get(PAGE, params={"organisation": "EAST"})).status_code == 404
    page = await browser.get(PAGE)
    assert "示例李" not in page.text
    assert "东岸" not in page.text


async def test_a_contact_of_others_is_named_and_not_linked(
    session: AsyncSession, enter: Enter, lake: Lake, li: Member, zhao: Member, wang: Member
) -> None:
    """The village's liaison is of the east bank's branch, which Zhao does not manage."""
    await an_obligation(session, lake.village, code="C", times=10)
    await a_liaison(session, li.person, lake.village)
    page = await (await enter(zhao)).get(PAGE)
    assert [row["联系人"] for row in cells(page)] == ["示例李"]
    assert f"{PAGE}/LI" not in page.text
    page = await (await enter(wang)).get(PAGE)
    assert [row["联系人"] for row in cells(page)] == ["联系示例李"]


@pytest.mark.usefixtures("late")
async def test_more_rows_cost_no_more_questions(
    session: AsyncSession, enter: Enter, lake: Lake, wang: Member, chen: Member
) -> None:
    browser = await enter(wang)
    await browser.get(PAGE)
    with counted(session) as three:
        await browser.get(PAGE)
    await an_obligation(session, chen.person, code="D", times=10)
    await an_obligation(session, lake.enterprise, code="E", times=10)
    with counted(session) as five:
        assert len(await holders(browser)) == 5
    assert five.statements == three.statements


# -- somebody to speak to --------------------------------------------------------------------


@pytest.mark.usefixtures("late")
async def test_the_number_is_shown_and_that_it_was(
    session: AsyncSession, enter: Enter, wang: Member, li: Member
) -> None:
    await session.execute(
        update(Person).where(Person.id == li.person.id).values(phone="19900000001")
    )
    await session.commit()
    page = await (await enter(wang)).get(f"{PAGE}/LI")
    assert 'href="tel:19900000001"' in page.text
    assert [row["落后"] for row in cells(page)] == ["4 次"]
    (entry,) = await session.scalars(select(AuditEntry).where(AuditEntry.action == "see"))
    assert (entry.actor_id, entry.subject, entry.via, entry.reason) == (
        wang.person.id,
        "person:LI",
        "web",
        "电话联系",
    )
    # Nor does the list show any number.
    assert "1990000" not in (await (await enter(wang)).get(PAGE)).text


@pytest.mark.usefixtures("late")
async def test_somebody_without_a_call_is_ticked_off(
    session: AsyncSession, enter: Enter, wang: Member, zhou: Member
) -> None:
    browser = await enter(wang)
    done = await browser.post(f"{PAGE}/ZHOU/phoned", data={"note": " 下周补 "})
    assert (done.status_code, done.headers["location"].split("?")[0]) == (303, f"{PAGE}/ZHOU")
    (call,) = await session.scalars(select(Call))
    assert (call.person_id, call.phoned_by_id, call.note) == (
        zhou.person.id,
        wang.person.id,
        "下周补",
    )
    assert call.phoned_at is not None
    # Telephoned again is another call; the list has them both.
    assert (await browser.post(f"{PAGE}/ZHOU/phoned")).status_code == 303
    listed = (await wang.client.get("/api/v1/calls", params={"state": "phoned"})).json()["items"]
    assert [(each["person"]["code"], each["note"]) for each in listed] == [
        ("ZHOU", None),
        ("ZHOU", "下周补"),
    ]
    assert "上次电话" in (await browser.get(f"{PAGE}/ZHOU")).text


@pytest.mark.usefixtures("late")
async def test_an_open_call_is_the_one_that_is_ticked_off(
    session: AsyncSession, settings: Settings, enter: Enter, wang: Member
) -> None:
    await planned(session, with_template(settings), TODAY)
    (before,) = await session.scalars(
        select(Call).join(Person, Person.id == Call.person_id).where(Person.code == "ZHOU")
    )
    browser = await enter(wang)
    rows = {row["责任人"].split()[0]: row["联系人"] for row in cells(await browser.get(PAGE))}
    assert rows["示例周"] == "联系示例周 待电话"
    assert before.reason in (await browser.get(f"{PAGE}/ZHOU")).text
    await browser.post(f"{PAGE}/ZHOU/phoned", data={"note": "好"})
    (call,) = await session.scalars(
        select(Call)
        .where(Call.person_id == before.person_id)
        .execution_options(populate_existing=True)
    )
    assert (call.id, call.note) == (before.id, "好")


@pytest.mark.usefixtures("late")
async def test_reminded_from_the_page(
    session: AsyncSession, enter: Enter, wang: Member, li: Member
) -> None:
    browser = await enter(wang)
    done = await browser.post(f"{PAGE}/LI/reminder")
    assert (done.status_code, done.headers["location"].split("?")[0]) == (303, f"{PAGE}/LI")
    (reminder,) = await session.scalars(select(Reminder))
    assert reminder.person_id == li.person.id
    (entry,) = await session.scalars(select(AuditEntry).where(AuditEntry.action == "remind"))
    assert entry.via == "web"
    again = await browser.post(f"{PAGE}/LI/reminder")
    assert (again.status_code, "今天已经提醒过" in again.text) == (409, True)
    nowhere = await browser.post(f"{PAGE}/ZHOU/reminder")
    assert (nowhere.status_code, "请打电话" in nowhere.text) == (409, True)


@pytest.mark.usefixtures("late")
async def test_nobody_elses_are_spoken_to(
    session: AsyncSession, enter: Enter, zhao: Member
) -> None:
    browser = await enter(zhao)
    assert (await browser.get(f"{PAGE}/LI")).status_code == 404
    for act in ("phoned", "reminder"):
        assert (await browser.post(f"{PAGE}/LI/{act}")).status_code == 404
    assert (await session.scalars(select(Call))).all() == []
    assert (await session.scalars(select(Reminder))).all() == []
    assert (
        await session.scalars(select(AuditEntry).where(AuditEntry.action.in_(("see", "phoned"))))
    ).all() == []
