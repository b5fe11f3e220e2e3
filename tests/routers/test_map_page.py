"""The map's page and its layers: what is drawn, where, for whom."""

import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain import datum
from app.models import Role, StelePrint
from app.settings import Map, Settings, TileDatum
from tests.conftest import Client, Lake, Member
from tests.factories import LONG_AGO, a_person
from tests.routers.test_dashboard_sign_in import signed_in

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = clock.day_of(NOW)
EAST, WEST = 103.01, 102.97
TILES = "https://tiles.example.cn/{z}/{x}/{y}.png"


@pytest.fixture
async def of_wang(client: Client, session: AsyncSession, wang: Member) -> httpx.AsyncClient:
    return await signed_in(client, session, wang.person)


@pytest.fixture
async def of_west(client: Client, session: AsyncSession, lake: Lake) -> httpx.AsyncClient:
    sun = await a_person(session, organisation_id=lake.west_branch.id, role=Role.manager)
    return await signed_in(client, session, sun)


async def visited(member: Member, lon: float, days_ago: int = 0, **given: object) -> str:
    id_ = str(uuid4())
    at = (NOW - timedelta(days=days_ago, minutes=5)).isoformat()
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 8, "datum": "wgs84"}
    answer = await member.client.put(
        f"/api/v1/check-ins/{id_}", json={"at": at, "position": position} | given
    )
    assert (answer.status_code, answer.json()["verdict"]) == (201, "accepted")
    return id_


async def steles(browser: httpx.AsyncClient, **asked: object) -> dict[str, tuple[object, ...]]:
    """By code: state, last visit, whether printed."""
    answer = await browser.get(
        "/dashboard/map/steles.json", params={k: str(v) for k, v in asked.items()}
    )
    assert answer.status_code == 200
    return {
        of["code"]: (of["state"], of["last_visit_on"], of["printed"])
        for of in (feature["properties"] for feature in answer.json()["features"])
    }


async def test_steles_stand_as_their_visits_say(
    session: AsyncSession, lake: Lake, li: Member, of_wang: httpx.AsyncClient
) -> None:
    await visited(li, EAST, days_ago=5)
    session.add(StelePrint(stele_id=lake.stele.id, version=1, printed_at=LONG_AGO))
    await session.commit()
    day = clock.day_of(NOW - timedelta(days=5, minutes=5))

    assert await steles(of_wang) == {
        "JB-01": ("visited", day.isoformat(), True),
        "JB-02": ("unvisited", None, False),
    }
    on_31st = day + timedelta(days=31)
    assert (await steles(of_wang, as_of=on_31st))["JB-01"][0] == "unvisited"
    assert (await steles(of_wang, as_of=on_31st - timedelta(days=1)))["JB-01"][0] == "visited"
    before = await steles(of_wang, as_of=day - timedelta(days=1))
    assert before["JB-01"] == ("unvisited", None, True)


async def test_a_visit_that_names_the_stele_counts_and_one_from_afar_does_not(
    li: Member, of_wang: httpx.AsyncClient
) -> None:
    await visited(li, EAST, stele={"code": "JB-01"})
    await visited(li, WEST - 0.002, days_ago=1)

    assert {code: of[0] for code, of in (await steles(of_wang)).items()} == {
        "JB-01": "visited",
        "JB-02": "unvisited",
    }


async def test_of_others_steles_only_the_place_is_told(
    li: Member, of_west: httpx.AsyncClient
) -> None:
    await visited(li, EAST)

    assert await steles(of_west) == {
        "JB-01": ("elsewhere", None, None),
        "JB-02": ("unvisited", None, False),
    }


@pytest.mark.parametrize("layer", ["water", "steles"])
async def test_layers_lie_where_the_base_map_has_them(
    lake: Lake, of_wang: httpx.AsyncClient, layer: str
) -> None:
    ours, chinese = [
        (await of_wang.get(f"/dashboard/map/{layer}.json", params={"datum": each})).json()
        for each in ("wgs84", "gcj02")
    ]

    def points(found: dict[str, object], code: str) -> list[list[float]]:
        features: list[dict[str, dict[str, object]]] = found["features"]  # type: ignore[assignment]
        (shape,) = [f["geometry"] for f in features if f["properties"]["code"] == code]
        drawn: list[list[float]] = shape["coordinates"]  # type: ignore[assignment]
        return drawn if shape["type"] == "LineString" else [drawn]  # type: ignore[list-item]

    code = {"water": lake.reach.code, "steles": lake.stele.code}[layer]
    here = points(ours, code)
    assert here == {"water": [[103.01, 24.89], [103.01, 24.91]], "steles": [[103.01, 24.9]]}[layer]
    assert points(chinese, code) == [list(datum.to_gcj02(*point)) for point in here]
    assert (ours["datum"], chinese["datum"]) == ("wgs84", "gcj02")


async def test_water_has_bodies_and_reaches(lake: Lake, of_west: httpx.AsyncClient) -> None:
    found = (await of_west.get("/dashboard/map/water.json")).json()["features"]

    named = [(each["properties"]["layer"], each["properties"]["name"]) for each in found]
    assert [name for layer, name in named if layer == "reach"] == [lake.reach.name]
    assert [layer for layer, _ in named] == ["waterbody", "reach"]


async def test_without_tiles_nobody_else_is_asked(of_wang: httpx.AsyncClient) -> None:
    page = await of_wang.get("/dashboard/map")

    assert 'data-tiles=""' in page.text
    assert 'data-datum="wgs84"' in page.text
    assert "img-src 'self' data: blob:;" in page.headers["Content-Security-Policy"]


async def test_tiles_are_let_in_and_everything_is_asked_for_in_their_datum(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    li: Member,
    of_wang: httpx.AsyncClient,
) -> None:
    given = Map(_env_file=None, tile_url=TILES, tile_datum=TileDatum.gcj02)
    monkeypatch.setattr(settings, "map", given)
    patrol = str(uuid4())
    started = {"started_at": (NOW - timedelta(hours=1)).isoformat()}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=started)).status_code == 201
    visit = await visited(li, EAST, patrol_id=patrol)

    page = await of_wang.get(f"/dashboard/map?patrol={patrol}")
    small = await of_wang.get(f"/dashboard/check-ins/{visit}")

    assert f'data-tiles="{TILES}"' in page.text
    assert 'data-datum="gcj02"' in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "img-src 'self' data: blob: https://tiles.example.cn;" in policy
    lon, lat = datum.to_gcj02(EAST, 24.9)
    assert re.findall(r'data-lon="([^"]+)" data-lat="([^"]+)"', page.text) == [(str(lon), str(lat))]
    assert f'"coordinates": [{lon}, {lat}]' in small.text
    # Only that one page was drawn for the tiles.
    assert (await li.client.get(f"/api/v1/check-ins/{visit}")).json()["position"]["lon"] == EAST


@pytest.mark.parametrize("asked", ["as_of=2026-13-01", "kind=none", "patrol=1", "as_of=1999-01-01"])
async def test_what_cannot_be_asked_is_said_on_a_page(
    of_wang: httpx.AsyncClient, asked: str
) -> None:
    page = await of_wang.get(f"/dashboard/map?{asked}")

    assert (page.status_code, "没有成功" in page.text) == (422, True)


async def test_the_form_may_be_sent_empty(of_wang: httpx.AsyncClient) -> None:
    page = await of_wang.get("/dashboard/map?as_of=&kind=")

    assert f'data-as-of="{TODAY}"' in page.text
