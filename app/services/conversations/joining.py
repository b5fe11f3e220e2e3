"""Joining: which check-in the photos of a chat belong to, whichever of the two came first."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.chat import PHOTO_FOLLOWS_WITHIN, PHOTO_JOINS_WITHIN, Visit
from app.models import ChatMedia, CheckIn, MediaKind, MediaState, Person, Photo, Source, WechatUser
from app.services import chat_media
from app.settings import Settings

_MOST_VISITS = 200


async def visits_of(
    session: AsyncSession, person: Person, first: datetime, last: datetime
) -> list[Visit]:
    """The visits that photos sent between `first` and `last` may belong to."""
    sent_at = (
        select(func.max(ChatMedia.sent_at))
        .where(
            ChatMedia.check_in_id == CheckIn.id,
            ChatMedia.kind == MediaKind.image,
            ChatMedia.state != MediaState.failed,
        )
        .scalar_subquery()
    )
    rows = await session.execute(
        select(
            CheckIn.id,
            CheckIn.at,
            CheckIn.source,
            CheckIn.no_photo_reason,
            exists().where(Photo.check_in_id == CheckIn.id),
            sent_at,
        )
        .where(
            CheckIn.person_id == person.id,
            CheckIn.at.between(first - PHOTO_JOINS_WITHIN, last + PHOTO_FOLLOWS_WITHIN),
            CheckIn.withdrawn_at.is_(None),
        )
        .order_by(CheckIn.at.desc())
        .limit(_MOST_VISITS)
    )
    return [
        Visit(
            id=id_,
            at=at,
            from_chat=source is Source.chat,
            has_photo=has_photo or photo_sent_at is not None,
            closed=reason is not None,
            photo_sent_at=photo_sent_at,
        )
        for id_, at, source, reason, has_photo, photo_sent_at in rows
    ]


async def bring_photos(
    session: AsyncSession,
    user: WechatUser,
    check_in: CheckIn,
    settings: Settings,
    *,
    promised: Collection[UUID] = (),
    now: datetime,
) -> int:
    """Join to a new check-in the photos that waited for it; how many there were.

    Also those sent after it and answered before it (two callbacks at once): they had to take
    another check-in, and change over as long as they are no photos there. `promised` are media
    that the sender said belong to the next location.
    """
    near = ChatMedia.sent_at.between(
        check_in.at - PHOTO_FOLLOWS_WITHIN, check_in.at + PHOTO_FOLLOWS_WITHIN
    )
    rows = await session.execute(
        select(ChatMedia, CheckIn.at)
        .outerjoin(CheckIn, CheckIn.id == ChatMedia.check_in_id)
        .where(
            ChatMedia.wechat_user_id == user.id,
            ChatMedia.kind == MediaKind.image,
            ChatMedia.state != MediaState.failed,
            ChatMedia.photo_id.is_(None),
            or_(near, ChatMedia.id.in_(promised)),
            ~chat_media.is_held(),
        )
        .order_by(ChatMedia.sent_at, ChatMedia.id)
        .with_for_update(of=ChatMedia)
        .execution_options(populate_existing=True)
    )
    brought = []
    for media, other_at in rows:
        if other_at is not None:
            sooner = media.sent_at > check_in.at > other_at
            equal = media.sent_at == check_in.at and media.sent_at - other_at > PHOTO_FOLLOWS_WITHIN
            if not (sooner or equal):
                continue
        media.check_in_id = check_in.id
        brought.append(media)
    await session.flush()
    await chat_media.attach(session, brought, settings, now=now)
    return len(brought)
