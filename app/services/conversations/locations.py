"""Locations: each one sent in the chat is a check-in the moment it arrives."""

from uuid import UUID

from app.domain import replies
from app.services import check_ins
from app.services.conversations import held, joining, scans, turns, visits
from app.services.conversations.turns import Turn
from app.wechat.messages import Location


async def take(turn: Turn, message: Location) -> str:
    """Record where somebody is, or keep it unread until they are known and agreed."""
    stele = await scans.named_for(turn, message)
    id_ = turns.check_in_id(turn.user.app, message.key)
    if turn.person is None or turn.consent is None:
        content = {"id": str(id_), "lon": message.lon, "lat": message.lat, "stele": stele}
        if not await held.hold(turn, "location", content):
            return replies.HELD_FULL
        return replies.HELD_POSITION if turn.person is None else replies.NOTICE
    if not turn.consent:
        return replies.REFUSED_POSITION
    new = visits.new_check_in(
        id_,
        turn.person,
        lon=message.lon,
        lat=message.lat,
        stele=stele,
        sent_at=message.sent_at,
        now=turn.now,
    )
    check_in = (await check_ins.record(turn.session, new, turn.settings, turn.keys)).check_in
    visits.remember(turn.conversation, check_in)
    photos = await joining.bring_photos(
        turn.session,
        turn.user,
        check_in,
        turn.settings,
        promised=_promised(turn),
        now=turn.now,
    )
    if photos:
        turn.conversation.photo_told_at = turn.now
    return await visits.answer(turn.session, check_in, photos)


def _promised(turn: Turn) -> list[UUID]:
    """Photos of which the sender said that their location comes now."""
    question = turn.conversation.question
    if question is None or question["kind"] != "next_location":
        return []
    turn.forget_question()
    return [UUID(id_) for id_ in question["media"]]
