"""Delivery of reminders against an endpoint that takes 50 ms, against what 64 at a time could do.

python -m benchmarks.delivery [--rounds 3] [--reminders 10000]
"""

import argparse
import asyncio
import contextlib
import gc
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
from pydantic import SecretStr

from app import logs
from app.database import connect
from app.opening import opened
from app.services.reminders import delivering
from app.settings import MessageTemplate, ServiceAccount, Settings, Templates
from app.wechat.client import open_wechat
from app.wechat.http import open_http
from app.wechat.simulator.state import openid_of
from benchmarks.wechat_platform import APP_ID, FIELDS, LATENCY_S, SECRET, TEMPLATE

NOW = datetime(2026, 6, 2, 2, 0, tzinfo=UTC)
IDEAL = delivering.AT_ONCE / LATENCY_S


@contextlib.contextmanager
def platform(people: int) -> Iterator[int]:
    """The simulated platform in a child process; its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    descriptor, port = listener.fileno(), listener.getsockname()[1]
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.wechat_platform", str(people), str(descriptor)],
        pass_fds=(descriptor,),
        cwd=Path(__file__).parents[1],
    )
    try:
        yield port
    finally:
        child.terminate()
        child.wait(30)
        listener.close()


def settings_for(folder: str, port: int) -> Settings:
    """An account with one template for followers."""
    return Settings(
        _env_file=None,
        data_dir=Path(folder),
        public_url="https://xunhe.example.gov.cn",
        wechat_api_url=f"http://127.0.0.1:{port}",
        service_account=ServiceAccount(
            _env_file=None,
            app_id=APP_ID,
            secret=SecretStr(SECRET),
            token=SecretStr("token"),
        ),
        templates=Templates(_env_file=None, reminder=MessageTemplate(id=TEMPLATE, **FIELDS)),
    )


def people(url: str, count: int) -> None:
    """Followers with one duty each, of six a year, of which nothing is done."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO organisations (id, code, name, kind)"
            " VALUES (gen_random_uuid(), 'BENCH', '示例管委会', 'branch')"
        )
        connection.execute(
            "INSERT INTO people (id, code, name, organisation_id, role, party_member)"
            " SELECT gen_random_uuid(), 'P' || n, '示例甲', o.id, 'member', true"
            " FROM generate_series(0, %s - 1) n, organisations o",
            (count,),
        )
        connection.execute(
            "INSERT INTO memberships (id, person_id, organisation_id, recorded_at)"
            " SELECT gen_random_uuid(), id, organisation_id, now() FROM people"
        )
        connection.execute(
            "INSERT INTO obligations (id, code, holder_person_id, area_kind, times, period,"
            " starts_on, photo) SELECT gen_random_uuid(), 'OB-' || code, id, 'any', 6, 'year',"
            " '2026-01-01', 'wanted' FROM people"
        )
        openids = [openid_of(APP_ID, f"p{n}") for n in range(count)]
        connection.execute(
            "INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at,"
            " failed_codes) SELECT gen_random_uuid(), 'service_account', openid, p.id, true, now(),"
            " 0 FROM unnest(%s::text[]) WITH ORDINALITY AS u (openid, n)"
            " JOIN people p ON p.code = 'P' || (n - 1)",
            (openids,),
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def plan(url: str, round_: int) -> None:
    """A reminder for everybody, another day's each round."""
    day = (NOW + timedelta(days=7 * round_)).date()
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO reminders (id, person_id, day, kind, planned_at, figures, state, try_at,"
            " attempts) SELECT gen_random_uuid(), id, %s, 'behind', %s, '{}', 'queued', %s, 0"
            " FROM people",
            (day, NOW, NOW),
        )
        connection.execute(
            "INSERT INTO reminder_items (reminder_id, obligation_id, kind, window_from, slice,"
            " due_on, done, owed, behind) SELECT r.id, o.id, 'behind', '2026-01-01', 1,"
            " '2026-03-02', 0, 6, 2 FROM reminders r JOIN obligations o"
            " ON o.holder_person_id = r.person_id WHERE r.day = %s",
            (day,),
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE reminders, reminder_items, deliveries, send_leases")


async def deliver(url: str, settings: Settings, round_: int, count: int) -> float:
    """Deliver a round's reminders as the worker does; how many a second."""
    now = NOW + timedelta(days=7 * round_)
    engine, sessions = connect(url, settings.database)
    async with open_http(settings) as http:
        wechat = open_wechat(http, settings, sessions)
        await wechat.service_account.caller.token.get()
        gc.collect()
        gc.freeze()
        started = time.perf_counter()
        await delivering.deliver_due(sessions, wechat, settings, now=now)
        took = time.perf_counter() - started
    await engine.dispose()
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM reminders WHERE day = %s AND state = 'sent'", (now.date(),)
        ).fetchone()
    assert row == (count,), row
    return count / took


async def alone(port: int, count: int) -> float:
    """The same number of bare requests, 64 at a time, without us: what the endpoint gives."""
    left = iter(range(count))
    body = b'{"touser": "nobody"}'
    settings = settings_for("/nowhere", port)
    async with open_http(settings) as http:

        async def ask() -> None:
            for _ in left:
                answer = await http.post("/cgi-bin/message/template/send", content=body)
                assert answer.status_code == httpx.codes.OK

        started = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(delivering.AT_ONCE)))
        return count / (time.perf_counter() - started)


def main() -> None:
    """Interleave, and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reminders", type=int, default=10_000)
    given = parser.parse_args()
    logs.configure("WARNING")
    rates, bare = [], []
    with (
        tempfile.TemporaryDirectory(prefix="xunhe-bench-") as folder,
        platform(given.reminders) as port,
    ):
        settings = settings_for(folder, port)
        with opened(settings) as url:
            people(url, given.reminders)
            for round_ in range(given.rounds):
                plan(url, round_)
                bare.append(asyncio.run(alone(port, given.reminders // 4)))
                rates.append(asyncio.run(deliver(url, settings, round_, given.reminders)))
    rate = statistics.median(rates)
    print(
        f"delivery of {given.reminders:,} reminders, endpoint of {LATENCY_S * 1000:.0f} ms | "
        f"{delivering.AT_ONCE} at a time, {IDEAL:.0f}/s | ratio {rate / IDEAL:.2f} (must ≥ 0.6, "
        f"aim ≥ 0.8) | {rate:.0f}/s; bare requests to it {statistics.median(bare):.0f}/s"
    )


if __name__ == "__main__":
    main()
