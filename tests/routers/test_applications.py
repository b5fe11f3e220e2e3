"""Who is not found applies, and a manager decides."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    Application,
    ApplicationKind,
    AuditEntry,
    Login,
    Message,
    NoticeKind,
    Role,
    WechatUser,
)
from app.services import consents
from app.wechat.simulator.platform import Platform
from tests.conftest import Client, Lake, Member
from tests.factories import a_login, a_person, a_wechat_user
from tests.phones import Tapper, sign_in

LATE = datetime(2026, 6, 1, tzinfo=UTC)
PATH = "/api/v1/applications"


async def applied(tapper: Tapper, **said: Any) -> httpx.Response:
    body = {"name": "示例甲"} | said
    return await tapper.client.post("/api/v1/sessions/applications", json=body)


async def an_application(session: AsyncSession, **given: Any) -> Application:
    user = await a_wechat_user(session)
    defaults = {
        "wechat_user_id": user.id,
        "kind": ApplicationKind.binding,
        "name": "示例甲",
        "created_at": LATE,
    }
    row = Application(**defaults | given)
    session.add(row)
    await session.commit()
    return row


async def ids_seen_by(client: httpx.AsyncClient, **query: Any) -> list[str]:
    response = await client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return [item["id"] for item in response.json()["items"]]


async def test_whoever_applies_is_answered_their_session(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    tapper = await sign_in(client, platform)

    first = await applied(tapper)
    again = await applied(tapper, name="示例乙", phone="199 0000 0001", organisation="东岸党支部")

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (first.json()["token"], first.json()["person"]) == (tapper.token, None)
    row = (await session.scalars(select(Application))).one()
    assert (row.name, row.phone, row.organisation, row.kind, row.state) == (
        "示例乙",
        "199 0000 0001",
        "东岸党支部",
        "binding",
        "pending",
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "甲" * 51}, "/name"),
        ({"name": "示例\x00甲"}, "/name"),
        ({"name": "示例甲", "phone": "call me"}, "/phone"),
        ({"name": "示例甲", "phone": "1" * 31}, "/phone"),
        ({"name": "示例甲", "organisation": "东" * 101}, "/organisation"),
    ],
)
async def test_an_application_has_its_limits(
    stranger: httpx.AsyncClient, body: dict[str, str], pointer: str
) -> None:
    response = await stranger.post("/api/v1/sessions/applications", json=body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_whoever_is_bound_need_not_apply(li: Member) -> None:
    response = await li.client.post("/api/v1/sessions/applications", json={"name": "示例李"})

    assert (response.status_code, response.json()["code"]) == (409, "already-bound")


async def test_a_manager_joins_an_applicant_to_a_person(
    client: Client, platform: Platform, session: AsyncSession, lake: Lake, wang: Member
) -> None:
    person = await a_person(session, code="SUN", name="示例孙", organisation_id=lake.east_branch.id)
    tapper = await sign_in(client, platform)
    await applied(tapper, name="示例孙", phone="19900000001")
    (item,) = (await wang.client.get(PATH, params={"state": "pending"})).json()["items"]

    joined = await wang.client.post(f"{PATH}/{item['id']}/join", json={"person_code": "SUN"})
    again = await wang.client.post(f"{PATH}/{item['id']}/join", json={"person_code": "SUN"})

    assert item == {
        "id": item["id"],
        "kind": "binding",
        "app": "mini_program",
        "name": "示例孙",
        "phone": "19900000001",
        "organisation": None,
        "person": None,
        "state": "pending",
        "created_at": item["created_at"],
        "decided_at": None,
        "reason": None,
    }
    assert (joined.status_code, again.status_code) == (200, 200)
    assert joined.json() == again.json()
    assert (joined.json()["state"], joined.json()["person"]) == (
        "joined",
        {"code": "SUN", "name": "示例孙"},
    )
    me = (await tapper.client.get("/api/v1/me")).json()
    assert me["person"]["code"] == "SUN"
    assert [message["text"] for message in me["messages"]] == [
        "绑定成功：您是示例孙，现在可以巡河了。"
    ]
    entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(e.action, e.actor_id, e.subject) for e in entries] == [
        ("bind", None, "person:SUN"),
        ("join-application", wang.person.id, f"application:{item['id']}"),
    ]
    assert (await session.scalars(select(Application.person_id))).one() == person.id


async def test_a_new_wechat_replaces_the_old_one_with_a_managers_yes(
    client: Client, platform: Platform, session: AsyncSession, lake: Lake, wang: Member
) -> None:
    person = await a_person(
        session, code="SUN", phone="19900000001", organisation_id=lake.east_branch.id
    )
    old = await sign_in(client, platform, phone="19900000001")
    new = await sign_in(client, platform, phone="19900000001")
    for tapper in (old, new):
        await tapper.client.post("/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()})
    (item,) = (await wang.client.get(PATH)).json()["items"]

    joined = await wang.client.post(f"{PATH}/{item['id']}/join", json={"person_code": "SUN"})

    assert (item["kind"], item["person"]["code"]) == ("replacement", "SUN")
    assert joined.status_code == 200
    assert (await old.client.get("/api/v1/me")).json()["code"] == "unauthenticated"
    assert (await new.client.get("/api/v1/me")).json()["person"]["code"] == "SUN"
    bound = (
        await session.scalars(select(WechatUser.openid).where(WechatUser.person_id == person.id))
    ).all()
    assert bound == [new.phone.mini_contact.openid]
    actions = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
    assert actions == ["bind", "replace-identity", "bind", "join-application"]


async def test_what_the_new_wechat_agreed_to_itself_counts(
    client: Client, platform: Platform, session: AsyncSession, lake: Lake, wang: Member
) -> None:
    """And what the old one agreed to does not: perhaps it was somebody else."""
    person = await a_person(
        session, code="SUN", phone="19900000001", organisation_id=lake.east_branch.id
    )
    old = await sign_in(client, platform, phone="19900000001")
    new = await sign_in(client, platform, phone="19900000001")
    for tapper, notices in ((old, ("position", "track")), (new, ("position",))):
        for notice in notices:
            body = {"notice": notice, "agreed": True}
            await tapper.client.post("/api/v1/me/consents", json=body)
        await tapper.client.post("/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()})
    (item,) = (await wang.client.get(PATH)).json()["items"]

    await wang.client.post(f"{PATH}/{item['id']}/join", json={"person_code": "SUN"})

    counted = [await consents.agreed(session, [person.id], notice) for notice in NoticeKind]
    assert counted == [{person.id}, set()]


async def test_nobody_reads_anothers_application(
    client: Client, platform: Platform, stranger: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    await applied(await sign_in(client, platform))

    answers = [
        (await each.get("/api/v1/sessions/applications")).json()
        for each in (client(None), stranger, program)
    ]

    assert [answers[0]["code"], answers[1], answers[2]["code"]] == [
        "unauthenticated",
        {"items": []},
        "forbidden",
    ]


async def test_declining_tells_the_applicant_why(
    client: Client, platform: Platform, session: AsyncSession, wang: Member
) -> None:
    tapper = await sign_in(client, platform)
    await applied(tapper)
    (id_,) = await ids_seen_by(wang.client, state="pending")

    declined = await wang.client.post(f"{PATH}/{id_}/decline", json={"reason": "查无此人"})
    joined = await wang.client.post(f"{PATH}/{id_}/join", json={"person_code": "WANG"})

    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    assert (joined.status_code, joined.json()["code"]) == (409, "wrong-state")
    message = (await session.scalars(select(Message))).one()
    user = (
        await session.scalars(
            select(WechatUser).where(WechatUser.openid == tapper.phone.mini_contact.openid)
        )
    ).one()
    assert (message.wechat_user_id, message.text) == (user.id, "您的绑定申请没有通过：查无此人")
    mine = (await tapper.client.get("/api/v1/sessions/applications")).json()["items"]
    assert [(each["id"], each["state"], each["reason"]) for each in mine] == [
        (id_, "declined", "查无此人")
    ]
    assert await ids_seen_by(wang.client, state="pending") == []
    assert await ids_seen_by(wang.client, state="declined") == [id_]
    assert (await applied(tapper)).status_code == 201
    assert len(await ids_seen_by(wang.client)) == 2


async def test_each_manager_sees_what_is_theirs_to_decide(
    session: AsyncSession, lake: Lake, wang: Member, zhao: Member, qian: Member
) -> None:
    villager = await a_person(session, organisation_id=lake.village.id)
    nameless = await an_application(session)
    village = await an_application(
        session, organisation="示例村", created_at=LATE + timedelta(hours=1)
    )
    eastern = await an_application(
        session, organisation="EAST", created_at=LATE + timedelta(hours=2)
    )
    replacing = await an_application(
        session,
        kind=ApplicationKind.replacement,
        person_id=villager.id,
        created_at=LATE + timedelta(hours=3),
    )
    easterner = await a_person(session, organisation_id=lake.east_branch.id)
    named_wrongly = await an_application(
        session,
        kind=ApplicationKind.replacement,
        organisation="示例村",
        person_id=easterner.id,
        created_at=LATE + timedelta(hours=4),
    )
    in_order = (named_wrongly, replacing, eastern, village, nameless)
    all_of_them = [str(row.id) for row in in_order]

    assert await ids_seen_by(qian.client) == all_of_them
    assert await ids_seen_by(wang.client) == all_of_them
    assert await ids_seen_by(zhao.client) == [str(replacing.id), str(village.id)]


async def test_a_manager_decides_nothing_of_anothers(
    session: AsyncSession, li: Member, zhao: Member
) -> None:
    foreign = await an_application(session, organisation="EAST")
    own = await an_application(session, organisation="VILLAGE")

    hidden = await zhao.client.post(f"{PATH}/{foreign.id}/join", json={"person_code": "ZHAO"})
    declined = await zhao.client.post(f"{PATH}/{foreign.id}/decline", json={"reason": "否"})
    stolen = await zhao.client.post(f"{PATH}/{own.id}/join", json={"person_code": li.person.code})
    unknown = await zhao.client.post(f"{PATH}/{own.id}/join", json={"person_code": "NOBODY"})
    nothing = await zhao.client.post(f"{PATH}/{uuid4()}/decline", json={"reason": "否"})

    assert [r.json()["code"] for r in (hidden, declined, nothing)] == ["not-found"] * 3
    assert [(r.status_code, r.json()["errors"][0]["pointer"]) for r in (stolen, unknown)] == [
        (422, "/person_code")
    ] * 2
    assert stolen.json()["errors"] == unknown.json()["errors"]


async def test_a_manager_cannot_become_an_admin_by_joining_one(
    session: AsyncSession, qian: Member, wang: Member
) -> None:
    own = await an_application(session)

    refused = await wang.client.post(f"{PATH}/{own.id}/join", json={"person_code": "QIAN"})

    assert (qian.person.role, refused.status_code, refused.json()["code"]) == (
        Role.admin,
        403,
        "forbidden",
    )
    assert (await qian.client.get("/api/v1/me")).status_code == 200


async def test_applications_are_paged_without_gaps(session: AsyncSession, wang: Member) -> None:
    rows = [await an_application(session, created_at=LATE + timedelta(minutes=n)) for n in range(3)]

    first = (await wang.client.get(PATH, params={"limit": 2})).json()
    await an_application(session, created_at=LATE + timedelta(hours=1))
    second = (await wang.client.get(PATH, params={"limit": 2, "cursor": first["next"]})).json()

    assert [item["id"] for item in first["items"] + second["items"]] == [
        str(row.id) for row in reversed(rows)
    ]
    assert second["next"] is None


async def test_only_managers_decide(
    client: Client,
    session: AsyncSession,
    li: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
) -> None:
    row = await an_application(session)
    calls = [
        ("GET", PATH, None),
        ("POST", f"{PATH}/{row.id}/join", {"person_code": "LI"}),
        ("POST", f"{PATH}/{row.id}/decline", {"reason": "否"}),
    ]

    for method, path, body in calls:
        answers = [
            (await each.request(method, path, json=body)).json()["code"]
            for each in (client(None), stranger, li.client, program)
        ]
        assert answers == ["unauthenticated", "not-bound", "forbidden", "forbidden"]


async def test_an_old_login_of_a_replaced_wechat_is_ended_and_no_other(
    client: Client, platform: Platform, session: AsyncSession, lake: Lake, wang: Member, li: Member
) -> None:
    await a_person(session, code="SUN", phone="19900000001", organisation_id=lake.east_branch.id)
    old = await sign_in(client, platform, phone="19900000001")
    await old.client.post("/api/v1/sessions/phone", json={"code": old.phone.phone_code()})
    newcomer = await an_application(session)
    await a_login(session, await session.get_one(WechatUser, newcomer.wechat_user_id))

    await wang.client.post(f"{PATH}/{newcomer.id}/join", json={"person_code": "SUN"})

    ended = (await session.scalars(select(Login).where(Login.ended_at.is_not(None)))).all()
    owners = [(await session.get_one(WechatUser, login.wechat_user_id)).openid for login in ended]
    assert owners == [old.phone.mini_contact.openid]
    assert (await li.client.get("/api/v1/me")).status_code == 200
