"""Phones: binding by the number that WeChat vouches for."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.errors import LoginCodeInvalid, NotBound, NotOnRoster
from app.models import App, Person, WechatUser, on_roster
from app.services import bindings, logins
from app.services.logins import SAME_ANSWER_FOR, SignedIn
from app.services.transactions import keep
from app.wechat.answers import PhoneInfo
from app.wechat.client import WeChat

_CHINA = "86"


async def bind(
    sessions: async_sessionmaker[AsyncSession],
    wechat: WeChat,
    wechat_user: WechatUser,
    token: str,
    code: str,
    *,
    now: datetime,
) -> SignedIn:
    """Bind the caller by a `getPhoneNumber` code, and answer their session.

    Raises `NotOnRoster`, `NotBound` when the caller does not come from the mini-program, as
    `bindings.bind` and as WeChat's `phone`.
    """
    if wechat_user.app is not App.mini_program or wechat_user.openid is None:
        raise NotBound("请在小程序里授权手机号。")
    try:
        phone = await wechat.mini_program.phone(code, wechat_user.openid)
    except LoginCodeInvalid:
        # The second of two taps, whose code the first used up.
        if not await _bound_just_now(sessions, wechat_user, now):
            raise
    else:
        await keep(sessions, lambda session: _bind(session, wechat_user, phone, now))
    async with sessions() as session, session.begin():
        return await logins.answer(session, token, now=now)


def mainland_mobile(phone: PhoneInfo) -> str | None:
    """The number as the roster writes it, 11 digits; None for a foreign one."""
    foreign = phone.country_code.lstrip("+") != _CHINA
    return None if foreign or len(phone.number) != 11 else phone.number


async def _bind(
    session: AsyncSession, wechat_user: WechatUser, phone: PhoneInfo, now: datetime
) -> None:
    number = mainland_mobile(phone)
    if number is None:
        raise NotOnRoster("只能用中国大陆的手机号绑定。")
    person = await session.scalar(
        select(Person).where(Person.phone == number, on_roster(clock.day_of(now)))
    )
    if person is None:
        raise NotOnRoster
    await bindings.bind(session, wechat_user, person, now=now, via="phone")


async def _bound_just_now(
    sessions: async_sessionmaker[AsyncSession], wechat_user: WechatUser, now: datetime
) -> bool:
    async with sessions() as session, session.begin():
        user = await session.get_one(WechatUser, wechat_user.id)
        return user.bound_at is not None and now - user.bound_at < SAME_ANSWER_FOR
