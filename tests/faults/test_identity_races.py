"""Many at one door: codes tapped twice, one person claimed by many, one code used by many."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app import clock
from app.database import connect
from app.models import (
    App,
    Application,
    AuditEntry,
    Invitation,
    Login,
    WechatUser,
)
from app.services import invitations
from app.settings import Settings
from app.state import State
from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests import databases
from tests.conftest import Client, Lake, Member
from tests.factories import a_login, a_person, a_wechat_user
from tests.phones import sign_in


@pytest.fixture
async def engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """In place of the savepoints: a database of its own, and a real pool of ten connections."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False)


async def count(session: AsyncSession, *where: Any) -> int:
    return await session.scalar(select(func.count()).where(*where)) or 0


async def signed_in(session: AsyncSession, user: WechatUser) -> str:
    return await a_login(session, user, expires_at=clock.now() + timedelta(days=1))


async def outcomes(*calls: Awaitable[httpx.Response]) -> list[tuple[int, str]]:
    """Status and problem code of each, sorted."""
    answers = await asyncio.gather(*calls)
    return sorted((r.status_code, r.json().get("code", "")) for r in answers)


async def test_taps_at_the_same_moment_get_the_same_session(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    platform.add_person(PersonConfig("a", "示例甲"))
    code = platform.phone("a").login_code()
    # The first tap takes WeChat a while; the others are told at once that the code is used.
    platform.faults.add(Fault("*jscode2session", stall=0.3, after=True, nth=1))

    answers = await asyncio.gather(
        *(client(None).post("/api/v1/sessions", json={"code": code}) for _ in range(5))
    )

    assert [answer.status_code for answer in answers] == [200] * 5
    assert {answer.text for answer in answers} == {answers[0].text}
    assert await count(session, Login.id.is_not(None)) == 1


async def test_twenty_at_once_use_an_invitation_once(
    client: Client, session: AsyncSession, state: State
) -> None:
    person = await a_person(session, code="LI")
    code, _ = await invitations.create(
        session, state["keys"], person, by=None, now=clock.now(), days=30
    )
    await session.commit()
    tokens = [await signed_in(session, await a_wechat_user(session)) for _ in range(20)]

    path, body = "/api/v1/sessions/invitation", {"code": code}
    answers = await outcomes(*(client(token).post(path, json=body) for token in tokens))

    assert answers == [(200, ""), *[(410, "invitation-used")] * 19]
    bound = (
        await session.scalars(select(WechatUser).where(WechatUser.person_id == person.id))
    ).one()
    used = (await session.scalars(select(Invitation))).one()
    assert used.used_by_id == bound.id
    assert await count(session, WechatUser.failed_codes == 1) == 19


async def test_fifty_binds_of_one_wechat_are_one_binding(
    client: Client, session: AsyncSession, state: State
) -> None:
    person = await a_person(session, code="LI")
    code, _ = await invitations.create(
        session, state["keys"], person, by=None, now=clock.now(), days=30
    )
    await session.commit()
    token = await signed_in(session, await a_wechat_user(session))

    path, body = "/api/v1/sessions/invitation", {"code": code}
    answers = await outcomes(*(client(token).post(path, json=body) for _ in range(50)))

    assert answers == [(200, "")] * 50
    assert await count(session, AuditEntry.action == "bind") == 1


async def test_many_wechats_claim_one_person_and_one_wins(
    client: Client, platform: Platform, session: AsyncSession
) -> None:
    person = await a_person(session, code="LI", phone="19900000001")
    tappers = [await sign_in(client, platform, phone="19900000001") for _ in range(10)]

    answers = await outcomes(
        *(
            tapper.client.post("/api/v1/sessions/phone", json={"code": tapper.phone.phone_code()})
            for tapper in tappers
        )
    )

    assert answers == [(200, ""), *[(409, "identity-taken")] * 9]
    assert await count(session, WechatUser.person_id == person.id) == 1
    assert await count(session, Application.person_id == person.id) == 9


async def test_guesses_at_the_same_moment_are_all_counted(
    client: Client, session: AsyncSession
) -> None:
    user = await a_wechat_user(session)
    token = await signed_in(session, user)

    answers = await outcomes(
        *(
            client(token).post("/api/v1/sessions/invitation", json={"code": f"{n:08}"})
            for n in range(30)
        )
    )

    assert answers == [
        *[(404, "invitation-unknown")] * 10,
        *[(429, "too-many-requests")] * 20,
    ]


async def test_two_managers_say_yes_at_the_same_moment(
    session: AsyncSession, lake: Lake, wang: Member, qian: Member
) -> None:
    people = [
        await a_person(session, code=code, organisation_id=lake.east_branch.id)
        for code in ("SUN", "WU")
    ]
    user = await a_wechat_user(session)
    row = Application(wechat_user_id=user.id, kind="binding", name="示例甲", created_at=clock.now())
    session.add(row)
    await session.commit()

    answers = await outcomes(
        *(
            each.client.post(f"/api/v1/applications/{row.id}/join", json={"person_code": code})
            for each, code in ((wang, "SUN"), (qian, "WU"))
        )
    )

    assert answers == [(200, ""), (409, "wrong-state")]
    assert await count(session, WechatUser.person_id.in_([p.id for p in people])) == 1


async def test_whom_the_other_app_brought_along_is_not_refused_the_code_that_died_of_it(
    client: Client, session: AsyncSession, state: State
) -> None:
    """The same two, one after the other: the first joins the second by unionid."""
    person = await a_person(session, code="LI")
    codes = []
    for _ in App:
        code, _scene = await invitations.create(
            session, state["keys"], person, by=None, now=clock.now(), days=30
        )
        codes.append(code)
    await session.commit()
    tokens = [
        await signed_in(session, await a_wechat_user(session, app=app, unionid="one-human"))
        for app in App
    ]

    answers = [
        await client(token).post("/api/v1/sessions/invitation", json={"code": code})
        for token, code in zip(tokens, codes, strict=True)
    ]
    stranger = await signed_in(session, await a_wechat_user(session))
    refused = await client(stranger).post("/api/v1/sessions/invitation", json={"code": codes[1]})

    assert [(each.status_code, each.json()["person"]["code"]) for each in answers] == [
        (200, "LI"),
        (200, "LI"),
    ]
    assert (refused.status_code, refused.json()["code"]) == (404, "invitation-unknown")


async def test_both_apps_bind_one_human_at_the_same_moment(
    client: Client, session: AsyncSession, state: State
) -> None:
    """Each would also join the other by unionid: neither waits for the other for ever."""
    person = await a_person(session, code="LI")
    codes = []
    for _ in App:
        code, _scene = await invitations.create(
            session, state["keys"], person, by=None, now=clock.now(), days=30
        )
        codes.append(code)
    await session.commit()
    tokens = [
        await signed_in(session, await a_wechat_user(session, app=app, unionid="one-human"))
        for app in App
    ]

    path = "/api/v1/sessions/invitation"
    answers = await outcomes(
        *(
            client(token).post(path, json={"code": code})
            for token, code in zip(tokens, codes, strict=True)
        )
    )

    assert answers == [(200, ""), (200, "")]
    assert await count(session, WechatUser.person_id == person.id) == 2


async def test_one_wish_for_leave_and_one_subscription_from_many_taps(
    li: Member,
) -> None:
    wish = {"from": "2026-06-01", "to": "2026-06-02", "kind": "leave", "reason": "住院"}
    asked = await asyncio.gather(
        *(li.client.post("/api/v1/me/exemptions", json=wish) for _ in range(20))
    )
    tap = {"template_id": "T-1", "result": "accept"}
    told = await outcomes(
        *(li.client.post("/api/v1/me/subscriptions", json=tap) for _ in range(20))
    )

    assert [r.status_code for r in asked] == [201] * 20
    assert len({r.json()["id"] for r in asked}) == 1
    assert told == [*[(200, "")] * 19, (201, "")]


async def test_many_new_prints_at_once_are_many_editions(lake: Lake, wang: Member) -> None:
    path = f"/api/v1/steles/{lake.stele.code}/prints"

    answers = await asyncio.gather(
        *(wang.client.post(path, json={"reason": "碑被撞坏"}) for _ in range(8))
    )

    assert sorted(r.json().get("version", 0) for r in answers) == list(range(2, 10))
