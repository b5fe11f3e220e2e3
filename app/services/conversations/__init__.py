"""Conversations: what we answer to whatever is sent to the service account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
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
from app.services.reminders import events
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
    """`answer_many` for this process: what the `CallbackQueue` wants."""
    return partial(answer_many, settings, keys)


async def answer_many(
    settings: Settings, keys: Keys, session: AsyncSession, pushes: Sequence[Incoming]
) -> list[str | None]:
    """The replies to pushes, each at most 100 characters, in their order; None for none.

    Senders are locked, in one order for all; a sender's messages are answered one after the other.
    Everything that waits for somebody else (WeChat's media, news for others) is left to jobs.
    What became of messages we sent, and the leave to send them, is booked. Where the phone is
    (LOCATION) and what a picker was used for is not kept: such events are only acknowledged.
    """
    said: dict[int, str | None] = {}
    waiting = [n for n, push in enumerate(pushes) if _concerns_us(push)]
    told = [push for push in pushes if isinstance(push.message, events.KINDS)]
    concerned = [pushes[n] for n in waiting] + told
    users = await wechat_users.locked(session, {_sender(push) for push in concerned})
    await events.book(session, told, users, settings)
    while waiting:
        # One message of each sender, then the next ones: it may be another chat by then.
        turn_of: dict[Sender, int] = {}
        for n in waiting:
            turn_of.setdefault(_sender(pushes[n]), n)
        now = [(n, pushes[n]) for n in turn_of.values()]
        said |= await _answer_round(settings, keys, session, now, users)
        waiting = [n for n in waiting if n not in said]
    return [said.get(n) for n in range(len(pushes))]


Sender = tuple[App, str]


def _sender(push: Incoming) -> Sender:
    return push.app, push.message.openid


def _concerns_us(push: Incoming) -> bool:
    if isinstance(push.message, _LEAVING):
        return True
    return push.app is App.service_account and isinstance(push.message, _SENT + _ACTED)


async def _answer_round(
    settings: Settings,
    keys: Keys,
    session: AsyncSession,
    pushes: Sequence[tuple[int, Incoming]],
    users: dict[Sender, WechatUser],
) -> dict[int, str | None]:
    """The replies, by number, to at most one push of each sender; `users` are those we have met."""
    said: dict[int, str | None] = {}
    spoken: list[tuple[int, Incoming]] = []
    for n, push in pushes:
        if isinstance(push.message, _LEAVING):
            await _forget(session, users.pop(_sender(push), None), push.received_at)
            said[n] = None
        else:
            spoken.append((n, push))
    if not spoken:
        return said
    for _, push in sorted(spoken, key=lambda each: _sender(each[1])):
        await _meet(session, push, users)
    standings = await turns.standings_of(
        session,
        [users[_sender(push)] for _, push in spoken],
        max(push.received_at for _, push in spoken),
    )
    arrived: list[tuple[int, Turn, pushed.Location]] = []
    others: list[tuple[int, Turn]] = []
    for n, push in spoken:
        user = users[_sender(push)]
        standing = standings[user.id]
        turn = Turn(
            session=session,
            settings=settings,
            keys=keys,
            user=user,
            person=standing.person,
            consent=standing.consent,
            conversation=standing.conversation,
            has_loose_photos=standing.has_loose_photos,
            message=push.message,
            now=push.received_at,
        )
        if isinstance(push.message, pushed.Location):
            arrived.append((n, turn, push.message))
        else:
            others.append((n, turn))
    recorded = await locations.take([(turn, message) for _, turn, message in arrived])
    said |= zip([n for n, _, _ in arrived], recorded, strict=True)
    for n, turn in others:
        said[n] = await _reply(turn, turn.message)
    await session.flush()
    return said


async def _meet(session: AsyncSession, push: Incoming, users: dict[Sender, WechatUser]) -> None:
    """Note that the sender is there, and wrote; those never met before come to know us."""
    now, sender = push.received_at, _sender(push)
    user = users.get(sender)
    if user is None:
        users[sender] = user = await wechat_users.met(session, *sender, now=now)
    else:
        await wechat_users.ask_unionid(session, user, now=now)
    if not user.subscribed:
        user.subscribed = True
    last = user.last_message_at
    if isinstance(push.message, _SENT) and (last is None or now - last > _NOTICED_WITHIN):
        user.last_message_at = now


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


async def _forget(session: AsyncSession, user: WechatUser | None, now: datetime) -> None:
    """Erase the identity, as the platform's rules ask; the person's records stay."""
    if user is not None:
        await bindings.forget(session, user, now=now)
        await chat_media.forget(session, user)
