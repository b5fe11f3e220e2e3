"""Profiles of places: reaches, steles and grid cells, who answers for them, when they were visited.

Places and their names are everybody's; records, and links to people, are of those in scope.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import (
    CheckIn,
    GridCell,
    Organisation,
    Pairing,
    Person,
    Post,
    Reach,
    Stele,
    StelePrint,
    Verdict,
    Waterbody,
    is_held,
    on_roster,
)
from app.services import access, edits, steles
from app.services.access import Caller
from app.services.steles import Responsible, SteleHere
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ReachProfile:
    """A reach with its water, who answers for it, what stands on it, who is paired with it."""

    reach: Reach
    waterbody: Waterbody
    responsible: Sequence[Responsible]
    steles: Sequence[Stele]
    departments: Sequence[Organisation]


@dataclass(frozen=True, slots=True)
class SteleProfile:
    """A stele; `last_visit_at` is null for steles of others, as are their records."""

    here: SteleHere
    prints: Sequence[StelePrint]
    is_ours: bool
    last_visit_at: datetime | None


@dataclass(frozen=True, slots=True)
class CellProfile:
    """A grid cell between those around and those inside it."""

    cell: GridCell
    organisation: Organisation
    person: Person | None
    around: Sequence[GridCell]
    inside: Sequence[GridCell]
    is_ours: bool


async def people_in_sight(
    session: AsyncSession, caller: Caller, people: Collection[Person]
) -> Collection[UUID]:
    """Those of the people whose page the caller may open."""
    scope = await access.scope_of(session, caller)
    return {each.id for each in people if scope is None or each.organisation_id in scope}


def visit_of(stele_id: UUID) -> ColumnElement[bool]:
    """Whether a check-in is one at this stele: at the one that it names, or the one near."""
    return or_(
        CheckIn.stele_id == stele_id,
        CheckIn.stele_id.is_(None)
        & (CheckIn.nearest_stele_id == stele_id)
        & CheckIn.nearest_stele_within.is_(True),
    )


async def reach(session: AsyncSession, code: str, *, today: date) -> ReachProfile:
    """A reach by its code. Raises `NotFound`."""
    found = await session.scalar(select(Reach).where(Reach.code == code))
    if found is None:
        raise NotFound("没有找到这个河段。")
    rows = await session.execute(
        select(Person, Organisation, Post.kind)
        .join(Post, Post.person_id == Person.id)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(
            or_(Post.reach_id == found.id, Post.waterbody_id == found.waterbody_id),
            is_held(today),
            on_roster(today),
        )
        .order_by(Post.waterbody_id.is_(None), Post.code)
    )
    standing = await session.scalars(
        select(Stele)
        .where(Stele.reach_id == found.id, edits.not_retired(Stele, today))
        .order_by(Stele.code)
    )
    paired = await session.scalars(
        select(Organisation)
        .where(
            Organisation.id.in_(
                select(Pairing.department_id).where(
                    Pairing.reach_id == found.id,
                    or_(Pairing.from_on.is_(None), Pairing.from_on <= today),
                    edits.not_over(Pairing, today),
                )
            )
        )
        .order_by(Organisation.code)
    )
    return ReachProfile(
        reach=found,
        waterbody=await session.get_one(Waterbody, found.waterbody_id),
        responsible=[Responsible(*row) for row in rows],
        steles=standing.all(),
        departments=paired.all(),
    )


async def stele(
    session: AsyncSession, caller: Caller, code: str, settings: Settings, *, now: datetime
) -> SteleProfile:
    """A stele by its code, retired ones excepted. Raises `NotFound`."""
    here = await steles.describe(session, code, settings, now=now)
    prints = await session.scalars(
        select(StelePrint)
        .where(StelePrint.stele_id == here.stele.id)
        .order_by(StelePrint.version.desc())
    )
    scope = await access.scope_of(session, caller)
    ours = scope is None or here.stele.organisation_id in scope
    last = None
    if ours:
        last = await session.scalar(
            select(CheckIn.at)
            .where(
                visit_of(here.stele.id),
                CheckIn.stele_id.is_(None) | CheckIn.stele_within.is_(True),
                CheckIn.verdict == Verdict.accepted,
                CheckIn.withdrawn_at.is_(None),
            )
            .order_by(CheckIn.at.desc())
            .limit(1)
        )
    return SteleProfile(here, prints.all(), ours, last)


async def cell(session: AsyncSession, caller: Caller, code: str, *, now: datetime) -> CellProfile:
    """A grid cell by its code. Raises `NotFound`."""
    found = await session.scalar(select(GridCell).where(GridCell.code == code))
    if found is None:
        raise NotFound("没有找到这个网格。")
    today = clock.day_of(now)
    around = await session.scalars(
        select(GridCell).where(GridCell.id.in_(found.lineage), GridCell.id != found.id)
    )
    inside = await session.scalars(
        select(GridCell)
        .where(GridCell.parent_id == found.id, edits.not_retired(GridCell, today))
        .order_by(GridCell.code)
    )
    scope = await access.scope_of(session, caller)
    return CellProfile(
        cell=found,
        organisation=await session.get_one(Organisation, found.organisation_id),
        person=await session.get(Person, found.person_id) if found.person_id else None,
        around=sorted(around, key=lambda each: found.lineage.index(each.id)),
        inside=inside.all(),
        is_ours=scope is None or found.organisation_id in scope,
    )
