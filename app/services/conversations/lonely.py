"""Lonely photos: no location came for them within ten minutes, so their sender is asked."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import replies
from app.domain.chat import PHOTO_FOLLOWS_WITHIN
from app.models import ChatMedia, CheckIn, MediaKind, MediaState, WechatUser
from app.services import chat_media, messages
from app.services.conversations import turns
from app.services.conversations.questions import ANSWERED_WITHIN

_MOST_ASKED = 200
_MOST_RECORDS = 2
_RECENT = timedelta(hours=48)


async def waiting(session: AsyncSession, *, now: datetime) -> list[UUID]:
    """The WeChat users who have photos to be asked about."""
    rows = await session.scalars(
        select(ChatMedia.wechat_user_id)
        .where(*_lonely(now))
        .group_by(ChatMedia.wechat_user_id)
        .limit(_MOST_ASKED)
    )
    return list(rows)


async def ask(session: AsyncSession, user_id: UUID, *, now: datetime) -> None:
    """Ask one of them, once, where their lonely photos belong."""
    user = await session.get(WechatUser, user_id, with_for_update={"key_share": True})
    if user is None:
        return
    standing = await turns.standing_of(session, user, now)
    person, conversation = standing.person, standing.conversation
    if conversation.asked_at is not None and now - conversation.asked_at <= ANSWERED_WITHIN:
        # One question at a time: the next sweep comes in a minute.
        return
    photos = (
        await session.scalars(
            select(ChatMedia)
            .where(ChatMedia.wechat_user_id == user.id, *_lonely(now))
            .order_by(ChatMedia.sent_at)
            .with_for_update()
        )
    ).all()
    for photo in photos:
        photo.asked_at = now
    if not photos or person is None:
        return
    records = (
        await session.scalars(
            select(CheckIn)
            .where(
                CheckIn.person_id == person.id,
                CheckIn.withdrawn_at.is_(None),
                CheckIn.at > photos[0].sent_at - _RECENT,
            )
            .order_by(CheckIn.at.desc())
            .limit(_MOST_RECORDS)
        )
    ).all()
    conversation.question = {
        "kind": "photos",
        "media": [str(photo.id) for photo in photos],
        "choices": [str(record.id) for record in records],
    }
    conversation.asked_at = now
    names = [
        f"{replies.moment(each.at)}{replies.short(replies.place_name(each.place), 8)}"
        for each in records
    ]
    await messages.tell(
        session,
        kind="photo-without-place",
        text=replies.ask_about_photos(photos[0].sent_at, len(photos), names),
        person_id=person.id,
        wechat_user_id=user.id,
        now=now,
    )


def _lonely(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        ChatMedia.kind == MediaKind.image,
        ChatMedia.state != MediaState.failed,
        ChatMedia.check_in_id.is_(None),
        ChatMedia.asked_at.is_(None),
        ChatMedia.sent_at < now - PHOTO_FOLLOWS_WITHIN,
        ~chat_media.is_held(),
    )
