"""The product's books read as a world of the reference: every row as it now stands, by its id.

Credits are not read: the reference makes its own.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from tests.reference import duties as reference
from tests.reference.duties import World


@dataclass
class Books:
    """A world whose codes are ids, and in which order its patrols and their check-ins stand."""

    world: World
    patrols: list[UUID]
    check_ins: dict[UUID, tuple[int, reference.CheckIn]]


def _text(id_: UUID | None) -> str | None:
    return None if id_ is None else str(id_)


def _area(row: Any) -> str | None:
    named = (
        getattr(row, f"{each}_id", None) for each in ("waterbody", "reach", "grid_cell", "stele")
    )
    return next((str(id_) for id_ in named if id_ is not None), None)


async def _all(session: AsyncSession, model: Any, *conditions: Any) -> list[Any]:
    rows = await session.scalars(
        select(model).where(*conditions).execution_options(populate_existing=True)
    )
    return list(rows)


async def read(session: AsyncSession) -> Books:
    """Everything that the rule looks at."""
    rulebook = (await _all(session, models.Rulebook))[:1]
    world = World(
        organisations=[
            reference.Organisation(str(row.id), _text(row.parent_id), row.retired_on)
            for row in await _all(session, models.Organisation)
        ],
        people=await _people(session),
        waterbodies=[
            reference.Waterbody(str(row.id)) for row in await _all(session, models.Waterbody)
        ],
        reaches=[
            reference.Reach(str(row.id), str(row.waterbody_id), row.retired_on)
            for row in await _all(session, models.Reach)
        ],
        cells=[
            reference.Cell(str(row.id), _text(row.parent_id), row.retired_on)
            for row in await _all(session, models.GridCell)
        ],
        steles=[
            reference.Stele(str(row.id), _text(row.reach_id), row.radius_m, row.retired_on)
            for row in await _all(session, models.Stele)
        ],
        letters=[
            reference.Letter(str(row.id), row.retired_on)
            for row in await _all(session, models.Letter)
        ],
        pairings=[
            reference.Pairing(
                str(row.department_id), _text(row.reach_id), row.from_on, row.to_on, row.retired_on
            )
            for row in await _all(session, models.Pairing)
        ],
        posts=[
            reference.Post(
                str(row.person_id),
                _text(row.deputy_id),
                row.area_kind,
                _area(row),
                row.from_on,
                row.to_on,
                row.retired_on,
            )
            for row in await _all(session, models.Post)
        ],
        exemptions=[
            reference.Exemption(
                *_holder(row),
                row.from_on,
                row.to_on,
                _text(row.obligation_id),
                granted=row.state == "granted",
                retired_on=row.retired_on,
            )
            for row in await _all(session, models.Exemption)
        ],
        obligations=[_obligation(row) for row in await _all(session, models.Obligation)],
        count_from=rulebook[0].count_from if rulebook else None,
    )
    return await _with_patrols(session, world)


def _holder(row: Any) -> tuple[str, str]:
    if row.holder_person_id is not None:
        return "person", str(row.holder_person_id)
    return "organisation", str(row.holder_organisation_id)


def _obligation(row: models.Obligation) -> reference.Obligation:
    kind, holder = _holder(row)
    return reference.Obligation(
        code=str(row.id),
        holder_kind=kind,
        holder=holder,
        area_kind=row.area_kind,
        area=_area(row),
        times=row.times,
        period=row.period,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        months=row.months,
        min_minutes=row.min_minutes,
        min_metres=row.min_metres,
        kinds=row.kinds,
        photo=row.photo,
        letter=_text(row.letter_id),
        retired_on=row.retired_on,
    )


async def _people(session: AsyncSession) -> list[reference.Person]:
    homes: dict[UUID, list[reference.Membership]] = defaultdict(list)
    for row in await _all(session, models.Membership, models.Membership.revoked_at.is_(None)):
        homes[row.person_id].append(
            reference.Membership(str(row.organisation_id), row.from_on, row.to_on)
        )
    return [
        reference.Person(str(row.id), homes[row.id], row.retired_on)
        for row in await _all(session, models.Person)
    ]


async def _with_patrols(session: AsyncSession, world: World) -> Books:
    companions: dict[UUID, list[reference.Companion]] = defaultdict(list)
    for row in await _all(session, models.Companion):
        companions[row.patrol_id].append(
            reference.Companion(
                str(row.person_id), row.declined_at is not None, row.removed_at is not None
            )
        )
    photos: dict[UUID, int] = defaultdict(int)
    for row in await _all(session, models.Photo):
        photos[row.check_in_id] += 1
    on_paper = {
        row.patrol_id: row.image_sha256 is not None
        for row in await _all(session, models.LateEntry)
        if row.patrol_id is not None
    }
    check_ins: dict[UUID, list[tuple[UUID, reference.CheckIn]]] = defaultdict(list)
    for row in await _all(session, models.CheckIn):
        check_ins[row.patrol_id].append((row.id, _check_in(row, photos[row.id])))
    books = Books(world, [], {})
    for row in await _all(session, models.Patrol, models.Patrol.retired_on.is_(None)):
        patrol = reference.Patrol(
            person=str(row.person_id),
            started_at=row.started_at,
            kind=row.kind,
            seconds=row.duration_s,
            metres=row.distance_m,
            companions=companions[row.id],
        )
        if row.origin == "paper":
            patrol.paper = reference.Paper(
                row.area_kind, _area(row), photo=on_paper.get(row.id, False)
            )
        for id_, check_in in check_ins[row.id]:
            patrol.check_ins.append(check_in)
            books.check_ins[id_] = (len(world.patrols), check_in)
        books.patrols.append(row.id)
        world.patrols.append(patrol)
    return books


def _check_in(row: models.CheckIn, photos: int) -> reference.CheckIn:
    return reference.CheckIn(
        verdict=row.verdict,
        reach=_text(row.reach_id),
        cells=[str(id_) for id_ in row.grid_cell_ids],
        named_stele=_text(row.stele_id),
        named_distance_m=row.stele_distance_m,
        accuracy_m=row.accuracy_m,
        from_chat=row.source == "chat",
        nearest_stele=_text(row.nearest_stele_id),
        nearest_distance_m=row.nearest_stele_distance_m,
        photos=photos,
        withdrawn=row.withdrawn_at is not None,
    )
