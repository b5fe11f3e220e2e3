"""Visits: from a location message to the check-in it is, and to what its sender reads."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import replies
from app.domain.datum import Datum, to_wgs84
from app.models import CheckIn, Conversation, Person, Source, Stele
from app.services.new_check_in import NewCheckIn

_NAMED_WITHIN_M = 1000.0


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


async def answer(session: AsyncSession, check_in: CheckIn, photos: int) -> str:
    """The reply to one recorded location."""
    return (await answers(session, [(check_in, photos)]))[0]


async def answers(session: AsyncSession, recorded: Sequence[tuple[CheckIn, int]]) -> list[str]:
    """The replies to recorded locations, each with how many photos it has."""
    near = [_stele_to_name(check_in) for check_in, _ in recorded]
    names: dict[UUID, str] = {}
    if any(near):
        rows = await session.execute(
            select(Stele.id, Stele.name).where(Stele.id.in_({pair[0] for pair in near if pair}))
        )
        names = dict(rows.all())
    return [
        replies.recorded(
            check_in.verdict,
            check_in.place,
            (names[pair[0]], pair[1]) if pair and pair[0] in names else None,
            photos,
        )
        for (check_in, photos), pair in zip(recorded, near, strict=True)
    ]


def _stele_to_name(check_in: CheckIn) -> tuple[UUID, float] | None:
    """The nearest stele and its distance, if no stele is at the place itself and it is not far."""
    id_, distance = check_in.nearest_stele_id, check_in.nearest_stele_distance_m
    if check_in.place.get("stele") is not None or id_ is None or distance is None:
        return None
    return (id_, distance) if distance <= _NAMED_WITHIN_M else None
