"""Downloads under stress, on real connections: callers who hang up, a database that dies."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import psycopg
import pytest
import uvicorn
from sqlalchemy.ext.asyncio import async_sessionmaker
from starlette.types import Receive, Scope, Send

from app.database import connect, snapshots
from app.keys import Keys
from app.main import create_app
from app.models import Role
from app.services.exports.downloads import Downloads, Places
from app.services.rate_limits import RateLimiter
from app.settings import Settings
from app.storage import open_store
from app.supervisor.connections import BoundedConnection
from benchmarks.many import fill
from tests import databases
from tests.factories import a_person, a_token, an_organisation

# More than the buffers between a caller who does not read and the database.
MANY = 60_000


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    """A migrated database with many check-ins of a year, really committed."""
    with databases.empty(server_url) as made:
        databases.migrate(made)
        with psycopg.connect(made) as connection:
            connection.execute(
                "INSERT INTO organisations (id, code, name, kind)"
                " VALUES (gen_random_uuid(), 'BENCH', '示例', 'committee')"
            )
        fill(made, MANY)
        yield made


@pytest.fixture
async def downloads(url: str) -> AsyncIterator[Downloads]:
    engine, sessions = snapshots(url)
    yield Downloads(sessions, Places(2), Places(1))
    await engine.dispose()


@pytest.fixture
async def http(
    url: str, settings: Settings, downloads: Downloads
) -> AsyncIterator[httpx.AsyncClient]:
    """An admin who speaks to a real server."""
    engine, _ = connect(url, settings.database)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    async with sessions() as session:
        home = await an_organisation(session)
        admin = await a_person(session, organisation_id=home.id, role=Role.admin)
        token = await a_token(session, admin)
    state = {
        "settings": settings,
        "keys": Keys(b"a secret for tests only"),
        "sessions": sessions,
        "limiter": RateLimiter(sessions),
        "store": open_store(settings.media, settings.s3),
        "downloads": downloads,
    }
    app = create_app()

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    config = uvicorn.Config(
        with_state, port=0, http=BoundedConnection, ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
    ) as client:
        yield client
    await server.shutdown()
    await engine.dispose()


def exporting(url: str) -> list[int]:
    """The database's processes that work for a download now."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
            " AND (query LIKE 'COPY (%' OR query LIKE 'DECLARE%' OR query LIKE 'FETCH%'"
            " OR query LIKE 'SET LOCAL jit%')"
        ).fetchall()
    return [row[0] for row in rows]


async def until(url: str, count: int) -> list[int]:
    """Wait until so many work for downloads."""
    for _ in range(200):
        if len(found := await asyncio.to_thread(exporting, url)) == count:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(found)} exports are running, not {count}")


@asynccontextmanager
async def begun(client: httpx.AsyncClient, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """A download of which the first piece is here, and that then is not read on."""
    async with client.stream("GET", f"/api/v1/exports/{path}") as answer:
        assert answer.status_code == 200
        pieces = answer.aiter_raw()
        assert await anext(pieces)
        yield pieces


@pytest.mark.parametrize("ending", ["csv", "ndjson"])
async def test_all_rows_arrive(http: httpx.AsyncClient, ending: str) -> None:
    answer = await http.get(f"/api/v1/exports/check-ins.{ending}")

    if ending == "csv":
        text = answer.content.decode("utf-8-sig")
        ids = [row["记录编号"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        assert (len(ids), len(set(ids))) == (MANY, MANY)
    else:
        assert answer.content.count(b"\n") == MANY
        assert answer.content.endswith(b"}\n")


@pytest.mark.parametrize("path", ["check-ins.csv", "check-ins.ndjson", "check-ins.csv?datum=gcj02"])
async def test_whoever_hangs_up_ends_the_query(
    http: httpx.AsyncClient, url: str, path: str
) -> None:
    for _ in range(3):  # and gives the place back
        async with begun(http, path):
            await until(url, 1)
        await until(url, 0)


@pytest.mark.parametrize("path", ["check-ins.csv", "check-ins.ndjson", "check-ins.xlsx"])
async def test_whoever_hangs_up_before_the_first_row_ends_the_query(
    http: httpx.AsyncClient, url: str, path: str
) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("LOCK TABLE check_ins IN ACCESS EXCLUSIVE MODE")
        asking = asyncio.create_task(http.get(f"/api/v1/exports/{path}"))
        await until(url, 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await until(url, 0)

    assert (await http.get("/api/v1/exports/people.csv")).status_code == 200


@pytest.mark.parametrize("path", ["check-ins.csv", "check-ins.ndjson", "check-ins.csv?datum=gcj02"])
async def test_a_database_that_dies_midway_breaks_the_download_off(
    http: httpx.AsyncClient, url: str, path: str
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012
        async with begun(http, path) as pieces:
            (process,) = await until(url, 1)
            with psycopg.connect(url) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [process])
            async for _ in pieces:
                pass

    assert (await http.get("/api/v1/exports/people.csv")).status_code == 200


async def test_a_workbook_that_the_database_died_of_is_an_error(
    http: httpx.AsyncClient, url: str, settings: Settings
) -> None:
    asking = asyncio.create_task(http.get("/api/v1/exports/check-ins.xlsx"))
    (process,) = await until(url, 1)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [process])

    answer = await asking

    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert list((settings.data_dir / "making").iterdir()) == []


async def test_rows_are_those_of_one_moment(http: httpx.AsyncClient, url: str) -> None:
    async with begun(http, "check-ins.ndjson") as pieces:
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE check_ins SET note = '改了'")
            connection.commit()
        rest = b"".join([piece async for piece in pieces])
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE check_ins SET note = NULL")

    assert "改了".encode() not in rest


async def test_others_are_answered_while_downloads_run(http: httpx.AsyncClient, url: str) -> None:
    async with begun(http, "check-ins.csv"), begun(http, "check-ins.ndjson"):
        await until(url, 2)
        assert (await http.get("/api/v1/exports/people.csv")).status_code == 503
        assert (await http.get("/api/v1/people")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200
