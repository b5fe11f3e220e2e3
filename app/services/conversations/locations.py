"""Locations: each one sent in the chat is a check-in the moment it arrives."""

from collections.abc import Sequence
from uuid import UUID

from app import clock
from app.domain import replies
from app.errors import XunheError
from app.models import CheckIn
from app.services import check_ins
from app.services.conversations import held, joining, permits, scans, turns, visits
from app.services.conversations.joining import Arrival
from app.services.conversations.turns import Turn
from app.services.new_check_in import NewCheckIn
from app.wechat.messages import Location


async def take(arrived: Sequence[tuple[Turn, Location]]) -> list[str]:
    """Record where people are, or keep it unread until they are known and agreed.

    Set-based: one turn each of several senders, in one session.
    """
    steles = await scans.scanned([turn for turn, _ in arrived])
    said: dict[int, str] = {}
    news: list[tuple[Turn, NewCheckIn]] = []
    for n, (turn, message) in enumerate(arrived):
        stele = scans.named_for(turn, message, steles)
        id_ = turns.check_in_id(turn.user.app, message.key)
        if turn.person is None or turn.consent is None:
            content = {"id": str(id_), "lon": message.lon, "lat": message.lat, "stele": stele}
            said[n] = await _hold(turn, content)
        elif not turn.consent:
            said[n] = replies.REFUSED_POSITION
        else:
            new = visits.new_check_in(
                id_,
                turn.person,
                lon=message.lon,
                lat=message.lat,
                stele=stele,
                sent_at=message.sent_at,
                now=turn.now,
            )
            news.append((turn, new))
    recorded = iter(await _record(news))
    return [said[n] if n in said else next(recorded) for n in range(len(arrived))]


async def _hold(turn: Turn, content: dict[str, object]) -> str:
    if not await held.hold(turn, "location", content):
        return replies.HELD_FULL
    return replies.HELD_POSITION if turn.person is None else replies.NOTICE


async def _record(news: Sequence[tuple[Turn, NewCheckIn]]) -> list[str]:
    if not news:
        return []
    turn, _ = news[0]
    session, settings = turn.session, turn.settings
    recorded: list[CheckIn] = []
    arrivals: list[Arrival] = []
    results = await check_ins.record_many(
        session, [new for _, new in news], settings, turn.keys, counting=False
    )
    for (turn, _), result in zip(news, results, strict=True):
        if isinstance(result, XunheError):
            raise result
        visits.remember(turn.conversation, result.check_in)
        promised = _promised(turn)
        recorded.append(result.check_in)
        if turn.has_loose_photos:
            arrivals.append(Arrival(turn.user.id, result.check_in, promised))
    now = max(turn.now for turn, _ in news)
    counts = await joining.bring_photos(session, arrivals, settings, now=now)
    for turn, _ in news:
        if counts[turn.user.id]:
            turn.conversation.photo_told_at = turn.now
    photos = [counts[turn.user.id] for turn, _ in news]
    await permits.ask(session, [turn.user for turn, _ in news], settings, now=now)
    return await visits.answers(
        session, list(zip(recorded, photos, strict=True)), clock.day_of(now)
    )


def _promised(turn: Turn) -> list[UUID]:
    """Photos of which the sender said that their location comes now."""
    question = turn.conversation.question
    if question is None or question["kind"] != "next_location":
        return []
    turn.forget_question()
    return [UUID(id_) for id_ in question["media"]]
