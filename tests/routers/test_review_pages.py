"""The review queue's pages: what waits for whom, what a reviewer sees, and the decision."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, CheckIn, CheckInVerdict, Role
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import a_person
from tests.pictures import a_jpeg
from tests.queries import counted
from tests.routers.test_dashboard_sign_in import form_token, signed_in
from tests.routers.test_photos import work

NOW = datetime.now(UTC).replace(microsecond=0)
EAST, WEST = 103.01, 102.97


async def flagged(member: Member, lon: float = EAST, hours_ago: int = 3, **given: Any) -> str:
    """A check-in that says it knows its place to 0 m."""
    id_ = str(uuid4())
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 0, "datum": "wgs84"}
    at = (NOW - timedelta(hours=hours_ago)).isoformat()
    answer = await member.client.put(
        f"/api/v1/check-ins/{id_}", json={"at": at, "position": position} | given
    )
    assert (answer.status_code, answer.json()["verdict"]) == (201, "flagged")
    return id_


async def photographed(member: Member, check_in_id: str, content: bytes) -> str:
    id_ = str(uuid4())
    answer = await member.client.post(
        f"/api/v1/check-ins/{check_in_id}/photos",
        data={"id": id_},
        files={"file": ("1.jpg", content, "image/jpeg")},
    )
    assert answer.status_code == 201
    return id_


def links(page: httpx.Response) -> list[str]:
    """The check-ins that the page's rows lead to, in order."""
    found = re.findall(
        r'<th scope="row"[^>]*><a href="/dashboard/reviews/([0-9a-f-]{36})', page.text
    )
    return [str(each) for each in found]


async def decide(
    browser: httpx.AsyncClient, session: AsyncSession, state: State, id_: str, **given: str
) -> httpx.Response:
    token = await form_token(session, state["keys"], browser)
    fields = {"form_token": token, "verdict": "accepted", "reason": "与村支书核实过"} | given
    return await browser.post(f"/dashboard/reviews/{id_}", data=fields)


async def test_whatever_waits_longest_comes_first(
    client: Client, session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    first, second = await flagged(li, hours_ago=2), await flagged(zhou, WEST, hours_ago=5)
    browser = await signed_in(client, session, wang.person)

    page = await browser.get("/dashboard/reviews")

    assert links(page) == [first, second]
    assert page.text.count("定位精度不够") == 2
    assert "共 2 条" in page.text


async def test_a_manager_sees_what_is_theirs_to_decide(
    client: Client, session: AsyncSession, lake: Lake, li: Member, zhou: Member, zhao: Member
) -> None:
    """By the person and by the place: Li at the western stele concerns the west bank too."""
    east = await flagged(li)
    west = await flagged(zhou, WEST)
    guest = await flagged(li, WEST, hours_ago=1)
    sun = await a_person(session, organisation_id=lake.west_branch.id, role=Role.manager)
    browser, outside = [await signed_in(client, session, each) for each in (sun, zhao.person)]

    assert links(await browser.get("/dashboard/reviews")) == [west, guest]
    assert links(await outside.get("/dashboard/reviews")) == []
    assert (await browser.get(f"/dashboard/reviews/{east}")).status_code == 404
    assert (await outside.get(f"/dashboard/reviews/{west}")).status_code == 404
    assert "示例李" not in (await outside.get(f"/dashboard/reviews/{east}")).text


async def test_the_queue_is_filtered(
    client: Client, session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    east = await flagged(li)
    west = await flagged(zhou, WEST, hours_ago=40)
    browser = await signed_in(client, session, wang.person)
    yesterday = (NOW + timedelta(hours=8)).date() - timedelta(days=1)

    async def found(**given: object) -> list[str]:
        params = {name.rstrip("_"): str(value) for name, value in given.items()}
        return links(await browser.get("/dashboard/reviews", params=params))

    assert await found(organisation="WEST") == [west]
    assert await found(organisation="", check="accuracy", from_="", to="") == [east, west]
    assert await found(check="speed") == []
    assert await found(to=yesterday) == [west]


async def test_the_queue_goes_on_over_pages(
    client: Client, session: AsyncSession, li: Member, wang: Member
) -> None:
    made = [await flagged(li, hours_ago=30 - n) for n in range(21)]
    browser = await signed_in(client, session, wang.person)

    first = await browser.get("/dashboard/reviews")
    following = re.search(r'href="(/dashboard/reviews\?cursor=[^"]+)"', first.text)
    assert following is not None
    second = await browser.get(following[1])

    assert (links(first), links(second)) == (made[:20], made[20:])
    assert "下一页" not in second.text


async def test_three_take_no_more_questions_than_one(
    client: Client, session: AsyncSession, li: Member, wang: Member
) -> None:
    browser = await signed_in(client, session, wang.person)
    asked = []
    for n in (1, 3):
        while len(links(await browser.get("/dashboard/reviews"))) < n:
            await flagged(li)
        with counted(session) as seen:
            await browser.get("/dashboard/reviews")
        asked.append(seen.statements)
    assert asked[0] == asked[1]


async def test_accepting_opens_the_next_one(
    client: Client, session: AsyncSession, state: State, li: Member, wang: Member
) -> None:
    first, second = await flagged(li, hours_ago=4), await flagged(li, hours_ago=2)
    browser = await signed_in(client, session, wang.person)
    page = await browser.get(f"/dashboard/reviews/{first}")
    assert f'name="next" value="{second}"' in page.text

    answer = await decide(browser, session, state, first, next=second)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/dashboard/reviews/{second}?said=")
    row = (
        await session.execute(
            select(CheckIn.verdict, CheckInVerdict.reason, CheckInVerdict.reviewer_id)
            .join(CheckInVerdict, CheckInVerdict.check_in_id == CheckIn.id)
            .where(CheckIn.id == UUID(first), CheckInVerdict.revoked_at.is_(None))
        )
    ).one()
    assert tuple(row) == ("accepted", "与村支书核实过", wang.person.id)
    assert links(await browser.get("/dashboard/reviews")) == [second]
    last = await browser.get(f"/dashboard/reviews/{second}")
    assert 'name="next" value=""' in last.text


async def test_a_decision_needs_a_reason_and_our_own_form(
    client: Client, session: AsyncSession, state: State, li: Member, wang: Member
) -> None:
    id_ = await flagged(li)
    browser = await signed_in(client, session, wang.person)

    without = await decide(browser, session, state, id_, reason=" ")
    foreign = await decide(browser, session, state, id_, form_token="forged")
    unknown = await decide(browser, session, state, id_, verdict="flagged")

    assert [each.status_code for each in (without, foreign, unknown)] == [422, 403, 422]
    assert links(await browser.get("/dashboard/reviews")) == [id_]


async def test_nobody_decides_about_their_own(
    client: Client, session: AsyncSession, state: State, wang: Member, qian: Member
) -> None:
    own = await flagged(wang)
    browser = await signed_in(client, session, wang.person)

    page = await browser.get(f"/dashboard/reviews/{own}")
    answer = await decide(browser, session, state, own)

    assert "不能审核自己的记录" in page.text
    assert 'name="verdict"' not in page.text
    assert (answer.status_code, "不能审核自己的记录" in answer.text) == (403, True)
    admin = await signed_in(client, session, qian.person)
    assert 'name="verdict"' in (await admin.get(f"/dashboard/reviews/{own}")).text


async def test_a_look_at_somebody_elses_record_is_written_down(
    client: Client, session: AsyncSession, li: Member, wang: Member
) -> None:
    theirs, own = await flagged(li), await flagged(wang)
    browser = await signed_in(client, session, wang.person)
    for id_ in (theirs, own):
        assert (await browser.get(f"/dashboard/reviews/{id_}")).status_code == 200

    seen = await session.execute(
        select(AuditEntry.actor_id, AuditEntry.via, AuditEntry.subject).where(
            AuditEntry.action == "see"
        )
    )
    assert [tuple(row) for row in seen] == [(wang.person.id, "web", f"check_in:{theirs}")]


@pytest.mark.parametrize("content", [a_jpeg(7), a_jpeg(7, (640, 480))], ids=["same", "near"])
async def test_a_photo_stands_beside_the_earlier_one(
    client: Client,
    session: AsyncSession,
    state: State,
    lake: Lake,
    li: Member,
    zhou: Member,
    wang: Member,
    content: bytes,
) -> None:
    earlier_visit = await flagged(zhou, WEST, hours_ago=30)
    earlier = await photographed(zhou, earlier_visit, a_jpeg(7))
    await work(session, state)
    visit = await flagged(li)
    photo = await photographed(li, visit, content)
    await work(session, state)
    browser = await signed_in(client, session, wang.person)
    sun = await a_person(session, organisation_id=lake.east_branch.id, role=Role.manager)
    eastern = await signed_in(client, session, sun)

    page, narrow = [await each.get(f"/dashboard/reviews/{visit}") for each in (browser, eastern)]

    for each in (page, narrow):
        assert f"/api/v1/photos/{photo}?size=large" in each.text
    assert f"/api/v1/photos/{earlier}?size=large" in page.text
    assert "示例周（西岸党支部）" in page.text
    # Whose it is, and the photo, are not told to a manager of the east bank alone.
    assert "其他单位的照片" in narrow.text
    assert earlier not in narrow.text
    assert "示例周" not in narrow.text


async def test_the_records_before_and_after_are_named(
    client: Client, session: AsyncSession, li: Member, wang: Member
) -> None:
    before = await flagged(li, hours_ago=6)
    here = await flagged(li, 103.011, hours_ago=4)
    after = await flagged(li, hours_ago=1)
    browser = await signed_in(client, session, wang.person)

    text = (await browser.get(f"/dashboard/reviews/{here}")).text

    found = re.findall(r"(前一条|后一条)：<a href=\"/dashboard/check-ins/([^\"]+)\">", text)
    assert found == [("前一条", before), ("后一条", after)]
    assert "相距 101 米，相隔 2 小时" in text
