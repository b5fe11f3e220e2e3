"""What map programs read from a served Xunhe: GDAL's OAPIF driver, by which QGIS works, and OWSLib."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from owslib.ogcapi.features import Features

from app import embedded_postgres
from app.embedded_postgres.cluster import Cluster
from tests.faults.processes import ROOT, Running, command, xunhe

needs_gdal = pytest.mark.skipif(
    shutil.which("ogrinfo") is None, reason="ogrinfo is not installed (Debian: gdal-bin)"
)
VISITS = 23
PUBLIC = ("waterbodies", "reaches", "grid_cells", "steles")
COLLECTIONS = (*PUBLIC, "check_ins", "problems")

_RECORDS = """
    WITH walker AS (SELECT id, organisation_id FROM people ORDER BY code LIMIT 1),
    outing AS (
      INSERT INTO patrols (id, person_id, organisation_id, kind, state, origin, started_at,
        started_on, closed_by_us, distance_m, points_kept, points_marked, received_at)
      SELECT gen_random_uuid(), id, organisation_id, 'foot', 'finished', 'phone', now(),
        current_date, false, 0, 0, 0, now()
      FROM walker RETURNING id, person_id, organisation_id)
    INSERT INTO check_ins (id, person_id, organisation_id, patrol_id, source, at, taken_on,
      received_at, lon, lat, datum, raw_lon, raw_lat, grid_cell_ids, place, verdict, evidence,
      rules_version, content_digest)
    SELECT gen_random_uuid(), o.person_id, o.organisation_id, o.id, 'mini_program',
      timestamptz '2026-06-01 08:00+08' + n * interval '1 hour', date '2026-06-01', now(),
      102.95 + n * 0.001, 24.9, 'wgs84', 103, 24.9, '{}', '{}', 'accepted', '[]', 1, ''
    FROM outing o, generate_series(1, %(count)s) n
"""


@dataclass(frozen=True)
class Served:
    """The address of its `/ogc`, a key for all of it, and how much there is of each collection."""

    address: str
    key: str
    counts: dict[str, int]


def _a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo's maps, some check-ins and a key, served as an operator does."""
    data_dir = tmp_path_factory.mktemp("maps") / "data"
    assert xunhe("import", str(ROOT / "demo" / "yangzonghai"), data_dir=data_dir).returncode == 0
    made = xunhe("api-key", "create", "--organisation", "GWH", data_dir=data_dir)
    with embedded_postgres.hold(data_dir) as url, psycopg.connect(url) as connection:
        connection.execute(_RECORDS, {"count": VISITS})
        counts = {}
        for table in (*PUBLIC, "check_ins"):
            row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            assert row is not None
            counts[table] = row[0]
    port = _a_free_port()
    address = f"http://127.0.0.1:{port}"
    running = Running(command("serve", f"--port={port}"), data_dir, XUNHE_PUBLIC_URL=address)
    try:
        assert running.line() == address
        yield Served(f"{address}/ogc", made.stdout.strip(), counts | {"problems": 0})
    finally:
        running.end()
        Cluster(data_dir).stop()


def test_there_is_something_to_read(served: Served) -> None:
    assert served.counts["check_ins"] == VISITS
    assert all(served.counts[each] > 5 for each in PUBLIC)


def _gdal(*arguments: str, **options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | options,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def by_header(served: Served) -> dict[str, str]:
    return {"GDAL_HTTP_HEADERS": f"Authorization: Bearer {served.key}"}


def by_password(served: Served) -> dict[str, str]:
    return {"GDAL_HTTP_USERPWD": f"qgis:{served.key}"}


Way = Callable[[Served], dict[str, str]]


@needs_gdal
def test_gdal_lists_the_collections_that_are_open(served: Served) -> None:
    for options, expected in (({}, PUBLIC), (by_password(served), COLLECTIONS)):
        listed = _gdal("ogrinfo", "-q", f"OAPIF:{served.address}", **options)
        assert listed.returncode == 0
        names = [line.split()[1] for line in listed.stdout.splitlines()]
        assert names == list(expected)


def _copied(served: Served, layer: str, to: Path, *more: str, **options: str) -> dict[str, Any]:
    """A layer as ogr2ogr copies it."""
    file = to / f"{layer}.geojson"
    done = _gdal("ogr2ogr", str(file), f"OAPIF:{served.address}", layer, *more, **options)
    assert (done.returncode, done.stderr) == (0, "")
    copied: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return copied


@needs_gdal
@pytest.mark.parametrize("layer", PUBLIC)
def test_gdal_reads_every_public_collection_whole(
    served: Served, tmp_path: Path, layer: str
) -> None:
    features = _copied(served, layer, tmp_path)["features"]

    codes = [feature["properties"]["code"] for feature in features]
    assert len(codes) == len(set(codes)) == served.counts[layer]
    west, south, east, north = 102.8, 24.7, 103.2, 25.1
    for feature in features:
        assert feature["geometry"]["coordinates"]
        flat = json.dumps(feature["geometry"]["coordinates"]).replace("[", "").replace("]", "")
        numbers = [float(each) for each in flat.split(",")]
        assert all(west < lon < east for lon in numbers[::2])
        assert all(south < lat < north for lat in numbers[1::2])


@needs_gdal
@pytest.mark.parametrize("way", [by_header, by_password])
def test_gdal_reads_check_ins_and_problems_with_a_key(
    served: Served, tmp_path: Path, way: Way
) -> None:
    options = way(served)
    features = _copied(served, "check_ins", tmp_path, **options)["features"]
    assert len({feature["properties"]["id"] for feature in features}) == VISITS
    few = _copied(served, "check_ins", tmp_path, "-oo", "PAGE_SIZE=1000", **options)["features"]
    assert few == features
    problems = _gdal("ogrinfo", "-so", f"OAPIF:{served.address}", "problems", **options)
    assert problems.returncode == 0
    assert "Feature Count: 0" in problems.stdout


@needs_gdal
def test_gdal_reads_no_check_ins_without_a_key(served: Served) -> None:
    refused = _gdal("ogrinfo", "-so", f"OAPIF:{served.address}", "check_ins")
    assert refused.returncode != 0
    assert "Feature Count" not in refused.stdout


@needs_gdal
def test_gdal_lets_the_server_choose_by_box_property_and_time(
    served: Served, tmp_path: Path
) -> None:
    """A box of ten of them; five of those within hours; and cells of one kind."""
    options = by_password(served)
    box = ("-spat", "102.9505", "24.8", "102.9605", "25")
    inside = _copied(served, "check_ins", tmp_path, *box, **options)["features"]
    assert len(inside) == 10
    hours = "at >= '2026-06-01T04:00:00Z' AND at <= '2026-06-01T08:00:00Z'"
    timely = _copied(served, "check_ins", tmp_path, *box, "-where", hours, **options)["features"]
    assert len(timely) == 5
    cells = _copied(served, "grid_cells", tmp_path)["features"]
    kind = "wetland_protection"
    expected = sorted(
        each["properties"]["code"] for each in cells if each["properties"]["kind"] == kind
    )
    chosen = _copied(served, "grid_cells", tmp_path, "-where", f"kind = '{kind}'")["features"]
    assert sorted(each["properties"]["code"] for each in chosen) == expected != []


@needs_gdal
def test_gdal_knows_the_system_the_types_and_the_extent(served: Served) -> None:
    told = _gdal("ogrinfo", "-so", f"OAPIF:{served.address}", "grid_cells").stdout
    assert 'GEOGCRS["WGS 84"' in told
    assert "Geometry: Polygon" in told
    assert f"Feature Count: {served.counts['grid_cells']}" in told
    assert "area_m2: Real" in told
    assert "Extent: (102." in told


def _pages(features: Features, collection: str, **asked: Any) -> list[dict[str, Any]]:
    """All pages, as OWSLib reads them."""
    found = [features.collection_items(collection, **asked)]
    while following := [link for link in found[-1]["links"] if link["rel"] == "next"]:
        cursor = following[0]["href"].split("cursor=")[1].split("&")[0]
        found.append(features.collection_items(collection, cursor=cursor, **asked))
    return found


def test_owslib_reads_every_collection_whole(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {served.key}"}
    features = Features(served.address, headers=bearer)

    assert features.feature_collections() == list(COLLECTIONS)
    assert features.api()["openapi"] == "3.0.3"
    assert len(features.conformance()["conformsTo"]) == 4
    for collection in COLLECTIONS:
        assert features.collection(collection)["id"] == collection
        pages = _pages(features, collection, limit=10)
        ids = [feature["id"] for page in pages for feature in page["features"]]
        assert len(ids) == len(set(ids)) == served.counts[collection]
        assert pages[0]["numberMatched"] == served.counts[collection]
        for one in ids[:2]:
            assert features.collection_item(collection, one)["id"] == one
    (page,) = _pages(
        features,
        "check_ins",
        bbox=[102.9505, 24.8, 102.9605, 25],
        datetime_="2026-06-01T04:00:00Z/2026-06-01T08:00:00Z",
    )
    assert page["numberMatched"] == 5
