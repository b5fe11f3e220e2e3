"""The abstract test suite of 17-069r4, conformance class core: /ats/core/… by its names.

The suite asks as somebody with a key, who is shown every collection.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app import clock
from tests.routers.ogc.world import COLLECTIONS, NOON, World

ROOT = "http://127.0.0.1:8000/ogc"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
Links = list[dict[str, str]]

pytestmark = pytest.mark.usefixtures("world")


def rels(links: Links) -> dict[str, list[str]]:
    """The types behind each relation; every link has both, and is absolute and ours."""
    found: dict[str, list[str]] = {}
    for link in links:
        assert link["href"] == ROOT or link["href"].startswith((f"{ROOT}/", f"{ROOT}?"))
        found.setdefault(link["rel"], []).append(link["type"])
    return found


async def follow(client: httpx.AsyncClient, links: Links, rel: str, type_: str) -> httpx.Response:
    """What is behind the one link of that relation and type; it is what the link says."""
    (href,) = [each["href"] for each in links if (each["rel"], each["type"]) == (rel, type_)]
    parts = urlsplit(href)
    answer = await client.get(parts.path + ("?" + parts.query if parts.query else ""))
    assert answer.status_code == 200
    assert answer.headers["content-type"].replace("; charset=utf-8", "") == type_
    return answer


async def items(client: httpx.AsyncClient, collection: str, **params: str) -> dict[str, Any]:
    answer = await client.get(f"/ogc/collections/{collection}/items", params=params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def ids(client: httpx.AsyncClient, collection: str, **params: str) -> list[str]:
    return [each["id"] for each in (await items(client, collection, **params))["features"]]


@pytest.mark.parametrize("path", ["/ogc", "/ogc/collections", "/ogc/collections/steles/items"])
async def test_ats_core_http(program: httpx.AsyncClient, path: str) -> None:
    got, head = await program.get(path), await program.head(path)

    assert head.status_code == got.status_code == 200
    assert head.headers["content-type"] == got.headers["content-type"]
    assert (await program.post(path)).status_code == 405
    assert (await program.get(f"{path}/nothing/here/at/all")).status_code == 404


@pytest.mark.parametrize("path", ["/ogc", "/ogc/"])
async def test_ats_core_root_op(program: httpx.AsyncClient, path: str) -> None:
    answer = await program.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


async def test_ats_core_root_success(program: httpx.AsyncClient) -> None:
    links = (await program.get("/ogc")).json()["links"]

    assert rels(links) == {
        "self": ["application/json"],
        "alternate": ["text/html"],
        "service-desc": ["application/vnd.oai.openapi+json;version=3.0"],
        "service-doc": ["text/html"],
        "conformance": ["application/json"],
        "data": ["application/json"],
    }
    for rel, (type_,) in rels(links).items():
        await follow(program, links, rel, type_)


async def test_ats_core_api_definition_op_and_success(program: httpx.AsyncClient) -> None:
    links = (await program.get("/ogc")).json()["links"]
    type_ = "application/vnd.oai.openapi+json;version=3.0"

    definition = await follow(program, links, "service-desc", type_)

    assert definition.json()["openapi"] == "3.0.3"
    assert definition.json()["servers"] == [{"url": ROOT}]


async def test_ats_core_conformance_op_and_success(program: httpx.AsyncClient) -> None:
    links = (await program.get("/ogc")).json()["links"]
    declared = (await follow(program, links, "conformance", "application/json")).json()

    prefix = "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/"
    assert declared["conformsTo"] == [prefix + c for c in ("core", "geojson", "html", "oas30")]


async def test_ats_core_fc_md_op_and_items(program: httpx.AsyncClient) -> None:
    answer = await program.get("/ogc/collections")

    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()["collections"]] == list(COLLECTIONS)


async def test_ats_core_fc_md_links(program: httpx.AsyncClient) -> None:
    links = (await program.get("/ogc/collections")).json()["links"]

    assert rels(links) == {"self": ["application/json"], "alternate": ["text/html"]}
    await follow(program, links, "alternate", "text/html")


async def test_ats_core_fc_md_items_links(program: httpx.AsyncClient) -> None:
    for each in (await program.get("/ogc/collections")).json()["collections"]:
        assert rels(each["links"]) == {"items": ["application/geo+json", "text/html"]}
        for type_ in ("application/geo+json", "text/html"):
            await follow(program, each["links"], "items", type_)


async def test_ats_core_fc_md_extent(program: httpx.AsyncClient) -> None:
    """The smallest box around all that is served; none where everybody sees something else."""
    listed = (await program.get("/ogc/collections")).json()["collections"]
    boxes = {each["id"]: each.get("extent") for each in listed}

    def spatial(*box: float) -> dict[str, Any]:
        return {"spatial": {"bbox": [list(box)], "crs": CRS84}}

    assert boxes == {
        "waterbodies": spatial(102.98, 24.88, 103.021, 24.921),
        "reaches": spatial(103.01, 24.89, 103.01, 24.91),
        "grid_cells": spatial(102.95, 24.85, 103.03, 24.95),
        "steles": spatial(102.97, 24.9, 103.01, 24.9),
        "check_ins": None,
        "problems": None,
    }


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_ats_core_sfc_md_op_and_success(program: httpx.AsyncClient, collection: str) -> None:
    """The same as in the list, with links to itself."""
    listed = (await program.get("/ogc/collections")).json()["collections"]
    answer = await program.get(f"/ogc/collections/{collection}")

    assert answer.status_code == 200
    one = answer.json()
    (same,) = [each for each in listed if each["id"] == collection]
    assert [link for link in one["links"] if link["rel"] == "items"] == same["links"]
    assert one | {"links": same["links"]} == same
    assert rels(one["links"])["self"] == ["application/json"]
    assert rels(one["links"])["alternate"] == ["text/html"]


async def test_ats_core_fc_op_and_fc_response(world: World, program: httpx.AsyncClient) -> None:
    found = {each: await ids(program, each) for each in COLLECTIONS}

    river = (await items(program, "reaches"))["features"][0]["properties"]["waterbody"]
    assert found == {
        "waterbodies": sorted(["YZH", river]),
        "reaches": ["R-1"],
        "grid_cells": ["G-0", "G-1", "G-1-1", "G-2"],
        "steles": ["JB-01", "JB-02"],
        "check_ins": [str(world.east.id), str(world.west.id)],
        "problems": [],
    }


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_ats_core_fc_links_and_rel_type(program: httpx.AsyncClient, collection: str) -> None:
    params = {"limit": "1", "bbox": "-180,-90,180,90"}
    first = await items(program, collection, **params)

    kept = "limit=1&bbox=-180%2C-90%2C180%2C90"
    path = f"{ROOT}/collections/{collection}"
    plain = [(link["rel"], link["href"]) for link in first["links"] if link["rel"] != "next"]
    assert plain == [
        ("self", f"{path}/items?{kept}&f=json"),
        ("alternate", f"{path}/items?{kept}&f=html"),
        ("collection", f"{path}?f=json"),
    ]
    further = rels(first["links"]).get("next")
    assert further == (["application/geo+json"] if first["numberMatched"] > 1 else None)


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_ats_core_fc_timestamp_number_matched_and_number_returned(
    program: httpx.AsyncClient, collection: str
) -> None:
    before = clock.now()
    document = await items(program, collection, limit="1")
    every = await ids(program, collection)

    stamp = datetime.fromisoformat(document["timeStamp"])
    assert before <= stamp <= clock.now()
    assert document["timeStamp"].endswith("Z")
    assert document["numberReturned"] == len(document["features"]) == min(1, len(every))
    assert document["numberMatched"] == len(every)


def parameter(api: dict[str, Any], collection: str, name: str) -> dict[str, Any]:
    """The definition of a parameter of the items of a collection."""
    given = api["paths"][f"/collections/{collection}/items"]["get"]["parameters"]
    shared = api["components"]["parameters"]
    each = [shared[one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one for one in given]
    (found,) = [one for one in each if one["name"] == name]
    return {key: value for key, value in found.items() if key != "description"}


def query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_ats_core_fc_bbox_definition(api: dict[str, Any], collection: str) -> None:
    sizes = [{"minItems": 4, "maxItems": 4}, {"minItems": 6, "maxItems": 6}]
    schema = {"type": "array", "oneOf": sizes, "items": {"type": "number"}}
    assert parameter(api, collection, "bbox") == query("bbox", schema)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_ats_core_fc_limit_definition(api: dict[str, Any], collection: str) -> None:
    schema = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    assert parameter(api, collection, "limit") == query("limit", schema)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_ats_core_fc_time_definition(api: dict[str, Any], collection: str) -> None:
    assert parameter(api, collection, "datetime") == query("datetime", {"type": "string"})


EAST, WEST = "103.005,24.895,103.015,24.905", "102.96,24.89,102.975,24.905"


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        (EAST, {"reaches": ["R-1"], "grid_cells": ["G-0", "G-1", "G-1-1"], "steles": ["JB-01"]}),
        (WEST, {"reaches": [], "grid_cells": ["G-0", "G-2"], "steles": ["JB-02"]}),
        ("10,10,11,11", {"reaches": [], "grid_cells": [], "steles": []}),
        # Heights are read and not looked at.
        (
            "103.005,24.895,-100,103.015,24.905,100",
            {"reaches": ["R-1"], "grid_cells": ["G-0", "G-1", "G-1-1"], "steles": ["JB-01"]},
        ),
        # Around the world the other way: everything but what lies between 102.975 and 103.005.
        (
            "103.005,-90,102.975,90",
            {
                "reaches": ["R-1"],
                "grid_cells": ["G-0", "G-1", "G-1-1", "G-2"],
                "steles": ["JB-01", "JB-02"],
            },
        ),
        # Edges and corners count.
        ("103.02,24.91,103.025,24.92", {"reaches": [], "grid_cells": ["G-0", "G-1"], "steles": []}),
        (
            "103.01,24.9,103.01,24.9",
            {"reaches": ["R-1"], "grid_cells": ["G-0", "G-1", "G-1-1"], "steles": ["JB-01"]},
        ),
    ],
)
async def test_ats_core_fc_bbox_response(
    program: httpx.AsyncClient, bbox: str, expected: dict[str, list[str]]
) -> None:
    assert {each: await ids(program, each, bbox=bbox) for each in expected} == expected
    matched = {each: (await items(program, each, bbox=bbox))["numberMatched"] for each in expected}
    assert matched == {each: len(found) for each, found in expected.items()}


async def test_ats_core_fc_bbox_response_for_records(
    world: World, program: httpx.AsyncClient
) -> None:
    east, west = str(world.east.id), str(world.west.id)
    assert await ids(program, "check_ins", bbox=EAST) == [east]
    assert await ids(program, "check_ins", bbox=WEST) == [west]
    assert await ids(program, "check_ins", bbox="102.97,24.9,103.01,24.9") == [east, west]
    assert await ids(program, "check_ins", bbox="102.975,-90,103.005,90") == []


@pytest.mark.parametrize(
    ("limit", "returned"), [("1", 1), ("3", 3), ("+2", 2), ("1000", 4), ("1001", 4), ("9" * 18, 4)]
)
async def test_ats_core_fc_limit_response(
    program: httpx.AsyncClient, limit: str, returned: int
) -> None:
    document = await items(program, "grid_cells", limit=limit)
    assert (document["numberReturned"], len(document["features"])) == (returned, returned)


def at(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(
    ("when", "east", "west"),
    [
        (at(0), True, False),
        (at(1), False, False),
        (at(0).replace("+08:00", " 08:00"), True, False),  # a plus that nobody escaped
        ("2026-06-01T04:00:00Z", True, False),
        ("2026-06-01t04:00:00.000z", True, False),
        (f"{at(-1)}/{at(1)}", True, False),
        (f"{at(0)}/{at(60)}", True, True),
        (f"{at(1)}/{at(59)}", False, False),
        (f"../{at(0)}", True, False),
        (f"/{at(0)}", True, False),
        (f"{at(1)}/..", False, True),
        (f"{at(1)}/", False, True),
    ],
)
async def test_ats_core_fc_time_response(
    world: World, program: httpx.AsyncClient, when: str, east: bool, west: bool
) -> None:
    """What has a time is chosen by it; what has none matches every time."""
    expected = [str(world.east.id)] * east + [str(world.west.id)] * west
    assert await ids(program, "check_ins", datetime=when) == expected
    assert await ids(program, "steles", datetime=when) == ["JB-01", "JB-02"]
    assert await ids(program, "problems", datetime=when) == []


BAD = {
    "bbox": [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "1,2,3,4,5,6,7",
        "a,b,c,d",
        "1,2,nan,4",
        "1,2,inf,4",
        "1,2,1e400,4",
        "１,２,３,４",
        "1,4,3,2",
        "1,2,9,3,4,5",
        "-180.1,0,10,10",
        "0,0,180.1,10",
        "0,-91,10,10",
        "0,0,10,90.5",
        "1;2;3;4",
        "0x1,2,3,4",
    ],
    "limit": ["", "0", "-1", "1.5", "ten", "1e3", "９", "1" * 400, "0x10", "NaN"],
    "datetime": [
        "",
        "/",
        "../..",
        "..",
        "yesterday",
        "2026-06-01",
        "2026-06-01T00:00:00",
        "2026-06-31T00:00:00Z",
        "2026-06-01T24:00:00Z",
        "2026-06-01T00:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        f"{at(1)}/{at(0)}",
        f"{at(0)}/{at(1)}/{at(2)}",
    ],
    "cursor": ["", "!", "AAAA", "W10", "bnVsbA", "WzFd", "eyJhIjoxfQ", "é"],
    "f": ["", "xml", "JSON"],
    "kind": ["", "sea", "general\x00"],
    "code": ["G-0\x00", "\n", "x" * 501],
}


@pytest.mark.parametrize("name", BAD)
async def test_ats_core_query_param_invalid(program: httpx.AsyncClient, name: str) -> None:
    for value in BAD[name]:
        answer = await program.get("/ogc/collections/grid_cells/items", params={name: value})

        assert answer.status_code == 400, value
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "bad-request"
        assert answer.json()["detail"]


UNKNOWN = [
    ("", "limit"),
    ("/api", "x"),
    ("/conformance", "bbox"),
    ("/collections", "limit"),
    ("/collections/steles", "bbox"),
    ("/collections/steles/items", "offset"),
    ("/collections/steles/items", "token"),
    ("/collections/steles/items", "Limit"),
    ("/collections/reaches/items", "kind"),
    ("/collections/check_ins/items", "device"),
    ("/collections/steles/items/JB-01", "limit"),
]


async def test_ats_core_query_param_unknown(program: httpx.AsyncClient) -> None:
    for path, name in UNKNOWN:
        answer = await program.get(f"/ogc{path}", params={name: "1"})

        assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
        assert repr(name) in answer.json()["detail"]


@pytest.mark.parametrize("name", ["limit", "f", "code"])
async def test_nothing_is_said_twice(program: httpx.AsyncClient, name: str) -> None:
    value = {"limit": 1, "f": "json", "code": "G-0"}[name]
    answer = await program.get(f"/ogc/collections/grid_cells/items?{name}={value}&{name}={value}")
    assert answer.status_code == 400


@pytest.mark.parametrize("collection", COLLECTIONS[:5])
async def test_ats_core_f_op_f_success_and_f_links(
    program: httpx.AsyncClient, collection: str
) -> None:
    for listed in (await items(program, collection))["features"]:
        path = f"/ogc/collections/{collection}/items/{listed['id']}"
        answer = await program.get(path)

        assert answer.status_code == 200
        one = answer.json()
        links = one.pop("links")
        assert one == listed
        assert [(link["rel"], link["href"]) for link in links] == [
            ("self", f"{ROOT}{path.removeprefix('/ogc')}?f=json"),
            ("alternate", f"{ROOT}{path.removeprefix('/ogc')}?f=html"),
            ("collection", f"{ROOT}/collections/{collection}?f=json"),
        ]
        rels(links)


NOWHERE = [
    "/nothing",
    "/nothing/items",
    "/nothing/items/1",
    "/steles/items/JB-99",
    "/steles/items/JB-01%00",
    "/check_ins/items/JB-01",
    "/check_ins/items/00000000-0000-0000-0000-000000000000",
    "/problems/items/00000000-0000-0000-0000-000000000000",
]


async def test_what_is_not_there_is_404(program: httpx.AsyncClient) -> None:
    for path in NOWHERE:
        answer = await program.get(f"/ogc/collections{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_ats_core_crs84(program: httpx.AsyncClient) -> None:
    """Longitude before latitude, WGS-84, and said so."""
    for collection in COLLECTIONS:
        answer = await program.get(f"/ogc/collections/{collection}/items")
        assert answer.headers["content-crs"] == f"<{CRS84}>"
        one = (await program.get(f"/ogc/collections/{collection}")).json()
        assert (one["crs"], one["storageCrs"]) == ([CRS84], CRS84)
    (stele, _) = (await items(program, "steles"))["features"]
    assert stele["geometry"] == {"type": "Point", "coordinates": [103.01, 24.9]}
