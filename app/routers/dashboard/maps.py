"""The map: water, grid cells by days since the last visit, steles, and a patrol's track."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app import clock
from app.models import CheckIn, GridCellKind, Person
from app.routers.dashboard import base_maps
from app.routers.dashboard.doors import Viewer
from app.routers.dashboard.pages import page
from app.routers.deps import AppSettings, InDatum, Now, Session
from app.schemas import shapes
from app.schemas.fields import Code, Day
from app.services import histories, map_layers, patrol_lists, track_lines
from app.services.dataset import labels

router = APIRouter(prefix="/dashboard/map", include_in_schema=False)

_MOST_VISITS = 200


@router.get("")
async def show_map(
    visit: Viewer,
    session: Session,
    settings: AppSettings,
    now: Now,
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    kind: Annotated[GridCellKind | Literal[""] | None, Query()] = None,
    cell: Code | None = None,
    stele: Code | None = None,
    patrol: UUID | None = None,
) -> HTMLResponse:
    """The map of a day; `cell`, `stele` or `patrol` is what it opens on."""
    base = base_maps.of(settings)
    day = as_of or clock.day_of(now)
    return page(
        "map.html",
        visit,
        tiles=base.origin,
        base=base,
        as_of=day,
        year_begins=day.replace(month=1, day=1),
        today=clock.day_of(now),
        kind=kind or "",
        kinds=labels.GRID_CELL_KINDS,
        cell=cell,
        stele=stele,
        walk=await _walk(visit, session, patrol, base) if patrol else None,
    )


async def _walk(
    visit: Viewer, session: Session, patrol_id: UUID, base: base_maps.BaseMap
) -> dict[str, Any]:
    """A patrol with its check-ins; the track itself is fetched, and that is written down."""
    shown = await patrol_lists.find(session, visit.caller, patrol_id)
    visits = await histories.visits(
        session, visit.caller, CheckIn.patrol_id == patrol_id, limit=_MOST_VISITS, oldest_first=True
    )
    with base_maps.drawn_for(base):
        points = {
            each.check_in.id: shapes.point_of(each.check_in.lon, each.check_in.lat)["coordinates"]
            for each in visits
        }
    return {
        "patrol": shown.patrol,
        "walker": await session.get_one(Person, shown.patrol.person_id),
        "visits": visits,
        "points": points,
        "has_track": await track_lines.may_see(session, visit.caller, patrol_id),
    }


@router.get("/water.json", dependencies=[InDatum])
async def read_water(visit: Viewer, session: Session, now: Now) -> dict[str, Any]:  # noqa: ARG001  signed in
    """The waterbodies and reaches, in the datum of the base map."""
    water = await map_layers.water(session, today=clock.day_of(now))
    drawn = [
        shapes.feature(
            shapes.shape_of(body.geometry),
            code=body.code,
            name=body.name,
            kind=body.kind,
            layer="waterbody",
        )
        for body in water.waterbodies
    ]
    drawn += [
        shapes.feature(
            shapes.shape_of(reach.geometry), code=reach.code, name=reach.name, layer="reach"
        )
        for reach in water.reaches
    ]
    return shapes.collection(drawn)


@router.get("/steles.json", dependencies=[InDatum])
async def read_steles(
    visit: Viewer, session: Session, now: Now, as_of: Day | None = None
) -> dict[str, Any]:
    """The steles as they stood on the day, in the datum of the base map."""
    found = await map_layers.steles(session, visit.caller, as_of=as_of or clock.day_of(now))
    return shapes.collection(
        [
            shapes.feature(
                shapes.point_of(each.lon, each.lat),
                code=each.code,
                name=each.name,
                kind=each.kind,
                organisation=each.organisation,
                state=each.state,
                last_visit_on=each.last_visit_on,
                printed=each.printed,
            )
            for each in found
        ]
    )
