"""Many phones at once, and what breaks under them: what was acknowledged is there, exactly once."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from pyproj.geod import Geod
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app import embedded_postgres
from app.database import connect
from app.embedded_postgres import leftovers
from app.embedded_postgres.cluster import Cluster
from app.keys import Keys
from app.main import create_app
from app.models import CheckIn, Patrol, Person
from app.services import check_in_queue
from app.services.check_in_queue import CheckInQueue
from app.services.rate_limits import RateLimiter
from app.settings import Settings
from tests import databases
from tests.factories import a_person, a_token
from tests.faults.processes import Running, command, eventually, xunhe

GEOD = Geod(ellps="WGS84")
NOW = datetime.now(UTC)
Sessions = async_sessionmaker[AsyncSession]


def a_check_in(at: datetime | None = None, lon: float = 103.01, **given: Any) -> dict[str, Any]:
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    return {"at": (at or NOW).isoformat(), "position": position} | given


def url_of(id_: object) -> str:
    return f"/api/v1/check-ins/{id_}"


# -- several processes' worth of application on one real database ----------------------------


@pytest.fixture
async def engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """A migrated database of one's own, really committed to."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


@dataclass
class Phone:
    person: Person
    token: str


@pytest.fixture
async def li(session: AsyncSession) -> Phone:
    person = await a_person(session, name="示例李")
    return Phone(person, await a_token(session, person))


@pytest.fixture
async def zhou(session: AsyncSession) -> Phone:
    person = await a_person(session, name="示例周")
    return Phone(person, await a_token(session, person))


@asynccontextmanager
async def an_app(sessions: Sessions, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """One process's application: it shares the database with the others, and nothing else."""
    keys, limiter = Keys(b"a secret for tests only"), RateLimiter(sessions)
    state = {
        "settings": settings,
        "keys": keys,
        "sessions": sessions,
        "limiter": limiter,
        "recorder": CheckInQueue(sessions, limiter, settings, keys),
    }
    app = create_app()

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://xunhe") as client:
        yield client


@pytest.fixture
async def apps(
    sessions: Sessions, settings: Settings
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    async with an_app(sessions, settings) as one, an_app(sessions, settings) as two:
        yield one, two


async def put(
    client: httpx.AsyncClient, phone: Phone, id_: object, body: dict[str, Any]
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {phone.token}"}
    return await client.put(url_of(id_), json=body, headers=headers)


async def rows(session: AsyncSession) -> list[CheckIn]:
    return list((await session.scalars(select(CheckIn).order_by(CheckIn.at, CheckIn.id))).all())


async def test_fifty_times_the_same_is_once(
    apps: tuple[httpx.AsyncClient, ...], li: Phone, session: AsyncSession
) -> None:
    id_, body = uuid4(), a_check_in()

    responses = await asyncio.gather(*(put(apps[n % 2], li, id_, body) for n in range(50)))

    assert Counter(each.status_code for each in responses) == {201: 1, 200: 49}
    assert {each.text for each in responses} == {responses[0].text}
    assert [row.id for row in await rows(session)] == [id_]
    (patrol,) = (await session.scalars(select(Patrol))).all()
    assert (patrol.started_at, patrol.finished_at, patrol.distance_m) == (NOW, NOW, 0)
    verdicts = await session.scalar(text("SELECT count(*) FROM check_in_verdicts"))
    assert verdicts == 1


async def test_fifty_of_one_person_make_one_line(
    apps: tuple[httpx.AsyncClient, ...], li: Phone, session: AsyncSession
) -> None:
    noon = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
    visits = [(noon + timedelta(minutes=n * 7 % 50), 103.01 + n * 1e-4) for n in range(50)]

    responses = await asyncio.gather(
        *(put(apps[n % 2], li, uuid4(), a_check_in(at, lon)) for n, (at, lon) in enumerate(visits))
    )

    assert {each.status_code for each in responses} == {201}
    (patrol,) = (await session.scalars(select(Patrol))).all()
    assert (patrol.started_at, patrol.finished_at, patrol.duration_s) == (
        noon,
        noon + timedelta(minutes=49),
        49 * 60,
    )
    line = [(row.lon, row.lat) for row in await rows(session)]
    assert len(line) == 50
    assert patrol.distance_m == pytest.approx(
        sum(GEOD.inv(*a, *b)[2] for a, b in pairwise(line)), abs=1e-3
    )


async def test_one_id_for_two_people_belongs_to_one_and_leaves_the_other_nothing(
    apps: tuple[httpx.AsyncClient, ...], li: Phone, zhou: Phone, session: AsyncSession
) -> None:
    for _ in range(5):
        id_, body = uuid4(), a_check_in()
        responses = await asyncio.gather(
            *(put(apps[n % 2], (li, zhou)[n % 2], id_, body) for n in range(10))
        )
        assert Counter(each.status_code for each in responses) == {201: 1, 200: 4, 409: 5}

    checked_in = await rows(session)
    patrols = (await session.scalars(select(Patrol))).all()
    assert len(checked_in) == 5
    # Nobody has a patrol on which there is nothing.
    assert {patrol.id for patrol in patrols} == {row.patrol_id for row in checked_in}


async def test_of_amendments_of_one_version_one_wins(
    apps: tuple[httpx.AsyncClient, ...], li: Phone
) -> None:
    url, headers = f"/api/v1/patrols/{uuid4()}", {"Authorization": f"Bearer {li.token}"}
    body = {"started_at": NOW.isoformat()}
    version = (await apps[0].put(url, json=body, headers=headers)).headers["etag"]
    kinds = ["vehicle", "boat", "drone", "site_meeting"]

    responses = await asyncio.gather(
        *(
            apps[n % 2].put(
                url, json=body | {"kind": kind}, headers=headers | {"If-Match": version}
            )
            for n, kind in enumerate(kinds)
        )
    )

    assert sorted(each.status_code for each in responses) == [200, 412, 412, 412]
    (won,) = [kind for kind, each in zip(kinds, responses, strict=True) if each.status_code == 200]
    assert (await apps[1].get(url, headers=headers)).json()["kind"] == won


# -- the queue -------------------------------------------------------------------------------


async def test_a_full_queue_refuses_and_says_when_to_come_again(
    apps: tuple[httpx.AsyncClient, ...],
    li: Phone,
    engine: AsyncEngine,
    session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check_in_queue, "_MOST_WAITING", 5)
    ids = [uuid4() for _ in range(20)]
    async with engine.connect() as other, other.begin():
        # Nothing can be recorded while somebody holds the table.
        await other.execute(text("LOCK TABLE check_ins IN ACCESS EXCLUSIVE MODE"))
        calls = [asyncio.create_task(put(apps[0], li, id_, a_check_in())) for id_ in ids]
        refused, waiting = set[asyncio.Task[httpx.Response]](), set(calls)
        while len(refused) < 14:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
    responses = await asyncio.gather(*calls)

    taken = [id_ for id_, each in zip(ids, responses, strict=True) if each.status_code == 201]
    shed = [each for each in responses if each.status_code == 503]
    assert (len(taken) + len(shed), len(shed) >= 14) == (20, True)
    assert {(each.json()["code"], each.headers["Retry-After"]) for each in shed} == {("busy", "2")}
    assert {row.id for row in await rows(session)} == {*taken}


async def test_one_poisoned_row_harms_no_other(
    engine: AsyncEngine, apps: tuple[httpx.AsyncClient, ...], li: Phone, session: AsyncSession
) -> None:
    """No known input gets past the door and not into the table: so the table refuses one."""
    async with engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE check_ins ADD CONSTRAINT no_poison CHECK (note <> 'poison')")
        )
    poison = [put(apps[0], li, uuid4(), a_check_in(note="poison")) for _ in range(2)]
    good = [put(apps[0], li, uuid4(), a_check_in()) for _ in range(30)]

    with capture_logs() as logged:
        responses = await asyncio.gather(*good[:15], *poison, *good[15:])

    assert [each["event"] for each in logged if each["log_level"] == "error"] == [
        "check-in not recorded"
    ] * 2
    assert Counter(each.status_code for each in responses) == {201: 30, 500: 2}
    failed = [each for each in responses if each.status_code == 500]
    assert {each.text.count("poison") for each in failed} == {0}
    assert {each.json()["code"] for each in failed} == {"unexpected"}
    assert len(await rows(session)) == 30


async def test_whoever_hangs_up_takes_nobody_along(
    apps: tuple[httpx.AsyncClient, ...], li: Phone, engine: AsyncEngine, session: AsyncSession
) -> None:
    ids = [uuid4() for _ in range(10)]
    async with engine.connect() as other, other.begin():
        await other.execute(text("LOCK TABLE check_ins IN ACCESS EXCLUSIVE MODE"))
        calls = [asyncio.create_task(put(apps[0], li, id_, a_check_in())) for id_ in ids]
        await _somebody_waits(other)
        calls[0].cancel()
    responses = await asyncio.gather(*calls[1:])

    assert {each.status_code for each in responses} == {201}
    assert {*ids[1:]} <= {row.id for row in await rows(session)} <= {*ids}


async def _somebody_waits(connection: AsyncConnection) -> None:
    """Until somebody stands before a lock; the database has no event for that."""
    waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
    while not await connection.scalar(waiting):
        await connection.execute(text("SELECT pg_sleep(0.01)"))


async def test_a_broken_connection_is_answered_503_and_the_next_try_counts(
    engine: AsyncEngine, apps: tuple[httpx.AsyncClient, ...], li: Phone, session: AsyncSession
) -> None:
    id_ = uuid4()
    async with engine.connect() as other, other.begin():
        await other.execute(text("LOCK TABLE check_ins IN ACCESS EXCLUSIVE MODE"))
        call = asyncio.create_task(put(apps[0], li, id_, a_check_in()))
        await _somebody_waits(other)
        await other.execute(
            text("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE NOT granted")
        )
    first = await call
    second = await put(apps[0], li, id_, a_check_in())

    assert (first.status_code, first.json()["code"], second.status_code) == (
        503,
        "database-unavailable",
        201,
    )
    assert first.headers["Retry-After"] == "5"
    assert [row.id for row in await rows(session)] == [id_]


# -- whole processes -------------------------------------------------------------------------


@dataclass
class Crowd:
    """32 phones that put check-ins and try each again until it is acknowledged."""

    address: Callable[[], str]
    tokens: list[str]
    acknowledged: list[UUID] = field(default_factory=list)
    surprises: Counter[int] = field(default_factory=Counter)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, disturb: Callable[["Crowd"], Awaitable[None]]) -> None:
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:
            phones = [asyncio.create_task(self._phone(client, n)) for n in range(32)]
            try:
                await disturb(self)
            finally:
                self.stop.set()
                await asyncio.gather(*phones)

    async def until(self, count: int) -> None:
        """Until so many more have been acknowledged."""
        wanted = len(self.acknowledged) + count
        async with self.news:
            await self.news.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def _phone(self, client: httpx.AsyncClient, n: int) -> None:
        headers = {"Authorization": f"Bearer {self.tokens[n % len(self.tokens)]}"}
        while not self.stop.is_set():
            id_, body = uuid4(), a_check_in(NOW - timedelta(seconds=len(self.acknowledged)))
            while True:
                try:
                    response = await client.put(
                        self.address() + url_of(id_), json=body, headers=headers
                    )
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if response.status_code in {200, 201}:
                    self.acknowledged.append(id_)
                    async with self.news:
                        self.news.notify_all()
                    break
                if response.status_code != 503:
                    self.surprises[response.status_code] += 1
                await asyncio.sleep(0.1)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A migrated data folder; whatever a test leaves running there is ended."""
    data_dir = tmp_path / "data"
    assert xunhe("migrate", data_dir=data_dir).returncode == 0
    yield data_dir
    Cluster(data_dir).stop()


async def tokens_in(url: str, settings: Settings) -> list[str]:
    engine, sessions = connect(url, settings.database)
    async with sessions() as session:
        found = [await a_token(session, await a_person(session)) for _ in range(4)]
    await engine.dispose()
    return found


def stored_in(url: str) -> list[UUID]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM check_ins")]


def orphans_in(url: str) -> list[tuple[int, int]]:
    """Check-ins without verdict, and patrols whose line is not that of their check-ins."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT (SELECT count(*) FROM check_ins c WHERE NOT EXISTS
                     (SELECT FROM check_in_verdicts v WHERE v.check_in_id = c.id)),
                   (SELECT count(*) FROM patrols p WHERE (started_at, finished_at) IS DISTINCT FROM
                     (SELECT (min(at), max(at)) FROM check_ins c WHERE c.patrol_id = p.id))
            """
        ).fetchall()


async def test_the_database_is_killed_under_load(data_dir: Path, settings: Settings) -> None:
    running = Running(
        command("serve", "--port=0", "--workers=1"), data_dir, XUNHE_RATE_LIMIT_PER_PERSON="0"
    )
    address = await asyncio.to_thread(running.line)
    url = embedded_postgres.url_of(data_dir)
    cluster = Cluster(data_dir)
    crowd = Crowd(lambda: address, await tokens_in(url, settings))

    async def kill(crowd: Crowd) -> None:
        for _ in range(2):
            await crowd.until(150)
            postmaster = leftovers.pid_in(cluster.folder / "postmaster.pid")
            assert postmaster is not None
            os.kill(postmaster, signal.SIGKILL)
            await asyncio.to_thread(eventually, lambda: leftovers.is_gone(postmaster))  # noqa: B023
        await crowd.until(150)

    await crowd.run(kill)

    stored = stored_in(url)
    assert sorted(stored) == sorted({*stored})
    assert {*crowd.acknowledged} <= {*stored}
    assert len(crowd.acknowledged) == len({*crowd.acknowledged}) >= 450
    assert crowd.surprises == {}
    assert orphans_in(url) == [(0, 0)]
    assert running.end() == 0


async def test_the_web_is_killed_under_load_twice(data_dir: Path, settings: Settings) -> None:
    arguments = command("serve", "--workers=1")
    running = Running([*arguments, "--port=0"], data_dir, XUNHE_RATE_LIMIT_PER_PERSON="0")
    address = await asyncio.to_thread(running.line)
    port = address.rsplit(":", 1)[1]
    url = embedded_postgres.url_of(data_dir)
    crowd = Crowd(lambda: address, await tokens_in(url, settings))

    async def kill(crowd: Crowd) -> None:
        nonlocal running
        # First the children, which their parent starts again; then everything, started by us.
        await crowd.until(100)
        for child in running.children("app.supervisor.web"):
            os.kill(child, signal.SIGKILL)
        await crowd.until(100)
        running.kill()
        running = Running([*arguments, f"--port={port}"], data_dir, XUNHE_RATE_LIMIT_PER_PERSON="0")
        assert await asyncio.to_thread(running.line) == address
        await crowd.until(100)

    await crowd.run(kill)

    stored = stored_in(url)
    assert sorted(stored) == sorted({*stored})
    assert {*crowd.acknowledged} <= {*stored}
    assert len(crowd.acknowledged) == len({*crowd.acknowledged}) >= 300
    assert crowd.surprises == {}
    assert orphans_in(url) == [(0, 0)]
    assert running.end() == 0
