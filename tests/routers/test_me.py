"""One's own page, colleagues, leave, and leave to be reminded."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import shapely
import time_machine
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AreaKind,
    Exemption,
    Message,
    Obligation,
    Period,
    Post,
    PostKind,
    Subscription,
)
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_reach, a_token, an_organisation
from tests.queries import counted

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)


async def a_post(session: AsyncSession, member: Member, **given: Any) -> Post:
    defaults = {"code": "POST-1", "person_id": member.person.id, "kind": PostKind.reach_chief}
    row = Post(**defaults | given)
    session.add(row)
    await session.commit()
    return row


async def an_obligation(session: AsyncSession, code: str, **given: Any) -> Obligation:
    defaults = {
        "code": code,
        "area_kind": AreaKind.any,
        "times": 6,
        "period": Period.year,
        "starts_on": date(2026, 1, 1),
    }
    row = Obligation(**defaults | given)
    session.add(row)
    await session.commit()
    return row


async def test_me_is_all_that_the_first_page_needs(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member
) -> None:
    await a_post(
        session,
        li,
        organisation_id=lake.committee.id,
        area_kind=AreaKind.reach,
        reach_id=lake.reach.id,
        deputy_id=zhou.person.id,
        from_on=date(2026, 1, 1),
    )
    await a_post(session, li, code="POST-0", to_on=date(2020, 1, 1))
    session.add(
        Message(
            person_id=li.person.id,
            kind="test",
            text="示例消息",
            created_at=NOW,
            told_at=NOW,
        )
    )
    session.add(Message(person_id=zhou.person.id, kind="test", text="给示例周的", created_at=NOW))
    await session.commit()

    response = await li.client.get("/api/v1/me")

    assert response.status_code == 200
    me = response.json()
    agreed = {"version": 1, "agreed": True, "at": "2025-01-01T08:00:00+08:00"}
    assert me == {
        "person": {
            "code": "LI",
            "name": "示例李",
            "role": "member",
            "organisation": {"code": "EAST", "name": "东岸党支部"},
            "party_member": False,
            "title": None,
        },
        "organisation": {"code": "EAST", "name": "东岸党支部"},
        "roles": ["member"],
        "posts": [
            {
                "code": "POST-1",
                "kind": "reach_chief",
                "organisation": {"code": "GWH", "name": "示例管委会"},
                "area": {"kind": "reach", "code": "R-1", "name": "东岸河段"},
                "deputy": {"code": "ZHOU", "name": "示例周"},
                "from": "2026-01-01",
                "to": None,
            }
        ],
        "steles": [
            {
                "code": "JB-01",
                "name": "东岸一号碑",
                "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": None, "datum": "wgs84"},
            }
        ],
        "reaches": [{"code": "R-1", "name": "东岸河段"}],
        "can": ["check_in", "patrol", "sync", "ask_exemption", "see_own_records"],
        "consents": [{"notice": "position"} | agreed, {"notice": "track"} | agreed],
        "messages": [
            {
                "id": me["messages"][0]["id"],
                "kind": "test",
                "text": "示例消息",
                "subject": None,
                "at": "2026-06-01T10:00:00+08:00",
                "told_at": "2026-06-01T10:00:00+08:00",
            }
        ],
    }


async def test_what_one_may_do_depends_on_the_role(li: Member, wang: Member, qian: Member) -> None:
    member, manager, admin = [
        (await each.client.get("/api/v1/me")).json()["can"] for each in (li, wang, qian)
    ]

    assert manager == [
        *member,
        "see_subtree",
        "review_check_ins",
        "decide_applications",
        "unbind_people",
    ]
    assert admin == [*manager, "see_everything"]


async def test_me_costs_the_same_with_one_post_and_with_three(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    await a_post(session, li, area_kind=AreaKind.stele, stele_id=lake.stele.id)
    with counted(session) as one:
        await li.client.get("/api/v1/me")
    for n in (2, 3):
        reach = await a_reach(
            session,
            shapely.LineString([(103.0, 24.9), (103.0, 24.91)]),
            code=f"R-{n}0",
            name="示例河段",
        )
        await a_post(session, li, code=f"POST-{n}", area_kind=AreaKind.reach, reach_id=reach.id)
    with counted(session) as three:
        me = (await li.client.get("/api/v1/me")).json()

    assert len(me["posts"]) == 3
    assert three.statements == one.statements


async def test_messages_not_yet_told_come_first(session: AsyncSession, li: Member) -> None:
    for minute, told in ((0, None), (1, NOW), (2, None), (3, NOW)):
        session.add(
            Message(
                person_id=li.person.id,
                kind="test",
                text=str(minute),
                created_at=NOW + timedelta(minutes=minute),
                told_at=told,
            )
        )
    await session.commit()

    me = (await li.client.get("/api/v1/me")).json()

    assert [message["text"] for message in me["messages"]] == ["2", "0", "3", "1"]


async def test_colleagues_are_found_by_part_of_a_name(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member
) -> None:
    del zhou
    await a_person(session, code="A", name="示例李甲", organisation_id=lake.west_branch.id)
    await a_person(session, code="B", name="示例李乙", organisation_id=lake.east_branch.id)
    await a_person(
        session,
        code="C",
        name="示例李丙",
        organisation_id=lake.east_branch.id,
        to_on=date(2020, 1, 1),
    )
    await a_person(session, code="D", name="示例李丁")

    response = await li.client.get("/api/v1/me/colleagues", params={"q": "李"})

    assert response.status_code == 200
    assert response.json() == {
        "items": [
            {
                "code": "B",
                "name": "示例李乙",
                "organisation": {"code": "EAST", "name": "东岸党支部"},
            },
            {
                "code": "A",
                "name": "示例李甲",
                "organisation": {"code": "WEST", "name": "西岸党支部"},
            },
        ]
    }


@pytest.mark.parametrize("q", ["%", "_", "\\", "示%", "'"])
async def test_wildcards_are_letters_here(li: Member, zhou: Member, q: str) -> None:
    assert zhou.person.name == "示例周"

    response = await li.client.get("/api/v1/me/colleagues", params={"q": q})

    assert (response.status_code, response.json()) == (200, {"items": []})


@pytest.mark.parametrize("q", [None, "", " ", "李" * 51, "李\x00"])
async def test_a_search_has_its_limits(li: Member, q: str | None) -> None:
    response = await li.client.get(
        "/api/v1/me/colleagues", params={"q": q} if q is not None else {}
    )

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/q")


async def test_at_most_twenty_colleagues(session: AsyncSession, lake: Lake, li: Member) -> None:
    for n in range(21):
        await a_person(session, name=f"示例{n:02}", organisation_id=lake.east_branch.id)

    items = (await li.client.get("/api/v1/me/colleagues", params={"q": "示例"})).json()["items"]

    assert [item["name"] for item in items] == [f"示例{n:02}" for n in range(20)]


async def test_asking_for_leave(session: AsyncSession, li: Member) -> None:
    await an_obligation(session, "OB-1", holder_person_id=li.person.id)
    body = {
        "from": "2026-06-01",
        "to": "2026-06-10",
        "kind": "leave",
        "reason": "住院",
        "obligation_code": "OB-1",
    }

    asked = await li.client.post("/api/v1/me/exemptions", json=body)
    again = await li.client.post("/api/v1/me/exemptions", json=body)

    assert (asked.status_code, again.status_code) == (201, 201)
    answer = asked.json()
    assert answer == body | {"id": answer["id"], "code": answer["code"], "state": "asked"}
    assert again.json() == answer
    row = (await session.scalars(select(Exemption))).one()
    assert (row.holder_person_id, row.approved_by_id) == (li.person.id, None)


async def test_leave_from_a_duty_of_ones_own_organisation(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    await an_obligation(session, "OB-1", holder_organisation_id=lake.east_branch.id)
    body = {"from": "2026-06-01", "to": "2026-06-01", "kind": "closure", "reason": "封湖"}

    response = await li.client.post(
        "/api/v1/me/exemptions", json=body | {"obligation_code": "OB-1"}
    )

    assert (response.status_code, response.json()["obligation_code"]) == (201, "OB-1")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"to": "2026-05-31"}, "/to"),
        ({"to": "2027-06-02"}, "/to"),
        ({"from": "yesterday"}, "/from"),
        ({"from": "2026-06-01T00:00:00Z"}, "/from"),
        ({"kind": "holiday"}, "/kind"),
        ({"reason": " "}, "/reason"),
        ({"reason": "长" * 501}, "/reason"),
        ({"obligation_code": "OB-1"}, "/obligation_code"),
        ({"obligation_code": "NONE"}, "/obligation_code"),
    ],
)
async def test_leave_that_makes_no_sense_is_not_asked_for(
    session: AsyncSession, li: Member, zhou: Member, change: dict[str, str], pointer: str
) -> None:
    await an_obligation(session, "OB-1", holder_person_id=zhou.person.id)
    body = {"from": "2026-06-01", "to": "2026-06-10", "kind": "leave", "reason": "住院"}

    response = await li.client.post("/api/v1/me/exemptions", json=body | change)

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert await session.scalar(select(func.count()).select_from(Exemption)) == 0


async def test_the_bounds_of_days_are_told_as_days(li: Member) -> None:
    body = {"from": "1999-12-31", "to": "2101-01-01", "kind": "leave", "reason": "住院"}

    response = await li.client.post("/api/v1/me/exemptions", json=body)

    assert response.json()["errors"] == [
        {"pointer": "/from", "detail": "日期应在 2000-01-01 至 2100-12-31 之间"},
        {"pointer": "/to", "detail": "日期应在 2000-01-01 至 2100-12-31 之间"},
    ]


async def test_one_tap_is_one_subscription(session: AsyncSession, li: Member) -> None:
    body = {"template_id": "T-1", "result": "acceptWithAudio"}
    with time_machine.travel(NOW, tick=False) as traveller:
        first = await li.client.post("/api/v1/me/subscriptions", json=body)
        traveller.shift(timedelta(seconds=30))
        again = await li.client.post("/api/v1/me/subscriptions", json=body)
        traveller.shift(timedelta(seconds=31))
        next_tap = await li.client.post("/api/v1/me/subscriptions", json=body)

    assert [r.status_code for r in (first, again, next_tap)] == [201, 200, 201]
    assert first.json() == again.json() == body | {"at": "2026-06-01T10:00:00+08:00"}
    assert await session.scalar(select(func.count()).select_from(Subscription)) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"template_id": "T-1", "result": "maybe"}, "/result"),
        ({"template_id": "", "result": "accept"}, "/template_id"),
        ({"result": "accept"}, "/template_id"),
    ],
)
async def test_only_what_wechat_says_is_taken(
    li: Member, body: dict[str, str], pointer: str
) -> None:
    response = await li.client.post("/api/v1/me/subscriptions", json=body)

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/me", None),
        ("GET", "/api/v1/me/colleagues?q=李", None),
        (
            "POST",
            "/api/v1/me/exemptions",
            {"from": "2026-06-01", "to": "2026-06-02", "kind": "leave", "reason": "住院"},
        ),
        ("POST", "/api/v1/me/subscriptions", {"template_id": "T", "result": "accept"}),
    ],
)
async def test_me_is_for_people_on_the_roster(
    client: Client,
    session: AsyncSession,
    li: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    method: str,
    path: str,
    body: object,
) -> None:
    assert li.person.name == "示例李"
    left = await a_person(
        session, organisation_id=(await an_organisation(session)).id, to_on=date(2020, 1, 1)
    )
    gone = client(await a_token(session, left))

    answers = [
        (await each.request(method, path, json=body)).json()["code"]
        for each in (client(None), stranger, gone, program)
    ]

    assert answers == ["unauthenticated", "not-bound", "not-bound", "forbidden"]
