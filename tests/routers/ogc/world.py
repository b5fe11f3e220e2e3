"""What the tests of the map data look at: a lake with an island, a river, check-ins on both banks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import shapely
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import (
    CheckIn,
    Patrol,
    PatrolOrigin,
    PatrolState,
    Person,
    Source,
    Verdict,
    Waterbody,
    WaterbodyKind,
)
from tests.conftest import Lake, Member
from tests.factories import a_waterbody

NOON = datetime.fromisoformat("2026-06-01T12:00:00+08:00")
COLLECTIONS = ("waterbodies", "reaches", "grid_cells", "steles", "check_ins", "problems")
PUBLIC = COLLECTIONS[:4]

# A ring around an island, and a pond beside it: its bounds reach where it is not.
LAKE = shapely.MultiPolygon(
    [
        shapely.Polygon(
            [(102.98, 24.88), (103.0, 24.88), (103.0, 24.92), (102.98, 24.92)],
            [[(102.985, 24.89), (102.985, 24.91), (102.995, 24.91), (102.995, 24.89)]],
        ),
        shapely.box(103.02, 24.92, 103.021, 24.921),
    ]
)
ISLAND = "102.988,24.895,102.992,24.905"


@dataclass
class World:
    """The lake of the cast with water in it, and who has recorded there."""

    lake: Lake
    water: Waterbody
    east: CheckIn
    west: CheckIn
    withdrawn: CheckIn


async def a_check_in(
    session: AsyncSession, person: Person, lon: float, lat: float, at: datetime, **given: Any
) -> CheckIn:
    """A check-in on an outing of its own."""
    patrol = Patrol(
        id=uuid4(),
        person_id=person.id,
        organisation_id=person.organisation_id,
        state=PatrolState.finished,
        origin=PatrolOrigin.phone,
        started_at=at,
        started_on=clock.day_of(at),
        received_at=at,
        distance_m=0,
    )
    session.add(patrol)
    await session.flush()
    defaults = {
        "id": uuid4(),
        "person_id": person.id,
        "organisation_id": person.organisation_id,
        "patrol_id": patrol.id,
        "source": Source.mini_program,
        "at": at,
        "taken_on": clock.day_of(at),
        "received_at": at + timedelta(minutes=1),
        "lon": lon,
        "lat": lat,
        "accuracy_m": 12.5,
        "datum": "gcj02",
        "raw_lon": lon,
        "raw_lat": lat,
        "grid_cell_ids": [],
        "place": {},
        "note": "一句只给本单位看的话",
        "device": "一部手机",
        "verdict": Verdict.accepted,
        "evidence": [],
        "rules_version": 1,
        "content_digest": b"",
    }
    made = CheckIn(**defaults | given)
    session.add(made)
    await session.commit()
    return made


async def a_world(session: AsyncSession, lake: Lake, li: Member, zhou: Member) -> World:
    """Li at noon on the east bank, Zhou an hour later on the west bank, and one taken back."""
    return World(
        lake=lake,
        water=await a_waterbody(session, LAKE, code="YZH", name="示例湖", kind=WaterbodyKind.lake),
        east=await a_check_in(
            session,
            li.person,
            103.01,
            24.9,
            NOON,
            grid_cell_id=lake.east_inner.id,
            grid_cell_ids=[lake.shore.id, lake.east.id, lake.east_inner.id],
            reach_id=lake.reach.id,
            stele_id=lake.stele.id,
            stele_distance_m=3.14159,
            verdict=Verdict.flagged,
        ),
        west=await a_check_in(
            session,
            zhou.person,
            102.97,
            24.9,
            NOON + timedelta(hours=1),
            grid_cell_id=lake.west.id,
            grid_cell_ids=[lake.shore.id, lake.west.id],
        ),
        withdrawn=await a_check_in(
            session, li.person, 103.01, 24.9, NOON, withdrawn_at=NOON + timedelta(minutes=5)
        ),
    )
