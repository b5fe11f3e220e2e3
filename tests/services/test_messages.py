"""Messages outside of a reply: told in the chat while its window is open, noted otherwise."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import App, Message, WechatUser
from app.services import messages
from app.wechat.client import WeChat
from app.wechat.errors import TryAgain
from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from tests.factories import a_person, a_wechat_user

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def phone(platform: Platform) -> Phone:
    """Li's, who follows the service account."""
    platform.add_person(PersonConfig("li", "示例李", follows=True))
    return platform.phone("li")


@pytest.fixture
async def follower(session: AsyncSession, phone: Phone) -> WechatUser:
    """Li in the chat, bound."""
    person = await a_person(session, code="LI")
    return await a_wechat_user(
        session, app=App.service_account, openid=phone.contact.openid, person_id=person.id
    )


async def a_message(session: AsyncSession, user: WechatUser) -> Message:
    message = await messages.tell(
        session, kind="test", text="示例消息", person_id=user.person_id, now=NOW
    )
    await session.commit()
    return message


async def told(session: AsyncSession, message: Message) -> tuple[datetime | None, str | None]:
    await session.refresh(message)
    return message.told_at, message.fault


async def test_a_message_and_its_job_stand_or_fall_together(
    session: AsyncSession, follower: WechatUser
) -> None:
    message = await a_message(session, follower)

    jobs = (await session.execute(text("SELECT task_name, args FROM procrastinate_jobs"))).all()
    assert [tuple(job) for job in jobs] == [("tell", {"message_id": str(message.id)})]


async def test_a_message_is_told_once_while_the_window_is_open(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, phone: Phone, follower: WechatUser
) -> None:
    await phone.say("帮助")
    message = await a_message(session, follower)

    for _ in range(2):
        await messages.deliver(sessions, wechat, message.id, now=NOW)

    assert await told(session, message) == (NOW, None)
    assert [item.text for item in phone.user.outbox if item.kind == "customer"] == ["示例消息"]


async def test_a_shut_window_is_noted(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, follower: WechatUser
) -> None:
    message = await a_message(session, follower)

    await messages.deliver(sessions, wechat, message.id, now=NOW)

    assert await told(session, message) == (None, "超过48小时没有来信，服务号不能主动发送")


async def test_somebody_who_is_not_in_the_chat_reads_it_elsewhere(
    session: AsyncSession, sessions: Sessions, wechat: WeChat
) -> None:
    person = await a_person(session)
    user = await a_wechat_user(session, person_id=person.id)
    message = await a_message(session, user)

    await messages.deliver(sessions, wechat, message.id, now=NOW)

    assert await told(session, message) == (None, "没有关注服务号")


async def test_whoever_is_not_bound_yet_is_told_as_a_wechat_user(
    session: AsyncSession, sessions: Sessions, wechat: WeChat, phone: Phone
) -> None:
    user = await a_wechat_user(session, app=App.service_account, openid=phone.contact.openid)
    await phone.say("你好")
    message = await messages.tell(
        session, kind="test", text="示例消息", wechat_user_id=user.id, now=NOW
    )
    await session.commit()

    await messages.deliver(sessions, wechat, message.id, now=NOW)

    assert await told(session, message) == (NOW, None)


async def test_while_wechat_is_away_the_message_waits(
    session: AsyncSession,
    sessions: Sessions,
    wechat: WeChat,
    platform: Platform,
    phone: Phone,
    follower: WechatUser,
) -> None:
    await phone.say("帮助")
    message = await a_message(session, follower)
    platform.faults.add(Fault("*custom/send", errcode=45011))

    with pytest.raises(TryAgain):
        await messages.deliver(sessions, wechat, message.id, now=NOW)
    assert await told(session, message) == (None, None)


async def test_a_message_that_is_gone_is_no_failure(sessions: Sessions, wechat: WeChat) -> None:
    await messages.deliver(sessions, wechat, uuid4(), now=NOW)
