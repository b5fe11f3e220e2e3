"""Histories: check-ins and patrols of a person or a place as pages show them, with photos."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import CheckIn, Image, Organisation, Patrol, Person, Photo, Verdict
from app.services import visibility
from app.services.access import Caller


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo on a check-in; `ready` once it can be shown, `fault` says why it never will."""

    id: UUID
    check_in_id: UUID
    taken_at: datetime | None
    ready: bool
    fault: str | None


@dataclass(frozen=True, slots=True)
class Visit:
    """A check-in with who made it, the organisation they were of then, and its photos."""

    check_in: CheckIn
    person: Person
    organisation: Organisation
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Outing:
    """A patrol with who walked, the organisation they were of then, and how its records stand."""

    patrol: Patrol
    person: Person
    organisation: Organisation
    check_ins: int
    flagged: int


Place = tuple[datetime, UUID]


async def visits(
    session: AsyncSession,
    caller: Caller,
    *about: ColumnElement[bool],
    after: Place | None = None,
    limit: int,
    oldest_first: bool = False,
) -> list[Visit]:
    """Up to `limit` check-ins that the caller may see, the newest first, after a place."""
    conditions = [*about, await visibility.check_ins_for(session, caller)]
    order = (CheckIn.at, CheckIn.id)
    if after is not None:
        conditions.append(tuple_(*order) < tuple_(*after))
    sorting = order if oldest_first else [column.desc() for column in order]
    rows = (
        await session.execute(
            select(CheckIn, Person, Organisation)
            .join(Person, Person.id == CheckIn.person_id)
            .join(Organisation, Organisation.id == CheckIn.organisation_id)
            .where(*conditions)
            .order_by(*sorting)
            .limit(limit)
        )
    ).all()
    shown = await pictures(session, [row[0].id for row in rows])
    return [Visit(each, person, home, shown.get(each.id, ())) for each, person, home in rows]


async def pictures(
    session: AsyncSession, check_in_ids: Collection[UUID]
) -> Mapping[UUID, Sequence[Picture]]:
    """The photos of these check-ins in the order in which they came."""
    return await _pictures(session, Photo.check_in_id.in_(check_in_ids))


async def _pictures(
    session: AsyncSession, which: ColumnElement[bool]
) -> Mapping[UUID, Sequence[Picture]]:
    rows = await session.execute(
        select(
            Photo.id,
            Photo.check_in_id,
            func.coalesce(Image.taken_at, Photo.taken_at),
            Image.renditions_at.is_not(None),
            Image.fault,
        )
        .join(Image, Image.sha256 == Photo.sha256)
        .where(which)
        .order_by(Photo.received_at, Photo.id)
    )
    found: dict[UUID, list[Picture]] = defaultdict(list)
    for row in rows:
        picture = Picture(*row)
        found[picture.check_in_id].append(picture)
    return found


async def outings(
    session: AsyncSession,
    caller: Caller,
    *about: ColumnElement[bool],
    after: Place | None = None,
    limit: int,
) -> list[Outing]:
    """Up to `limit` patrols that the caller may see, the newest first, after a place."""
    conditions = [*about, await visibility.patrols_for(session, caller)]
    if after is not None:
        conditions.append(tuple_(Patrol.started_at, Patrol.id) < tuple_(*after))
    there = CheckIn.patrol_id == Patrol.id, CheckIn.withdrawn_at.is_(None)
    counted = select(func.count()).select_from(CheckIn).where(*there)
    rows = await session.execute(
        select(
            Patrol,
            Person,
            Organisation,
            counted.scalar_subquery(),
            counted.where(CheckIn.verdict == Verdict.flagged).scalar_subquery(),
        )
        .join(Person, Person.id == Patrol.person_id)
        .join(Organisation, Organisation.id == Patrol.organisation_id)
        .where(Patrol.retired_on.is_(None), *conditions)
        .order_by(Patrol.started_at.desc(), Patrol.id.desc())
        .limit(limit)
    )
    return [Outing(*row) for row in rows]
