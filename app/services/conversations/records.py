"""Records in the chat: what I did so far, and what is still to be said about the last one."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import func, select

from app import clock
from app.domain import progress_texts, replies
from app.domain.chat import NOTE_FOLLOWS_WITHIN
from app.models import CheckIn, Patrol, Person, Source
from app.services import chain, credits, my_duties, outings
from app.services.conversations import photos
from app.services.conversations.turns import Turn

CANCEL_WITHIN = timedelta(hours=1)
RECENT = timedelta(hours=24)
_MOST_CHARACTERS = 500


async def progress(turn: Turn) -> str:
    """The duties, the most pressing first; of whoever has none the month's and year's records."""
    if turn.person is None:
        return replies.UNBOUND
    day = clock.day_of(turn.now)
    owed = await my_duties.of(turn.session, turn.person, day)
    if owed:
        return progress_texts.progress(owed, day, f"{turn.settings.public_url}/my/obligations")
    year, month = clock.start_of(day.replace(month=1, day=1)), clock.start_of(day.replace(day=1))
    mine = (CheckIn.person_id == turn.person.id, CheckIn.withdrawn_at.is_(None))
    this_month: Counter[str] = Counter()
    this_year = 0
    rows = await turn.session.execute(
        select(CheckIn.verdict, func.count(), func.count().filter(CheckIn.at >= month))
        .where(*mine, CheckIn.at >= year)
        .group_by(CheckIn.verdict)
    )
    for verdict, in_year, in_month in rows:
        this_year += in_year
        this_month[str(verdict)] = in_month
    last = await turn.session.execute(
        select(CheckIn.at, CheckIn.place)
        .where(*mine, CheckIn.at >= year)
        .order_by(CheckIn.at.desc())
        .limit(1)
    )
    found = last.first()
    return replies.progress(this_month, this_year, (found[0], found[1]) if found else None)


async def latest(turn: Turn) -> str:
    """The last three records with their verdicts."""
    if turn.person is None:
        return replies.UNBOUND
    rows = await turn.session.execute(
        select(CheckIn.at, CheckIn.place, CheckIn.verdict)
        .where(CheckIn.person_id == turn.person.id, CheckIn.withdrawn_at.is_(None))
        .order_by(CheckIn.at.desc())
        .limit(3)
    )
    return replies.records([(at, place, str(verdict)) for at, place, verdict in rows])


async def close_without_photo(turn: Turn, reason: str) -> str:
    """`无照片 原因`: no photo will come for the newest record, and why."""
    if turn.person is None:
        return replies.UNBOUND
    if not reason:
        return replies.ASK_REASON
    check_in = await newest(turn, turn.person)
    if check_in is None:
        return replies.NO_RECORD
    if await photos.received(turn, check_in.id):
        return replies.HAS_PHOTOS
    check_in.no_photo_reason = reason[:_MOST_CHARACTERS]
    await chain.append(turn.session, {chain.CHECK_IN: [check_in.id]}, now=turn.now)
    return replies.closed_without_photo(check_in.at, reason)


async def cancel(turn: Turn) -> str:
    """`取消`: take back one's own newest check-in of the chat, within the hour. The row stays."""
    if turn.person is None:
        return replies.UNBOUND
    check_in = await turn.session.scalar(
        select(CheckIn)
        .where(CheckIn.person_id == turn.person.id, CheckIn.source == Source.chat)
        .order_by(CheckIn.at.desc(), CheckIn.id.desc())
        .limit(1)
    )
    if check_in is None or turn.now - check_in.received_at > CANCEL_WITHIN:
        return replies.NOTHING_TO_CANCEL
    await credits.hold(turn.session)
    # The patrol before its check-in, as everywhere.
    patrol = await turn.session.get_one(
        Patrol, check_in.patrol_id, with_for_update={"key_share": True}, populate_existing=True
    )
    await turn.session.refresh(check_in, with_for_update=True)
    if check_in.withdrawn_at is not None:
        return replies.CANCELLED_BEFORE
    check_in.withdrawn_at = turn.now
    await chain.append(turn.session, {chain.CHECK_IN: [check_in.id]}, now=turn.now)
    await outings.shorten(turn.session, patrol)
    await credits.judge(turn.session, [patrol.id], now=turn.now)
    conversation = turn.conversation
    if conversation.check_in_id == check_in.id:
        conversation.check_in_id = conversation.check_in_sent_at = None
    conversation.photo_told_at = None
    return replies.cancelled(check_in.at, check_in.place)


async def note(turn: Turn, text: str) -> str | None:
    """A text soon after a check-in is its note, once; None when it is none."""
    conversation = turn.conversation
    since = conversation.check_in_sent_at
    if (
        turn.person is None
        or conversation.check_in_id is None
        or since is None
        or conversation.note_taken
        or len(text) < 2
        or not timedelta(0) <= turn.message.sent_at - since <= NOTE_FOLLOWS_WITHIN
    ):
        return None
    check_in = await turn.session.get_one(CheckIn, conversation.check_in_id, with_for_update=True)
    if (
        check_in.person_id != turn.person.id
        or check_in.withdrawn_at is not None
        or check_in.note is not None
    ):
        return None
    check_in.note, conversation.note_taken = text[:_MOST_CHARACTERS], True
    await chain.append(turn.session, {chain.CHECK_IN: [check_in.id]}, now=turn.now)
    return replies.noted(text)


async def newest(turn: Turn, person: Person) -> CheckIn | None:
    """The person's newest check-in of the last 24 hours, through whichever door."""
    return await turn.session.scalar(
        select(CheckIn)
        .where(
            CheckIn.person_id == person.id,
            CheckIn.at > turn.message.sent_at - RECENT,
            CheckIn.withdrawn_at.is_(None),
        )
        .order_by(CheckIn.at.desc(), CheckIn.id.desc())
        .limit(1)
        .with_for_update()
    )
