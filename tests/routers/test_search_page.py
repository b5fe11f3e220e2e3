"""The search page: what is found, by whom, and what of it is written down."""

import re

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Role
from tests.conftest import Client, Lake, Member
from tests.factories import a_person
from tests.routers.test_dashboard_sign_in import signed_in

pytestmark = pytest.mark.usefixtures("li", "zhou")


@pytest.fixture
async def of_wang(client: Client, session: AsyncSession, wang: Member) -> httpx.AsyncClient:
    return await signed_in(client, session, wang.person)


@pytest.fixture
async def of_west(client: Client, session: AsyncSession, lake: Lake) -> httpx.AsyncClient:
    sun = await a_person(
        session, code="SUN", name="示例孙", organisation_id=lake.west_branch.id, role=Role.manager
    )
    return await signed_in(client, session, sun)


async def found(browser: httpx.AsyncClient, q: str) -> dict[str, list[str]]:
    """By group: the pages that the hits lead to."""
    answer = await browser.get("/dashboard/search", params={"q": q})
    assert answer.status_code == 200
    groups = re.findall(r'<h2 id="group\d+">(.*?)</h2>(.*?)</section>', answer.text, re.DOTALL)
    return {
        title: re.findall(r'<li><a href="/dashboard/([^"]+)">', listed) for title, listed in groups
    }


async def looks(session: AsyncSession) -> list[str]:
    rows = await session.scalars(
        select(AuditEntry.subject).where(AuditEntry.action == "see").order_by(AuditEntry.id)
    )
    return list(rows)


async def test_a_part_of_a_name_finds_all_that_bear_it(of_wang: httpx.AsyncClient) -> None:
    assert await found(of_wang, "示例") == {
        "人员": ["people/LI", "people/WANG", "people/ZHOU"],
        "组织": ["organisations/ENT", "organisations/GWH", "organisations/VILLAGE"],
    }
    assert await found(of_wang, " 东岸 ") == {
        "组织": ["organisations/EAST"],
        "界碑": ["steles/JB-01"],
        "河段": ["reaches/R-1"],
        "网格": ["grid-cells/G-1", "grid-cells/G-1-1"],
    }


async def test_people_and_organisations_are_ones_own_and_places_everybodys(
    of_west: httpx.AsyncClient,
) -> None:
    assert await found(of_west, "示例") == {"人员": ["people/SUN", "people/ZHOU"]}
    assert await found(of_west, "东岸") == {
        "界碑": ["steles/JB-01"],
        "河段": ["reaches/R-1"],
        "网格": ["grid-cells/G-1", "grid-cells/G-1-1"],
    }


@pytest.mark.parametrize(
    ("q", "page"),
    [
        ("LI", "people/LI"),
        ("li", "people/LI"),
        ("EAST", "organisations/EAST"),
        ("JB-02", "steles/JB-02"),
        ("R-1", "reaches/R-1"),
        ("G-1", "grid-cells/G-1"),
    ],
)
async def test_a_code_leads_to_its_page(of_wang: httpx.AsyncClient, q: str, page: str) -> None:
    answer = await of_wang.get("/dashboard/search", params={"q": q})

    assert (answer.status_code, answer.headers.get("location")) == (303, f"/dashboard/{page}")


async def test_a_code_of_somebody_elses_leads_nowhere(of_west: httpx.AsyncClient) -> None:
    answer = await of_west.get("/dashboard/search", params={"q": "LI"})

    assert (answer.status_code, "没有找到" in answer.text) == (200, True)


async def test_a_code_that_two_things_have_is_a_list(
    session: AsyncSession, lake: Lake, of_wang: httpx.AsyncClient
) -> None:
    await a_person(session, code="R-1", name="重名者", organisation_id=lake.east_branch.id)

    assert await found(of_wang, "R-1") == {"人员": ["people/R-1"], "河段": ["reaches/R-1"]}


async def test_people_are_found_by_phone_and_that_is_written_down(
    session: AsyncSession, li: Member, of_wang: httpx.AsyncClient, of_west: httpx.AsyncClient
) -> None:
    phone = li.person.phone or ""
    for q in (phone, phone[-4:], phone[-6:], f"+86 {phone[:3]} {phone[3:7]} {phone[7:]}"):
        assert await found(of_wang, q) == {"电话相符的人员": ["people/LI"]}
    assert await looks(session) == ["person:LI"] * 4

    assert await found(of_wang, phone[-3:]) == {}
    assert await found(of_wang, phone[:-1]) == {}
    assert await found(of_west, phone) == {}
    assert await looks(session) == ["person:LI"] * 4 + ["search:phone"] * 2


async def test_no_more_than_twenty_of_a_kind_are_listed(
    session: AsyncSession, lake: Lake, of_wang: httpx.AsyncClient
) -> None:
    for n in range(21):
        await a_person(
            session, code=f"Q{n:02}", name=f"同名{n}", organisation_id=lake.east_branch.id
        )

    answer = await of_wang.get("/dashboard/search", params={"q": "同名"})

    assert re.findall(r"people/(Q\d\d)", answer.text) == [f"Q{n:02}" for n in range(20)]
    assert "只列前 20 个" in answer.text


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", "ZZ"])
async def test_signs_of_a_pattern_are_letters(of_wang: httpx.AsyncClient, q: str) -> None:
    assert await found(of_wang, q) == {}


async def test_what_no_database_takes_is_refused(of_wang: httpx.AsyncClient) -> None:
    for q in ("a\x00b", "长" * 61):
        answer = await of_wang.get("/dashboard/search", params={"q": q})
        assert answer.status_code == 422
