"""A year's reports out of many check-ins, against plain SQL over check_ins with distinct counts.

python -m benchmarks.reports [--rounds 3] [--check-ins 1000000] [--duties 10000]

As many people as duties, 24 patrols a year each; the check-ins are spread over the year. Reports
are made as the API makes them, JSON included. The same duties and ten times the check-ins should
cost the same: run it with both. Secondary indexes of check_ins are left out but the one that
reports use, so that it can be filled in minutes; plain SQL reads the whole year and uses none.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import psycopg
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.opening import opened
from app.services import credit_months, visit_days
from app.services.access import Caller
from app.services.reports import behind, coverage, progress, writing
from app.services.reports.report import Asked, Report
from app.settings import Settings, get_settings

NOW = datetime(2026, 12, 31, 4, tzinfo=UTC)
_FILL = """
    SET session_replication_role = replica;
    INSERT INTO organisations (id, code, name, kind, parent_id)
      SELECT gen_random_uuid(), 'O' || n, '示例组织', 'branch', NULL
      FROM generate_series(0, 199) n;
    INSERT INTO grid_cells (id, code, name, kind, organisation_id, geometry, bounds, area_m2,
        lineage)
      SELECT c.id, c.code, '示例网格', 'general', c.organisation_id, '',
        box(point(0, 0), point(0, 0)), 1, ARRAY[c.id]
      FROM (SELECT gen_random_uuid() AS id, 'G' || n AS code, o.id AS organisation_id
            FROM generate_series(0, 999) n JOIN organisations o ON o.code = 'O' || n %% 200) c;
    INSERT INTO people (id, code, name, organisation_id, role, party_member)
      SELECT CAST('20000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), 'P' || n,
        '示例', o.id, 'member', false
      FROM generate_series(0, %(duties)s - 1) n JOIN organisations o ON o.code = 'O' || n %% 200;
    INSERT INTO memberships (id, person_id, organisation_id, from_on, recorded_at)
      SELECT gen_random_uuid(), id, organisation_id, '2020-01-01', now() FROM people;
    INSERT INTO obligations (id, code, holder_person_id, area_kind, times, period, starts_on, photo)
      SELECT CAST('10000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0') AS uuid), 'D' || n, p.id,
        'any', 24, 'year', '2025-01-01', 'wanted'
      FROM generate_series(0, %(duties)s - 1) n JOIN people p ON p.code = 'P' || n;
    INSERT INTO check_ins (id, person_id, organisation_id, patrol_id, source, at, taken_on,
        received_at, lon, lat, accuracy_m, datum, raw_lon, raw_lat, grid_cell_id, grid_cell_ids,
        place, verdict, evidence, rules_version, content_digest)
      SELECT gen_random_uuid(), p.id, p.organisation_id,
        '00000000-0000-7000-8000-000000000000', 'mini_program', t.at,
        CAST(t.at AT TIME ZONE 'Asia/Shanghai' AS date), t.at, 103.01, 24.9, 12.5, 'gcj02', 103.012,
        24.897, c.id, ARRAY[c.id], '{"grid_cell": {"code": "G1", "name": "示例网格"}}',
        CASE WHEN n %% 50 = 0 THEN 'flagged' ELSE 'accepted' END,
        '[{"check": "accuracy", "limit": 100, "value": 12.5, "passed": true}]', 1, ''
      FROM generate_series(0, %(check_ins)s - 1) n
      CROSS JOIN LATERAL (SELECT CAST('2026-01-01T00:00:00+08:00' AS timestamptz)
        + make_interval(secs => n * (365 * 86400.0 / %(check_ins)s)) AS at) t
      JOIN people p ON p.id = CAST('20000000-0000-7000-8000-'
        || lpad(to_hex(mod(abs(hashint8(n)::bigint), %(duties)s)), 12, '0') AS uuid)
      JOIN grid_cells c ON c.code = 'G' || n %% 1000;
    CREATE INDEX ix_check_ins_at_id ON check_ins (at, id);
    INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at)
      SELECT b.id, i.taken_on, '00000000-0000-7000-8000-000000000000', false, false, now()
      FROM (SELECT DISTINCT person_id, taken_on FROM check_ins WHERE verdict = 'accepted') i
      JOIN obligations b ON b.holder_person_id = i.person_id;
    INSERT INTO stale_credit_months (obligation_id, month)
      SELECT DISTINCT obligation_id,
        CAST(date_trunc('month', CAST(counted_on AS timestamp)) AS date)
      FROM credits;
    INSERT INTO stale_visit_days (day) SELECT DISTINCT taken_on FROM check_ins;
    SET session_replication_role = DEFAULT
"""
_PLAIN = {
    "patrol-progress": """
        SELECT organisation_id, count(*), sum(least(days, 24)) FROM (
          SELECT organisation_id, person_id, count(DISTINCT taken_on) AS days FROM check_ins
          WHERE verdict = 'accepted' AND withdrawn_at IS NULL
            AND taken_on BETWEEN '2026-01-01' AND '2026-12-31'
          GROUP BY 1, 2) walked
        GROUP BY 1
    """,
    "behind": """
        SELECT person_id, count(DISTINCT taken_on), max(taken_on) FROM check_ins
        WHERE verdict = 'accepted' AND withdrawn_at IS NULL
          AND taken_on BETWEEN '2026-01-01' AND '2026-02-20'
        GROUP BY 1 HAVING count(DISTINCT taken_on) < 3
    """,
    "coverage": """
        SELECT c.id, date_trunc('month', taken_on), count(*), count(DISTINCT taken_on)
        FROM check_ins i CROSS JOIN LATERAL unnest(i.grid_cell_ids) AS c (id)
        WHERE verdict = 'accepted' AND withdrawn_at IS NULL
          AND taken_on BETWEEN '2026-01-01' AND '2026-12-31'
        GROUP BY 1, 2
    """,
}
Make = Callable[[AsyncSession], Awaitable[Report]]


def fill(url: str, check_ins: int, duties: int) -> None:
    """So many check-ins, and what they count for; roll-ups are marked, as triggers would have."""
    values = {"check_ins": check_ins, "duties": duties}
    with psycopg.connect(url, autocommit=True) as connection:
        indexes = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'check_ins' "
            "AND starts_with(indexname, 'ix_')"
        ).fetchall()
        for (name,) in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for statement in _FILL.split(";"):
            psycopg.ClientCursor(connection).execute(statement.encode(), values)


def plain(url: str, statement: str) -> float:
    """Seconds that the peer takes."""
    with psycopg.connect(url) as connection:
        started = time.perf_counter()
        connection.execute(statement.encode()).fetchall()
        return time.perf_counter() - started


async def timed(sessions: async_sessionmaker[AsyncSession], make: Make) -> float:
    """Seconds of one report, as the API makes it."""
    started = time.perf_counter()
    async with sessions() as session, session.begin():
        await session.connection(
            execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )
        writing.json_of(await make(session))
    return time.perf_counter() - started


def makes(settings: Settings) -> dict[str, Make]:
    """The reports: a year's, and who is behind late in February."""
    caller = Caller()
    year = Asked(caller, None, date(2026, 1, 1), date(2026, 12, 31), date(2026, 12, 31), NOW)
    winter = Asked(caller, None, date(2026, 2, 20), date(2026, 2, 20), date(2026, 2, 20), NOW)

    async def late(session: AsyncSession) -> Report:
        return await behind.report(session, winter, settings)

    return {
        "patrol-progress": lambda session: progress.report(session, year),
        "behind": late,
        "coverage": lambda session: coverage.report(session, year),
    }


async def measure(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, url: str, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of each report, and of its peer between them."""
    await credit_months.refresh(sessions)
    await visit_days.refresh(sessions)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    ours: dict[str, list[float]] = {name: [] for name in _PLAIN}
    peers: dict[str, list[float]] = {name: [] for name in _PLAIN}
    for name, make in makes(settings).items():
        await timed(sessions, make)
        plain(url, _PLAIN[name])
        for _ in range(rounds):
            ours[name].append(await timed(sessions, make))
            peers[name].append(plain(url, _PLAIN[name]))
    return ours, peers


def main() -> None:
    """Fill a database, measure, print a line for each report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--check-ins", type=int, default=1_000_000)
    parser.add_argument("--duties", type=int, default=10_000)
    given = parser.parse_args()

    async def run(
        url: str, settings: Settings
    ) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
        engine, sessions = connect(url, settings.database)
        try:
            return await measure(sessions, settings, url, given.rounds)
        finally:
            await engine.dispose()

    with tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder:
        os.environ |= {"XUNHE_DATA_DIR": folder, "XUNHE_LOG_LEVEL": "WARNING"}
        get_settings.cache_clear()
        settings = get_settings()
        with opened(settings) as url:
            fill(url, given.check_ins, given.duties)
            ours, peers = asyncio.run(run(url, settings))
    for name in ours:
        took, floor = statistics.median(ours[name]), statistics.median(peers[name])
        print(
            f"{name} of a year, {given.duties} duties, {given.check_ins} check-ins | "
            f"plain SQL over check_ins with distinct counts | "
            f"1/{floor / took:.0f} (must ≤ 1/20, aim ≤ 1/60 at 10 M) | "
            f"{1000 * took:.0f} ms vs {1000 * floor:.0f} ms"
        )


if __name__ == "__main__":
    main()
