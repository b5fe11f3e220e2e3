"""A world of the reference, written as rows of the product."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid5

import shapely
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from app.domain import geometry
from tests.reference import duties as reference
from tests.reference.duties import World

WRITTEN_AT = datetime(2025, 9, 1, tzinfo=UTC)
_SPACE = UUID("0190a000-0000-7000-8000-000000000000")
_HERE = shapely.Point(103.0, 24.9)
_LINE = shapely.LineString([(103.0, 24.9), (103.01, 24.9)])
_SQUARE = shapely.box(103.0, 24.9, 103.01, 24.91)


def id_of(code: str) -> UUID:
    """The id of the thing with that code."""
    return uuid5(_SPACE, code)


def _perhaps(code: str | None) -> UUID | None:
    return None if code is None else id_of(code)


def _shape(geometry_: shapely.Geometry) -> dict[str, Any]:
    return {"geometry": shapely.to_wkb(geometry_), "bounds": geometry.box_literal(geometry_)}


def _area(kind: str | None, code: str | None, *, among: Sequence[str]) -> dict[str, Any]:
    """`area_kind` and the one column that names the area."""
    assert kind in {None, "any", "paired", *among}
    return {"area_kind": kind} | {
        f"{each}_id": id_of(str(code)) if kind == each else None for each in among
    }


async def write(session: AsyncSession, world: World) -> None:
    """All of it; nothing is judged yet."""
    session.add(
        models.Rulebook(
            id=1,
            opened_on=WRITTEN_AT.date(),
            count_from=world.count_from,
            pairing_duty="department",
            judged_at=WRITTEN_AT,
        )
    )
    for rows in (_organisations(world), _waters(world), _reaches(world), _people(world)):
        session.add_all(rows)
        await session.flush()
    for rows in (_places(world), _letters(world), _obligations(world), _images(world)):
        session.add_all(rows)
        await session.flush()
    session.add_all([*_terms(world), *_patrols(world)])
    await session.flush()
    session.add_all(_on_patrols(world))
    await session.flush()
    session.add_all(_photos(world))
    await session.flush()


def _organisations(world: World) -> list[models.Base]:
    return [
        models.Organisation(
            id=id_of(each.code),
            code=each.code,
            name=each.code,
            kind=models.OrganisationKind.department,
            parent_id=_perhaps(each.parent),
            retired_on=each.retired_on,
        )
        for each in world.organisations
    ]


def _waters(world: World) -> list[models.Base]:
    return [
        models.Waterbody(
            id=id_of(each.code),
            code=each.code,
            name=each.code,
            kind=models.WaterbodyKind.river,
            **_shape(_LINE),
        )
        for each in world.waterbodies
    ]


def _reaches(world: World) -> list[models.Base]:
    return [
        models.Reach(
            id=id_of(each.code),
            code=each.code,
            name=each.code,
            waterbody_id=id_of(each.waterbody),
            retired_on=each.retired_on,
            length_m=1000,
            **_shape(_LINE),
        )
        for each in world.reaches
    ]


def _people(world: World) -> list[models.Base]:
    """With the home that their last membership names; memberships come with the terms."""
    found: list[models.Base] = []
    for person in world.people:
        last = person.memberships[-1] if person.memberships else None
        found.append(
            models.Person(
                id=id_of(person.code),
                code=person.code,
                name=person.code,
                organisation_id=id_of(last.organisation if last else world.organisations[0].code),
                from_on=last.first if last else None,
                to_on=last.last if last else None,
                retired_on=person.retired_on,
            )
        )
    return found


def _places(world: World) -> list[models.Base]:
    cells: list[models.Base] = [
        models.GridCell(
            id=id_of(each.code),
            code=each.code,
            name=each.code,
            kind=models.GridCellKind.general,
            parent_id=_perhaps(each.parent),
            organisation_id=id_of(world.organisations[0].code),
            retired_on=each.retired_on,
            area_m2=1,
            lineage=[
                id_of(code) for code in reversed(reference.cell_and_those_above(world, each.code))
            ],
            **_shape(_SQUARE),
        )
        for each in world.cells
    ]
    steles = [
        models.Stele(
            id=id_of(each.code),
            code=each.code,
            name=each.code,
            reach_id=_perhaps(each.reach),
            organisation_id=id_of(world.organisations[0].code),
            radius_m=each.radius_m,
            lon=103.0,
            lat=24.9,
            bounds=geometry.box_literal(_HERE),
            retired_on=each.retired_on,
        )
        for each in world.steles
    ]
    return [*cells, *steles]


def _letters(world: World) -> list[models.Base]:
    return [
        models.Letter(
            id=id_of(each.number),
            number=each.number,
            organisation_id=id_of(world.organisations[0].code),
            person_id=id_of(world.people[0].code),
            signed_on=date(2020, 1, 1),
            starts_on=date(2020, 1, 1),
            ends_on=date(2030, 1, 1),
            retired_on=each.retired_on,
        )
        for each in world.letters
    ]


def _holder(kind: str, code: str) -> dict[str, Any]:
    return {
        f"holder_{each}_id": id_of(code) if kind == each else None
        for each in ("person", "organisation")
    }


def _obligations(world: World) -> list[models.Base]:
    return [
        models.Obligation(
            id=id_of(each.code),
            code=each.code,
            times=each.times,
            period=each.period,
            starts_on=each.starts_on,
            ends_on=each.ends_on,
            months=each.months,
            min_minutes=each.min_minutes,
            min_metres=each.min_metres,
            kinds=each.kinds,
            photo=each.photo,
            letter_id=_perhaps(each.letter),
            retired_on=each.retired_on,
            **_holder(each.holder_kind, each.holder),
            **_area(each.area_kind, each.area, among=("reach", "grid_cell", "stele")),
        )
        for each in world.obligations
    ]


def _terms(world: World) -> list[models.Base]:
    """Memberships, pairings, posts, exemptions."""
    memberships: list[models.Base] = [
        models.Membership(
            person_id=id_of(person.code),
            organisation_id=id_of(each.organisation),
            from_on=each.first,
            to_on=each.last,
            recorded_at=WRITTEN_AT,
        )
        for person in world.people
        for each in person.memberships
    ]
    pairings = [
        models.Pairing(
            department_id=id_of(each.department),
            reach_id=_perhaps(each.reach),
            from_on=each.first,
            to_on=each.last,
            retired_on=each.retired_on,
        )
        for each in world.pairings
    ]
    posts = [
        models.Post(
            code=f"Z{n}",
            kind=models.PostKind.chief,
            person_id=id_of(each.person),
            deputy_id=_perhaps(each.deputy),
            from_on=each.first,
            to_on=each.last,
            retired_on=each.retired_on,
            **_area(each.area_kind, each.area, among=("waterbody", "reach", "grid_cell", "stele")),
        )
        for n, each in enumerate(world.posts)
    ]
    exemptions = [
        models.Exemption(
            code=f"X{n}",
            obligation_id=_perhaps(each.obligation),
            from_on=each.first,
            to_on=each.last,
            kind=models.ExemptionKind.leave,
            reason="住院",
            state="granted" if each.granted else ("asked", "declined")[n % 2],
            retired_on=each.retired_on,
            recorded_at=WRITTEN_AT,
            **_holder(each.holder_kind, each.holder),
        )
        for n, each in enumerate(world.exemptions)
    ]
    return [*memberships, *pairings, *posts, *exemptions]


def patrol_id(n: int) -> UUID:
    """The id of the world's nth patrol."""
    return id_of(f"patrol {n}")


def check_in_id(n: int, k: int) -> UUID:
    """The id of its kth check-in."""
    return id_of(f"patrol {n} check-in {k}")


def _patrols(world: World) -> list[models.Base]:
    found: list[models.Base] = []
    for n, each in enumerate(world.patrols):
        paper = each.paper
        place: dict[str, Any] = {}
        if paper is not None:
            place = _area(paper.area_kind, paper.area, among=("reach", "grid_cell", "stele"))
        elif each.seconds is not None:
            place = {"finished_at": each.started_at}
        found.append(
            models.Patrol(
                id=patrol_id(n),
                person_id=id_of(each.person),
                organisation_id=id_of(world.organisations[0].code),
                kind=each.kind,
                state="open" if paper is None and each.seconds is None else "finished",
                origin="phone" if paper is None else "paper",
                started_at=each.started_at,
                started_on=reference.day_of(each),
                distance_m=each.metres,
                duration_s=each.seconds,
                received_at=WRITTEN_AT,
                **place,
            )
        )
    return found


def _on_patrols(world: World) -> list[models.Base]:
    """Companions, check-ins and late entries."""
    found: list[models.Base] = []
    for n, patrol in enumerate(world.patrols):
        found.extend(
            models.Companion(
                patrol_id=patrol_id(n),
                person_id=id_of(companion.person),
                organisation_id=id_of(world.organisations[0].code),
                added_at=WRITTEN_AT,
                removed_at=WRITTEN_AT if companion.removed else None,
                declined_at=WRITTEN_AT if companion.declined else None,
            )
            for companion in patrol.companions
        )
        found.extend(
            _check_in(world, patrol, check_in, n, k) for k, check_in in enumerate(patrol.check_ins)
        )
        if patrol.paper is not None and patrol.paper.photo:
            found.append(_late_entry(patrol, n))
    return found


def _check_in(
    world: World, patrol: reference.Patrol, given: reference.CheckIn, n: int, k: int
) -> models.CheckIn:
    covering = {
        id_of(above)
        for code in given.cells
        for above in reference.cell_and_those_above(world, code)
    }
    nearest_within = named_within = None
    if given.nearest_stele is not None:
        radius = reference.the_stele(world, given.nearest_stele).radius_m
        nearest_within = (given.nearest_distance_m or 0) <= radius
    if given.named_stele is not None:
        radius = reference.the_stele(world, given.named_stele).radius_m
        sure = 100 if given.from_chat else min(given.accuracy_m or 0, 100)
        named_within = (given.named_distance_m or 0) <= radius + sure
    return models.CheckIn(
        id=check_in_id(n, k),
        person_id=id_of(patrol.person),
        organisation_id=id_of(world.organisations[0].code),
        patrol_id=patrol_id(n),
        source="chat" if given.from_chat else "mini_program",
        at=patrol.started_at,
        taken_on=reference.day_of(patrol),
        received_at=WRITTEN_AT,
        lon=103.0,
        lat=24.9,
        accuracy_m=given.accuracy_m,
        datum="wgs84",
        raw_lon=103.0,
        raw_lat=24.9,
        grid_cell_id=id_of(given.cells[0]) if given.cells else None,
        grid_cell_ids=sorted(covering),
        reach_id=_perhaps(given.reach),
        stele_id=_perhaps(given.named_stele),
        stele_distance_m=given.named_distance_m,
        stele_within=named_within,
        nearest_stele_id=_perhaps(given.nearest_stele),
        nearest_stele_distance_m=given.nearest_distance_m,
        nearest_stele_within=nearest_within,
        place={},
        verdict=given.verdict,
        evidence=[],
        rules_version=1,
        withdrawn_at=WRITTEN_AT if given.withdrawn else None,
        content_digest=b"",
    )


def _late_entry(patrol: reference.Patrol, n: int) -> models.LateEntry:
    assert patrol.paper is not None
    return models.LateEntry(
        id=id_of(f"late entry {n}"),
        person_id=id_of(patrol.person),
        walked_on=reference.day_of(patrol),
        kind=patrol.kind,
        reason="手机没电",
        image_sha256=_image(0),
        state="accepted",
        entered_by_id=id_of(patrol.person),
        entered_at=WRITTEN_AT,
        patrol_id=patrol_id(n),
        content_digest=b"",
        **_area(patrol.paper.area_kind, patrol.paper.area, among=("reach", "grid_cell", "stele")),
    )


def _image(n: int) -> bytes:
    return bytes([n]) * 32


def _images(world: World) -> list[models.Base]:
    most = max((each.photos for patrol in world.patrols for each in patrol.check_ins), default=0)
    return [
        models.Image(
            sha256=_image(n),
            size=1,
            content_type="image/jpeg",
            width=1,
            height=1,
            received_at=WRITTEN_AT,
        )
        for n in range(max(1, most))
    ]


def _photos(world: World) -> list[models.Base]:
    return [
        models.Photo(
            id=id_of(f"patrol {n} check-in {k} photo {p}"),
            check_in_id=check_in_id(n, k),
            person_id=id_of(patrol.person),
            sha256=_image(p),
            source="chat" if check_in.from_chat else "mini_program",
            received_at=WRITTEN_AT,
        )
        for n, patrol in enumerate(world.patrols)
        for k, check_in in enumerate(patrol.check_ins)
        for p in range(check_in.photos)
    ]


def noon(day: date) -> datetime:
    """Noon of the day at the lake."""
    return datetime.combine(day, time(12), reference.SHANGHAI)
