"""Planning over 1,000,000 obligations and 10,000,000 credits, against a sequential scan of both.

python -m benchmarks.planning [--rounds 3] [--obligations 1000000]

Standings are fresh and 4 % of the obligations are behind, of everybody somebody else's. A workday's
first plan: four fifths of them were told on the workdays before and are left alone, one fifth is
told. The plans every ten minutes after it. And the first after an install: no standing is there,
and all who are behind are told. What is written is rolled back.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.opening import opened
from app.services.reminders import planning
from app.settings import MessageTemplate, Settings, Templates, get_settings

# A Friday: 10 of 24 slices of the year are over, the eleventh ends twelve days later.
NOW = datetime(2026, 6, 5, 1, tzinfo=UTC)
_BEHIND_EVERY = 25  # 4 %
_FILL = """
    SET session_replication_role = replica;
    INSERT INTO organisations (id, code, name, kind, parent_id)
      SELECT gen_random_uuid(), 'ROOT', '示例管委会', 'committee', NULL;
    INSERT INTO organisations (id, code, name, kind, parent_id)
      SELECT gen_random_uuid(), 'O' || n, '示例组织', 'branch',
        (SELECT id FROM organisations WHERE code = 'ROOT')
      FROM generate_series(1, 1000) n;
    INSERT INTO people (id, code, name, organisation_id, role, party_member)
      SELECT gen_random_uuid(), 'P' || n, '示例', o.id,
        CASE WHEN n <= 1000 THEN 'manager' ELSE 'member' END, false
      FROM generate_series(1, %(people)s) n JOIN organisations o ON o.code = 'O' || (n %% 1000 + 1);
    INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at, failed_codes)
      SELECT gen_random_uuid(), 'service_account', code, id, true, now(), 0 FROM people;
    INSERT INTO memberships (id, person_id, organisation_id, from_on, recorded_at)
      SELECT gen_random_uuid(), id, organisation_id,
        CASE WHEN substr(code, 2)::int %% 20 = 0 THEN '2026-02-01'::date END, now() FROM people;
    INSERT INTO obligations (id, code, holder_person_id, area_kind, times, period, starts_on, photo)
      SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'D' || n, p.id, 'any',
        24, 'year', CASE WHEN n %% 10 = 0 THEN '2026-01-01'::date + n %% 28 ELSE '2025-01-01' END,
        'wanted'
      FROM generate_series(1, %(obligations)s) n
      JOIN people p ON p.code = 'P' || (n %% %(people)s + 1)
      ORDER BY n;
    INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at)
      SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        '2026-01-30'::date + k * 12, '00000000-0000-7000-8000-000000000000', false, false, now()
      FROM generate_series(1, 10) k, generate_series(1, %(obligations)s) n
      WHERE n %% %(every)s > 0 OR k < 8;
    SET session_replication_role = DEFAULT
"""


def fill(url: str, obligations: int) -> None:
    """So many obligations of a tenth as many people, ten credits each, 4 % of them behind."""
    with psycopg.connect(url, autocommit=True) as connection:
        values = {
            "obligations": obligations,
            "people": max(2000, obligations // 10 + 1),
            "every": _BEHIND_EVERY,
        }
        for statement in _FILL.split(";"):
            psycopg.ClientCursor(connection).execute(statement.encode(), values)
        connection.execute("VACUUM ANALYZE")


def scan(url: str) -> float:
    """Seconds to read both tables from end to end."""
    with psycopg.connect(url) as connection:
        for off in ("max_parallel_workers_per_gather = 0", "enable_indexonlyscan = off"):
            connection.execute(f"SET {off}".encode())
        started = time.perf_counter()
        for table in ("obligations", "credits"):
            connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        return time.perf_counter() - started


async def timed(session: AsyncSession, settings: Settings) -> tuple[float, int]:
    """Seconds of one plan, and how many people it was for."""
    started = time.perf_counter()
    found = await planning.plan(session, settings, now=NOW)
    return time.perf_counter() - started, len(found.notices)


# What was told on the day has been told over the workdays before, and a fifth a week ago.
_SPREAD = """
    UPDATE reminders SET state = 'sent',
      day = day - (ARRAY[1, 2, 3, 4, 7])[1 + abs(hashtext(id::text)) % 5]
"""
# What was told then (the fifth again, and the level above) has been told before all of that.
_AGAIN = "UPDATE reminders SET state = 'sent', day = day - 8 WHERE state = 'queued'"


def look_back(url: str, statement: str) -> None:
    """Let time pass."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
        for table in ("reminders", "reminder_items", "standings"):
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))


async def measure(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, url: str, rounds: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of each, the scan between them, and how many were told."""
    took: dict[str, list[float]] = {"scan": [], "first": [], "attention": [], "quiet": []}
    told = {}
    scan(url)
    async with sessions.begin() as session:
        seconds, told["first"] = await timed(session, settings)
    took["first"].append(seconds)
    look_back(url, _SPREAD)
    async with sessions.begin() as session:
        await timed(session, settings)
    look_back(url, _AGAIN)
    scan(url)
    for _ in range(rounds):
        took["scan"].append(scan(url))
        async with sessions() as session:
            seconds, told["attention"] = await timed(session, settings)
            took["attention"].append(seconds)
            seconds, told["quiet"] = await timed(session, settings)
            took["quiet"].append(seconds)
            await session.rollback()
    return took, told


def main() -> None:
    """Fill a database, measure, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--obligations", type=int, default=1_000_000)
    given = parser.parse_args()

    async def run(url: str, settings: Settings) -> tuple[dict[str, list[float]], dict[str, int]]:
        engine, sessions = connect(url, settings.database)
        try:
            return await measure(sessions, settings, url, given.rounds)
        finally:
            await engine.dispose()

    with tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder:
        os.environ |= {"XUNHE_DATA_DIR": folder, "XUNHE_LOG_LEVEL": "WARNING"}
        get_settings.cache_clear()
        templates = Templates(reminder=MessageTemplate(id="T1"))
        settings = get_settings().model_copy(update={"templates": templates})
        with opened(settings) as url:
            fill(url, given.obligations)
            took, told = asyncio.run(run(url, settings))
    floor = statistics.median(took["scan"])
    for name, what in (
        ("attention", "a workday's first plan, 4 % behind"),
        ("quiet", "a plan ten minutes later"),
        ("first", "the first plan after an install"),
    ):
        seconds = statistics.median(took[name])
        print(
            f"{what}, {told[name]} people told, {given.obligations} obligations | "
            f"one sequential scan of obligations and credits | "
            f"ratio {seconds / floor:.2f} (must ≤ 4, aim ≤ 1.5) | "
            f"{seconds:.2f} s vs {floor:.2f} s"
        )


if __name__ == "__main__":
    main()
