"""One human, two apps: joining by unionid, and forgetting somebody who leaves."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import (
    App,
    Application,
    ApplicationKind,
    CallbackReceipt,
    Conversation,
    HeldMessage,
    Login,
    WechatUser,
)
from app.services import bindings, unionids, wechat_users
from app.wechat.client import WeChat
from app.wechat.errors import TryAgain
from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from tests.factories import a_login, a_person, a_wechat_user

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def phone(platform: Platform) -> Phone:
    platform.add_person(PersonConfig("li", "示例李", follows=True))
    return platform.phone("li")


async def jobs(session: AsyncSession) -> list[tuple[str, dict[str, Any]]]:
    rows = await session.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id"))
    return [(task, args) for task, args in rows]


async def test_a_follower_is_met_once_and_asked_about_once(
    session: AsyncSession, phone: Phone
) -> None:
    openid = phone.contact.openid

    first = await wechat_users.met(session, App.service_account, openid, now=NOW)
    second = await wechat_users.met(session, App.service_account, openid, now=NOW)
    await session.commit()

    assert first.id == second.id
    assert await jobs(session) == [("look_up_unionid", {"wechat_user_id": str(first.id)})]


async def test_a_follower_becomes_who_they_are_in_the_mini_program(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, phone: Phone
) -> None:
    person = await a_person(session, code="LI")
    await a_wechat_user(session, unionid=phone.user.unionid, person_id=person.id)
    user = await a_wechat_user(session, app=App.service_account, openid=phone.contact.openid)

    await unionids.look_up(sessions, wechat, user.id, now=NOW)
    await unionids.look_up(sessions, wechat, user.id, now=NOW)

    await session.refresh(user)
    assert (user.unionid, user.person_id, user.bound_at) == (phone.user.unionid, person.id, NOW)
    assert await jobs(session) == [("release_held", {"wechat_user_id": str(user.id)})]


async def test_a_follower_brings_the_mini_program_along(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, phone: Phone
) -> None:
    person = await a_person(session, code="LI")
    mini = await a_wechat_user(session, unionid=phone.user.unionid)
    user = await a_wechat_user(
        session, app=App.service_account, openid=phone.contact.openid, person_id=person.id
    )

    await unionids.look_up(sessions, wechat, user.id, now=NOW)

    await session.refresh(mini)
    assert mini.person_id == person.id


async def test_nobody_is_joined_over_somebody_elses_wechat(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, phone: Phone
) -> None:
    person = await a_person(session, code="LI")
    await a_wechat_user(session, unionid=phone.user.unionid, person_id=person.id)
    await a_wechat_user(session, app=App.service_account, person_id=person.id)
    user = await a_wechat_user(session, app=App.service_account, openid=phone.contact.openid)

    await unionids.look_up(sessions, wechat, user.id, now=NOW)

    await session.refresh(user)
    assert (user.unionid, user.person_id) == (phone.user.unionid, None)


async def test_without_an_open_platform_account_two_stay_two(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, platform: Platform, phone: Phone
) -> None:
    platform.unionids = False
    user = await a_wechat_user(session, app=App.service_account, openid=phone.contact.openid)

    await unionids.look_up(sessions, wechat, user.id, now=NOW)

    await session.refresh(user)
    assert (user.unionid, user.person_id) == (None, None)


async def test_a_refusal_ends_the_asking_and_a_fault_does_not(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, platform: Platform, phone: Phone
) -> None:
    user = await a_wechat_user(session, app=App.service_account, openid=phone.contact.openid)
    platform.faults.add(Fault("*user/info", errcode=40003, times=1))
    await unionids.look_up(sessions, wechat, user.id, now=NOW)
    platform.faults.clear()
    platform.faults.add(Fault("*user/info", errcode=45011))

    with pytest.raises(TryAgain):
        await unionids.look_up(sessions, wechat, user.id, now=NOW)


async def test_whoever_unsubscribes_is_forgotten_and_their_records_stay(
    session: AsyncSession,
) -> None:
    person = await a_person(session, code="LI")
    chat = await a_wechat_user(
        session, app=App.service_account, unionid="u", person_id=person.id, subscribed=True
    )
    mini = await a_wechat_user(session, unionid="u", person_id=person.id)
    other = await a_wechat_user(session, app=App.service_account)
    await a_login(session, chat)
    for user in (chat, other):
        session.add(Conversation(wechat_user_id=user.id))
        session.add(
            HeldMessage(
                wechat_user_id=user.id,
                kind="location",
                content={"lon": 103.0, "lat": 24.9},
                sent_at=NOW,
                received_at=NOW,
            )
        )
        session.add(
            Application(
                wechat_user_id=user.id,
                kind=ApplicationKind.binding,
                name="示例甲",
                phone="19900000001",
                organisation="东岸党支部",
                created_at=NOW,
            )
        )
        session.add(
            CallbackReceipt(
                app="service_account",
                key=str(user.id),
                received_at=NOW,
                failures=3,
                content={"openid": user.openid, "content": "我家在示例村3号"},
            )
        )
    await session.commit()

    await bindings.forget(session, chat, now=NOW)
    await session.commit()

    rows = await session.execute(select(CallbackReceipt.key, CallbackReceipt.content))
    receipts = {key: content for key, content in rows}  # noqa: C416  mypy reads a Row this way
    assert receipts[str(chat.id)] is None
    assert receipts[str(other.id)] is not None
    await session.refresh(chat)
    assert (chat.openid, chat.unionid, chat.person_id, chat.erased_at, chat.subscribed) == (
        None,
        None,
        None,
        NOW,
        False,
    )
    assert (await session.scalars(select(Login.ended_at))).all() == [NOW]
    for table in (HeldMessage, Conversation):
        left = (await session.scalars(select(table.wechat_user_id))).all()
        assert left == [other.id]
    said = await session.execute(
        select(Application.name, Application.phone, Application.organisation, Application.state)
        .where(Application.wechat_user_id == chat.id)
        .execution_options(populate_existing=True)
    )
    assert [tuple(row) for row in said] == [(None, None, None, "declined")]
    await session.refresh(mini)
    assert mini.person_id == person.id
    assert await session.scalar(select(func.count()).select_from(WechatUser)) == 3


async def test_whoever_follows_again_begins_anew(session: AsyncSession, phone: Phone) -> None:
    openid = phone.contact.openid
    before = await wechat_users.met(session, App.service_account, openid, now=NOW)
    await bindings.forget(session, before, now=NOW)

    after = await wechat_users.met(session, App.service_account, openid, now=NOW)

    assert (after.id == before.id, after.person_id, after.erased_at) == (False, None, None)
