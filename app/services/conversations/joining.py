"""Joining: which check-in the photos of a chat belong to, whichever of the two came first."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.chat import PHOTO_FOLLOWS_WITHIN, PHOTO_JOINS_WITHIN, Visit
from app.models import ChatMedia, CheckIn, MediaKind, MediaState, Person, Photo, Source
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new check-in of the chat; `promised` are media said to belong to the next location."""

    user_id: UUID
    check_in: CheckIn
    promised: Collection[UUID] = ()


async def bring_photos(
    session: AsyncSession, arrivals: Sequence[Arrival], settings: Settings, *, now: datetime
) -> Counter[UUID]:
    """Join to new check-ins the photos that waited for them; how many there were, by user.

    One check-in a user. Also those sent after it and answered before it (two callbacks at once):
    they had to take another check-in, and change over as long as they are no photos there.
    """
    if not arrivals:
        return Counter()
    first = min(arrival.check_in.at for arrival in arrivals) - PHOTO_FOLLOWS_WITHIN
    last = max(arrival.check_in.at for arrival in arrivals) + PHOTO_FOLLOWS_WITHIN
    promised = {id_ for arrival in arrivals for id_ in arrival.promised}
    rows = await session.execute(
        select(ChatMedia, CheckIn.at)
        .outerjoin(CheckIn, CheckIn.id == ChatMedia.check_in_id)
        .where(
            ChatMedia.wechat_user_id.in_([arrival.user_id for arrival in arrivals]),
            ChatMedia.kind == MediaKind.image,
            ChatMedia.state != MediaState.failed,
            ChatMedia.photo_id.is_(None),
            or_(ChatMedia.sent_at.between(first, last), ChatMedia.id.in_(promised)),
            ~chat_media.is_held(),
        )
        .order_by(ChatMedia.sent_at, ChatMedia.id)
        .with_for_update(of=ChatMedia)
        .execution_options(populate_existing=True)
    )
    by_user = {arrival.user_id: arrival for arrival in arrivals}
    counts: Counter[UUID] = Counter()
    brought = []
    for media, other_at in rows:
        arrival = by_user[media.wechat_user_id]
        if _belongs(media, other_at, arrival):
            media.check_in_id = arrival.check_in.id
            counts[arrival.user_id] += 1
            brought.append(media)
    if brought:
        await session.flush()
        await chat_media.attach(session, brought, settings, now=now)
    return counts


def _belongs(media: ChatMedia, other_at: datetime | None, arrival: Arrival) -> bool:
    at = arrival.check_in.at
    near = abs(media.sent_at - at) <= PHOTO_FOLLOWS_WITHIN
    if not near and media.id not in arrival.promised:
        return False
    if other_at is None:
        return True
    sooner = media.sent_at > at > other_at
    return sooner or (media.sent_at == at and media.sent_at - other_at > PHOTO_FOLLOWS_WITHIN)
