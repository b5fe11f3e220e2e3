"""`xunhe serve` as an operator meets it: started, killed, drained, in the way of others."""

import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from app import embedded_postgres
from app.embedded_postgres import leftovers
from app.embedded_postgres.cluster import Cluster
from tests.faults.processes import Running, command, copied, eventually, xunhe

WEB, WORKER = "app.supervisor.web", "app.worker"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated database in it, at rest."""
    data_dir = tmp_path_factory.mktemp("migrated") / "data"
    assert xunhe("migrate", data_dir=data_dir).returncode == 0
    return data_dir


@pytest.fixture
def data_dir(migrated: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it; whatever a test leaves running there is ended."""
    data_dir = copied(migrated, tmp_path / "data")
    yield data_dir
    Cluster(data_dir).stop()


def serve(data_dir: Path, *options: str, port: int = 0, **more: str) -> Running:
    return Running(command("serve", f"--port={port}", *options), data_dir, **more)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz") as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def is_refused(address: str) -> bool:
    """Whether nobody listens there: the port is free for the next one."""
    place = urlsplit(address)
    with socket.socket() as probe:
        return probe.connect_ex((place.hostname or "", place.port or 0)) != 0


def test_prints_its_address_serves_and_ends_in_good_order(data_dir: Path) -> None:
    running = serve(data_dir, "--workers=2", "--with-worker")
    address = running.line()
    assert answers(address)
    assert eventually(lambda: [len(running.children(module)) for module in (WEB, WORKER)] == [2, 1])
    children = running.children(WEB) + running.children(WORKER)
    assert running.end() == 0
    assert all(leftovers.is_gone(child) for child in children)
    assert not Cluster(data_dir).is_listening()
    assert is_refused(address)


def test_a_killed_parent_takes_its_children_along_and_frees_the_port(data_dir: Path) -> None:
    running = serve(data_dir, "--workers=1", "--with-worker")
    address = running.line()
    assert eventually(lambda: running.children(WORKER) != [])
    children = running.children(WEB) + running.children(WORKER)
    running.kill()
    assert eventually(lambda: all(leftovers.is_gone(child) for child in children))
    again = serve(data_dir, "--workers=1", port=urlsplit(address).port or 0)
    assert again.line() == address
    assert answers(address)
    assert again.end() == 0
    assert not Cluster(data_dir).is_listening()


def test_starts_dead_children_again(data_dir: Path) -> None:
    running = serve(data_dir, "--workers=1", "--with-worker")
    address = running.line()
    assert eventually(lambda: running.children(WORKER) != [])
    for module in (WEB, WORKER):
        (dead,) = running.children(module)
        os.kill(dead, signal.SIGKILL)
        assert eventually(lambda: running.children(module) not in ([], [dead]))  # noqa: B023
    assert eventually(lambda: answers(address))
    assert running.end() == 0


def test_finishes_what_it_has_accepted_before_the_database_stops(
    data_dir: Path, tmp_path: Path
) -> None:
    second_part = tmp_path / "second"
    script = """
import asyncio, os, socket
from app.supervisor.child import Child
from app.supervisor.serving import _Serving
listener = socket.create_server(("127.0.0.1", 0))
fd = listener.fileno()
web = Child("web", "tests.faults.slow_web", (str(fd),), dict(os.environ), (fd,))
address = "http://127.0.0.1:%d" % listener.getsockname()[1]
asyncio.run(_Serving(listener, [web], [], [address]).run())
"""
    running = Running([sys.executable, "-c", script], data_dir, SECOND_PART=str(second_part))
    address = running.line()
    with urllib.request.urlopen(address) as response:  # noqa: S310
        assert response.read(6) == b"first "
        running.process.terminate()
        assert eventually(lambda: is_refused(address))
        with psycopg.connect(embedded_postgres.url_of(data_dir)) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        second_part.touch()
        assert response.read() == b"second"
    running.process.communicate()
    assert running.process.returncode == 0
    assert not Cluster(data_dir).is_listening()


def test_a_demo_prints_the_web_first_and_then_a_telephone_that_works(data_dir: Path) -> None:
    running = serve(data_dir, "--workers=1", "--demo")
    web, telephone = running.line(), running.line()
    assert answers(web)
    assert telephone.endswith("/simulator/")
    with urllib.request.urlopen(telephone) as response:  # noqa: S310
        assert response.status == 200
    assert running.end() == 0
    assert is_refused(telephone)


def test_says_in_one_line_that_the_port_is_taken(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = xunhe("serve", f"--port={port}", data_dir=data_dir)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"127.0.0.1:{port}：端口已被占用，请用 --port 换一个，或先停止占用它的程序。\n",
    )


def test_says_in_one_line_which_setting_is_wrong(data_dir: Path) -> None:
    done = xunhe("serve", "--port=0", data_dir=data_dir, XUNHE_SESSION_DAYS="never")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("XUNHE_SESSION_DAYS: ")


def test_an_external_database_is_migrated_by_migrate_and_refused_before(
    data_dir: Path, tmp_path: Path
) -> None:
    with embedded_postgres.hold(data_dir) as server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE elsewhere")
        given = {"XUNHE_DATABASE_URL": server.replace("/xunhe?", "/elsewhere?")}
        mine = tmp_path / "mine"

        old = xunhe("serve", "--port=0", data_dir=mine, **given)
        assert (old.returncode, old.stdout, old.stderr) == (
            1,
            "",
            "数据库结构不是最新的，请先运行 xunhe migrate 再启动。\n",
        )

        migrated = xunhe("migrate", data_dir=mine, **given)
        assert (migrated.returncode, migrated.stdout) == (0, "数据库结构已更新。\n")

        running = Running(command("serve", "--port=0", "--workers=1"), mine, **given)
        assert answers(running.line())
        assert running.end() == 0
        assert not (mine / "postgres").exists()

        with psycopg.connect(given["XUNHE_DATABASE_URL"]) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        newer = xunhe("serve", "--port=0", data_dir=mine, **given)
        assert (newer.returncode, newer.stdout, newer.stderr) == (
            1,
            "",
            "数据库已被更新版本的程序升级过，请升级本程序后再启动。\n",
        )


def test_says_in_one_line_that_an_external_database_is_not_there(tmp_path: Path) -> None:
    url = "postgresql://xunhe:hidden@127.0.0.1:1/xunhe"
    done = xunhe("migrate", data_dir=tmp_path / "data", XUNHE_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("连不上数据库（XUNHE_DATABASE_URL）：")
    assert "hidden" not in line
