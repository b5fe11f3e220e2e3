"""Chat media: from a media id, which dies after three days, to bytes kept where they belong."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import ColumnElement, Text, cast, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import queue
from app.domain import replies
from app.errors import Conflict, Invalid, PhotoUnreadable, StorageUnavailable, TooLarge
from app.models import (
    ChatMedia,
    CheckIn,
    HeldMessage,
    Image,
    MediaKind,
    MediaState,
    Source,
    WechatUser,
    uuid7,
)
from app.services import images, messages, photos, pictures
from app.settings import Settings
from app.storage import Store
from app.wechat.client import WeChat
from app.wechat.errors import Fault, Refused, TryAgain, WeChatError

log = structlog.get_logger(__name__)

chat_media_total = Counter("xunhe_chat_media_total", "Media of the chat", ["kind", "outcome"])

DIES_AFTER = timedelta(days=3)
_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(hours=1)
_LOST_AFTER = timedelta(minutes=15)
_TOLD_AGAIN_AFTER = timedelta(minutes=10)
_MOST_LOOKED_AFTER = 500


async def arrived(
    session: AsyncSession,
    user: WechatUser,
    kind: MediaKind,
    media_id: str,
    *,
    sent_at: datetime,
    now: datetime,
    check_in_id: UUID | None = None,
) -> ChatMedia:
    """Note a media id, once, and have a job fetch it."""
    new = (
        insert(ChatMedia)
        .values(
            id=uuid7(),
            wechat_user_id=user.id,
            check_in_id=check_in_id,
            kind=kind,
            media_id=media_id,
            state=MediaState.waiting,
            sent_at=sent_at,
            received_at=now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["wechat_user_id", "media_id"])
        .returning(ChatMedia)
    )
    media = (await session.scalars(new)).one_or_none()
    if media is not None:
        await queue.defer(session, "fetch_media", chat_media_id=str(media.id))
        return media
    return (
        await session.scalars(
            select(ChatMedia)
            .where(ChatMedia.wechat_user_id == user.id, ChatMedia.media_id == media_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()


async def fetch(
    sessions: async_sessionmaker[AsyncSession],
    wechat: WeChat,
    store: Store,
    settings: Settings,
    chat_media_id: UUID,
    *,
    now: datetime,
) -> None:
    """Get the bytes while WeChat has them; what is not to be had is told to its sender.

    Whatever may pass (WeChat, the store) is tried again later, by a job of its own.
    """
    async with sessions() as session, session.begin():
        media = await session.get(ChatMedia, chat_media_id)
        if media is None or media.state is not MediaState.waiting:
            return
        kind, media_id, expired = media.kind, media.media_id, now - media.sent_at > DIES_AFTER
    if expired:
        await _fail(sessions, chat_media_id, "微信只保存三天，已过期", now=now)
        return
    try:
        found = await wechat.service_account.media(media_id, limit=pictures.BYTES_LIMIT)
        await _keep(sessions, store, settings, chat_media_id, kind, found.content, now=now)
    except Refused as error:
        if error.fault is Fault.gone or error.errcode == 0:
            await _fail(sessions, chat_media_id, f"微信不予提供（{error.errcode}）", now=now)
        else:
            # A code we do not know says nothing of the picture: it has three days.
            await _later(sessions, chat_media_id, timedelta(0), now=now)
    except (PhotoUnreadable, TooLarge) as error:
        await _fail(sessions, chat_media_id, error.detail or error.title, now=now, unreadable=True)
    except (WeChatError, StorageUnavailable) as error:
        after = error.after if isinstance(error, TryAgain) else timedelta(0)
        await _later(sessions, chat_media_id, after, now=now)


async def _keep(
    sessions: async_sessionmaker[AsyncSession],
    store: Store,
    settings: Settings,
    chat_media_id: UUID,
    kind: MediaKind,
    content: bytes,
    *,
    now: datetime,
) -> None:
    async with sessions() as session, session.begin():
        if kind is MediaKind.image:
            sha256 = (await images.keep(session, store, content, now=now)).sha256
        else:
            sha256 = (await asyncio.to_thread(hashlib.sha256, content)).digest()
            await store.put(attachment_key(sha256), content)
        media = await session.get(ChatMedia, chat_media_id, with_for_update=True)
        if media is None or media.state is not MediaState.waiting:
            return
        media.state, media.fetched_at, media.sha256 = MediaState.fetched, now, sha256
        await session.flush()
        await attach(session, [media], settings, now=now)
    chat_media_total.labels(kind, "fetched").inc()


def attachment_key(sha256: bytes) -> str:
    """Where a voice message's or video's bytes lie."""
    name = sha256.hex()
    return f"attachments/{name[:2]}/{name}"


async def attach(
    session: AsyncSession, media: Sequence[ChatMedia], settings: Settings, *, now: datetime
) -> None:
    """Make photos of those that are fetched, have found their check-in and are locked.

    Nothing joins a check-in that was withdrawn meanwhile; such an image is only kept.
    """
    for each in media:
        if (
            each.kind is not MediaKind.image
            or each.sha256 is None
            or each.check_in_id is None
            or each.photo_id is not None
        ):
            continue
        check_in = await session.get_one(
            CheckIn, each.check_in_id, with_for_update=True, populate_existing=True
        )
        if check_in.withdrawn_at is not None:
            continue
        try:
            attached = await photos.attach(
                session,
                check_in,
                await session.get_one(Image, each.sha256),
                photo_id=each.id,
                person_id=check_in.person_id,
                source=Source.chat,
                taken_at=None,
                settings=settings,
                now=now,
            )
        except (Invalid, Conflict) as error:
            each.fault = error.detail or error.title
        else:
            each.photo_id = attached.photo.id
    await session.flush()


async def look_after(session: AsyncSession, *, now: datetime) -> None:
    """Have fetched again what still waits although no job is at it."""
    lost = await session.scalars(
        select(ChatMedia.id)
        .where(ChatMedia.state == MediaState.waiting, ChatMedia.received_at < now - _LOST_AFTER)
        .order_by(ChatMedia.received_at)
        .limit(_MOST_LOOKED_AFTER)
    )
    for id_ in lost:
        await queue.defer_once(session, "fetch_media", lock=_lock(id_), chat_media_id=str(id_))


async def forget(session: AsyncSession, user: WechatUser) -> None:
    """Drop what a WeChat user sent that became part of no record."""
    await session.execute(
        delete(ChatMedia).where(
            ChatMedia.wechat_user_id == user.id, ChatMedia.check_in_id.is_(None)
        )
    )


def is_held() -> ColumnElement[bool]:
    """The condition that an image belongs to a message that is still held."""
    return exists().where(
        HeldMessage.wechat_user_id == ChatMedia.wechat_user_id,
        HeldMessage.released_at.is_(None),
        HeldMessage.content["media"].astext == cast(ChatMedia.id, Text),
    )


def _lock(chat_media_id: UUID) -> str:
    return f"fetch_media:{chat_media_id}"


async def _later(
    sessions: async_sessionmaker[AsyncSession],
    chat_media_id: UUID,
    after: timedelta,
    *,
    now: datetime,
) -> None:
    async with sessions() as session, session.begin():
        media = await session.get(ChatMedia, chat_media_id, with_for_update=True)
        if media is None or media.state is not MediaState.waiting:
            return
        pause = min(_FIRST_PAUSE * 2 ** min(media.attempts, 10), _LONGEST_PAUSE)
        media.attempts += 1
        # The last try falls within the three days; after it, it is told.
        again = min(now + max(pause, after), max(media.sent_at + DIES_AFTER, now + _FIRST_PAUSE))
        kind = media.kind
        await session.flush()
        await queue.defer_once(
            session,
            "fetch_media",
            lock=_lock(chat_media_id),
            at=again,
            chat_media_id=str(chat_media_id),
        )
    chat_media_total.labels(kind, "again").inc()


async def _fail(
    sessions: async_sessionmaker[AsyncSession],
    chat_media_id: UUID,
    fault: str,
    *,
    now: datetime,
    unreadable: bool = False,
) -> None:
    """Give it up, and tell the sender: once for several that were sent together."""
    async with sessions() as session, session.begin():
        # The sender first, as callbacks do: several that fail at once take turns.
        user = await session.scalar(
            select(WechatUser)
            .join(ChatMedia, ChatMedia.wechat_user_id == WechatUser.id)
            .where(ChatMedia.id == chat_media_id)
            .with_for_update(of=WechatUser, key_share=True)
        )
        media = await session.get(ChatMedia, chat_media_id, with_for_update=True)
        if user is None or media is None or media.state is not MediaState.waiting:
            return
        media.state, media.fault = MediaState.failed, fault
        told = await session.scalar(
            select(func.max(ChatMedia.told_at)).where(ChatMedia.wechat_user_id == user.id)
        )
        if told is None or now - told > _TOLD_AGAIN_AFTER:
            media.told_at = now
            words = replies.PHOTO_UNREADABLE if unreadable else replies.PHOTO_FAILED
            await messages.tell(
                session,
                kind="media-failed",
                text=words if media.kind is MediaKind.image else replies.MEDIA_FAILED,
                person_id=user.person_id,
                wechat_user_id=user.id,
                subject=f"check-in:{media.check_in_id}" if media.check_in_id else None,
                now=now,
            )
        kind = media.kind
    chat_media_total.labels(kind, "failed").inc()
    log.warning("chat media given up", kind=kind, media=str(chat_media_id), fault=fault)
