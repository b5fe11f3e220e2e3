"""A served Xunhe for benchmarks: web processes as `serve` runs them, people, and load on them."""

import asyncio
import contextlib
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import psycopg
import uvloop

from app.opening import opened
from app.services.access import token_hash
from app.settings import Settings, get_settings

DEMO = Path(__file__).parents[1] / "demo" / "yangzonghai"


@dataclass(frozen=True)
class Served:
    """Where it listens, where its database is, and the bearer tokens of people who consented."""

    port: int
    database_url: str
    tokens: Sequence[str]
    pids: Sequence[int]


@contextlib.contextmanager
def served(
    factory: str,
    *,
    people: int = 32,
    workers: int = 2,
    prepare: Callable[[str], None] | None = None,
) -> Generator[Served]:
    """Serve `factory` ("module:function") on a database of its own, with fsync, rate limits off."""
    with (
        tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder,
        contextlib.ExitStack() as stack,
    ):
        os.environ |= {
            "XUNHE_DATA_DIR": folder,
            "XUNHE_RATE_LIMIT_PER_PERSON": "0",
            "XUNHE_RATE_LIMIT_PER_ADDRESS": "0",
            "XUNHE_LOG_LEVEL": "WARNING",
        }
        get_settings.cache_clear()
        url = stack.enter_context(opened(get_settings()))
        if prepare is not None:
            prepare(url)
        tokens = enrol(url, people)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        descriptor = listener.fileno()
        children = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.child", factory, str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=(descriptor,),
            )
            for _ in range(workers)
        ]
        port = listener.getsockname()[1]
        try:
            _wait_for(children)
            yield Served(port, url, tokens, [child.pid for child in children])
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(30)
                if child.stdout is not None:
                    child.stdout.close()
            listener.close()


def _wait_for(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.stdout is None or not child.stdout.read(1):  # a byte when it serves
            raise RuntimeError("the benchmark's server did not come up")


def enrol(url: str, people: int) -> list[str]:
    """People with a login and both consents; their tokens."""
    tokens = [secrets.token_urlsafe(32) for _ in range(people)]
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    with psycopg.connect(url) as connection:
        organisation = uuid4()
        connection.execute(
            "INSERT INTO organisations (id, code, name, kind)"
            " VALUES (%s, 'BENCH', '示例', 'branch')",
            (organisation,),
        )
        for n, token in enumerate(tokens):
            person, user = uuid4(), uuid4()
            connection.execute(
                "INSERT INTO people (id, code, name, organisation_id, role, party_member)"
                " VALUES (%s, %s, '示例', %s, 'member', true)",
                (person, f"BENCH-{n}", organisation),
            )
            connection.execute(
                "INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at,"
                " failed_codes) VALUES (%s, 'mini_program', %s, %s, false, %s, 0)",
                (user, f"bench-{n}", person, long_ago),
            )
            connection.execute(
                "INSERT INTO logins (id, token_hash, wechat_user_id, created_at, expires_at)"
                " VALUES (%s, %s, %s, %s, %s)",
                (uuid4(), token_hash(token), user, long_ago, long_ago + timedelta(days=9999)),
            )
            for notice in ("position", "track"):
                connection.execute(
                    "INSERT INTO consents (id, person_id, notice, version, agreed, recorded_at)"
                    " VALUES (%s, %s, %s, 1, true, %s)",
                    (uuid4(), person, notice, long_ago),
                )
    return tokens


_BRANCHES = """
    INSERT INTO organisations (id, code, name, kind, parent_id)
    SELECT gen_random_uuid(), 'BENCH-BRANCH-' || n, '示例', 'branch', g.id
    FROM organisations g CROSS JOIN generate_series(0, %(people)s / 20) n WHERE g.code = 'BENCH'
"""
_MEMBERSHIPS = """
    INSERT INTO memberships (id, person_id, organisation_id, recorded_at)
    SELECT gen_random_uuid(), p.id, g.id, now() FROM people p
    JOIN organisations g
      ON g.code = 'BENCH-BRANCH-' || CAST(split_part(p.code, '-', 2) AS int) / 20
    WHERE p.code LIKE 'BENCH-%%'
"""
_DUTIES = """
    INSERT INTO obligations (id, code, holder_person_id, holder_organisation_id, area_kind,
      grid_cell_id, times, period, starts_on, photo)
    SELECT gen_random_uuid(), 'OB-' || p.code || '-' || n, p.id, CAST(NULL AS uuid),
      CASE n WHEN 0 THEN 'any' ELSE 'grid_cell' END,
      CASE n WHEN 0 THEN CAST(NULL AS uuid) ELSE (SELECT id FROM grid_cells WHERE parent_id IS NULL
        ORDER BY code LIMIT 1) END, 4, 'month', CAST('2026-01-01' AS date), 'wanted'
    FROM people p CROSS JOIN generate_series(0, 1) n WHERE p.code LIKE 'BENCH-%%'
    UNION ALL
    SELECT gen_random_uuid(), 'OB-' || g.code, NULL, g.id, 'any', NULL, 6, 'year', '2026-01-01',
      'wanted'
    FROM organisations g WHERE g.code LIKE 'BENCH-BRANCH-%%'
"""


def oblige(server: "Served") -> None:
    """Duties of the enrolled: two of their own each, one of each branch of twenty."""
    with psycopg.connect(server.database_url) as connection:
        connection.execute(_BRANCHES, {"people": len(server.tokens)})
        connection.execute(_MEMBERSHIPS, {})
        connection.execute(_DUTIES, {})


@dataclass(frozen=True)
class Load:
    """What came of it: answers a second, and the latencies in seconds."""

    rate: float
    latencies: Sequence[float]

    @property
    def p50(self) -> float:
        """The median latency, seconds."""
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        """The 99th percentile, seconds."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


class _Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when an answer is whole."""

    def __init__(
        self, requests: Iterator[bytes], status: bytes, latencies: list[float], until: float
    ) -> None:
        self._requests = requests
        self._status = status
        self._latencies = latencies
        self._until = until
        self._got = b""
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        request = next(self._requests, None) if now < self._until else None
        if request is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent_at = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        if head[9:12] not in self._status and not self.done.done():
            self.done.set_exception(RuntimeError((head + body)[:500].decode()))
            self._transport.close()
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._got = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed early"))


def put_under_load(
    port: int,
    requests: Sequence[Iterator[bytes]],
    *,
    seconds: float,
    status: bytes = b"200 201",
) -> Load:
    """Send each connection's requests one after another for some seconds."""
    latencies: list[float] = []

    async def run() -> float:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        protocols = [
            (
                await loop.create_connection(
                    lambda each=each: _Connection(each, status, latencies, started + seconds),  # type: ignore[misc]
                    "127.0.0.1",
                    port,
                )
            )[1]
            for each in requests
        ]
        await asyncio.gather(*(protocol.done for protocol in protocols))
        return time.perf_counter() - started

    took = uvloop.run(run())
    return Load(len(latencies) / took, latencies)


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """The bytes of one HTTP request."""
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def import_demo(url: str) -> None:
    """The demo's maps, so that every position has a place."""
    from app.clock import now  # noqa: PLC0415
    from app.database import connect  # noqa: PLC0415
    from app.domain.datum import Datum  # noqa: PLC0415
    from app.services.dataset.importing import import_folder  # noqa: PLC0415

    settings: Settings = get_settings()

    async def run() -> None:
        engine, sessions = connect(url, settings.database)
        async with sessions() as session, session.begin():
            await import_folder(
                session,
                DEMO,
                settings,
                datum=Datum.wgs84,
                now=now(),
                documents_dir=settings.data_dir / "documents",
            )
        await engine.dispose()

    asyncio.run(run())
