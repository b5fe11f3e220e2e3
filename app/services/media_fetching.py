"""Media fetching: the job that gets what was sent in the chat, as long as WeChat has it."""

import asyncio
import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import queue
from app.domain import replies
from app.errors import PhotoUnreadable, StorageUnavailable, TooLarge
from app.models import ChatMedia, MediaKind, MediaState, WechatUser
from app.services import chat_media, images, messages, pictures
from app.settings import Settings
from app.storage import Store
from app.wechat.client import WeChat
from app.wechat.errors import Fault, Refused, TryAgain, WeChatError

log = structlog.get_logger(__name__)

fetched_total = Counter("xunhe_chat_media_total", "Media of the chat", ["kind", "outcome"])

DIES_AFTER = timedelta(days=3)
_FIRST_PAUSE = timedelta(seconds=15)
_LONGEST_PAUSE = timedelta(hours=1)
_TOLD_AGAIN_AFTER = timedelta(minutes=10)


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
            await store.put(chat_media.attachment_key(sha256), content)
        media = await session.get(ChatMedia, chat_media_id, with_for_update=True)
        if media is None or media.state is not MediaState.waiting:
            return
        media.state, media.fetched_at, media.sha256 = MediaState.fetched, now, sha256
        await session.flush()
        await chat_media.attach(session, [media], settings, now=now)
    fetched_total.labels(kind, "fetched").inc()


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
            lock=chat_media.job_lock(chat_media_id),
            at=again,
            chat_media_id=str(chat_media_id),
        )
    fetched_total.labels(kind, "again").inc()


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
    fetched_total.labels(kind, "failed").inc()
    log.warning("chat media given up", kind=kind, media=str(chat_media_id), fault=fault)
