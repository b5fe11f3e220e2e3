"""Coverage as a map: RFC 7946, and GCJ-02 for whoever asks for it; effort of shared outings."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import orjson
import shapely
import time_machine
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import datum as datums
from app.domain import geometry
from app.domain.datum import Datum
from app.models import Person
from app.services.access import Caller
from app.services.reports import coverage, coverage_map, effort
from app.services.reports.report import Asked, By, ask
from tests.conftest import Lake, Member

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)


async def asked_by(session: AsyncSession, person: Person, **given: Any) -> Asked:
    days = {"from_on": date(2026, 6, 1), "to_on": date(2026, 6, 30)}
    return await ask(session, Caller(person=person), now=NOON, **days | given)


async def drawn(session: AsyncSession, person: Person, datum: Datum) -> dict[str, Any]:
    report = await coverage.report(session, await asked_by(session, person))
    written: dict[str, Any] = orjson.loads(await coverage_map.write(session, report, datum=datum))
    return written


async def out_together(li: Member, chen: Member) -> str:
    """Li and Chen, of two organisations, on the east bank; the outing's id."""
    patrol = str(uuid4())
    begins = {"started_at": "2026-06-15T08:00:00+08:00", "companions": ["CHEN"]}
    ends = {"finished_at": "2026-06-15T09:30:00+08:00", "findings": "none"}
    with time_machine.travel(NOON, tick=False):
        answer = await li.client.put(f"/api/v1/patrols/{patrol}", json=begins)
        assert answer.status_code == 201
        for lat, at in ((24.899, "08:15"), (24.9, "09:00")):
            here = {"lon": 103.01, "lat": lat, "accuracy_m": 10, "datum": "wgs84"}
            answer = await li.client.put(
                f"/api/v1/check-ins/{uuid4()}",
                json={
                    "at": f"2026-06-15T{at}:00+08:00",
                    "position": here,
                    "patrol_id": patrol,
                },
            )
            assert (answer.status_code, answer.json()["verdict"]) == (201, "accepted")
        answer = await li.client.post(f"/api/v1/patrols/{patrol}/finish", json=ends)
        assert answer.status_code == 200
    assert chen.person.code == "CHEN"
    return patrol


async def test_the_map_is_rfc_7946(
    session: AsyncSession, lake: Lake, li: Member, chen: Member, qian: Member
) -> None:
    await out_together(li, chen)
    found = await drawn(session, qian.person, Datum.wgs84)

    assert (found["type"], found["datum"]) == ("FeatureCollection", "wgs84")
    assert [each["id"] for each in found["features"]] == ["G-0", "G-1", "G-1-1", "G-2"]
    east = found["features"][1]
    assert east["properties"] == {
        "code": "G-1", "name": "东岸网格", "kind": "general", "kind_name": "综合网格",
        "organisation": "EAST", "organisation_name": "东岸党支部",
        "visits": 2, "days": 1, "last_visit_on": "2026-06-15", "days_since": 0,
        "months": [
            {"month": "2026-06", "visits": 2, "days": 1, "last_visit_on": "2026-06-15",
             "days_since": 0},
        ],
    }  # fmt: skip
    for each in found["features"]:
        shape = shapely.geometry.shape(each["geometry"])
        assert shape.exterior.is_ccw
    assert shapely.geometry.shape(east["geometry"]).equals(shapely.from_wkb(lake.east.geometry))


async def test_gcj_02_moves_every_corner(session: AsyncSession, lake: Lake, qian: Member) -> None:
    found = await drawn(session, qian.person, Datum.gcj02)

    assert found["datum"] == "gcj02"
    corners = found["features"][1]["geometry"]["coordinates"][0]
    shape = shapely.orient_polygons(shapely.from_wkb(lake.east.geometry), exterior_cw=False)
    expected = [datums.to_gcj02(*point) for point in shapely.get_coordinates(shape).tolist()]
    assert {tuple(each) for each in corners} == {
        (round(lon, 7), round(lat, 7)) for lon, lat in expected
    }


async def test_a_map_of_no_cell_is_empty(session: AsyncSession, zhao: Member) -> None:
    assert (await drawn(session, zhao.person, Datum.wgs84))["features"] == []


async def test_a_shared_outing_counts_once_for_each_and_once_for_a_place(
    session: AsyncSession, li: Member, chen: Member, wang: Member
) -> None:
    patrol = await out_together(li, chen)
    metres = geometry.distance_m(103.01, 24.899, 103.01, 24.9)
    figures = {"outings": 1, "patrol_days": 1, "km": round(metres / 1000, 3), "hours": 0.75}
    subjects = {
        By.person: ["CHEN", "LI"],
        By.organisation: ["EAST", "ENT"],
        By.reach: ["R-1"],
        By.grid_cell: ["G-0", "G-1", "G-1-1"],
        By.stele: ["JB-01"],
    }
    for by, codes in subjects.items():
        asked = await asked_by(session, wang.person, by=by, explain=True)
        found = await effort.report(session, asked)
        assert [row["code"] for row in found.rows] == codes
        for row in found.rows:
            assert {name: row[name] for name in figures} == figures
            assert (row["records"], row["hidden"]) == ({"outings": [patrol]}, 0)
        assert found.totals == figures


async def test_an_outing_with_somebody_of_ours_at_a_place_of_others_is_counted_and_hidden(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member, zhao: Member
) -> None:
    """Zhao's villager walks along with Li: the village's effort, but Li's record."""
    zhou.person.organisation_id = lake.village.id
    await session.commit()
    patrol, visit = str(uuid4()), str(uuid4())
    here = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    with time_machine.travel(NOON, tick=False):
        begins = {"started_at": "2026-06-15T08:00:00+08:00", "companions": ["ZHOU"]}
        await li.client.put(f"/api/v1/patrols/{patrol}", json=begins)
        await li.client.put(
            f"/api/v1/check-ins/{visit}",
            json={"at": "2026-06-15T08:30:00+08:00", "position": here, "patrol_id": patrol},
        )
        ends = {"finished_at": "2026-06-15T09:30:00+08:00", "findings": "none"}
        await li.client.post(f"/api/v1/patrols/{patrol}/finish", json=ends)
    asked = await asked_by(session, zhao.person, by=By.person, explain=True)
    found = await effort.report(session, asked)

    (row,) = found.rows
    assert (row["code"], row["outings"], row["records"], row["hidden"]) == (
        "ZHOU", 1, {"outings": []}, 1,
    )  # fmt: skip
