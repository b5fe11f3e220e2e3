"""Rate limits: exact where they are small, shared by all processes, off at 0."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import time_machine
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.errors import TooManyRequests
from app.models import RateBucket
from app.services.check_in_queue import CheckInQueue
from app.services.rate_limits import RateLimiter
from app.settings import RateLimits, Settings
from app.state import State
from tests import databases
from tests.conftest import Client, Member

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
Sessions = async_sessionmaker[AsyncSession]


async def takes(
    limiter: RateLimiter, number: int, per_minute: int, now: datetime = NOW, key: str = "person:1"
) -> tuple[int, int]:
    """How many of so many were let through, and the last refusal's Retry-After."""
    passed, retry_after = 0, 0
    for _ in range(number):
        try:
            await limiter.take(key, per_minute, now)
            passed += 1
        except TooManyRequests as refusal:
            seconds = refusal.members["retry_after"]
            assert isinstance(seconds, int)
            retry_after = seconds
    return passed, retry_after


@pytest.mark.parametrize(
    ("per_minute", "retry_after"), [(1, 60), (7, 9), (40, 2), (59, 2), (60, 1), (90, 1)]
)
async def test_small_limits_are_exact(
    sessions: Sessions, per_minute: int, retry_after: int
) -> None:
    limiter = RateLimiter(sessions)

    assert await takes(limiter, per_minute + 5, per_minute) == (per_minute, retry_after)
    # After as long as it was told to wait, one more goes through: what was refused cost nothing.
    later = NOW + timedelta(seconds=retry_after)
    assert (await takes(limiter, 1, per_minute, later))[0] == 1
    assert (await takes(limiter, 500, per_minute, NOW + timedelta(minutes=3)))[0] == per_minute


async def test_large_limits_cost_a_statement_now_and_then(
    sessions: Sessions, session: AsyncSession
) -> None:
    limiter = RateLimiter(sessions)

    assert await takes(limiter, 20, 1200) == (20, 0)

    assert (await session.scalars(select(RateBucket.tokens))).all() == [1180]
    assert (await takes(limiter, 1300, 1200))[0] == 1180


async def test_zero_is_off_and_keys_are_apart(sessions: Sessions, session: AsyncSession) -> None:
    limiter = RateLimiter(sessions)

    assert await takes(limiter, 100, 0) == (100, 0)
    assert (await session.scalars(select(RateBucket.key))).all() == []
    assert [(await takes(limiter, 3, 2, key=key))[0] for key in ("a", "b")] == [2, 2]


async def test_a_clock_that_goes_back_gives_nothing_away(sessions: Sessions) -> None:
    limiter = RateLimiter(sessions)

    assert (await takes(limiter, 3, 2))[0] == 2
    assert (await takes(limiter, 3, 2, NOW - timedelta(hours=1)))[0] == 0
    assert (await takes(limiter, 3, 2, NOW + timedelta(seconds=29)))[0] == 0
    assert (await takes(limiter, 3, 2, NOW + timedelta(seconds=30)))[0] == 1


class TestProcesses:
    """Several limiters on real connections."""

    @pytest.fixture
    async def sessions(self, server_url: str, settings: Settings) -> AsyncIterator[Sessions]:
        with databases.empty(server_url) as url:
            databases.migrate(url)
            engine, sessions = connect(url, settings.database)
            yield sessions
            await engine.dispose()

    async def test_share_one_bucket(self, sessions: Sessions) -> None:
        limiters = [RateLimiter(sessions) for _ in range(2)]

        passed = await asyncio.gather(*(takes(each, 10, 7) for each in limiters))

        assert sum(count for count, _ in passed) == 7

    async def test_lose_nothing_to_requests_of_one_moment(self, sessions: Sessions) -> None:
        """Each finds no lease and takes one: together they may still use all 1200."""
        limiter = RateLimiter(sessions)

        passed = await asyncio.gather(*(takes(limiter, 30, 1200) for _ in range(50)))

        assert sum(count for count, _ in passed) == 1200


# -- at the doors ----------------------------------------------------------------------------


@pytest.fixture
def state(state: State) -> State:
    """Three requests a minute for everybody; the proxies of 10.0.0.0/8 are ours."""
    limits = RateLimits(_env_file=None, per_person=3, per_key=2, per_address=2)
    proxies = [ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32")]
    settings = state["settings"].model_copy(
        update={"rate_limit": limits, "trusted_proxies": proxies}
    )
    recorder = CheckInQueue(state["sessions"], state["limiter"], settings, state["keys"])
    return State(**state | {"settings": settings, "recorder": recorder})


@time_machine.travel(NOW, tick=False)
async def test_a_person_s_limit_counts_all_that_they_do(li: Member, zhou: Member) -> None:
    url = "/api/v1/check-ins/00000000-0000-4000-8000-000000000001"
    body = {
        "at": NOW.isoformat(),
        "position": {"lon": 103.01, "lat": 24.9, "datum": "wgs84"},
    }

    answers = [
        await li.client.put(url, json=body),
        await li.client.get(url),
        await li.client.post("/api/v1/sync", json={"operations": []}),
        await li.client.put(url, json=body),
        await li.client.get(url),
    ]

    assert [each.status_code for each in answers] == [201, 200, 200, 429, 429]
    for refused in answers[3:]:
        assert refused.json() == {
            "type": "urn:xunhe:problem:too-many-requests",
            "title": "操作太频繁了，请稍等一会儿再试。",
            "status": 429,
            "code": "too-many-requests",
        }
        assert refused.headers["Retry-After"] == "20"
    assert (await zhou.client.get("/api/v1/check-ins")).status_code == 200


@time_machine.travel(NOW, tick=False)
async def test_a_key_has_its_own_limit(program: AsyncClient) -> None:
    answers = [(await program.get("/api/v1/check-ins")).status_code for _ in range(3)]

    assert answers == [200, 200, 429]


@pytest.mark.parametrize(
    ("headers", "counted"),
    [
        # httpx's transport calls from 127.0.0.1, which is a trusted proxy here.
        ([{"x-forwarded-for": "203.0.113.1"}] * 3, ["203.0.113.1"] * 3),
        (
            [{"x-forwarded-for": f"198.51.100.{n}, 203.0.113.1"} for n in range(3)],
            ["203.0.113.1"] * 3,
        ),
        (
            [{"x-forwarded-for": f"203.0.113.{n}, 10.1.2.3"} for n in range(3)],
            ["203.0.113.0", "203.0.113.1", "203.0.113.2"],
        ),
        (
            [{"x-forwarded-for": f"2001:db8:0:7::{n}"} for n in range(3)],
            ["2001:db8:0:7::/64"] * 3,
        ),
        ([{"x-forwarded-for": "::ffff:203.0.113.1"}] * 3, ["203.0.113.1"] * 3),
        ([{"x-forwarded-for": "unknown"}] * 3, ["unknown"] * 3),
        ([{}] * 3, ["127.0.0.1"] * 3),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_open_doors_count_addresses(
    client: Client, session: AsyncSession, headers: list[dict[str, str]], counted: list[str]
) -> None:
    answers = [await client(None).get("/api/v1/steles/NONE", headers=each) for each in headers]

    used = Counter(counted)
    expected = [404 if counted[:n].count(each) < 2 else 429 for n, each in enumerate(counted)]
    assert [each.status_code for each in answers] == expected
    buckets = await session.execute(select(RateBucket.key, RateBucket.tokens))
    assert {row.key: row.tokens for row in buckets} == {
        f"address:{address}": max(0, 2 - times) for address, times in used.items()
    }


@time_machine.travel(NOW, tick=False)
async def test_a_second_line_of_the_header_is_read(client: Client, session: AsyncSession) -> None:
    """The proxy's own line comes below the one that the caller made up."""
    lines: Any = [("X-Forwarded-For", "192.0.2.77"), ("X-Forwarded-For", "203.0.113.1")]

    await client(None).get("/api/v1/steles/NONE", headers=lines)

    assert (await session.scalars(select(RateBucket.key))).all() == ["address:203.0.113.1"]


@time_machine.travel(NOW, tick=False)
async def test_nobody_is_believed_who_is_no_proxy_of_ours(
    client: Client, session: AsyncSession, state: State
) -> None:
    state["settings"].trusted_proxies = []

    await client(None).get("/api/v1/steles/NONE", headers={"x-forwarded-for": "203.0.113.1"})

    assert (await session.scalars(select(RateBucket.key))).all() == ["address:127.0.0.1"]
