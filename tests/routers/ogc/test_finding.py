"""Finding features: every page of them once, boxes exactly, and never a fault of ours."""

import string
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
import shapely
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from app.services.features import finding
from tests.conftest import Lake, Member
from tests.factories import a_grid_cell, a_stele, rectangle
from tests.queries import counted
from tests.routers.ogc.world import COLLECTIONS, NOON, World, a_check_in

HOST = "http://127.0.0.1:8000"
ITEMS = "/ogc/collections/{}/items"


@pytest.fixture(params=["few", "many"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through an index: what is near the box, or the order of all."""
    if request.param == "many":
        monkeypatch.setattr(finding, "_FEW", 0)
    return str(request.param)


async def pages(reader: httpx.AsyncClient, collection: str, **params: str) -> list[dict[str, Any]]:
    """All pages, one after another by their `next` links."""
    found = [(await reader.get(ITEMS.format(collection), params=params)).json()]
    while following := [link for link in found[-1]["links"] if link["rel"] == "next"]:
        (link,) = following
        assert link["type"] == "application/geo+json"
        found.append((await reader.get(link["href"].removeprefix(HOST))).json())
        assert len(found) < 50
    return found


def ids_of(found: list[dict[str, Any]]) -> list[str]:
    return [feature["id"] for page in found for feature in page["features"]]


@pytest.mark.parametrize("limit", ["1", "2", "3", "7"])
async def test_every_feature_stands_on_one_page(
    session: AsyncSession, lake: Lake, program: httpx.AsyncClient, way: str, limit: str
) -> None:
    codes = [f"S-{n}" for n in range(5)]
    for code in codes:
        await a_stele(session, code=code, organisation_id=lake.west_branch.id)
    expected = sorted([*codes, "JB-01", "JB-02"])

    for params in ({}, {"bbox": "100,20,110,30"}):
        found = await pages(program, "steles", limit=limit, **params)
        assert ids_of(found) == expected, way
        assert {page["numberMatched"] for page in found} == {7}
        assert [page["numberReturned"] for page in found[:-1]] == [int(limit)] * (len(found) - 1)
    only = await pages(program, "steles", limit=limit, organisation="WEST", bbox="100,20,110,30")
    assert ids_of(only) == sorted([*codes, "JB-02"])


async def test_what_arrives_meanwhile_moves_nothing(
    session: AsyncSession, world: World, li: Member, program: httpx.AsyncClient, way: str
) -> None:
    """Records whose instant is the same, and new ones before, at and after the page being read."""
    there = {str(world.east.id), str(world.west.id)}
    for n in range(4):
        there.add(str((await a_check_in(session, li.person, 103.01, 24.9, NOON)).id))
        there.add(str((await a_check_in(session, li.person, 103.0 + n / 100, 24.9, NOON)).id))
    read: list[str] = []
    box = "&bbox=102,24,104,25" if way == "few" else ""
    address: str | None = ITEMS.format("check_ins") + "?limit=2" + box
    while address is not None:
        page = (await program.get(address)).json()
        read += [feature["id"] for feature in page["features"]]
        for late in (UUID(int=len(read)), UUID(int=(1 << 128) - 1 - len(read))):
            await a_check_in(session, li.person, 103.01, 24.9, NOON, id=late)
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        address = following[0].removeprefix(HOST) if following else None
        assert len(read) < 60
    assert len(read) == len(set(read))
    assert there <= set(read)


async def test_later_pages_count_where_that_is_little_work(
    session: AsyncSession,
    lake: Lake,
    program: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(3):
        await a_stele(session, code=f"S-{n}", organisation_id=lake.west_branch.id)
    monkeypatch.setattr(finding, "_COUNTED_AGAIN", 5)
    assert [page["numberMatched"] for page in await pages(program, "steles", limit="2")] == [5] * 3
    monkeypatch.setattr(finding, "_COUNTED_AGAIN", 4)
    first, *later = await pages(program, "steles", limit="2")
    assert first["numberMatched"] == 5
    assert ["numberMatched" in page for page in later] == [False, False]


L_SHAPE = shapely.Polygon([(10, 10), (12, 10), (12, 10.5), (10.5, 10.5), (10.5, 12), (10, 12)])
RING = shapely.Polygon(
    [(20, 10), (24, 10), (24, 14), (20, 14)], [[(21, 11), (21, 13), (23, 13), (23, 11)]]
)
FAR_APART = shapely.MultiPolygon([shapely.box(179, 0, 180, 1), shapely.box(-180, 0, -179, 1)])
THIN = shapely.Polygon([(30, 10), (31, 11), (30.000001, 10)])
SHAPES = {"L": L_SHAPE, "RING": RING, "FAR": FAR_APART, "THIN": THIN}


def meets(shape: shapely.Geometry, box: tuple[float, float, float, float]) -> bool:
    """As the slow reference has it: the very definition, and no index."""
    west, south, east, north = box
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return any(
        shapely.intersects(
            shape,
            shapely.MultiPoint([(a, south), (b, north), (a, north), (b, south)]).convex_hull,
        )
        for a, b in spans
    )


BOXES = [
    (11.0, 11.0, 12.0, 12.0),  # in the bounds of the L, and not in it
    (10.5, 10.5, 11.0, 11.0),  # its inner corner
    (10.4999999, 10.4999999, 11.0, 11.0),
    (10.5000001, 10.5000001, 11.0, 11.0),
    (21.5, 11.5, 22.5, 12.5),  # in the hole
    (21.0, 11.5, 22.5, 12.5),
    (12.0000005, 10.0, 13.0, 11.0),  # nearer than PostgreSQL tells apart
    (19.0, 9.0, 25.0, 15.0),
    (179.5, 0.5, -179.5, 0.6),
    (170.0, 0.0, -170.0, 1.0),
    (179.0, 0.0, -180.0, 1.0),
    (30.5, 10.5, 30.5, 10.5),
    (30.2, 10.8, 30.8, 10.8),
    (0.0, 0.0, 0.0, 90.0),
    (10.0, 10.0, 30.0, 10.0),
]


async def test_a_box_is_answered_exactly(
    session: AsyncSession, lake: Lake, program: httpx.AsyncClient, way: str
) -> None:
    for code, shape in SHAPES.items():
        await a_grid_cell(session, shape, code=code, organisation_id=lake.committee.id)
    sides = st.tuples(
        st.sampled_from([9.9, 10.0, 10.5, 11.0, 12.0, 20.0, 21.0, 22.0, 23.0, 24.0, 30.5, 179.5]),
        st.sampled_from([0.5, 10.0, 10.5, 11.0, 12.0, 13.0]),
        st.sampled_from([0.0, 1e-7, 0.3, 1.0, 5.0]),
        st.sampled_from([0.0, 1e-7, 0.3, 1.0, 5.0]),
    )
    boxes = list(BOXES)

    @how(max_examples=60, database=None, derandomize=True)
    @given(sides)
    def collect(side: tuple[float, float, float, float]) -> None:
        west, south, width, height = side
        boxes.append((west, south, min(west + width, 180.0), south + height))

    collect()
    for box in boxes:
        page = (
            await program.get(ITEMS.format("grid_cells"), params={"bbox": ",".join(map(repr, box))})
        ).json()
        expected = sorted(
            [code for code, shape in SHAPES.items() if meets(shape, box)]
            # The lake of the cast is at 103° E.
        )
        found = [code for code in ids_of([page]) if not code.startswith("G-")]
        assert found == expected, (way, box)
        assert page["numberMatched"] == page["numberReturned"]


async def test_pages_of_a_box_skip_what_is_beside_it(
    session: AsyncSession, lake: Lake, program: httpx.AsyncClient, way: str
) -> None:
    """Every second triangle has only its bounds in the box."""
    for n in range(8):
        corner = (50.0, 10.0) if n % 2 else (51.0, 11.0)
        triangle = shapely.Polygon([(50.0, 11.0), (51.0, 10.0), corner])
        await a_grid_cell(session, triangle, code=f"T-{n}", organisation_id=lake.committee.id)
    found = await pages(program, "grid_cells", bbox="50.6,10.6,50.9,10.9", limit="1")

    assert ids_of(found) == ["T-0", "T-2", "T-4", "T-6"], way
    assert {page["numberMatched"] for page in found} == {4}


@pytest.mark.parametrize(
    ("collection", "params", "expected"),
    [
        ("grid_cells", {"kind": "general", "organisation": "EAST"}, ["G-1", "G-1-1"]),
        ("grid_cells", {"kind": "sanitation"}, []),
        ("grid_cells", {"organisation": "NOBODY"}, []),
        ("grid_cells", {"code": "G-2"}, ["G-2"]),
        ("steles", {"organisation": "ENT"}, ["JB-01"]),
        ("steles", {"kind": "notice_board"}, []),
        ("waterbodies", {"kind": "lake"}, ["YZH"]),
        ("reaches", {"waterbody": "YZH"}, []),
        ("problems", {"severity": "urgent", "state": "assigned"}, []),
    ],
)
async def test_features_are_chosen_by_their_properties(
    world: World,
    program: httpx.AsyncClient,
    collection: str,
    params: dict[str, str],
    expected: list[str],
) -> None:
    assert world.water.code == "YZH"
    assert ids_of(await pages(program, collection, **params)) == expected


async def test_check_ins_are_chosen_by_person_organisation_and_verdict(
    world: World, program: httpx.AsyncClient, west_program: httpx.AsyncClient
) -> None:
    east, west = str(world.east.id), str(world.west.id)
    assert ids_of(await pages(program, "check_ins", person="LI")) == [east]
    assert ids_of(await pages(program, "check_ins", organisation="WEST")) == [west]
    assert ids_of(await pages(program, "check_ins", verdict="flagged")) == [east]
    assert ids_of(await pages(west_program, "check_ins", person="LI")) == []


@pytest.mark.parametrize("collection", ["grid_cells", "steles", "check_ins"])
async def test_a_page_costs_as_many_questions_whatever_is_on_it(
    session: AsyncSession, world: World, li: Member, program: httpx.AsyncClient, collection: str
) -> None:
    async def asked() -> int:
        with counted(session) as seen:
            answer = await program.get(ITEMS.format(collection), params={"bbox": "102,24,104,26"})
            assert answer.status_code == 200
        return seen.statements

    await program.get(ITEMS.format(collection), params={"bbox": "102,24,104,26"})  # written down
    before = await asked()
    for n in range(4):
        shape = rectangle(103.1, 25 + n, 104.2, 25.5 + n)
        await a_grid_cell(session, shape, organisation_id=world.lake.committee.id)
        await a_stele(session, organisation_id=world.lake.committee.id)
        await a_check_in(session, li.person, 103.01, 24.9, NOON)
    assert await asked() == before


anything = st.text(st.characters(codec="utf-8") | st.sampled_from(string.printable), max_size=40)
numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(["-0", "180", "-180", "90", "1e308", "", " 1", "١"]),
)
boxes = st.lists(numbers, min_size=3, max_size=7).map(",".join)
times = st.one_of(
    st.datetimes().map(lambda at: at.isoformat() + "Z"),
    st.sampled_from(["", "..", "2026-06-01T00:00:00+08:00", "2026-06-01T23:59:60Z"]),
)
spans = st.lists(times, min_size=1, max_size=3).map("/".join)
KNOWN = {"bbox": boxes, "datetime": spans, "limit": numbers, "cursor": anything, "f": anything}
queries = st.dictionaries(
    st.sampled_from([*KNOWN, "kind", "code", "organisation", "verdict", "x"]),
    st.nothing() | anything,
).flatmap(
    lambda given: st.fixed_dictionaries(
        {name: KNOWN[name] | anything if name in KNOWN else anything for name in given}
    )
)


async def test_no_question_is_a_fault_of_ours(world: World, program: httpx.AsyncClient) -> None:
    assert world.water.code == "YZH"
    asked: list[tuple[str, dict[str, str]]] = []

    @how(max_examples=250, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(COLLECTIONS), queries)
    def collect(collection: str, query: dict[str, str]) -> None:
        asked.append((collection, query))

    collect()
    told = set()
    for collection, query in asked:
        answer = await program.get(ITEMS.format(collection), params=query)
        assert answer.status_code in {200, 400}, (collection, query)
        told.add(answer.status_code)
    assert told == {200, 400}


async def test_no_name_of_a_feature_is_a_fault_of_ours(
    world: World, program: httpx.AsyncClient
) -> None:
    assert world.water.code == "YZH"
    named: list[str] = []

    @how(max_examples=150, database=None, derandomize=True)
    @given(anything)
    def collect(name: str) -> None:
        named.append(name)

    collect()
    for name in named:
        for collection in ("steles", "check_ins", "problems", name):
            path = f"{quote(collection, safe='')}/items/{quote(name, safe='')}"
            answer = await program.get(f"/ogc/collections/{path}")
            assert answer.status_code in {200, 400, 404}, (collection, name)
