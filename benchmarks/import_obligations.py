"""Import of 1,000,000 obligations by the real command's function, against COPY of the same rows.

python -m benchmarks.import_obligations [--rounds 3] [--obligations 1000000] [--patrols 100000]

COPY goes once into the table itself (its indexes and foreign keys kept up), once into a bare copy
of it. Each side starts from an empty table. Then the folder is imported once more, which changes
nothing; and once where people have walked before, so that everything is judged: `patrols` of them.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
from datetime import date, timedelta
from pathlib import Path

import psycopg

from app.opening import opened
from app.settings import Settings, get_settings
from benchmarks.import_cells import copy_once, import_once

_PEOPLE = 100_000
_PERIODS = (("year", 12), ("half_year", 6), ("quarter", 3), ("month", 2), ("week", 1))


def write_lake(folder: Path, patrols: int) -> None:
    """A folder with a hundred thousand people of a hundred villages, and so many paper patrols."""
    folder.mkdir()
    with (folder / "organisations.csv").open("w") as file:
        file.write("code,name,kind\n")
        file.writelines(f"V{n:03},示例村{n},village\n" for n in range(100))
    with (folder / "people.csv").open("w") as file:
        file.write("code,name,organisation_code,role,party_member\n")
        file.writelines(f"P{n:06},示例{n},V{n % 100:03},member,false\n" for n in range(_PEOPLE))
    if patrols:
        first = date(2025, 1, 1)
        with (folder / "patrols.csv").open("w") as file:
            file.write("code,person_code,on,area_kind\n")
            file.writelines(
                f"L{n},P{n % _PEOPLE:06},{first + timedelta(days=n // _PEOPLE)},any\n"
                for n in range(patrols)
            )


def write_obligations(folder: Path, obligations: int) -> None:
    """A folder with so many obligations of these people, each of its own kind or beginning."""
    folder.mkdir()
    first = date(2025, 1, 1)
    with (folder / "obligations.csv").open("w") as file:
        file.write("code,holder_kind,holder_code,area_kind,times,period,starts_on,months\n")
        for n in range(obligations):
            period, times = _PERIODS[n // _PEOPLE % 5]
            starts_on = first + timedelta(days=n // _PEOPLE // 5)
            months = "3-12" if n % 4 == 0 else ""
            file.write(
                f"O{n:07},person,P{n % _PEOPLE:06},any,{times},{period},{starts_on},{months}\n"
            )


def rows_of(url: str) -> bytes:
    """The table as COPY gives it."""
    with (
        psycopg.connect(url) as connection,
        connection.cursor().copy("COPY obligations TO STDOUT") as copy,
    ):
        return b"".join(bytes(block) for block in copy)


def emptied(url: str) -> None:
    """Both tables without rows, the floor's bare one made anew."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("TRUNCATE obligations CASCADE")
        connection.execute("DROP TABLE IF EXISTS bare_obligations")
        connection.execute("CREATE TABLE bare_obligations (LIKE obligations INCLUDING GENERATED)")


def imported(url: str, settings: Settings, folder: Path) -> float:
    """Seconds from the folder to the commit."""
    return asyncio.run(import_once(url, settings, folder))


def main() -> None:
    """Interleave the sides and print a line for each floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--obligations", type=int, default=1_000_000)
    parser.add_argument("--patrols", type=int, default=100_000)
    given = parser.parse_args()
    ours: list[float] = []
    floors: dict[str, list[float]] = {"obligations": [], "bare_obligations": []}
    with tempfile.TemporaryDirectory(prefix="xunhe-bench-") as place:
        folder = Path(place) / "obligations"
        write_obligations(folder, given.obligations)
        write_lake(Path(place) / "lake", 0)
        write_lake(Path(place) / "walked", given.patrols)
        os.environ |= {"XUNHE_DATA_DIR": place, "XUNHE_LOG_LEVEL": "WARNING"}
        get_settings.cache_clear()
        settings = get_settings()
        with opened(settings) as url:
            imported(url, settings, Path(place) / "lake")
            for _ in range(given.rounds):
                emptied(url)
                ours.append(imported(url, settings, folder))
                rows = rows_of(url)
                for table, seconds in floors.items():
                    emptied(url)
                    seconds.append(copy_once(url, table, rows))
            emptied(url)
            imported(url, settings, folder)
            unchanged = imported(url, settings, folder)
            emptied(url)
            imported(url, settings, Path(place) / "walked")
            judged = imported(url, settings, folder)
    took = statistics.median(ours)
    for table, what, wanted in (
        ("obligations", "COPY of the same rows", " (must ≥ 0.08, aim ≥ 0.2)"),
        ("bare_obligations", "COPY into a table without indexes", ""),
    ):
        floor = statistics.median(floors[table])
        print(
            f"import of {given.obligations} obligations | {what} | ratio {floor / took:.2f}"
            f"{wanted} | {took:.1f} s vs {floor:.1f} s"
        )
    for again, what in (
        (unchanged, "the same again, changing nothing"),
        (judged, f"with {given.patrols} patrols to judge"),
    ):
        print(
            f"import of {given.obligations} obligations, {what} | the first import | "
            f"ratio {took / again:.2f} | {again:.1f} s vs {took:.1f} s"
        )


if __name__ == "__main__":
    main()
