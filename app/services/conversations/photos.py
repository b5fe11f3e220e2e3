"""Photos, voice and video sent in the chat: noted at once, fetched by a job, answered once."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from app import clock
from app.domain import chat, replies
from app.domain.progress_texts import tallied
from app.models import ChatMedia, CheckIn, MediaKind, MediaState, Photo
from app.services import chat_media
from app.services.conversations import counting, held, joining
from app.services.conversations.turns import Turn
from app.services.photos import MOST_PER_CHECK_IN
from app.wechat.messages import Image, Video, Voice

ONE_REPLY_FOR = timedelta(seconds=10)


async def take(turn: Turn, message: Image) -> str | None:
    """Find the check-in that a photo belongs to; None where the reply to another one says it."""
    if turn.person is None or not turn.consent:
        return await _hold(turn, message)
    visits = await joining.visits_of(turn.session, turn.person, message.sent_at, message.sent_at)
    visit = chat.visit_of_photo(message.sent_at, visits)
    if visit is None:
        await _arrived(turn, message, MediaKind.image, None)
        return _once(turn, replies.PHOTO_WAITS)
    media = await _arrived(turn, message, MediaKind.image, visit.id)
    if media.check_in_id is None:
        # The same picture was sent before, when there was no check-in for it.
        media.check_in_id = visit.id
        await turn.session.flush()
        await chat_media.attach(turn.session, [media], turn.settings, now=turn.now)
    check_in = await turn.session.get_one(CheckIn, visit.id)
    count = await received(turn, check_in.id)
    if count > MOST_PER_CHECK_IN and media.photo_id is None:
        media.check_in_id = None
        return replies.PHOTO_TOO_MANY
    return _once(turn, await joined(turn, check_in, count))


async def joined(turn: Turn, check_in: CheckIn, count: int) -> str:
    """What is said when a check-in has got photos, `count` of them now: what counts with them."""
    today = clock.day_of(turn.now)
    tallies = await counting.of(turn.session, [check_in], today)
    return replies.photo_joined(
        check_in.at,
        check_in.place,
        check_in.verdict,
        count,
        check_in.photos_expected,
        tallied(tallies.get(check_in.id, ()), today),
    )


async def keep(turn: Turn, message: Voice | Video) -> str:
    """Voice and video are kept beside the check-in they follow, and never written down."""
    kind = MediaKind.voice if isinstance(message, Voice) else MediaKind.video
    if turn.person is None:
        return replies.HELD_MEDIA if await _held(turn, message, kind) else replies.HELD_FULL
    conversation = turn.conversation
    since = conversation.check_in_sent_at
    about = None
    if since is not None and message.sent_at - since <= chat.NOTE_FOLLOWS_WITHIN:
        about = conversation.check_in_id
    await _arrived(turn, message, kind, about)
    return replies.MEDIA_KEPT


async def received(turn: Turn, check_in_id: UUID) -> int:
    """How many photos the check-in has, those on their way included."""
    photos = select(func.count()).where(Photo.check_in_id == check_in_id).scalar_subquery()
    coming = (
        select(func.count())
        .where(
            ChatMedia.check_in_id == check_in_id,
            ChatMedia.kind == MediaKind.image,
            ChatMedia.photo_id.is_(None),
            ChatMedia.state == MediaState.waiting,
        )
        .scalar_subquery()
    )
    return await turn.session.scalar(select(photos + coming)) or 0


async def _hold(turn: Turn, message: Image) -> str | None:
    if not await _held(turn, message, MediaKind.image):
        return _once(turn, replies.HELD_FULL)
    return _once(turn, replies.HELD_PHOTO if turn.person is None else replies.HELD_PHOTO_CONSENT)


async def _held(turn: Turn, message: Image | Voice | Video, kind: MediaKind) -> bool:
    """Keep it until somebody is known who sent it; false when too much is kept already."""
    if await held.is_full(turn):
        return False
    # Fetched at once all the same: WeChat forgets it after three days.
    media = await _arrived(turn, message, kind, None)
    return await held.hold(turn, kind, {"media": str(media.id)})


async def _arrived(
    turn: Turn, message: Image | Voice | Video, kind: MediaKind, check_in_id: UUID | None
) -> ChatMedia:
    return await chat_media.arrived(
        turn.session,
        turn.user,
        kind,
        message.media_id,
        sent_at=message.sent_at,
        now=turn.now,
        check_in_id=check_in_id,
    )


def _once(turn: Turn, text: str) -> str | None:
    """Several photos at once get one reply."""
    told_at: datetime | None = turn.conversation.photo_told_at
    turn.conversation.photo_told_at = turn.now
    return None if told_at is not None and turn.now - told_at <= ONE_REPLY_FOR else text
