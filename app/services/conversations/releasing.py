"""Releasing: what was held becomes check-ins and photos, as if it had just been sent."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.domain import chat, replies
from app.keys import Keys
from app.models import (
    ChatMedia,
    CheckIn,
    Conversation,
    HeldMessage,
    MediaKind,
    MediaState,
    Person,
    WechatUser,
)
from app.services import chat_media, check_ins, messages
from app.services.check_in_lists import Recorded
from app.services.conversations import joining, turns, visits
from app.settings import Settings

_MOST_AT_ONCE = 40


@dataclass(slots=True)
class Released:
    """What became of held messages; `more` wait for another go."""

    check_ins: list[CheckIn] = field(default_factory=list)
    photos: int = 0
    lost: int = 0
    more: bool = False

    def __bool__(self) -> bool:
        """Whether anything was released at all."""
        return bool(self.check_ins or self.photos or self.lost)


async def release(
    session: AsyncSession,
    settings: Settings,
    keys: Keys,
    user: WechatUser,
    person: Person,
    conversation: Conversation,
    *,
    now: datetime,
) -> Released:
    """Let what is held become check-ins and photos, in the order in which it was sent.

    The person is on the roster and has agreed; the user is locked. At most 40 at once,
    set-based: a job takes the rest.
    """
    rows = list(
        await session.scalars(
            select(HeldMessage)
            .where(
                HeldMessage.wechat_user_id == user.id,
                HeldMessage.released_at.is_(None),
                HeldMessage.received_at > now - timedelta(days=settings.hold_days),
            )
            .order_by(HeldMessage.sent_at, HeldMessage.id)
            .limit(_MOST_AT_ONCE + 1)
        )
    )
    released = Released(more=len(rows) > _MOST_AT_ONCE)
    rows = rows[:_MOST_AT_ONCE]
    if not rows:
        return released
    news = [
        visits.new_check_in(
            UUID(row.content["id"]),
            person,
            lon=row.content["lon"],
            lat=row.content["lat"],
            stele=row.content["stele"],
            sent_at=row.sent_at,
            now=now,
        )
        for row in rows
        if row.kind == "location"
    ]
    for result in await check_ins.record_many(session, news, settings, keys, counting=False):
        if isinstance(result, Recorded):
            released.check_ins.append(result.check_in)
            visits.remember(conversation, result.check_in)
        else:
            released.lost += 1
    for row in rows:
        row.released_at = now
    await session.flush()
    images = [UUID(row.content["media"]) for row in rows if row.kind == "image"]
    released.photos = await _join(session, person, images, settings, now)
    await _put_beside(session, rows, released.check_ins)
    if released.more:
        await queue.defer(session, "release_held", wechat_user_id=str(user.id))
    return released


async def release_later(
    session: AsyncSession, settings: Settings, keys: Keys, user_id: UUID, *, now: datetime
) -> None:
    """The same outside of a reply, once there is somebody to release it for; they are told."""
    user = await session.get(WechatUser, user_id, with_for_update={"key_share": True})
    if user is None or user.erased_at is not None:
        return
    standing = await turns.standing_of(session, user, now)
    person = standing.person
    if person is None or not standing.consent:
        return
    released = await release(session, settings, keys, user, person, standing.conversation, now=now)
    if released:
        await messages.tell(
            session,
            kind="held-released",
            text=await told(session, released, now=now),
            person_id=person.id,
            wechat_user_id=user.id,
            now=now,
        )


async def told(session: AsyncSession, released: Released, *, now: datetime) -> str:
    """What the sender reads: a single location of today is answered as if it came now."""
    alone = len(released.check_ins) == 1 and not released.lost and not released.more
    if alone and now - released.check_ins[0].at <= chat.PHOTO_JOINS_WITHIN:
        return await visits.answer(
            session, released.check_ins[0], released.photos, clock.day_of(now)
        )
    verdicts = Counter(str(check_in.verdict) for check_in in released.check_ins)
    return replies.released(verdicts, released.photos, released.lost)


async def _join(
    session: AsyncSession,
    person: Person,
    media_ids: Sequence[UUID],
    settings: Settings,
    now: datetime,
) -> int:
    if not media_ids:
        return 0
    media = (
        await session.scalars(
            select(ChatMedia)
            .where(
                ChatMedia.id.in_(media_ids),
                ChatMedia.check_in_id.is_(None),
                ChatMedia.state != MediaState.failed,
            )
            .order_by(ChatMedia.sent_at, ChatMedia.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).all()
    if not media:
        return 0
    visits = await joining.visits_of(session, person, media[0].sent_at, media[-1].sent_at)
    joined = []
    for each in media:
        visit = chat.visit_of_photo(each.sent_at, visits)
        if visit is not None:
            visit.has_photo, visit.photo_sent_at = True, each.sent_at
            each.check_in_id = visit.id
            joined.append(each)
    await session.flush()
    await chat_media.attach(session, joined, settings, now=now)
    return len(joined)


async def _put_beside(
    session: AsyncSession, rows: Sequence[HeldMessage], check_ins: Sequence[CheckIn]
) -> None:
    """Voice and video go beside the check-in that they followed."""
    for row in rows:
        if row.kind not in {MediaKind.voice, MediaKind.video}:
            continue
        before = [
            check_in
            for check_in in check_ins
            if timedelta(0) <= row.sent_at - check_in.at <= chat.NOTE_FOLLOWS_WITHIN
        ]
        if before:
            media = await session.get(ChatMedia, UUID(row.content["media"]))
            if media is not None:
                media.check_in_id = max(before, key=lambda check_in: check_in.at).id
    await session.flush()
