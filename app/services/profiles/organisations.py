"""Profiles of organisations: where they stand in the tree, and who is of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.errors import NotFound
from app.models import GridCell, Letter, Organisation, Pairing, Person, Reach, Stele, on_roster
from app.services import access, edits
from app.services.access import Caller

_MOST_PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Bond:
    """A reach, a village, or both that a department looks after."""

    reach_code: str | None
    reach: str | None
    village: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    """An organisation; `above` is only where the caller may look at it.

    `people` are the first of them by code, `headcount` how many there are.
    """

    organisation: Organisation
    above: Organisation | None
    above_name: str | None
    below: Sequence[Organisation]
    people: Sequence[Person]
    headcount: int
    cells: Sequence[GridCell]
    steles: Sequence[Stele]
    bonds: Sequence[Bond]
    letters: Sequence[Letter]


async def find(session: AsyncSession, caller: Caller, code: str, *, today: date) -> Profile:
    """An organisation of the caller's subtree. Raises `NotFound`."""
    scope = await access.scope_of(session, caller)
    organisation = await session.scalar(
        select(Organisation).where(Organisation.code == code, edits.inside(scope, Organisation.id))
    )
    if organisation is None:
        raise NotFound("没有找到这个组织。")
    above = (
        await session.get(Organisation, organisation.parent_id) if organisation.parent_id else None
    )
    below = await session.scalars(
        select(Organisation)
        .where(Organisation.parent_id == organisation.id, edits.not_retired(Organisation, today))
        .order_by(Organisation.code)
    )
    theirs = Person.organisation_id == organisation.id, on_roster(today)
    people = await session.scalars(
        select(Person).where(*theirs).order_by(Person.code).limit(_MOST_PEOPLE)
    )
    cells = await session.scalars(
        select(GridCell)
        .where(GridCell.organisation_id == organisation.id, edits.not_retired(GridCell, today))
        .order_by(GridCell.code)
        .limit(_MOST_PEOPLE)
    )
    steles = await session.scalars(
        select(Stele)
        .where(Stele.organisation_id == organisation.id, edits.not_retired(Stele, today))
        .order_by(Stele.code)
        .limit(_MOST_PEOPLE)
    )
    letters = await session.scalars(
        select(Letter)
        .where(Letter.organisation_id == organisation.id, edits.not_retired(Letter, today))
        .order_by(Letter.signed_on.desc(), Letter.number)
    )
    visible = above is not None and (scope is None or above.id in scope)
    return Profile(
        organisation=organisation,
        above=above if visible else None,
        above_name=above.name if above else None,
        below=below.all(),
        people=people.all(),
        headcount=await session.scalar(select(func.count()).select_from(Person).where(*theirs))
        or 0,
        cells=cells.all(),
        steles=steles.all(),
        bonds=await _bonds(session, organisation, today),
        letters=letters.all(),
    )


async def _bonds(session: AsyncSession, organisation: Organisation, today: date) -> list[Bond]:
    village = aliased(Organisation)
    rows = await session.execute(
        select(Reach.code, Reach.name, village.name)
        .select_from(Pairing)
        .outerjoin(Reach, Reach.id == Pairing.reach_id)
        .outerjoin(village, village.id == Pairing.village_id)
        .where(Pairing.department_id == organisation.id, edits.not_over(Pairing, today))
        .order_by(Reach.code, village.code)
    )
    return [Bond(*row) for row in rows]
