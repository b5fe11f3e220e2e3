"""Steles: what a marker is, which water it stands at, and who answers for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain import geometry
from app.errors import NotFound
from app.models import (
    GridCell,
    Organisation,
    Person,
    Post,
    PostKind,
    Reach,
    Stele,
    Waterbody,
    is_held,
    on_roster,
)
from app.models.base import Box
from app.services import places
from app.services.places import Place
from app.settings import Settings

_RANK = list(PostKind)
# What the dataset allows; all else cannot be one, and some of it no database takes.
_CODE = re.compile(r"[A-Za-z0-9_-]{3,24}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Responsible:
    """Somebody who answers for a place; `post` is null for the keeper of its grid cell."""

    person: Person
    organisation: Organisation
    post: PostKind | None


@dataclass(frozen=True, slots=True)
class SteleHere:
    """A stele with all that is shown of it."""

    stele: Stele
    organisation: Organisation
    reach: Reach | None
    waterbody: Waterbody | None
    place: Place
    responsible: Sequence[Responsible]


async def find(session: AsyncSession, code: str) -> Stele:
    """The stele of this code. Raises `NotFound`, for a retired one as well."""
    if not _CODE.fullmatch(code):
        raise NotFound("没有找到这块界碑。")
    stele = await session.scalar(
        select(Stele).where(Stele.code == code, Stele.retired_on.is_(None))
    )
    if stele is None:
        raise NotFound("没有找到这块界碑。")
    return stele


async def describe(
    session: AsyncSession, code: str, settings: Settings, *, now: datetime
) -> SteleHere:
    """The stele with its water, cell and people of today. Raises `NotFound`."""
    stele = await find(session, code)
    organisation = await session.get_one(Organisation, stele.organisation_id)
    place = await places.locate(session, stele.lon, stele.lat, settings)
    reach_id = stele.reach_id or (place.reach.id if place.reach else None)
    reach = await session.get(Reach, reach_id) if reach_id else None
    waterbody = (
        await session.get(Waterbody, reach.waterbody_id)
        if reach
        else await _water_beside(session, stele, settings.reach_within_m)
    )
    cell_ids = list(place.cell.lineage) if place.cell else []
    responsible = await _responsible(session, stele, reach, cell_ids, now)
    return SteleHere(stele, organisation, reach, waterbody, place, responsible)


async def _water_beside(session: AsyncSession, stele: Stele, within_m: float) -> Waterbody | None:
    """The nearest water for a stele on a shore that has no reaches."""
    around = geometry.around(stele.lon, stele.lat, within_m)
    rows = await session.scalars(
        select(Waterbody).where(
            Waterbody.bounds.op("&&")(cast(around, Box)), Waterbody.retired_on.is_(None)
        )
    )
    near = [
        (geometry.distance_to_line_m(stele.lon, stele.lat, geometry.from_wkb(row.geometry)), row)
        for row in rows
    ]
    metres, water = min(near, key=lambda each: each[0], default=(within_m + 1, None))
    return water if metres <= within_m else None


async def _responsible(
    session: AsyncSession, stele: Stele, reach: Reach | None, cell_ids: list[UUID], now: datetime
) -> Sequence[Responsible]:
    """The highest post first; within a post, by its code."""
    today = clock.day_of(now)
    about = [Post.stele_id == stele.id, Post.grid_cell_id.in_(cell_ids)]
    if reach is not None:
        about += [Post.reach_id == reach.id, Post.waterbody_id == reach.waterbody_id]
    rows = await session.execute(
        select(Person, Organisation, Post.kind)
        .join(Post, Post.person_id == Person.id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(or_(*about), is_held(today), on_roster(today))
        .order_by(Post.code)
    )
    held = [Responsible(*row) for row in rows]
    keepers = await session.execute(
        select(Person, Organisation)
        .join(GridCell, GridCell.person_id == Person.id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(GridCell.id.in_(cell_ids[-1:]), on_roster(today))
    )
    found = sorted(
        held + [Responsible(person, place, None) for person, place in keepers],
        key=lambda each: len(_RANK) if each.post is None else _RANK.index(each.post),
    )
    # Once a person, by the highest of their posts here.
    return list({each.person.id: each for each in reversed(found)}.values())[::-1]
