"""Records that come in while an import runs: neither kept waiting for it nor lost to its duties."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.database import connect
from app.errors import Busy
from app.keys import Keys
from app.models import CheckIn, Credit, Exemption, Obligation, Pairing, Person, Source
from app.services import check_ins, credits, rulebook, turns
from app.services.dataset.summary import Summary
from app.services.new_check_in import NewCheckIn
from app.settings import Settings
from tests import databases
from tests.services.datasets import LAKE, imported, written
from tests.services.test_books import OBLIGATIONS

Sessions = async_sessionmaker[AsyncSession]
NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
TODAY = date(2026, 6, 15)
# A duty that the import brings, and a leave that it changes afterwards: where it can be stopped.
CHANGED = {
    "obligations.csv": OBLIGATIONS + "O9,person,P2,any,,6,year,2025-01-01,,,,,,,\n",
    "exemptions.csv": LAKE["exemptions.csv"].replace("住院", "出差"),
}


@pytest.fixture
async def engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """A migrated database of one's own, really committed to."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
async def sessions(engine: AsyncEngine, tmp_path: Path) -> Sessions:
    """On a lake that is imported already."""
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions.begin() as session:
        await imported(session, written(tmp_path / "lake", LAKE))
    return sessions


async def check_in(session: AsyncSession, settings: Settings) -> None:
    """P2 says where they are, at noon; not committed yet."""
    person = (await session.scalars(select(Person).where(Person.code == "P2"))).one()
    new = NewCheckIn(
        id=uuid4(),
        person=person,
        source=Source.mini_program,
        at=NOW,
        received_at=NOW,
        lon=103.005,
        lat=24.9,
        accuracy_m=10,
        datum="wgs84",
        raw_lon=103.005,
        raw_lat=24.9,
    )
    await check_ins.record(session, new, settings, Keys(b"a secret for tests only"))


async def counted(sessions: Sessions) -> list[tuple[str, date]]:
    """What counts for the new duty, all of it right."""
    async with sessions() as session:
        assert [each async for each in credits.differences(session)] == []
        query = (
            select(Obligation.code, Credit.counted_on)
            .join(Obligation, Obligation.id == Credit.obligation_id)
            .where(Credit.revoked_at.is_(None), Obligation.code == "O9")
        )
        return [(code, day) for code, day in await session.execute(query)]


@asynccontextmanager
async def halfway(sessions: Sessions, folder: Path) -> AsyncIterator["asyncio.Task[Summary]"]:
    """An import that has written its duties and waits at a leave that somebody else has locked."""

    async def run() -> Summary:
        async with sessions.begin() as session:
            return await imported(session, written(folder, CHANGED))

    async with sessions.begin() as other:
        await other.execute(select(Exemption.id).with_for_update())
        importing = asyncio.create_task(run())
        await waiting(sessions, "transactionid")
        yield importing


async def waiting(sessions: Sessions, what: str) -> None:
    """Until somebody waits for a lock of that kind."""
    asked = text(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE NOT l.granted AND l.locktype = :what AND a.datname = current_database()"
    )
    async with asyncio.timeout(60):
        while True:
            async with sessions() as session:
                if await session.scalar(asked, {"what": what}):
                    return
            await asyncio.sleep(0.02)


async def test_a_check_in_is_recorded_while_an_import_runs_and_counts_for_what_it_brings(
    sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    async with halfway(sessions, tmp_path / "more") as importing:
        async with asyncio.timeout(60), sessions.begin() as session:
            await check_in(session, settings)
        assert not importing.done()
        assert await counted(sessions) == []
    assert (await importing).files["obligations.csv"].new == 1
    assert await counted(sessions) == [
        ("O9", date(2025, 3, 12)),
        ("O9", TODAY),
    ]


async def test_an_import_waits_for_a_check_in_under_way_before_it_judges(
    sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    async with sessions() as session:
        await session.begin()
        await check_in(session, settings)
        async with halfway(sessions, tmp_path / "more") as importing:
            pass
        await waiting(sessions, "advisory")
        assert not importing.done()
        await session.commit()
    await importing
    assert await counted(sessions) == [("O9", date(2025, 3, 12)), ("O9", TODAY)]


async def test_an_edit_waits_for_the_import_and_neither_waits_for_ever(
    sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    async def edit() -> None:
        async with sessions.begin() as session:
            await turns.take(session)
            await credits.hold_alone(session)
            pairing = (await session.scalars(select(Pairing))).one()
            pairing.to_on = TODAY
            await session.flush()

    async with halfway(sessions, tmp_path / "more") as importing:
        editing = asyncio.create_task(edit())
        await waiting(sessions, "advisory")
        # The edit waits without having the books: who records something does not wait for it.
        async with asyncio.timeout(60), sessions.begin() as session:
            await check_in(session, settings)
    await asyncio.gather(importing, editing)
    assert await counted(sessions) == [("O9", date(2025, 3, 12)), ("O9", TODAY)]


async def test_nobody_waits_for_whoever_has_the_books_for_long_and_what_came_then_counts_too(
    sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    async with sessions.begin() as session:
        await imported(session, written(tmp_path / "more", CHANGED))
    async with sessions.begin() as long:
        await credits.hold_alone(long)
        async with asyncio.timeout(60), sessions.begin() as session:
            await check_in(session, settings)
        async with sessions() as session:
            (jobs,) = await session.scalars(
                text("SELECT args FROM procrastinate_jobs WHERE task_name = 'judge_patrols'")
            )
            walked = [UUID(id_) for id_ in jobs["patrol_ids"]]
            assert walked == (await session.scalars(select(CheckIn.patrol_id))).all()
        # The job comes too early: it will be tried again.
        async with sessions.begin() as session:
            with pytest.raises(Busy):
                await credits.judge_later(session, walked, now=NOW)
    async with sessions.begin() as session:
        await credits.judge_later(session, walked, now=NOW)
    assert await counted(sessions) == [("O9", date(2025, 3, 12)), ("O9", TODAY)]


async def test_of_processes_that_start_at_once_one_judges_anew(sessions: Sessions) -> None:
    changed = Settings(_env_file=None, count_from=date(2026, 1, 1))
    done = await asyncio.gather(
        *(rulebook.keep_apart(sessions, changed, now=NOW) for _ in range(4))
    )
    assert sorted(done) == [False, False, False, True]


async def test_two_imports_come_one_after_the_other(sessions: Sessions, tmp_path: Path) -> None:
    async def run(name: str) -> Summary:
        async with sessions.begin() as session:
            return await imported(session, written(tmp_path / name, CHANGED))

    summaries = await asyncio.gather(run("a"), run("b"))
    assert sorted(each.files["obligations.csv"].new for each in summaries) == [0, 1]
    assert await counted(sessions) == [("O9", date(2025, 3, 12))]
