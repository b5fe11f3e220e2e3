"""Messages: news for somebody outside of a reply, shown in the mini-program, told in the chat."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import queue
from app.domain import replies
from app.models import App, Message, WechatUser
from app.services.reminders import leases
from app.wechat.client import WeChat
from app.wechat.errors import OutcomeUnknown, Refused, TryAgain

log = structlog.get_logger(__name__)

NOT_IN_CHAT = "没有关注服务号"
_BUSY_FOR = timedelta(seconds=5)
_WINDOW_SHUT = {45015: "超过48小时没有来信，服务号不能主动发送", 45047: "主动发送的条数已用完"}


async def tell(
    session: AsyncSession,
    *,
    kind: str,
    text: str,
    now: datetime,
    person_id: UUID | None = None,
    wechat_user_id: UUID | None = None,
    subject: str | None = None,
) -> Message:
    """Leave a message for a person, or for somebody not bound yet; a job takes it to the chat.

    What is longer than the chat bears is cut.
    """
    message = Message(
        person_id=person_id,
        wechat_user_id=wechat_user_id,
        kind=kind,
        text=replies.fit(text),
        subject=subject,
        created_at=now,
    )
    session.add(message)
    await session.flush()
    await queue.defer(session, "tell", message_id=str(message.id))
    return message


async def note_told(session: AsyncSession, *, before: datetime) -> None:
    """Let what was written before `before` count as told when it was written.

    History that is entered afterwards disturbs nobody any more.
    """
    await session.execute(
        update(Message)
        .where(Message.created_at < before, Message.told_at.is_(None), Message.fault.is_(None))
        .values(told_at=Message.created_at)
    )


async def deliver(
    sessions: async_sessionmaker[AsyncSession], wechat: WeChat, message_id: UUID, *, now: datetime
) -> None:
    """Take a message to the chat, at most once; why that cannot be is noted as its `fault`.

    Raises `TryAgain` when WeChat cannot take it just now.
    """
    holder = uuid4()
    async with sessions() as session, session.begin():
        message = await session.get(Message, message_id)
        if message is None or message.told_at is not None or message.fault is not None:
            return
        user = await _addressee(session, message)
        text = message.text
        if user is not None and not await leases.take(session, {user.id}, holder=holder, now=now):
            raise TryAgain("messages", after=_BUSY_FOR, reason="somebody else is sending to them")
    fault = NOT_IN_CHAT
    try:
        if user is not None and user.openid is not None:
            fault = await _send(wechat, user.openid, text)
    finally:
        if user is not None:
            async with sessions() as session, session.begin():
                await leases.release(session, {user.id}, holder=holder)
    async with sessions() as session, session.begin():
        message = await session.get_one(Message, message_id)
        if fault:
            message.fault = fault
        else:
            message.told_at = now


async def _addressee(session: AsyncSession, message: Message) -> WechatUser | None:
    """Whom in the chat it is for, if anybody."""
    addressed = [WechatUser.id == message.wechat_user_id]
    if message.person_id is not None:
        addressed.append(WechatUser.person_id == message.person_id)
    return await session.scalar(
        select(WechatUser).where(
            WechatUser.app == App.service_account,
            WechatUser.openid.is_not(None),
            or_(*addressed),
        )
    )


async def _send(wechat: WeChat, openid: str, text: str) -> str:
    """The fault, empty when WeChat took it."""
    try:
        await wechat.service_account.send_text(openid, text)
    except Refused as error:
        return _WINDOW_SHUT.get(error.errcode, f"微信不予发送（{error.errcode}）")
    except OutcomeUnknown:
        return "不知道是否送达"
    return ""
