"""The abstract test suite of 17-069r4, conformance classes geojson, html and oas30, by its names."""

import html.parser
import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import shapely
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from sqlalchemy.ext.asyncio import AsyncSession

from tests.conftest import Client, Lake
from tests.factories import a_grid_cell, a_stele, rectangle
from tests.routers.ogc.world import COLLECTIONS, LAKE, PUBLIC

OTHERS = ("", "/conformance", "/collections", *(f"/collections/{each}" for each in COLLECTIONS))
FEATURES = tuple(f"/collections/{each}/items" for each in COLLECTIONS)
ONE = ("/collections/waterbodies/items/YZH", "/collections/steles/items/JB-01")
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"

pytestmark = pytest.mark.usefixtures("world")


@pytest.mark.parametrize("asked", ["?f=json", "application/geo+json", "application/json", "*/*"])
async def test_ats_geojson_definition(program: httpx.AsyncClient, asked: str) -> None:
    for path in (*OTHERS, *FEATURES, *ONE):
        by_query = asked.startswith("?")
        headers = {"Accept": "text/html" if by_query else asked}
        answer = await program.get(f"/ogc{path}{asked if by_query else ''}", headers=headers)

        assert answer.status_code == 200
        expected = "application/json" if path in OTHERS else "application/geo+json"
        assert answer.headers["content-type"] == expected
        assert answer.headers["vary"].startswith("Accept, ")


async def test_ats_geojson_content(program: httpx.AsyncClient) -> None:
    """Islands and second parts are there, outer rings turn left, and nothing is moved."""
    feature = (await program.get("/ogc/collections/waterbodies/items/YZH")).json()

    assert feature["type"] == "Feature"
    assert feature["properties"] == {"code": "YZH", "name": "示例湖", "kind": "lake"}
    drawn = shapely.geometry.shape(feature["geometry"])
    assert isinstance(drawn, shapely.MultiPolygon)
    assert drawn.normalize() == LAKE.normalize()
    assert len(drawn.geoms[0].interiors) == 1
    assert all(part.exterior.is_ccw for part in drawn.geoms)
    assert not drawn.geoms[0].interiors[0].is_ccw


async def test_positions_have_seven_decimals(
    session: AsyncSession, program: httpx.AsyncClient
) -> None:
    third = 1 / 3
    await a_grid_cell(session, rectangle(102 + third, 24 + third, 103, 25), code="FINE")
    await a_stele(session, code="FINE", lon=102 + third, lat=24 + third)

    cell = await program.get("/ogc/collections/grid_cells/items/FINE")
    stele = await program.get("/ogc/collections/steles/items/FINE")

    assert [102.3333333, 24.3333333] in cell.json()["geometry"]["coordinates"][0]
    assert stele.json()["geometry"]["coordinates"] == [102.3333333, 24.3333333]
    assert "33333333" not in cell.text + stele.text


class Outline(html.parser.HTMLParser):
    """The elements of a page, and whether each that was opened was closed in its turn."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.language: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang")
        if tag == "a":
            self.links.append(given["href"] or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("asked", ["?f=html", "text/html,application/xhtml+xml,*/*;q=0.8"])
async def test_ats_html_definition_and_content(program: httpx.AsyncClient, asked: str) -> None:
    for path in (*OTHERS, *FEATURES, *ONE, "/api"):
        by_query = asked.startswith("?")
        headers = {"Accept": "application/json" if by_query else asked}
        answer = await program.get(f"/ogc{path}{asked if by_query else ''}", headers=headers)

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text.lstrip().lower().startswith("<!doctype html>")
        if path != "/api":  # the usual page of Swagger UI
            outline = Outline(answer.text)
            assert outline.open == []
            assert (outline.language, outline.seen.count("h1")) == ("zh-CN", 1)
            assert "script" not in outline.seen


async def test_a_page_says_what_the_document_says(program: httpx.AsyncClient) -> None:
    for path in (*OTHERS, *FEATURES, *ONE):
        page = (await program.get(f"/ogc{path}?f=html")).text
        document = (await program.get(f"/ogc{path}")).json()

        features = document.get("features", [document] if "geometry" in document else [])
        said = [
            str(value)
            for feature in features
            for value in feature["properties"].values()
            if value is not None
        ]
        said += [each["title"] for each in document.get("collections", [])]
        said += document.get("conformsTo", [])
        assert [each for each in said if each not in page] == []


async def test_what_is_written_on_the_map_stays_text(
    session: AsyncSession, lake: Lake, program: httpx.AsyncClient
) -> None:
    """A code may hold a slash, a name may hold markup, and every link on a page leads somewhere."""
    code, name = "G/1 <b>&?#", "<script>alert(1)</script>"
    shape = rectangle(103.0, 24.0, 103.1, 24.1)
    await a_grid_cell(session, shape, code=code, name=name, organisation_id=lake.committee.id)
    for path in (
        "/collections/grid_cells/items",
        "/collections/grid_cells/items/" + quote(code, ""),
    ):
        answer = await program.get(f"/ogc{path}", headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert "&lt;script&gt;" in answer.text
        for link in Outline(answer.text).links:
            there = await program.get(link.removeprefix("http://127.0.0.1:8000"))
            assert there.status_code == 200, link
    one = await program.get("/ogc/collections/grid_cells/items/" + quote(code, safe=""))
    assert (one.json()["id"], one.json()["properties"]["name"]) == (code, name)


LIKED = [
    (None, False),
    ("", False),
    ("text/html", True),
    ("application/xhtml+xml", True),
    ("application/json, text/html", False),
    ("application/json;q=0.5, text/html", True),
    ("text/html;q=0, */*", False),
    ("TEXT/HTML ; q=0.3", True),
    ("text/html;q=nonsense", False),
    ("image/png", False),
    (OPENAPI, False),
]


async def test_the_better_liked_format_is_given(client: Client) -> None:
    for accept, is_page in LIKED:
        headers = {"Accept": accept} if accept is not None else {}
        answer = await client(None).get("/ogc", headers=headers)
        assert answer.headers["content-type"].startswith("text/html") is is_page, accept


async def test_ats_oas30_oas_definition_1(api: dict[str, Any], anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get("/ogc/api")

    assert answer.headers["content-type"] == OPENAPI
    assert answer.json() == api
    assert "swagger-ui" in (await anybody.get("/ogc/api?f=html")).text


def test_ats_oas30_oas_definition_2(api: dict[str, Any]) -> None:
    OpenAPIV30SpecValidator(api).validate()


def test_ats_oas30_completeness_has_every_path(api: dict[str, Any]) -> None:
    each = [f"/collections/{one}" for one in COLLECTIONS]
    deeper = [f"{one}{more}" for one in each for more in ("/items", "/items/{featureId}")]
    assert set(api["paths"]) == {"/", "/conformance", "/api", "/collections", *each, *deeper}


def _operation(api: dict[str, Any], path: str) -> dict[str, Any]:
    for one in ONE:
        path = path.replace(one, one.rsplit("/", 1)[0] + "/{featureId}")
    operation: dict[str, Any] = api["paths"][path or "/"]["get"]
    return operation


async def test_ats_oas30_oas_impl(api: dict[str, Any], program: httpx.AsyncClient) -> None:
    """Every answer is as the document says: its type, and its content by its schema."""
    for path in (*OTHERS, *FEATURES, *ONE):
        answer = await program.get(f"/ogc{path}")

        content = _operation(api, path)["responses"]["200"]["content"]
        schema = content[answer.headers["content-type"]]["schema"]
        root = schema | {"components": api["components"]}
        assert list(OAS30Validator(root).iter_errors(answer.json())) == []
        # It would not be as the document says with a property that the document does not know.
        if path.endswith("/items"):
            name = schema["$ref"].rsplit("/", 1)[1].replace("_collection", "_feature")
            properties = api["components"]["schemas"][name]["properties"]["properties"][
                "properties"
            ]
            for feature in answer.json()["features"]:
                assert list(feature["properties"]) == list(properties)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/?x=1", 400),
        ("/collections/steles/items?bbox=1", 400),
        ("/collections/check_ins/items", 401),
        ("/collections/problems", 401),
        ("/collections/steles/items/JB-99", 404),
    ],
)
async def test_ats_oas30_exceptions_codes(
    api: dict[str, Any], anybody: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await anybody.get(f"/ogc{path}")

    assert answer.status_code == status
    known = path.partition("?")[0].replace("JB-99", "{featureId}")
    problem = api["paths"][known]["get"]["responses"][str(status)]
    assert problem == {"$ref": "#/components/responses/Problem"}
    content = api["components"]["responses"]["Problem"]["content"]
    root = content[answer.headers["content-type"]]["schema"] | {"components": api["components"]}
    assert list(OAS30Validator(root).iter_errors(answer.json())) == []


def test_ats_oas30_security(api: dict[str, Any]) -> None:
    ways: list[dict[str, list[str]]] = [{"key": []}, {"basic": []}, {"dashboard": []}]
    assert set(api["components"]["securitySchemes"]) == {"key", "basic", "dashboard"}
    for collection in COLLECTIONS:
        needed = ways if collection not in PUBLIC else [{}, *ways]
        assert _operation(api, f"/collections/{collection}/items")["security"] == needed
    assert "security" not in _operation(api, "")


async def test_links_do_not_believe_the_host_header(anybody: httpx.AsyncClient) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"}
    for path in (*OTHERS[:3], "/api", "/collections/steles/items"):
        answer = await anybody.get(f"/ogc{path}", headers=forged)
        assert "evil" not in json.dumps(answer.json())
