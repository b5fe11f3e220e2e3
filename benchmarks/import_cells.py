"""Import of 100,000 grid cells by the real command's function, against COPY of the same rows.

python -m benchmarks.import_cells [--rounds 3] [--cells 100000]

COPY goes once into the table itself (its indexes and foreign keys kept up), once into a bare copy
of it. Each side starts from an empty table.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psycopg

from app.database import connect
from app.opening import opened
from app.services.dataset.importing import import_folder
from app.settings import Settings, get_settings


def write_cells(folder: Path, cells: int) -> None:
    """A folder with one organisation and so many square cells of a hundred metres."""
    (folder / "organisations.csv").write_text("code,name,kind\nD1,示例部门,department\n")
    with (folder / "grid_cells.geojson").open("wb") as file:
        file.write(b'{"type": "FeatureCollection", "features": [\n')
        for n in range(cells):
            west, south = round(102.5 + n % 320 * 0.001, 3), round(24.5 + n // 320 * 0.001, 3)
            east, north = round(west + 0.001, 3), round(south + 0.001, 3)
            ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
            feature = {
                "type": "Feature",
                "properties": {
                    "code": f"G{n:06}",
                    "name": f"示例网格{n}",
                    "kind": "general",
                    "organisation_code": "D1",
                },
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
            file.write((b",\n" if n else b"") + orjson.dumps(feature))
        file.write(b"\n]}\n")


async def import_once(url: str, settings: Settings, folder: Path) -> float:
    """Seconds from the folder to the commit."""
    engine, sessions = connect(url, settings.database)
    started = time.perf_counter()
    async with sessions.begin() as session:
        await import_folder(
            session,
            folder,
            settings,
            documents_dir=settings.data_dir / "documents",
            now=datetime.now(UTC),
        )
    seconds = time.perf_counter() - started
    await engine.dispose()
    return seconds


def copy_once(url: str, table: str, rows: bytes) -> float:
    """Seconds to COPY the rows and commit."""
    with psycopg.connect(url) as connection:
        started = time.perf_counter()
        with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            copy.write(rows)
        connection.commit()
        return time.perf_counter() - started


def rows_of(url: str) -> bytes:
    """The table as COPY gives it."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy("COPY grid_cells TO STDOUT") as copy,
    ):
        return b"".join(bytes(block) for block in copy)


def emptied(url: str) -> None:
    """Both tables without rows, the floor's bare one made anew."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE grid_cells CASCADE")
        connection.execute("DROP TABLE IF EXISTS bare_cells")
        connection.execute("CREATE TABLE bare_cells (LIKE grid_cells INCLUDING GENERATED)")


def main() -> None:
    """Interleave the sides and print a line for each floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=100_000)
    given = parser.parse_args()
    ours: list[float] = []
    floors: dict[str, list[float]] = {"grid_cells": [], "bare_cells": []}
    with tempfile.TemporaryDirectory(prefix="xunhe-bench-") as place:
        folder = Path(place) / "lake"
        folder.mkdir()
        write_cells(folder, given.cells)
        os.environ |= {"XUNHE_DATA_DIR": place, "XUNHE_LOG_LEVEL": "WARNING"}
        get_settings.cache_clear()
        settings = get_settings()
        with opened(settings) as url:
            for _ in range(given.rounds):
                emptied(url)
                ours.append(asyncio.run(import_once(url, settings, folder)))
                rows = rows_of(url)
                for table, seconds in floors.items():
                    emptied(url)
                    seconds.append(copy_once(url, table, rows))
    took = statistics.median(ours)
    for table, what in (
        ("grid_cells", "COPY of the same rows"),
        ("bare_cells", "COPY into a table without indexes"),
    ):
        floor = statistics.median(floors[table])
        print(
            f"import of {given.cells} cells | {what} | ratio {floor / took:.2f} "
            f"(must ≥ 0.08, aim ≥ 0.2) | {took:.1f} s vs {floor:.1f} s"
        )


if __name__ == "__main__":
    main()
