"""What comes from broken phones and from people with too much time: never a 500."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from httpx import AsyncClient, Response
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from app.errors import CommandFailed
from app.services import facts
from app.services.check_in_queue import CheckInQueue
from app.state import State
from tests.conftest import Client, Member
from tests.faults.processes import xunhe

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
POSITION = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
BODY: dict[str, Any] = {"at": "2026-11-23T12:00:00+08:00", "position": POSITION}
JSON = {"content-type": "application/json"}


def a_url() -> str:
    return f"/api/v1/check-ins/{uuid4()}"


def pointers(response: Response) -> list[str]:
    assert response.headers["content-type"] == "application/problem+json"
    return [error["pointer"] for error in response.json()["errors"]]


async def none_stored(member: Member) -> bool:
    return bool((await member.client.get("/api/v1/check-ins")).json()["items"] == [])


@pytest.mark.parametrize(
    ("lon", "lat", "in_china"),
    [(103.01, 24.9, True), (0, 0, False), (180, 90, False), (-180, -90, False), (180, 0, False)],
)
@pytest.mark.parametrize("datum", ["wgs84", "gcj02"])
@time_machine.travel(NOW, tick=False)
async def test_the_whole_earth_is_stored_and_asked_about(
    li: Member, lon: float, lat: float, in_china: bool, datum: str
) -> None:
    position = POSITION | {"lon": lon, "lat": lat, "datum": datum}

    response = await li.client.put(a_url(), json=BODY | {"position": position})
    place = await li.client.get(f"/api/v1/locate?lon={lon}&lat={lat}&datum={datum}")

    answer = response.json()
    assert (response.status_code, answer["verdict"], place.status_code) == (201, "accepted", 200)
    if not in_china:
        # There is no shift outside of China.
        assert (answer["position"]["lon"], answer["position"]["lat"]) == (lon, lat)
        assert (answer["grid_cell"], answer["stele"], answer["reach"]) == (None, None, None)
        assert (place.json()["grid_cells"], place.json()["steles"]) == ([], [])


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        ("2026-11-23T12:05:00+08:00", "accepted"),
        ("2026-11-23T12:05:00.001+08:00", "flagged"),
        ("2026-11-23T04:00:00Z", "accepted"),
        ("2026-11-23t04:00:00z", "accepted"),
        ("2026-11-22T20:00:00-08:00", "accepted"),
        ("2026-11-16T12:00:00+08:00", "accepted"),
        ("2026-11-16T11:59:59+08:00", "flagged"),
        ("2026-11-15T12:00:00+08:00", "flagged"),
        ("2000-01-01T00:00:00+14:00", "flagged"),
        ("2100-12-31T23:59:59-14:00", "flagged"),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_times_are_stored_and_doubted(li: Member, at: str, verdict: str) -> None:
    response = await li.client.put(a_url(), json=BODY | {"at": at})

    answer = response.json()
    assert (response.status_code, answer["verdict"]) == (201, verdict)
    assert datetime.fromisoformat(answer["at"]) == datetime.fromisoformat(at.upper())
    assert answer["at"].endswith("+08:00")


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-23T12:00:00",
        "2026-11-23",
        "2026-11-23T12:00+08:00",
        "2026-02-30T12:00:00Z",
        "2026-11-23T25:00:00Z",
        "2026-11-23T12:00:00+24:00",
        "1999-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "２０２６-11-23T12:00:00Z",
        "2026-11-23T12:00:00Z\n",
        "",
        "now",
        1795406400,
        1795406400.5,
        None,
        True,
        [],
        {},
    ],
)
async def test_what_is_no_time(li: Member, at: Any) -> None:
    response = await li.client.put(a_url(), json=BODY | {"at": at})

    assert (response.status_code, pointers(response)) == (422, ["/at"])
    assert await none_stored(li)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        (b'"lon": 180.0000001', "/position/lon"),
        (b'"lon": -180.0000001', "/position/lon"),
        (b'"lat": 90.0000001', "/position/lat"),
        (b'"lat": -91', "/position/lat"),
        (b'"lon": NaN', "/position/lon"),
        (b'"lat": Infinity', "/position/lat"),
        (b'"lat": -Infinity', "/position/lat"),
        (b'"lon": 1e999', "/position/lon"),
        (b'"lon": 1' + b"0" * 400, "/position/lon"),
        (b'"lon": "103.01"', "/position/lon"),
        (b'"lon": true', "/position/lon"),
        (b'"lon": null', "/position/lon"),
        (b'"accuracy_m": -0.1', "/position/accuracy_m"),
        (b'"accuracy_m": 1000001', "/position/accuracy_m"),
        (b'"accuracy_m": NaN', "/position/accuracy_m"),
        (b'"datum": "GCJ02"', "/position/datum"),
        (b'"datum": "bd09"', "/position/datum"),
        (b'"datum": null', "/position/datum"),
        (b'"datum": ["wgs84"]', "/position/datum"),
    ],
)
async def test_what_is_no_position(li: Member, given: bytes, pointer: str) -> None:
    """The later of two members counts, as in every JSON parser here."""
    position = json.dumps(POSITION).encode()[:-1] + b", " + given + b"}"
    body = b'{"at": "2026-11-23T12:00:00+08:00", "position": ' + position + b"}"

    response = await li.client.put(a_url(), content=body, headers=JSON)

    assert (response.status_code, pointers(response)) == (422, [pointer])
    assert await none_stored(li)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"note": "字" * 2000}, 201),
        ({"note": f"  {'字' * 2000}\n"}, 201),
        ({"note": "字" * 2001}, 422),
        ({"note": ""}, 201),
        ({"note": "两行\n一\t格 👩‍👩‍👧 \u202e"}, 201),
        ({"note": "\u0000"}, 422),
        ({"note": "\u001b[31m"}, 422),
        ({"note": 1}, 422),
        ({"device": "d" * 200}, 201),
        ({"device": "d" * 201}, 422),
        ({"device": ""}, 201),
        ({"device": "a\u0000"}, 422),
        ({"photos_expected": 0}, 201),
        ({"photos_expected": 30}, 201),
        ({"photos_expected": 31}, 422),
        ({"photos_expected": -1}, 422),
        ({"photos_expected": "3"}, 422),
        ({"photos_expected": 2.5}, 422),
        ({"photos_expected": True}, 422),
        ({"photos_expected": 10**30}, 422),
        ({"stele": {"code": "JB-01", "token": "t" * 200}}, 201),
        ({"stele": {"code": "JB-01", "token": "t" * 201}}, 422),
        ({"stele": {"code": "JB-01", "token": "9" * 200}}, 201),
        ({"stele": {"code": "JB-01", "token": "1.é字"}}, 201),
        ({"stele": {"code": "JB-01", "token": "\u0000"}}, 422),
        ({"stele": {"code": "c" * 64}}, 422),
        ({"stele": {"code": "c" * 65}}, 422),
        ({"stele": {"code": "\u0000"}}, 422),
        ({"stele": {"code": "'; DROP TABLE check_ins; --"}}, 422),
        ({"stele": "JB-01"}, 422),
        ({"patrol_id": "x"}, 422),
        ({"patrol_id": 1}, 422),
        ({"something": {"else": [1]}}, 201),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_texts_and_numbers_at_their_limits(
    li: Member, given: dict[str, Any], status: int
) -> None:
    url = a_url()

    response = await li.client.put(url, json=BODY | given)

    assert response.status_code == status, response.text
    assert await none_stored(li) is (status == 422)
    if status == 201:
        assert (await li.client.put(url, json=BODY | given)).status_code == 200
        note = given.get("note", "").strip() or None
        assert (await li.client.get(url)).json()["note"] == note


HALF = b'{"at": "2026-11-23T12:00:00+08:00", "position": {"lon": 103.01, "lat": 24.9, "datum": "wgs84"}, '


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"x"', 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"note": "\xff"}', 400),
        (HALF + b'"note": "\\ud800"}', 422),
        (HALF + b'"device": "\\udfff"}', 422),
        (HALF + b'"stele": {"code": "\\ud800"}}', 422),
        (HALF + b'"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", 400),
        (HALF + b'"x": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}", 201),
        (HALF + b'"x": ' + b"9" * 5_000 + b"}", 400),
        (HALF + b'"note": "first", "note": "second"}', 201),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_bodies(li: Member, content: bytes, status: int) -> None:
    url = a_url()

    response = await li.client.put(url, content=content, headers=JSON)

    assert response.status_code == status, response.text
    if b'"second"' in content:
        assert response.json()["note"] == "second"


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "id_",
    ["1", "巡河", "%00", "%FF", "%ed%a0%80", "a" * 3000, "00000000-0000-0000-0000-00000000000g"],
)
@pytest.mark.parametrize("room", ["check-ins", "patrols"])
async def test_ids_that_are_none(li: Member, method: str, id_: str, room: str) -> None:
    response = await li.client.request(method, f"/api/v1/{room}/{id_}", json=BODY)

    assert response.status_code == 422
    assert "/id" in pointers(response)


@pytest.mark.parametrize("room", ["check-ins", "patrols"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("person=%00", 422),
        ("person=%FF", 200),
        ("person=" + "p" * 65, 422),
        ("from=0001-01-01", 422),
        ("to=9999-12-31", 422),
        ("from=2000-01-01&to=2100-12-31", 200),
        ("from=2026-02-30", 422),
        ("from=1795406400", 422),
        ("limit=0", 422),
        ("limit=1001", 422),
        ("limit=1000", 200),
        ("limit=1e2", 422),
        ("limit=" + "9" * 5000, 422),
        ("cursor=x", 400),
        ("cursor=%00", 400),
        ("cursor=%E5%AD%97", 400),
        ("cursor=bnVsbA==", 400),
        ("cursor=W10=", 400),
        # Well made, and of the year 1.
        (
            "cursor=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMDAwMDAwMDAtMDAwMC0wMDAw"
            "LTAwMDAtMDAwMDAwMDAwMDAwIl0=",
            400,
        ),
        ("cursor=" + "x" * 201, 422),
        ("datum=bd09", 422),
        ("mine=maybe", 422),
        ("verdict=x&state=x", 422),
    ],
)
async def test_queries(li: Member, room: str, query: str, status: int) -> None:
    response = await li.client.get(f"/api/v1/{room}?{query}")

    assert response.status_code == status, response.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "lon=103&lat=25",
        "lon=nan&lat=25&datum=wgs84",
        "lon=inf&lat=25&datum=wgs84",
        "lon=181&lat=25&datum=wgs84",
        "lon=x&lat=25&datum=wgs84",
        "lon=103&lat=25&datum=wgs84&accuracy_m=-1",
        "lon=103&lat=25&datum=wgs84&accuracy_m=nan",
    ],
)
async def test_places_that_are_none(li: Member, query: str) -> None:
    assert (await li.client.get(f"/api/v1/locate?{query}")).status_code == 422


async def test_headers_that_are_none(client: Client, li: Member) -> None:
    for value in ("Bearer", "Bearer ", "Basic x", "Bearer \x7f", "Bearer " + "x" * 5000):
        response = await client(None).put(a_url(), json=BODY, headers=[("Authorization", value)])
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    patrol = {"started_at": BODY["at"]}
    url = f"/api/v1/patrols/{uuid4()}"
    long = await li.client.put(url, json=patrol, headers={"If-Match": "x" * 201})
    assert long.status_code == 422
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        other = await li.client.put(
            a_url(), content=json.dumps(BODY), headers={"content-type": kind}
        )
        assert other.status_code == 422


async def test_one_mebibyte_is_enough(li: Member) -> None:
    """Announced or not."""

    async def dripping() -> Any:
        for _ in range(33):
            yield b" " * (1 << 15)

    announced = await li.client.put(a_url(), content=b" " * (1 << 20) + b"{", headers=JSON)
    streamed = await li.client.put(a_url(), content=dripping(), headers=JSON)
    just = await li.client.put(
        a_url(), content=json.dumps(BODY).encode().ljust(1 << 20), headers=JSON
    )

    for response in (announced, streamed):
        assert (response.status_code, response.json()["code"]) == (413, "too-large")
    assert just.status_code == 201


# -- the area of interest --------------------------------------------------------------------

AREA = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[102.9, 24.8], [103.1, 24.8], [103.1, 25], [102.9, 25], [102.9, 24.8]]
                ],
            },
        }
    ],
}


@pytest.fixture
def watched(state: State, tmp_path: Path) -> State:
    """A deployment that looks at the lake only."""
    file = tmp_path / "area.geojson"
    file.write_text(json.dumps(AREA), encoding="utf-8-sig")
    settings = state["settings"].model_copy(update={"area_of_interest": file})
    state["settings"] = settings
    state["recorder"] = CheckInQueue(state["sessions"], state["limiter"], settings, state["keys"])
    return state


@time_machine.travel(NOW, tick=False)
async def test_only_an_area_of_interest_makes_a_place_doubtful(
    watched: State, li: Member, zhou: Member
) -> None:
    assert watched["settings"].area_of_interest is not None
    verdicts = []
    for member, lon in ((li, 103.01), (li, 103.1), (zhou, 103.1001)):
        answer = (
            await member.client.put(
                a_url(),
                json=BODY
                | {
                    "at": (NOW - timedelta(hours=2 if lon == 103.01 else 0)).isoformat(),
                    "position": POSITION | {"lon": lon},
                },
            )
        ).json()
        area = answer["evidence"][0]
        verdicts.append((area["check"], area["passed"], answer["verdict"]))

    assert verdicts == [
        ("area_of_interest", True, "accepted"),
        ("area_of_interest", True, "accepted"),
        ("area_of_interest", False, "flagged"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"type": "FeatureCollection", "features": []}',
        b'{"type": "Point", "coordinates": [103, 25]}',
        b'{"type": "Polygon", "coordinates": []}',
        b'{"type": "Polygon", "coordinates": "x"}',
        b"\xff\xfe\x00",
    ],
)
def test_an_area_that_is_none_is_named_at_start(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "area.geojson"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(CommandFailed) as refusal:
        facts.area_of_interest(file)

    assert str(refusal.value) == (
        f"XUNHE_AREA_OF_INTEREST：{file} 读不出面（Polygon 或 MultiPolygon）"
    )


def test_serve_says_so_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "area.geojson"
    file.write_text("{")

    done = xunhe("serve", "--port=0", data_dir=tmp_path / "data", XUNHE_AREA_OF_INTEREST=str(file))

    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"XUNHE_AREA_OF_INTEREST：{file} 读不出面（Polygon 或 MultiPolygon）\n",
    )


# -- anything --------------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["wgs84", "2026-11-23T12:00:00+08:00", "JB-01", "none", "foot", "LI"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def body_for(schema: dict[str, Any], components: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Roughly what the schema asks for, with anything at all in some of its places."""
    if "$ref" in schema:
        return body_for(components[schema["$ref"].rsplit("/", 1)[1]], components)
    if schema.get("type") == "object" and "properties" in schema:
        members = {
            name: body_for(member, components) | anything
            for name, member in schema["properties"].items()
        }
        required = {name: members.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=members)
    if "anyOf" in schema:
        return st.one_of(*(body_for(each, components) for each in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "integer": st.integers(-2, 40),
        "number": st.floats(-200, 200),
        "boolean": st.booleans(),
        "null": st.none(),
        "string": st.sampled_from(
            [str(uuid4()), "2026-11-23T12:00:00+08:00", "JB-01", "R-1", "ZHOU", "字", ""]
        ),
    }
    if schema.get("type") == "array":
        return st.lists(body_for(schema["items"], components), max_size=3)
    return kinds.get(str(schema.get("type")), anything)


ROUTES = {
    ("put", "/api/v1/check-ins/{id}"),
    ("post", "/api/v1/check-ins/{id}/review"),
    ("post", "/api/v1/check-ins/{id}/review/answer"),
    ("put", "/api/v1/patrols/{id}"),
    ("post", "/api/v1/patrols/{id}/track"),
    ("post", "/api/v1/patrols/{id}/finish"),
    ("post", "/api/v1/sync"),
}


@pytest.mark.parametrize("route", sorted(ROUTES), ids=lambda route: " ".join(route))
async def test_anything_at_all_is_never_a_500(
    li: Member, wang: Member, client: Client, route: tuple[str, str]
) -> None:
    """What the OpenAPI document describes, bent in every way hypothesis thinks of."""
    method, path = route
    document = (await client(None).get("/openapi.json")).json()
    schema = document["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]
    strategy = body_for(schema, document["components"]["schemas"])
    if path == "/api/v1/sync":
        operation = st.fixed_dictionaries(
            {
                "op": st.sampled_from(
                    ["put_patrol", "put_check_in", "append_track", "finish_patrol"]
                ),
                "id": st.sampled_from([str(uuid4()) for _ in range(3)]),
                "body": st.one_of(
                    *(
                        body_for({"$ref": f"#/{name}"}, document["components"]["schemas"])
                        for name in ("NewPatrol", "NewCheckIn", "NewPoints", "NewFinish")
                    )
                ),
            }
        )
        strategy = strategy | st.fixed_dictionaries({"operations": st.lists(operation, max_size=6)})
    known = uuid4()
    await li.client.put(f"/api/v1/check-ins/{known}", json=BODY)
    await li.client.put(f"/api/v1/patrols/{known}", json={"started_at": BODY["at"]})
    member = wang if path.endswith("/review") else li
    told: list[tuple[int, str]] = []

    bodies: list[Any] = []

    @how(
        max_examples=60,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(strategy | anything)
    def collect(body: Any) -> None:
        bodies.append(body)

    collect()
    for body in bodies:
        response = await _send(member.client, method, path.format(id=known), body)
        results = response.json().get("results", ()) if response.content else ()
        told += [(response.status_code, response.text)]
        told += [(each["status"], json.dumps(body)) for each in results]

    assert [each for each in told if each[0] >= 500] == []


async def _send(client: AsyncClient, method: str, url: str, body: Any) -> Response:
    # Python's json writes NaN and lone surrogates (escaped), as broken phones do.
    return await client.request(method, url, content=json.dumps(body).encode(), headers=JSON)
