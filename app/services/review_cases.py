"""Review cases: a check-in with all that somebody looks at who decides about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import geometry
from app.errors import NotFound
from app.models import CheckIn, CheckInVerdict, Person, Stele
from app.services import access, histories, photo_facts, review_queue, reviews
from app.services.access import Caller
from app.services.histories import Picture, Visit


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A photo beside the earlier one that it resembles, which is null when not theirs to see."""

    picture: Picture
    near: bool
    earlier: Picture | None
    visit: Visit | None
    by_same_person: bool


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The record of the same person before or after, how far off in space and time."""

    visit: Visit
    is_before: bool
    distance_m: float
    apart_s: float


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was concluded of the check-in at a time, and by whom."""

    fact: CheckInVerdict
    reviewer: Person | None


@dataclass(frozen=True, slots=True)
class Case:
    """A check-in with all that a reviewer looks at; `is_ours`: its person is now the caller's."""

    visit: Visit
    stele: Stele | None
    resemblances: Sequence[Resemblance]
    neighbours: Sequence[Neighbour]
    verdicts: Sequence[Verdicts]
    may_review: bool
    took_part: bool
    is_ours: bool


async def find(session: AsyncSession, caller: Caller, id_: UUID, *, near_same_bits: int) -> Case:
    """A check-in that the caller may see, waiting or not. Raises `NotFound`."""
    found = await histories.visits(session, caller, CheckIn.id == id_, limit=1)
    if not found:
        raise NotFound("没有找到这条巡河记录。")
    visit = found[0]
    check_in = visit.check_in
    manages = await session.scalar(
        select(CheckIn.id).where(CheckIn.id == id_, await review_queue.managed(session, caller))
    )
    took_part = access.person_of(caller).id in await reviews.walkers(session, check_in)
    stele_id = check_in.stele_id or check_in.nearest_stele_id
    return Case(
        visit=visit,
        stele=await session.get(Stele, stele_id) if stele_id else None,
        resemblances=await _resemblances(session, caller, visit, near_same_bits),
        neighbours=await _neighbours(session, caller, check_in),
        verdicts=await _verdicts(session, id_),
        may_review=manages is not None and not took_part and check_in.withdrawn_at is None,
        took_part=took_part,
        is_ours=await access.manages(session, caller, visit.person.organisation_id),
    )


async def _resemblances(
    session: AsyncSession, caller: Caller, visit: Visit, near_same_bits: int
) -> list[Resemblance]:
    check_in = visit.check_in
    found = [
        each
        for each in await photo_facts.earlier_of(
            session, check_in.id, near_same_bits=near_same_bits
        )
        # Companions of one patrol send one another their pictures.
        if each.person_id == check_in.person_id or each.patrol_id != check_in.patrol_id
    ]
    if not found:
        return []
    theirs = await histories.visits(
        session, caller, CheckIn.id.in_({each.check_in_id for each in found}), limit=len(found)
    )
    seen = {each.check_in.id: each for each in theirs}
    own = {picture.id: picture for picture in visit.pictures}
    return [
        Resemblance(
            picture=own[each.of_photo_id],
            near=each.near,
            earlier=next(
                (
                    picture
                    for picture in seen[each.check_in_id].pictures
                    if picture.id == each.photo_id
                ),
                None,
            )
            if each.check_in_id in seen
            else None,
            visit=seen.get(each.check_in_id),
            by_same_person=each.person_id == check_in.person_id,
        )
        for each in found
    ]


async def _neighbours(
    session: AsyncSession, caller: Caller, check_in: CheckIn
) -> Sequence[Neighbour]:
    place = tuple_(CheckIn.at, CheckIn.id)
    here = tuple_(check_in.at, check_in.id)
    theirs = CheckIn.person_id == check_in.person_id, CheckIn.withdrawn_at.is_(None)
    before = await histories.visits(session, caller, *theirs, place < here, limit=1)
    after = await histories.visits(
        session, caller, *theirs, place > here, limit=1, oldest_first=True
    )
    return [
        Neighbour(
            each,
            is_before,
            geometry.distance_m(check_in.lon, check_in.lat, each.check_in.lon, each.check_in.lat),
            abs((each.check_in.at - check_in.at).total_seconds()),
        )
        for side, is_before in ((before, True), (after, False))
        for each in side
    ]


async def _verdicts(session: AsyncSession, id_: UUID) -> Sequence[Verdicts]:
    rows = await session.execute(
        select(CheckInVerdict, Person)
        .outerjoin(Person, Person.id == CheckInVerdict.reviewer_id)
        .where(CheckInVerdict.check_in_id == id_)
        .order_by(CheckInVerdict.recorded_at, CheckInVerdict.id)
    )
    return [Verdicts(*row) for row in rows]
