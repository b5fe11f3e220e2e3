"""Pages of people, organisations, places and records: whose they are, and what they say."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import (
    AuditEntry,
    Exemption,
    ExemptionKind,
    Membership,
    Obligation,
    Pairing,
    Period,
    Person,
    Post,
    PostKind,
    Role,
    StelePrint,
)
from app.models.post import AreaKind
from tests.conftest import Client, Lake, Member
from tests.factories import LONG_AGO, a_person
from tests.queries import counted
from tests.routers.test_dashboard_sign_in import signed_in

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = clock.day_of(NOW)
EAST, WEST = 103.01, 102.97


async def visited(member: Member, lon: float = EAST, hours_ago: int = 3, **given: object) -> str:
    id_ = str(uuid4())
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 8, "datum": "wgs84"}
    at = (NOW - timedelta(hours=hours_ago)).isoformat()
    answer = await member.client.put(
        f"/api/v1/check-ins/{id_}", json={"at": at, "position": position} | given
    )
    assert (answer.status_code, answer.json()["verdict"]) == (201, "accepted")
    return id_


def check_ins(page: httpx.Response) -> list[str]:
    """The check-ins that the page's table leads to, in order."""
    assert page.status_code == 200
    found = re.findall(r'<a href="/dashboard/check-ins/([0-9a-f-]{36})"', page.text)
    return [str(each) for each in found]


def facts(page: httpx.Response) -> dict[str, str]:
    """What the page's list of facts says, without markup."""
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.text, re.DOTALL)
    return {name: re.sub(r"<[^>]+>", "", said).strip() for name, said in pairs}


async def looks(session: AsyncSession) -> list[tuple[str, str | None]]:
    rows = await session.execute(
        select(AuditEntry.subject, AuditEntry.reason)
        .where(AuditEntry.action == "see")
        .order_by(AuditEntry.id)
    )
    return [(subject, reason) for subject, reason in rows]


@pytest.fixture
async def west_manager(session: AsyncSession, lake: Lake) -> Person:
    return await a_person(session, organisation_id=lake.west_branch.id, role=Role.manager)


@pytest.fixture
async def of_wang(client: Client, session: AsyncSession, wang: Member) -> httpx.AsyncClient:
    return await signed_in(client, session, wang.person)


@pytest.fixture
async def of_west(client: Client, session: AsyncSession, west_manager: Person) -> httpx.AsyncClient:
    return await signed_in(client, session, west_manager)


# -- people ----------------------------------------------------------------------------------


async def test_a_person_with_all_that_is_known(
    session: AsyncSession, lake: Lake, li: Member, of_wang: httpx.AsyncClient
) -> None:
    session.add_all(
        [
            Post(
                code="Z-1",
                person_id=li.person.id,
                kind=PostKind.reach_chief,
                area_kind=AreaKind.reach,
                reach_id=lake.reach.id,
                from_on=date(2026, 1, 1),
            ),
            Obligation(
                code="O-1",
                holder_person_id=li.person.id,
                area_kind=AreaKind.reach,
                reach_id=lake.reach.id,
                times=6,
                period=Period.year,
                starts_on=date(TODAY.year, 1, 1),
            ),
            Exemption(
                code="E-1",
                holder_person_id=li.person.id,
                from_on=date(2026, 5, 1),
                to_on=date(2026, 5, 7),
                kind=ExemptionKind.leave,
                reason="住院",
                recorded_at=LONG_AGO,
            ),
        ]
    )
    await session.commit()
    visit = await visited(li)

    page = await of_wang.get("/dashboard/people/LI")

    assert check_ins(page) == [visit]
    phone = li.person.phone or ""
    said = facts(page)
    assert {name: said[name] for name in ("编码", "组织", "权限", "微信", "提醒")} == {
        "编码": "LI",
        "组织": "东岸党支部",
        "权限": "成员",
        "微信": "已绑定小程序",
        "提醒": "收不到 没有关注服务号，小程序也没有可发次数",
    }
    assert phone not in page.text
    assert f"{phone[:3]}****{phone[-4:]}" in page.text
    assert "河段长：东岸河段，2026年1月1日至今" in page.text
    assert "O-1" in page.text
    assert "每年6次" in page.text
    assert "/dashboard/roster/people/LI" in page.text
    assert "2026年5月1日至2026年5月7日：请假，住院（已批准）" in page.text


async def test_the_whole_phone_is_shown_when_asked_and_written_down(
    session: AsyncSession, li: Member, wang: Member, of_wang: httpx.AsyncClient
) -> None:
    hidden = await of_wang.get("/dashboard/people/LI")
    assert await looks(session) == []

    shown = await of_wang.get("/dashboard/people/LI?phone=true")
    own = await of_wang.get("/dashboard/people/WANG?phone=true")

    assert (li.person.phone or "") not in hidden.text
    assert (li.person.phone or "") in shown.text
    assert (wang.person.phone or "") in own.text
    assert await looks(session) == [("person:LI", "查看电话")]


@pytest.mark.parametrize(
    "address", ["people/LI", "people/LI?phone=true", "organisations/EAST", "organisations/GWH"]
)
async def test_nobody_is_shown_outside_of_the_subtree(
    session: AsyncSession, li: Member, of_west: httpx.AsyncClient, address: str
) -> None:
    await visited(li)

    page = await of_west.get(f"/dashboard/{address}")

    assert (page.status_code, "示例李" in page.text, await looks(session)) == (404, False, [])
    assert (li.person.phone or "") not in page.text


async def test_a_newcomers_earlier_records_stay_where_they_were_made(
    session: AsyncSession, lake: Lake, li: Member, of_west: httpx.AsyncClient
) -> None:
    """Whoever changes branch takes their page along, and not what they did for the old one."""
    await visited(li)
    li.person.organisation_id = lake.west_branch.id
    session.add(li.person)
    session.add(
        Membership(
            person_id=li.person.id,
            organisation_id=lake.west_branch.id,
            from_on=TODAY,
            recorded_at=NOW,
        )
    )
    await session.commit()

    page = await of_west.get("/dashboard/people/LI")

    assert check_ins(page) == []
    assert "没有可以查看的巡河。" in page.text


@pytest.mark.usefixtures("chen")
async def test_a_companions_patrol_stands_on_their_page(
    li: Member, of_wang: httpx.AsyncClient
) -> None:
    patrol = str(uuid4())
    body = {"started_at": (NOW - timedelta(hours=2)).isoformat(), "companions": ["CHEN"]}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201

    page = await of_wang.get("/dashboard/people/CHEN")

    assert re.findall(r"/dashboard/patrols/([0-9a-f-]{36})", page.text) == [patrol]
    assert "示例李（同行）" in page.text


async def test_records_go_on_over_pages(li: Member, of_wang: httpx.AsyncClient) -> None:
    made = [await visited(li, hours_ago=n) for n in range(1, 23)]

    first = await of_wang.get("/dashboard/people/LI")
    following = re.search(r'href="(\?check_ins=[^"#]+)#visits"', first.text)
    assert following is not None
    second = await of_wang.get(f"/dashboard/people/LI{following[1]}")

    assert (check_ins(first), check_ins(second)) == (made[:20], made[20:])
    assert (await of_wang.get("/dashboard/people/LI?check_ins=nothing")).status_code == 400


async def test_three_records_take_no_more_questions_than_one(
    session: AsyncSession, li: Member, of_wang: httpx.AsyncClient
) -> None:
    asked = []
    for n in (1, 3):
        while len(check_ins(await of_wang.get("/dashboard/people/LI"))) < n:
            await visited(li, hours_ago=n)
        with counted(session) as seen:
            await of_wang.get("/dashboard/people/LI")
        asked.append(seen.statements)
    assert asked[0] == asked[1]


async def test_whoever_has_left_is_said_to_have(
    session: AsyncSession, lake: Lake, of_wang: httpx.AsyncClient
) -> None:
    await a_person(
        session,
        code="GONE",
        organisation_id=lake.east_branch.id,
        to_on=TODAY - timedelta(days=1),
    )

    assert "不在册" in (await of_wang.get("/dashboard/people/GONE")).text


# -- organisations ---------------------------------------------------------------------------


async def test_an_organisations_figures_are_those_of_the_report(
    session: AsyncSession, lake: Lake, li: Member, wang: Member, of_wang: httpx.AsyncClient
) -> None:
    for code, holder, times in (("O-1", lake.committee, 2), ("O-2", lake.east_branch, 4)):
        session.add(
            Obligation(
                code=code,
                holder_organisation_id=holder.id,
                area_kind=AreaKind.any,
                times=times,
                period=Period.year,
                starts_on=date(TODAY.year, 1, 1),
            )
        )
    await session.commit()
    await visited(li)

    page = await of_wang.get("/dashboard/organisations/GWH")

    answer = await wang.client.get(
        "/api/v1/reports/patrol-progress",
        params={"organisation": "GWH", "from": f"{TODAY.year}-01-01", "to": str(TODAY)},
    )
    report = answer.json()
    (own,) = [row for row in report["rows"] if row["code"] == "GWH"]
    assert 0 < own["owed"] < report["totals"]["owed"]
    said = facts(page)
    for name, of in (("本组织", own), ("含下级", report["totals"])):
        assert said[name] == (
            f"应巡 {of['owed']} 次，完成 {of['met']} 次，完成率 {of['rate'] * 100:.1f}%"
        )


@pytest.mark.usefixtures("li", "zhou")
async def test_an_organisation_its_people_and_places(
    of_wang: httpx.AsyncClient, of_west: httpx.AsyncClient
) -> None:
    above = await of_wang.get("/dashboard/organisations/GWH")
    west = await of_west.get("/dashboard/organisations/WEST")

    found = re.findall(r'<li><a href="/dashboard/organisations/(\w+)">', above.text)
    assert found == ["EAST", "ENT", "VILLAGE", "WEST"]
    assert {"上级": "示例管委会", "人数": "2"}.items() <= facts(west).items()
    # Above it is named, and not theirs to open.
    assert "/dashboard/organisations/GWH" not in west.text
    assert "/dashboard/people/ZHOU" in west.text
    assert "西岸网格" in west.text
    assert "西岸一号碑" in west.text
    assert "示例李" not in west.text


# -- places ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["reaches/R-1", "steles/JB-01", "grid-cells/G-1"])
async def test_a_place_is_everybodys_and_its_records_are_not(
    li: Member, of_wang: httpx.AsyncClient, of_west: httpx.AsyncClient, place: str
) -> None:
    visit = await visited(li)

    ours, theirs = [await each.get(f"/dashboard/{place}") for each in (of_wang, of_west)]

    assert check_ins(ours) == [visit]
    assert "示例李" in ours.text
    assert check_ins(theirs) == []
    assert "示例李" not in theirs.text
    assert facts(theirs)["编码"] == place.split("/")[1]


async def test_a_stele_tells_its_keepers_of_visits_and_prints(
    session: AsyncSession,
    lake: Lake,
    zhou: Member,
    of_west: httpx.AsyncClient,
    of_wang: httpx.AsyncClient,
) -> None:
    await visited(zhou, WEST, hours_ago=5)
    session.add(StelePrint(stele_id=lake.west_stele.id, version=1, printed_at=LONG_AGO))
    await session.commit()

    page = await of_west.get("/dashboard/steles/JB-02")
    other = await of_west.get("/dashboard/steles/JB-01")
    whole = await of_wang.get("/dashboard/steles/JB-01")

    at = (NOW - timedelta(hours=5)).astimezone(clock.LAKE)
    assert facts(page)["最近到访"] == f"{at:%Y-%m-%d %H:%M}"
    assert "第1版" in page.text
    assert "最近到访" not in facts(other)
    assert "二维码" not in other.text
    assert facts(whole)["最近到访"] == "还没有"
    assert "还没有打印" in whole.text


async def test_a_cell_tells_its_keepers_of_its_months(
    li: Member, of_wang: httpx.AsyncClient, of_west: httpx.AsyncClient
) -> None:
    await visited(li)

    page = await of_wang.get("/dashboard/grid-cells/G-1-1")
    theirs = await of_west.get("/dashboard/grid-cells/G-1-1")

    day = clock.day_of(NOW - timedelta(hours=3))
    months = re.findall(
        r'<th scope="row">(\d{4}-\d\d)</th><td class="number">(\d+)</td>', page.text
    )
    expected = [
        (f"{TODAY.year}-{month:02}", "1" if month == day.month else "0")
        for month in range(1, TODAY.month + 1)
    ]
    assert months == expected
    assert facts(page)["上级网格"].split(" › ") == ["环湖网格", "东岸网格"]
    assert "各月到访" not in theirs.text


@pytest.mark.parametrize(
    "address",
    ["reaches/NONE", "steles/NONE", "grid-cells/NONE", "people/NONE", "organisations/NONE"],
)
async def test_what_is_not_there_is_a_page_that_says_so(
    of_wang: httpx.AsyncClient, address: str
) -> None:
    page = await of_wang.get(f"/dashboard/{address}")

    assert page.status_code == 404
    assert "没有成功" in page.text


# -- records ---------------------------------------------------------------------------------


async def test_a_check_in_with_its_history(
    session: AsyncSession, li: Member, wang: Member, of_wang: httpx.AsyncClient
) -> None:
    visit = await visited(li, note="水清")
    await wang.client.post(
        f"/api/v1/check-ins/{visit}/review", json={"verdict": "rejected", "reason": "不在现场"}
    )

    page = await of_wang.get(f"/dashboard/check-ins/{visit}")

    assert {"备注": "水清", "河段": "东岸河段", "结论": "无效"}.items() <= facts(page).items()
    assert "示例王 审核：不在现场" in page.text
    assert f"/dashboard/reviews/{visit}" in page.text
    assert await looks(session) == [(f"check_in:{visit}", "查看巡河记录")]


async def test_records_of_others_are_not_there(
    session: AsyncSession, li: Member, of_west: httpx.AsyncClient
) -> None:
    patrol = str(uuid4())
    body = {"started_at": (NOW - timedelta(hours=4)).isoformat()}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201
    visit = await visited(li, patrol_id=patrol)

    for address in (f"check-ins/{visit}", f"patrols/{patrol}", f"map?patrol={patrol}"):
        page = await of_west.get(f"/dashboard/{address}")
        assert (page.status_code, "示例李" in page.text) == (404, False)
    assert await looks(session) == []


async def test_a_patrol_by_its_place_is_seen_without_its_line(
    li: Member, of_west: httpx.AsyncClient, of_wang: httpx.AsyncClient
) -> None:
    """Li visits both banks: the west bank sees the visit at its own stele, and nothing else."""
    patrol = str(uuid4())
    started = NOW - timedelta(hours=6)
    body = {"started_at": started.isoformat()}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201
    point = {"seq": 1, "at": started.isoformat(), "lon": EAST, "lat": 24.9, "datum": "wgs84"}
    answer = await li.client.post(f"/api/v1/patrols/{patrol}/track", json={"points": [point]})
    assert answer.status_code == 200
    east = await visited(li, EAST, hours_ago=5, patrol_id=patrol)
    west = await visited(li, WEST, hours_ago=2, patrol_id=patrol)

    ours, theirs = [await each.get(f"/dashboard/patrols/{patrol}") for each in (of_wang, of_west)]

    assert (check_ins(ours), check_ins(theirs)) == ([east, west], [west])
    assert (f"/dashboard/map?patrol={patrol}" in ours.text) is True
    assert "轨迹只供本单位的管理人员查看" in theirs.text
    assert "/dashboard/people/LI" not in theirs.text
    drawn = await of_west.get(f"/dashboard/map?patrol={patrol}")
    assert "data-patrol" not in drawn.text
    assert check_ins(drawn) == [west]


async def test_every_link_leads_somewhere(
    session: AsyncSession, lake: Lake, li: Member, of_wang: httpx.AsyncClient
) -> None:
    patrol = str(uuid4())
    body = {"started_at": (NOW - timedelta(hours=6)).isoformat()}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201
    visit = await visited(li, patrol_id=patrol)
    session.add(Pairing(department_id=lake.east_branch.id, reach_id=lake.reach.id))
    await session.commit()
    pages = [
        "people/LI", "organisations/EAST", "reaches/R-1", "steles/JB-01", "grid-cells/G-1-1",
        f"patrols/{patrol}", f"check-ins/{visit}", f"reviews/{visit}", "reviews", "map",
        f"map?patrol={patrol}", "search?q=示例",
    ]  # fmt: skip
    leads: dict[str, str] = {}
    for address in pages:
        page = await of_wang.get(f"/dashboard/{address}")
        assert page.status_code == 200, address
        found = re.findall(r'(?:href|src)="(/[^"#]*)', page.text)
        leads |= {unescape(each): address for each in found if not each.startswith("/static/")}

    answers = {each: (await of_wang.get(each)).status_code for each in leads}

    assert {each: (status, leads[each]) for each, status in answers.items() if status != 200} == {}
    assert any(each.startswith("/api/v1/exports/check-ins.xlsx?area=") for each in leads)
