"""Visits: from a location message to the check-in it is, and to what its sender reads."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.domain import replies
from app.domain.datum import Datum, to_wgs84
from app.domain.progress_texts import tallied
from app.models import CheckIn, Conversation, Person, Source
from app.services.conversations import counting
from app.services.new_check_in import NewCheckIn

_NAMED_WITHIN_M = 1000.0
_STELES = "SELECT id, name FROM steles WHERE id = ANY(%(ids)s)"


def new_check_in(
    id_: UUID,
    person: Person,
    *,
    lon: float,
    lat: float,
    stele: list[str | None] | None,
    sent_at: datetime,
    now: datetime,
) -> NewCheckIn:
    """What a location message says: degrees in GCJ-02, picked on a map, of no known accuracy."""
    wgs_lon, wgs_lat = to_wgs84(lon, lat, Datum.gcj02)
    code, token = stele or (None, None)
    return NewCheckIn(
        id=id_,
        person=person,
        source=Source.chat,
        at=sent_at,
        received_at=now,
        lon=wgs_lon,
        lat=wgs_lat,
        accuracy_m=None,
        datum=Datum.gcj02,
        raw_lon=lon,
        raw_lat=lat,
        stele_code=code,
        stele_token=token,
    )


def remember(conversation: Conversation, check_in: CheckIn) -> None:
    """What follows in the chat is about this check-in, unless a later one came first."""
    last = conversation.check_in_sent_at
    if last is not None and last > check_in.at:
        return
    conversation.check_in_id, conversation.check_in_sent_at = check_in.id, check_in.at
    conversation.note_taken, conversation.photo_told_at = False, None


async def answer(session: AsyncSession, check_in: CheckIn, photos: int, today: date) -> str:
    """The reply to one recorded location."""
    return (await answers(session, [(check_in, photos)], today))[0]


async def answers(
    session: AsyncSession, recorded: Sequence[tuple[CheckIn, int]], today: date
) -> list[str]:
    """The replies to recorded locations, each with how many photos it has; set-based."""
    check_ins = [check_in for check_in, _ in recorded]
    near = [_stele_to_name(check_in) for check_in in check_ins]
    steles = list({pair[0] for pair in near if pair})
    found, *counted = await at_once(
        session,
        (_STELES, {"ids": steles}) if steles else None,
        *counting.questions(check_ins),
    )
    names = {row.id: row.name for row in found}
    tallies = await counting.tallies(session, check_ins, counted, today)
    said = []
    for (check_in, photos), pair in zip(recorded, near, strict=True):
        mine = tallies.get(check_in.id, ())
        said.append(
            replies.recorded(
                check_in.verdict,
                check_in.place,
                (names[pair[0]], pair[1]) if pair and pair[0] in names else None,
                photos,
                tallied(mine, today, photo_asked=not photos),
                asks=all(tally.how != "photo" for tally in mine),
            )
        )
    return said


def _stele_to_name(check_in: CheckIn) -> tuple[UUID, float] | None:
    """The nearest stele and its distance, if no stele is at the place itself and it is not far."""
    id_, distance = check_in.nearest_stele_id, check_in.nearest_stele_distance_m
    if check_in.place.get("stele") is not None or id_ is None or distance is None:
        return None
    return (id_, distance) if distance <= _NAMED_WITHIN_M else None
