"""Reports on real connections: one state of the database, and the script of docs/ against them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
import uvicorn
from fastapi import Request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.types import Receive, Scope, Send

from app.database import connect
from app.keys import Keys
from app.main import create_app
from app.routers.deps import get_snapshot
from app.services.rate_limits import RateLimiter
from app.settings import Settings
from tests import databases
from tests.factories import an_api_key, an_organisation
from tests.services.duty_book import an_obligation

SCRIPT = Path(__file__).parents[2] / "docs" / "monthly_table.py"


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    with databases.empty(server_url) as made:
        databases.migrate(made)
        yield made


@pytest.fixture
async def sessions(url: str, settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    engine, made = connect(url, settings.database)
    yield made
    await engine.dispose()


async def test_a_report_sees_one_state_of_the_database(
    url: str, sessions: async_sessionmaker[AsyncSession]
) -> None:
    request = cast(Request, SimpleNamespace(state=SimpleNamespace(sessions=sessions)))
    count = text("SELECT count(*) FROM organisations")
    snapshots = cast(Any, get_snapshot(request))
    session = await anext(snapshots)
    before = await session.scalar(count)
    async with sessions() as other:
        await an_organisation(other)

    assert (before, await session.scalar(count)) == (0, 0)
    with pytest.raises(DBAPIError, match="read-only transaction"):
        await session.execute(text("DELETE FROM organisations"))
    await session.rollback()
    await snapshots.aclose()
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT count(*) FROM organisations").fetchall()
    assert rows == [(1,)]


async def test_the_script_of_the_documentation_prints_a_month(
    sessions: async_sessionmaker[AsyncSession], settings: Settings
) -> None:
    async with sessions() as session:
        committee = await an_organisation(session, code="GWH", name="示例管委会")
        branch = await an_organisation(session, name="东岸党支部", parent_id=committee.id)
        await an_obligation(session, branch, times=2)
        key = await an_api_key(session, committee)
    app = create_app()
    state = {
        "settings": settings,
        "keys": Keys(b"a secret for tests only"),
        "sessions": sessions,
        "limiter": RateLimiter(sessions),
    }

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send)

    config = uvicorn.Config(with_state, port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    script = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        f"http://127.0.0.1:{port}",
        "2026-02",
        env={**os.environ, "XUNHE_KEY": key, "PYTHONIOENCODING": "utf-8"},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await script.communicate()
    await server.shutdown()

    assert script.returncode == 0
    assert printed.decode().splitlines() == [
        "名称\t应巡\t到期\t完成\t完成率\t达标\t落后\t未完成",
        "东岸党支部\t2\t1\t0\t0.0%\t0\t1\t1",
        "合计\t2\t1\t0\t0.0%\t0\t1\t1",
    ]
