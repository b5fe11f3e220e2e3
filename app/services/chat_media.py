"""Chat media: photos, voice and video of the chat, from their media id to where they belong."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.errors import Conflict, Invalid
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
from app.services import photos
from app.settings import Settings

_LOST_AFTER = timedelta(minutes=15)
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
        await queue.defer_once(session, "fetch_media", lock=job_lock(id_), chat_media_id=str(id_))


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


def job_lock(chat_media_id: UUID) -> str:
    """What keeps a second job from waiting for the same media."""
    return f"fetch_media:{chat_media_id}"
