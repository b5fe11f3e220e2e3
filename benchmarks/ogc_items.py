"""Features by a small box out of a million cells, and of a million check-ins, against a thousand.

python -m benchmarks.ogc_items [--rounds 3] [--seconds 2]
"""

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson
import psycopg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import connect
from app.domain import geometry
from app.models import ApiKey, Organisation
from app.opening import opened
from app.schemas.ogc import documents
from app.schemas.ogc.documents import Addresses, Format
from app.services.access import Caller
from app.services.features import catalogue, finding
from app.services.features.collection import Collection
from app.services.features.finding import Wanted
from app.services.features.place import Box
from app.settings import get_settings
from benchmarks.locate import fill, somewhere

SIZES = {"1k": 1_000, "1M": 1_000_000}
LISTED = 10_000
_NOW = datetime(2026, 6, 1, tzinfo=UTC)

_OUTING = """
    INSERT INTO people (id, code, name, organisation_id, role, party_member)
    SELECT gen_random_uuid(), 'BENCH', '示例', id, 'member', true FROM organisations;
    INSERT INTO patrols (id, person_id, organisation_id, kind, state, origin, started_at,
      started_on, closed_by_us, distance_m, points_kept, points_marked, received_at)
    SELECT gen_random_uuid(), id, organisation_id, 'foot', 'finished', 'phone', now(),
      current_date, false, 0, 0, 0, now() FROM people;
"""
# Strewn over the same ground as the cells, one a cell.
_CHECK_INS = """
    INSERT INTO check_ins (id, person_id, organisation_id, patrol_id, source, at, taken_on,
      received_at, lon, lat, accuracy_m, datum, raw_lon, raw_lat, grid_cell_ids, place, verdict,
      evidence, rules_version, content_digest)
    SELECT gen_random_uuid(), p.person_id, p.organisation_id, p.id, 'mini_program',
      timestamptz '2026-01-01' + n * interval '30 seconds', date '2026-01-01', now(),
      102 + (n %% 1000 + random()) * 0.001, 24 + (n / 1000 + random()) * 0.001, 12.5, 'gcj02',
      103, 24.9, '{}', '{}', 'accepted', '[{"check": "accuracy", "value": 12.5, "passed": true}]',
      1, ''
    FROM patrols p, generate_series(0, %(count)s - 1) n
"""


def prepare(url: str, count: int) -> None:
    """So many cells, and as many check-ins, written without triggers and indexed at the end."""
    fill(url, count)
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(_OUTING)
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'check_ins'"
            " AND indexname NOT LIKE 'pk_%'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute(_CHECK_INS, {"count": count})
        for _, definition in indexes:
            connection.execute(definition.encode())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE check_ins")


def _small_box(count: int, dice: random.Random) -> Box:
    """As large as three cells by three, wherever there are any."""
    lon, lat = somewhere(count, dice)
    return (lon - 0.0015, lat - 0.0015, lon + 0.0015, lat + 0.0015)


async def _answer(
    session: AsyncSession, caller: Caller, collection: Collection, wanted: Wanted
) -> tuple[finding.Page, bytes]:
    """What the endpoint does between reading the request and writing the answer."""
    page = await finding.page(session, caller, collection, wanted)
    document = documents.items(
        Addresses("http://127.0.0.1"), Format.json, collection, (), page, None, _NOW
    )
    return page, orjson.dumps(document)


async def _with_session(
    url: str, work: Callable[[AsyncSession, Caller], Awaitable[float]]
) -> float:
    engine, sessions = connect(url, get_settings().database)
    async with sessions() as session:
        organisation = await session.scalar(select(Organisation.id))
        result = await work(session, Caller(api_key=ApiKey(organisation_id=organisation)))
    await engine.dispose()
    return result


async def rate(url: str, name: str, count: int, seconds: float) -> float:
    """Small boxes a second over one connection, all over the map."""
    collection = catalogue.find(Caller(api_key=ApiKey()), name)
    dice = random.Random(7)

    async def work(session: AsyncSession, caller: Caller) -> float:
        async def once() -> None:
            box = _small_box(count, dice)
            page, _ = await _answer(session, caller, collection, Wanted(100, boxes=[box]))
            assert page.matched

        for _ in range(30):
            await once()
        started, done = time.perf_counter(), 0
        while time.perf_counter() < started + seconds:
            await once()
            done += 1
        return done / (time.perf_counter() - started)

    return await _with_session(url, work)


async def listing(url: str) -> tuple[float, float]:
    """Seconds for ten pages of a thousand cells, and for orjson to write the same features."""
    collection = catalogue.find(None, "grid_cells")
    bodies: list[bytes] = []

    async def work(session: AsyncSession, caller: Caller) -> float:
        after, started = None, time.perf_counter()
        for _ in range(LISTED // 1000):
            page, body = await _answer(session, caller, collection, Wanted(1000, after=after))
            after = page.after
            bodies.append(body)
        return time.perf_counter() - started

    took = await _with_session(url, work)
    written = [orjson.loads(body) for body in bodies]
    started = time.perf_counter()
    for document in written:
        orjson.dumps(document)
    return took, time.perf_counter() - started


def main() -> None:
    """Fill two databases, measure them in turn, print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    given = parser.parse_args()
    geometry.load()
    with (
        tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        os.environ["XUNHE_DATA_DIR"] = folder
        get_settings.cache_clear()
        server = stack.enter_context(opened(get_settings()))
        urls = {}
        for size, count in SIZES.items():
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{size}" TEMPLATE template0'.encode())
            urls[size] = server.replace("/xunhe?", f"/{size}?")
            prepare(urls[size], count)
        rates: dict[tuple[str, str], list[float]] = {}
        lists: list[tuple[float, float]] = []
        for _ in range(given.rounds):
            for name in ("grid_cells", "check_ins"):
                for size, count in SIZES.items():
                    measured = asyncio.run(rate(urls[size], name, count, given.seconds))
                    rates.setdefault((name, size), []).append(measured)
            lists.append(asyncio.run(listing(urls["1M"])))
        for name in ("grid_cells", "check_ins"):
            small, large = (statistics.median(rates[name, size]) for size in SIZES)
            print(
                f"/ogc {name} by a small box out of 1M | the same out of 1k | "
                f"ratio {large / small:.2f} | {large:.0f}/s vs {small:.0f}/s"
            )
        took = statistics.median(each[0] for each in lists)
        floor = statistics.median(each[1] for each in lists)
        print(
            f"/ogc 10,000 of 1M cells, ten pages | orjson of the same features | "
            f"ratio {took / floor:.1f} | {took * 1000:.0f} ms vs {floor * 1000:.0f} ms"
        )


if __name__ == "__main__":
    main()
