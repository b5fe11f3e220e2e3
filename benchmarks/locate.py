"""Locate at 1 k, 100 k and 1 M grid cells, and the memory that a million of them costs a worker.

python -m benchmarks.locate [--rounds 3] [--seconds 2]
"""

import argparse
import asyncio
import contextlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import psycopg
import shapely

from app.database import connect
from app.opening import migrate, opened
from app.services import places
from app.settings import get_settings

SIZES = {"1k": 1_000, "100k": 100_000, "1M": 1_000_000}
_WEST, _SOUTH, _STEP = 102.0, 24.0, 0.001


def fill(url: str, count: int) -> None:
    """A database with so many cells."""
    migrate(url)
    with psycopg.connect(url) as connection:
        organisation = connection.execute(
            "INSERT INTO organisations (id, code, name, kind)"
            " VALUES (gen_random_uuid(), 'BENCH', '示例', 'branch') RETURNING id"
        ).fetchone()
        assert organisation is not None
        _copy_cells(connection, organisation[0], count)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE grid_cells")


def _copy_cells(connection: psycopg.Connection, organisation: object, count: int) -> None:
    columns = "id, code, name, kind, organisation_id, geometry, bounds, area_m2, lineage"
    with connection.cursor().copy(f"COPY grid_cells ({columns}) FROM STDIN") as copy:
        for n in range(count):
            west, south = _WEST + n % 1000 * _STEP, _SOUTH + n // 1000 * _STEP
            square = shapely.to_wkb(shapely.box(west, south, west + _STEP, south + _STEP))
            id_ = uuid4()
            copy.write_row(
                (
                    id_,
                    f"B{n}",
                    "示例",
                    "general",
                    organisation,
                    square,
                    f"({west + _STEP},{south + _STEP}),({west},{south})",
                    12000.0,
                    [id_],
                )
            )


def somewhere(count: int, dice: random.Random) -> tuple[float, float]:
    """A point in one of the cells."""
    n = dice.randrange(count)
    return (
        _WEST + (n % 1000 + dice.random()) * _STEP,
        _SOUTH + (n // 1000 + dice.random()) * _STEP,
    )


async def rate(url: str, count: int, seconds: float) -> float:
    """Single locates a second over one connection, at points all over the map."""
    settings, dice = get_settings(), random.Random(7)
    engine, sessions = connect(url, settings.database)
    done, until = 0, 0.0
    async with sessions() as session:
        for _ in range(50):
            await places.locate(session, *somewhere(count, dice), settings)
        started = time.perf_counter()
        until = started + seconds
        while time.perf_counter() < until:
            await places.locate(session, *somewhere(count, dice), settings)
            done += 1
    await engine.dispose()
    return done / (time.perf_counter() - started)


async def memory_mb(url: str, count: int) -> float:
    """Peak memory of a process after 20,000 locates all over the map."""
    settings, dice = get_settings(), random.Random(7)
    engine, sessions = connect(url, settings.database)
    async with sessions() as session:
        for _ in range(400):
            points = [somewhere(count, dice) for _ in range(50)]
            await places.locate_many(session, points, settings)
    await engine.dispose()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Fill three databases, measure them in turn, print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--memory", nargs=2, metavar=("URL", "COUNT"))
    given = parser.parse_args()
    if given.memory:
        print(asyncio.run(memory_mb(given.memory[0], int(given.memory[1]))))
        return
    with (
        tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        os.environ["XUNHE_DATA_DIR"] = folder
        get_settings.cache_clear()
        server = stack.enter_context(opened(get_settings()))
        urls = {}
        for name, count in SIZES.items():
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            urls[name] = server.replace("/xunhe?", f"/{name}?")
            fill(urls[name], count)
        rates: dict[str, list[float]] = {name: [] for name in SIZES}
        for _ in range(given.rounds):
            for name, count in SIZES.items():
                rates[name].append(asyncio.run(rate(urls[name], count, given.seconds)))
        median = {name: statistics.median(found) for name, found in rates.items()}
        for name, bounds in (("100k", ""), ("1M", " (must ≥ 0.6, aim ≥ 0.9)")):
            ratio = median[name] / median["1k"]
            print(
                f"locate at {name} cells | locate at 1k cells | ratio {ratio:.2f}{bounds} | "
                f"{median[name]:.0f}/s vs {median['1k']:.0f}/s"
            )
        used = {
            name: float(
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.locate", "--memory", urls[name], str(count)],
                    check=True,
                    capture_output=True,
                    text=True,
                    cwd=Path(__file__).parents[1],
                ).stdout.split()[-1]
            )
            for name, count in SIZES.items()
        }
        extra = used["1M"] - used["1k"]
        print(
            f"memory of a worker at 1M cells | at 1k cells | extra {extra:.0f} MB "
            f"(must ≤ 100, aim ≤ 30) | {used['1M']:.0f} MB vs {used['1k']:.0f} MB"
        )


if __name__ == "__main__":
    main()
