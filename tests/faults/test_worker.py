"""The worker: jobs commit with their data, outlive their worker, and survive the database."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import embedded_postgres, queue
from app.database import connect
from app.embedded_postgres import leftovers
from app.embedded_postgres.cluster import Cluster
from app.opening import migrate
from app.settings import Database
from tests.faults.processes import Running, command, eventually

# A task that procrastinate itself brings: it needs nothing of ours.
TASK = "builtin:procrastinate.builtin_tasks.remove_old_jobs"
NOON = datetime(2026, 6, 1, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker") / "data"


@pytest.fixture(scope="module")
def url(data_dir: Path) -> Iterator[str]:
    with embedded_postgres.hold(data_dir) as url:
        migrate(url)
        yield url


@pytest.fixture
async def sessions(url: str) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")
    engine, sessions = connect(url, Database(_env_file=None))
    yield sessions
    await engine.dispose()


def jobs(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT task_name, status::text FROM procrastinate_jobs")
        return [(row[0], row[1]) for row in rows]


def add_job(url: str, status: str = "todo", worker: int | None = None) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, worker_id)"
            """ VALUES ('default', %s, '{"max_hours": 1}', %s, %s)""",
            [TASK, status, worker],
        )


async def test_a_job_exists_if_and_only_if_its_transaction_commits(
    url: str, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async with sessions() as session, session.begin():
        await queue.defer(session, "kept", number=1)
    async with sessions() as session:
        await queue.defer(session, "undone", number=2)
        await session.rollback()
    assert jobs(url) == [("kept", "todo")]


async def test_a_second_job_with_the_same_lock_is_left_out_and_harms_nothing(
    url: str, sessions: async_sessionmaker[AsyncSession]
) -> None:
    async with sessions() as session, session.begin():
        assert await queue.defer_once(session, "plan", lock="plan")
        assert not await queue.defer_once(session, "plan", lock="plan")
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
    assert jobs(url) == [("plan", "todo")]


async def test_health_counts_what_is_due_what_failed_and_the_last_sign_of_life(
    url: str, sessions: async_sessionmaker[AsyncSession]
) -> None:
    add_job(url)
    add_job(url, "failed")
    async with sessions() as session, session.begin():
        later = datetime(2026, 6, 2, tzinfo=UTC)
        await queue.defer_once(session, "later", lock="later", at=later)
        deferred_at = (
            await session.execute(
                text(
                    "SELECT min(at) FROM procrastinate_events e JOIN procrastinate_jobs j"
                    " ON j.id = e.job_id WHERE j.status = 'todo' AND j.scheduled_at IS NULL"
                )
            )
        ).scalar_one()
        await session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at)"), {"at": NOON}
        )
        health = await queue.health(session, now=NOON)
    assert health == queue.Health(due=1, oldest_due_at=deferred_at, failed=1, worker_seen_at=NOON)


async def test_takes_over_the_jobs_of_a_worker_that_was_killed(
    url: str, sessions: async_sessionmaker[AsyncSession], data_dir: Path
) -> None:
    del sessions
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour')"
            " RETURNING id"
        ).fetchall()
    add_job(url, "doing", row[0])
    worker = Running(command("worker"), data_dir)
    assert await asyncio.to_thread(eventually, lambda: jobs(url) == [])
    assert worker.end() == 0


async def test_goes_on_when_the_database_was_killed_under_it(
    url: str, sessions: async_sessionmaker[AsyncSession], data_dir: Path
) -> None:
    del sessions
    worker = Running(command("worker"), data_dir)
    add_job(url)
    assert await asyncio.to_thread(eventually, lambda: jobs(url) == [])
    killed = leftovers.pid_in(Cluster(data_dir).folder / "postmaster.pid")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    def can_add() -> bool:
        try:
            add_job(url)
        except psycopg.OperationalError:
            return False
        return True

    assert await asyncio.to_thread(eventually, can_add)
    assert await asyncio.to_thread(eventually, lambda: jobs(url) == [])
    assert worker.process.poll() is None
    assert worker.end() == 0


async def test_signs_off_when_it_is_told_to_stop(
    sessions: async_sessionmaker[AsyncSession], data_dir: Path
) -> None:
    async def signs_of_life() -> int:
        async with sessions() as session:
            counted = await session.execute(text("SELECT count(*) FROM procrastinate_workers"))
            return int(counted.scalar_one())

    worker = Running(command("worker"), data_dir)
    while await signs_of_life() == 0:  # noqa: ASYNC110 - another process signs on
        await asyncio.sleep(0.05)
    assert worker.end() == 0
    assert await signs_of_life() == 0
