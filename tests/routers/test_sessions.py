"""Signing in through the mini-program."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import App, Login, Person, WechatUser
from app.services.access import token_hash
from app.state import State
from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_wechat_user, an_api_key
from tests.phones import sign_in, sign_in_again

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)


async def test_a_login_code_makes_a_session_without_a_person(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    platform.add_person(PersonConfig("a", "示例甲"))

    with time_machine.travel(NOW, tick=False):
        code = platform.phone("a").login_code()
        response = await client(None).post("/api/v1/sessions", json={"code": code})

    assert response.status_code == 200
    answer = response.json()
    assert answer == {
        "token": answer["token"],
        "expires_at": "2026-08-30T10:00:00+08:00",
        "person": None,
    }
    login = (await session.scalars(select(Login))).one()
    assert login.token_hash == token_hash(answer["token"])
    user = await session.get_one(WechatUser, login.wechat_user_id)
    phone = platform.phone("a").user
    openid = phone.contacts["wx00000000000000bb"].openid
    assert (user.app, user.openid, user.unionid) == (App.mini_program, openid, phone.unionid)


async def test_a_bound_person_is_known_at_the_next_sign_in(
    client: Client, platform: Platform, session: AsyncSession, lake: Lake
) -> None:
    await a_person(
        session,
        code="LI",
        name="示例李",
        phone="19900000001",
        organisation_id=lake.east_branch.id,
        title="护河员",
        party_member=True,
    )
    tapper = await sign_in(client, platform, phone="19900000001")
    bound = await tapper.client.post(
        "/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()}
    )

    again = await client(None).post("/api/v1/sessions", json={"code": tapper.phone.login_code()})

    expected = {
        "code": "LI",
        "name": "示例李",
        "role": "member",
        "organisation": {"code": "EAST", "name": "东岸党支部"},
        "party_member": True,
        "title": "护河员",
    }
    assert (bound.status_code, bound.json()["person"]) == (200, expected)
    assert bound.json()["token"] == tapper.token
    assert (again.status_code, again.json()["person"]) == (200, expected)
    assert again.json()["token"] != tapper.token


async def test_both_taps_of_a_double_tap_get_the_same_session_for_a_minute(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    platform.add_person(PersonConfig("a", "示例甲"))
    code = platform.phone("a").login_code()

    with time_machine.travel(NOW, tick=False) as traveller:
        first = await client(None).post("/api/v1/sessions", json={"code": code})
        traveller.shift(timedelta(seconds=59))
        second = await client(None).post("/api/v1/sessions", json={"code": code})
        traveller.shift(timedelta(seconds=2))
        third = await client(None).post("/api/v1/sessions", json={"code": code})

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert (third.status_code, third.json()["code"]) == (401, "login-code-invalid")
    assert await session.scalar(select(func.count()).select_from(Login)) == 1


async def test_a_code_of_a_session_that_was_ended_stays_ended(
    client: Client, platform: Platform
) -> None:
    platform.add_person(PersonConfig("a", "示例甲"))
    code = platform.phone("a").login_code()
    token = (await client(None).post("/api/v1/sessions", json={"code": code})).json()["token"]

    gone = await client(token).delete("/api/v1/sessions/current")
    replayed = await client(None).post("/api/v1/sessions", json={"code": code})

    assert gone.status_code == 204
    assert (replayed.status_code, replayed.json()["code"]) == (401, "login-code-invalid")


async def test_signing_out_ends_this_token_and_no_other(client: Client, platform: Platform) -> None:
    first = await sign_in(client, platform)
    second = await sign_in_again(client, platform, first.phone.user.key)

    gone = await first.client.delete("/api/v1/sessions/current")

    assert (gone.status_code, gone.content) == (204, b"")
    after = [await each.client.get("/api/v1/me") for each in (first, second)]
    assert [(r.status_code, r.json()["code"]) for r in after] == [
        (401, "unauthenticated"),
        (403, "not-bound"),
    ]


@pytest.mark.parametrize(
    ("errcode", "status", "code"),
    [
        (40029, 401, "login-code-invalid"),
        (40226, 403, "risk-control"),
        (45011, 429, "too-many-requests"),
        (-1, 503, "wechat-unavailable"),
    ],
)
async def test_what_wechat_answers_badly_is_said_plainly(
    client: Client, platform: Platform, errcode: int, status: int, code: str
) -> None:
    platform.add_person(PersonConfig("a", "示例甲"))
    platform.faults.add(Fault("*jscode2session", errcode=errcode))

    response = await client(None).post(
        "/api/v1/sessions", json={"code": platform.phone("a").login_code()}
    )

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("retry-after" in response.headers) == (status in {429, 503})


@pytest.mark.parametrize("code", ["", "a b", "中文", "x" * 257, "a\x00b", 5, None, ["x"]])
async def test_a_malformed_code_is_refused_at_the_door(client: Client, code: object) -> None:
    response = await client(None).post("/api/v1/sessions", json={"code": code})

    assert (response.status_code, response.json()["code"]) == (422, "invalid")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/code"]


async def test_one_human_is_one_person_in_both_apps(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    """Li was bound in the chat; the mini-program knows her by her unionid."""
    platform.add_person(PersonConfig("li", "示例李"))
    human = platform.phone("li").user
    chat = await a_wechat_user(
        session,
        app=App.service_account,
        openid=human.contacts["wx00000000000000aa"].openid,
        unionid=human.unionid,
        person_id=(await a_person(session, code="LI2", name="示例李二")).id,
        bound_at=NOW,
    )

    tapper = await sign_in_again(client, platform, "li")

    me = await tapper.client.get("/api/v1/me")
    assert (me.status_code, me.json()["person"]["code"]) == (200, "LI2")
    users = (
        await session.scalars(select(WechatUser).where(WechatUser.person_id == chat.person_id))
    ).all()
    assert sorted(user.app for user in users) == [App.mini_program, App.service_account]


async def test_whoever_leaves_the_roster_is_out_at_the_next_request(
    session: AsyncSession, li: Member
) -> None:
    before = await li.client.get("/api/v1/me")
    person = await session.get_one(Person, li.person.id)
    person.to_on = clock.day_of(clock.now()) - timedelta(days=1)
    await session.commit()
    after = await li.client.get("/api/v1/me")

    assert before.status_code == 200
    assert (after.status_code, after.json()["code"]) == (403, "not-bound")


async def test_sign_in_of_somebody_off_the_roster_has_no_person(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    person = await a_person(session, phone="19900000001")
    tapper = await sign_in(client, platform, phone="19900000001")
    await tapper.client.post("/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()})
    person = await session.get_one(Person, person.id)
    person.retired_on = clock.day_of(clock.now())
    await session.commit()

    again = await client(None).post("/api/v1/sessions", json={"code": tapper.phone.login_code()})

    assert (again.status_code, again.json()["person"]) == (200, None)


async def test_an_expired_token_is_no_token(client: Client, platform: Platform) -> None:
    with time_machine.travel(NOW, tick=False) as traveller:
        tapper = await sign_in(client, platform)
        traveller.shift(timedelta(days=90))
        response = await tapper.client.get("/api/v1/me")

    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/sessions/phone", {"code": "x"}),
        ("POST", "/api/v1/sessions/invitation", {"code": "12345678"}),
        ("POST", "/api/v1/sessions/applications", {"name": "示例甲"}),
        ("DELETE", "/api/v1/sessions/current", None),
        ("POST", "/api/v1/me/consents", {"notice": "position", "agreed": True}),
    ],
)
async def test_session_calls_need_a_login_of_a_human(
    client: Client, session: AsyncSession, lake: Lake, method: str, path: str, body: object
) -> None:
    key = await an_api_key(session, lake.committee)

    nobody = await client(None).request(method, path, json=body)
    unknown = await client("no-such-token").request(method, path, json=body)
    a_program = await client(key).request(method, path, json=body)

    answers = [(r.status_code, r.json()["code"]) for r in (nobody, unknown, a_program)]
    assert answers == [(401, "unauthenticated"), (401, "unauthenticated"), (403, "forbidden")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/sessions"),
        ("GET", "/api/v1/consents/notices"),
        ("GET", "/api/v1/steles/JB-01"),
        ("GET", "/s/JB-01"),
        ("GET", "/MP_verify_x.txt"),
    ],
)
async def test_doors_without_a_token_count_by_address(
    client: Client, state: State, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(state["settings"].rate_limit, "per_address", 2)
    body = {"code": "nothing"} if method == "POST" else None

    with time_machine.travel(NOW, tick=False):
        statuses = [
            (await client(None).request(method, path, json=body)).status_code for _ in range(3)
        ]

    assert [status == 429 for status in statuses] == [False, False, True]
