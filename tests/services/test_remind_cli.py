"""`xunhe remind`, as an operator runs it, with a WeChat of a few lines on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from app import clock
from tests import databases
from tests.services.datasets import LAKE, written

ROOT = Path(__file__).parents[2]
OBLIGATIONS = """code,holder_kind,holder_code,area_kind,times,period,starts_on
D2,person,P2,any,10,month,2026-01-01
D3,person,P3,any,10,month,2026-01-01
D1,person,P1,any,1,month,2026-06-20
"""
Xunhe = Callable[..., subprocess.CompletedProcess[str]]


class WeChat(ThreadingHTTPServer):
    """Gives a token, and takes template messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sent: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: WeChat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer: dict[str, Any] = {"access_token": "t", "expires_in": 7200}
        if self.path.startswith("/cgi-bin/message/template/send"):
            self.server.sent.append(body)
            answer = {"errcode": 0, "errmsg": "ok", "msgid": len(self.server.sent)}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: Any) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def wechat_there() -> Iterator[WeChat]:
    server = WeChat()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    """A database of this file alone, since the command commits."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture(scope="module")
def xunhe(url: str, wechat_there: WeChat, tmp_path_factory: pytest.TempPathFactory) -> Xunhe:
    """Run the command where Yi (P2) follows the service account and Bing (P3) is bound nowhere."""
    here = tmp_path_factory.mktemp("xunhe")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("XUNHE_")}
    ours = {
        "PYTHONPATH": str(ROOT),
        "XUNHE_DATABASE_URL": url,
        "XUNHE_DATA_DIR": str(here / "data"),
        "XUNHE_SECRET_KEY": "a secret for tests only",
        "XUNHE_WECHAT_API_URL": f"http://127.0.0.1:{wechat_there.server_port}",
        "XUNHE_SERVICE_ACCOUNT_APP_ID": "wx1",
        "XUNHE_SERVICE_ACCOUNT_SECRET": "s",
        "XUNHE_SERVICE_ACCOUNT_TOKEN": "t",
        "XUNHE_TEMPLATE_REMINDER": '{"id": "T1", "thing1": "task"}',
    }

    def run(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *map(str, arguments)],
            cwd=here,
            env=clean | ours | settings,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    files = {name: LAKE[name] for name in ("organisations.csv", "people.csv")}
    loaded = run("import", written(here / "lake", files | {"obligations.csv": OBLIGATIONS}))
    assert loaded.returncode == 0, loaded.stderr
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO wechat_users (id, app, openid, person_id, subscribed, created_at,"
            " failed_codes) SELECT gen_random_uuid(), 'service_account', 'o-yi', id, true, now(), 0"
            " FROM people WHERE code = 'P2'"
        )
    return run


def outcome(done: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return done.returncode, done.stdout, done.stderr


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


TABLES = ("reminders", "reminder_items", "calls", "deliveries", "standings")
YI = "P2\t示例乙\tbehind\tD2 0/10 落后5次"
BING = "P3\t示例丙\tbehind\tD3 0/10 落后5次（未绑定微信）\tcall list"


def test_a_dry_run_prints_a_line_a_recipient_and_writes_nothing(
    xunhe: Xunhe, url: str, wechat_there: WeChat
) -> None:
    before = [count(url, table) for table in TABLES]

    done = xunhe("remind", "--as-of", "2026-06-16", "--dry-run")

    assert outcome(done) == (0, f"{YI}\ttemplate\n{BING}\n", "")
    assert [count(url, table) for table in TABLES] == before
    assert wechat_there.sent == []


def test_a_run_delivers_and_prints_what_came_of_it_and_a_second_sends_nothing(
    xunhe: Xunhe, url: str, wechat_there: WeChat
) -> None:
    first = xunhe("remind", "--as-of", "2026-06-16")
    second = xunhe("remind", "--as-of", "2026-06-16")
    dry = xunhe("remind", "--as-of", "2026-06-16", "--dry-run")

    assert outcome(first) == (0, f"{YI}\ttemplate\tsent\n{BING}\tcall_list\n", "")
    assert [each["touser"] for each in wechat_there.sent] == ["o-yi"]
    assert outcome(second) == outcome(dry) == (0, "", "")
    assert [count(url, table) for table in TABLES[:3]] == [2, 2, 1]


def test_what_a_killed_run_left_is_sent_by_the_next(
    xunhe: Xunhe, url: str, wechat_there: WeChat
) -> None:
    xunhe("remind", "--as-of", "2026-06-23")
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM deliveries")
        connection.execute(
            "UPDATE reminders SET state = 'queued', sent_at = NULL, attempts = 0, claimed_at = NULL,"
            " try_at = planned_at, channel = NULL WHERE day = '2026-06-23' AND state = 'sent'"
        )
    wechat_there.sent.clear()

    done = xunhe("remind", "--as-of", "2026-06-23")

    assert outcome(done) == (0, f"{YI.replace('5', '7')}\ttemplate\tsent\n", "")
    assert [each["touser"] for each in wechat_there.sent] == ["o-yi"]


def test_a_day_off_is_said(xunhe: Xunhe) -> None:
    for dry in ((), ("--dry-run",)):
        done = xunhe("remind", "--as-of", "2026-06-20", *dry)

        assert outcome(done) == (0, "", "2026-06-20 不是工作日，不提醒。\n")


def test_outside_sending_hours_nothing_is_said_to_wait_where_nobody_is_told(
    server_url: str, xunhe: Xunhe, tmp_path: Path
) -> None:
    now = clock.now().astimezone(clock.LAKE)
    days = [f"{now.date() + timedelta(days=n)},true\n" for n in range(-14, 30)]
    (tmp_path / "workdays.csv").write_text("day,workday\n" + "".join(days))
    later = (now.hour + 12) % 24
    with databases.empty(server_url) as nobody:
        databases.migrate(nobody)
        done = xunhe(
            "remind",
            XUNHE_DATABASE_URL=nobody,
            XUNHE_WORKDAYS_FILE=str(tmp_path / "workdays.csv"),
            XUNHE_REMINDER_HOURS=f"{later}:00-{later}:01",
        )

    assert outcome(done) == (0, "", "")


@pytest.mark.parametrize("said", ["20.06.2026", "2026-13-01", "2026-02-30", "0001-01-01", "昨天"])
def test_a_day_that_is_none_is_the_command_lines_fault(xunhe: Xunhe, said: str) -> None:
    done = xunhe("remind", "--as-of", said, "--dry-run")

    assert outcome(done) == (
        2,
        "",
        f"--as-of 的日期不对：{said}。请写成 2026-06-16 这样，年份在 2000 到 2100 之间。\n",
    )


def test_a_bad_table_of_workdays_is_named(
    tmp_path: Path,
) -> None:
    table = tmp_path / "workdays.csv"
    table.write_text("day,workday\n2026-06-20,perhaps\n")

    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "remind", "--dry-run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XUNHE_WORKDAYS_FILE": str(table),
                          "XUNHE_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, "")
    assert "XUNHE_WORKDAYS_FILE: workdays.csv:2: workday must be true or false" in done.stderr
