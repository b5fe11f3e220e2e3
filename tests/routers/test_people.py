"""Managers part people from their WeChat."""

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import App, AuditEntry, Consent, NoticeKind, WechatUser
from app.services import consents
from tests.conftest import Client, Lake, Member
from tests.factories import a_login, a_person, a_wechat_user


async def test_unbinding_ends_access_at_once_and_is_audited(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    response = await wang.client.post("/api/v1/people/LI/unbind", json={"reason": "手机丢了"})

    assert (response.status_code, response.json()) == (
        200,
        {"code": "LI", "unbound": ["mini_program"]},
    )
    assert (await li.client.get("/api/v1/me")).json()["code"] == "unauthenticated"
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.actor_id, entry.action, entry.subject, entry.reason) == (
        wang.person.id,
        "unbind",
        "person:LI",
        "手机丢了",
    )
    assert (entry.before, entry.after) == ({"apps": ["mini_program"]}, {"apps": []})


async def test_unbinding_one_app_leaves_the_other(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    chat = await a_wechat_user(session, app=App.service_account, person_id=li.person.id)

    response = await wang.client.post(
        "/api/v1/people/LI/unbind", json={"app": "service_account", "reason": "换人"}
    )

    assert response.json()["unbound"] == ["service_account"]
    assert (await li.client.get("/api/v1/me")).status_code == 200
    await session.refresh(chat)
    assert chat.person_id is None


async def test_one_human_is_parted_in_both_apps(
    session: AsyncSession, client: Client, lake: Lake, wang: Member
) -> None:
    """Else the identity that is left would bring the other one back by its unionid."""
    person = await a_person(session, code="SUN", organisation_id=lake.east_branch.id)
    both = [
        await a_wechat_user(session, app=app, unionid="one-human", person_id=person.id)
        for app in App
    ]
    token = await a_login(session, both[0])

    response = await wang.client.post(
        "/api/v1/people/SUN/unbind", json={"app": "service_account", "reason": "绑错了人"}
    )

    assert response.json()["unbound"] == ["mini_program", "service_account"]
    assert (await client(token).get("/api/v1/me")).json()["code"] == "unauthenticated"
    owners = (
        await session.scalars(select(WechatUser.person_id).where(WechatUser.unionid == "one-human"))
    ).all()
    assert owners == [None, None]


async def test_what_the_wrong_one_agreed_to_ends_with_the_binding(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    for fact in (await session.scalars(select(Consent))).all():
        await session.delete(fact)
    await session.commit()
    await li.client.post("/api/v1/me/consents", json={"notice": "position", "agreed": True})

    agreed = await consents.agreed(session, [li.person.id], NoticeKind.position)
    await wang.client.post("/api/v1/people/LI/unbind", json={"reason": "绑错了人"})

    assert agreed == {li.person.id}
    assert await consents.agreed(session, [li.person.id], NoticeKind.position) == set()


async def test_unbinding_again_is_no_failure(li: Member, wang: Member) -> None:
    path = f"/api/v1/people/{li.person.code}/unbind"
    await wang.client.post(path, json={"reason": "手机丢了"})

    again = await wang.client.post(path, json={"reason": "手机丢了"})

    assert (again.status_code, again.json()["unbound"]) == (200, [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/reason"), ({"reason": ""}, "/reason"), ({"reason": "是", "app": "web"}, "/app")],
)
async def test_unbinding_needs_a_reason(
    li: Member, wang: Member, body: dict[str, str], pointer: str
) -> None:
    response = await wang.client.post(f"/api/v1/people/{li.person.code}/unbind", json=body)

    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await li.client.get("/api/v1/me")).status_code == 200


async def test_nobody_is_parted_by_whom_they_do_not_answer_to(
    client: Client,
    li: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
) -> None:
    path, body = f"/api/v1/people/{li.person.code}/unbind", {"reason": "否"}

    answers = [
        (await each.post(path, json=body)).json()["code"]
        for each in (client(None), stranger, zhou.client, program, zhao.client)
    ]
    unknown = await wang.client.post("/api/v1/people/NOBODY/unbind", json=body)
    an_admin = await wang.client.post("/api/v1/people/QIAN/unbind", json=body)

    assert answers == ["unauthenticated", "not-bound", "forbidden", "forbidden", "not-found"]
    assert (unknown.status_code, an_admin.status_code) == (404, 403)
    assert [(await each.client.get("/api/v1/me")).status_code for each in (li, qian)] == [200, 200]
