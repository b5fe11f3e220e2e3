"""The dashboard's overview out of many check-ins, against plain SQL for its figures.

python -m benchmarks.dashboard [--rounds 3] [--check-ins 1000000] [--duties 1000]

The database is that of benchmarks.reports. The overview has a year's completion, the cold cells of
thirty days, a year's reminders, what waits for review, and twelve months' completion; the peer asks
check_ins once for each of the completions and for the cells.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time

import psycopg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.models import Person
from app.opening import opened
from app.services import credit_months, overview, visit_days
from app.services.access import Caller
from app.settings import Settings, get_settings
from benchmarks.reports import NOW, fill, plain

_ADMIN = "UPDATE people SET role = 'admin' WHERE code = 'P0'"
# A person's days up to as many as are owed, of the year and of each month; cells of thirty days.
_PLAIN = """
    SELECT sum(least(days, 24)) FROM (
      SELECT person_id, count(DISTINCT taken_on) AS days FROM check_ins
      WHERE verdict = 'accepted' AND withdrawn_at IS NULL
        AND taken_on BETWEEN '2026-01-01' AND '2026-12-31'
      GROUP BY 1) year
    UNION ALL
    SELECT sum(least(days, 2)) FROM (
      SELECT person_id, date_trunc('month', taken_on), count(DISTINCT taken_on) AS days
      FROM check_ins
      WHERE verdict = 'accepted' AND withdrawn_at IS NULL
        AND taken_on BETWEEN '2026-01-01' AND '2026-12-31'
      GROUP BY 1, 2) months
    UNION ALL
    SELECT count(DISTINCT c.id) FROM check_ins i
    CROSS JOIN LATERAL unnest(i.grid_cell_ids) AS c (id)
    WHERE verdict = 'accepted' AND withdrawn_at IS NULL
      AND taken_on BETWEEN '2026-12-02' AND '2026-12-31'
"""


async def timed(sessions: async_sessionmaker[AsyncSession]) -> float:
    """Seconds of one overview, as the page makes it."""
    async with sessions() as session, session.begin():
        person = await session.scalar(select(Person).where(Person.code == "P0"))
        started = time.perf_counter()
        await overview.of(session, Caller(person=person), None, now=NOW)
        return time.perf_counter() - started


async def measure(settings: Settings, url: str, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of the overview, and of its peer between them."""
    engine, sessions = connect(url, settings.database)
    try:
        await credit_months.refresh(sessions)
        await visit_days.refresh(sessions)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_ADMIN)
            connection.execute("VACUUM ANALYZE")
        await timed(sessions)
        plain(url, _PLAIN)
        ours, peers = [], []
        for _ in range(rounds):
            ours.append(await timed(sessions))
            peers.append(plain(url, _PLAIN))
        return ours, peers
    finally:
        await engine.dispose()


def main() -> None:
    """Fill a database, measure, print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check-ins", type=int, default=1_000_000)
    parser.add_argument("--duties", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder:
        os.environ |= {"XUNHE_DATA_DIR": folder, "XUNHE_LOG_LEVEL": "WARNING"}
        get_settings.cache_clear()
        settings = get_settings()
        with opened(settings) as url:
            fill(url, given.check_ins, given.duties)
            ours, peers = asyncio.run(measure(settings, url, given.rounds))
    took, floor = statistics.median(ours), statistics.median(peers)
    print(
        f"dashboard's overview, {given.duties} duties, {given.check_ins} check-ins | "
        f"plain SQL over check_ins for its figures | 1/{floor / took:.0f} | "
        f"{1000 * took:.0f} ms vs {1000 * floor:.0f} ms"
    )


if __name__ == "__main__":
    main()
