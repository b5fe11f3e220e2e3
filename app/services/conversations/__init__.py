"""Conversations: what we answer to whatever is sent to the service account."""

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain import replies
from app.keys import Keys
from app.models import App, WechatUser
from app.services import bindings, chat_media, wechat_users
from app.services.callbacks import Answer
from app.services.conversations import (
    held,
    locations,
    lonely,
    photos,
    releasing,
    scans,
    texts,
    turns,
)
from app.services.conversations.turns import Turn
from app.settings import Settings
from app.wechat import messages as pushed
from app.wechat.callback import Incoming
from app.wechat.messages import Message

log = structlog.get_logger(__name__)

_LEAVING = (pushed.Unsubscribe, pushed.AuthorizationRevoked)
_SENT = (
    pushed.Text,
    pushed.Image,
    pushed.Voice,
    pushed.Video,
    pushed.Location,
    pushed.Other,
)
# The window for speaking first is two days; a minute more or less saves a write a message.
_NOTICED_WITHIN = timedelta(minutes=1)
_ACTED = (pushed.Subscribe, pushed.Scan, pushed.Click, pushed.ScanWait)


def answering(settings: Settings, keys: Keys) -> Answer:
    """`answer` for this process: what `services.callbacks.receive` wants."""
    return partial(answer, settings, keys)


async def answer(
    settings: Settings,
    keys: Keys,
    session: AsyncSession,
    app: App,
    incoming: Incoming,
    *,
    now: datetime,
) -> str | None:
    """The reply to a push, at most 100 characters; None for none.

    Everything that waits for somebody else (WeChat's media, news for others) is left to jobs.
    Where the phone is (LOCATION), what a picker was used for, and what became of messages we sent
    is not kept: such events are only acknowledged.
    """
    message = incoming.message
    if isinstance(message, _LEAVING):
        await _forget(session, app, message.openid, now)
        return None
    if app is not App.service_account or not isinstance(message, _SENT + _ACTED):
        return None
    user = await wechat_users.met(session, app, message.openid, now=now)
    user.subscribed = True
    last = user.last_message_at
    if isinstance(message, _SENT) and (last is None or now - last > _NOTICED_WITHIN):
        user.last_message_at = now
    standing = await turns.standing_of(session, user, now)
    turn = Turn(
        session=session,
        settings=settings,
        keys=keys,
        user=user,
        person=standing.person,
        consent=standing.consent,
        conversation=standing.conversation,
        message=message,
        now=now,
    )
    reply = await _reply(turn, message)
    await session.flush()
    return reply


async def release_held(
    session: AsyncSession, settings: Settings, keys: Keys, wechat_user_id: UUID, *, now: datetime
) -> None:
    """A job's: let what this WeChat user sent before being bound become records."""
    await releasing.release_later(session, settings, keys, wechat_user_id, now=now)


async def sweep(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, keys: Keys, *, now: datetime
) -> None:
    """A periodic task's: what no message and no job has come for.

    Media without a job, what was held too long, or may be released, or must go, because of an
    answer given in the mini-program, and photos without a place.
    """
    async with sessions() as session, session.begin():
        await chat_media.look_after(session, now=now)
        await held.drop_old(session, settings, now=now)
        await held.drop_refused(session)
        agreed = await held.agreed(session)
        lonely_ones = await lonely.waiting(session, now=now)
    # One transaction each: nobody's chat is blocked by somebody else's.
    for user_id in agreed:
        async with sessions() as session, session.begin():
            await releasing.release_later(session, settings, keys, user_id, now=now)
    for user_id in lonely_ones:
        async with sessions() as session, session.begin():
            await lonely.ask(session, user_id, now=now)


async def _reply(turn: Turn, message: Message) -> str | None:
    match message:
        case pushed.Location():
            return await locations.take(turn, message)
        case pushed.Image():
            return await photos.take(turn, message)
        case pushed.Voice() | pushed.Video():
            return await photos.keep(turn, message)
        case pushed.Text():
            return await texts.take(turn, message.content)
        case pushed.Click():
            return await texts.click(turn, message.menu_key)
        case pushed.Scan():
            return await scans.take_scene(turn, message.scene)
        case pushed.ScanWait():
            return await scans.take_scanned(turn, message.result)
        case pushed.Subscribe():
            return await _welcome(turn, message.scene)
        case pushed.Other():
            return texts.not_understood(turn)
    return None


async def _welcome(turn: Turn, scene: str | None) -> str:
    found = await scans.take_scene(turn, scene) if scene else None
    if found is not None:
        return found
    return replies.WELCOME if turn.person is not None else replies.UNBOUND


async def _forget(session: AsyncSession, app: App, openid: str, now: datetime) -> None:
    """Erase the identity, as the platform's rules ask; the person's records stay."""
    user = await session.scalar(
        select(WechatUser)
        .where(WechatUser.app == app, WechatUser.openid == openid)
        .with_for_update(key_share=True)
    )
    if user is not None:
        await bindings.forget(session, user, now=now)
        await chat_media.forget(session, user)
