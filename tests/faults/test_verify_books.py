"""`xunhe verify` and the books: whatever was changed behind the program's back is named."""

import asyncio
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app import clock
from app.database import connect
from app.services import standings
from app.settings import Database
from tests import databases
from tests.faults.processes import Running, command, xunhe
from tests.services.datasets import LAKE, written

WELL = "核对完毕，没有发现问题。\n"
TODAY = clock.day_of(clock.now())
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture
def run(url: str, tmp_path: Path) -> Run:
    """Run a command on a lake that was imported and keeps its standings."""
    (tmp_path / "data").mkdir()

    def run(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return xunhe(*arguments, data_dir=tmp_path / "data", **{"XUNHE_DATABASE_URL": url} | more)

    files = LAKE | {
        "obligations.csv": LAKE["obligations.csv"] + "O9,person,P2,any,,3,year,2025-01-01,,,,,,,\n",
        "patrols.csv": LAKE["patrols.csv"] + f"L3,P2,{TODAY},reach,R1,foot,\n",
    }
    done = run("import", str(written(tmp_path / "lake", files)))
    assert (done.returncode, done.stderr) == (0, "")
    asyncio.run(make_standings(url))
    return run


async def make_standings(url: str) -> None:
    """As planning does."""
    engine, sessions = connect(url, Database(_env_file=None))
    async with sessions.begin() as session:
        await standings.refresh(session, TODAY)
    await engine.dispose()


def tamper(url: str, *statements: str) -> None:
    """Each changes one row; `CREDIT(code)` is the credit of L3 for a duty, `DUTY(code)` its id."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            done = connection.execute(_CREDIT.sub(_OF, _DUTY.sub(_ID, statement)))
            assert done.rowcount == 1


_DUTY, _ID = re.compile(r"DUTY\((\w+)\)"), r"(SELECT id FROM obligations WHERE code = '\1')"
_CREDIT = re.compile(r"CREDIT\((\w+)\)")
_OF = (
    "patrol_id = (SELECT id FROM patrols WHERE code = 'L3') "
    r"AND obligation_id = (SELECT id FROM obligations WHERE code = '\1')"
)


def test_nothing_is_wrong_after_what_the_program_did(run: Run) -> None:
    done = run("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, WELL, "")


def test_each_credit_that_is_missing_or_too_many_is_named(run: Run, url: str) -> None:
    tamper(
        url,
        "DELETE FROM credits WHERE CREDIT(O9)",
        "UPDATE credits SET counted_on = '2025-07-01' WHERE CREDIT(O1)",
        "INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at) "
        "SELECT b.id, '2025-03-13', p.id, true, true, now() FROM obligations b, patrols p "
        "WHERE b.code = 'O3' AND p.code = 'L2'",
    )
    done = run("verify")
    assert done.returncode == 1
    assert sorted(line for line in done.stdout.splitlines() if "计数" in line) == [
        "履职计数多出：任务 O1，2025-07-01，巡河 L3",
        "履职计数多出：任务 O3，2025-03-13，巡河 L2，待审，代巡",
        f"履职计数缺少：任务 O1，{TODAY}，巡河 L3",
        f"履职计数缺少：任务 O9，{TODAY}，巡河 L3",
    ]
    # It only looks; the next change of settings, here back and forth, puts all of it right.
    assert run("remind", XUNHE_COUNT_FROM="2026-01-01").returncode == 0
    assert run("remind").returncode == 0
    assert run("verify").stdout == WELL


def test_a_standing_that_is_not_what_the_facts_say_is_named(run: Run, url: str) -> None:
    tamper(url, "UPDATE standings SET done = 3 WHERE obligation_id = DUTY(O9)")
    done = run("verify")
    assert (done.returncode, done.stdout) == (1, "履职进度不符：任务 O9，记为 3 天，应为 1 天\n")
    tamper(
        url,
        "UPDATE standings SET done = 1, slices = slices[1:2] WHERE obligation_id = DUTY(O9)",
    )
    assert run("verify").returncode == 1


def test_a_rule_changed_in_the_database_shows_in_what_it_made_count(run: Run, url: str) -> None:
    tamper(url, "UPDATE obligations SET starts_on = current_date + 7 WHERE id = DUTY(O9)")
    done = run("verify")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if "计数" in line] == [
        "履职计数多出：任务 O9，2025-03-12，巡河 L1",
        f"履职计数多出：任务 O9，{TODAY}，巡河 L3",
    ]


def test_a_duty_of_pairings_that_is_gone_is_named(run: Run, url: str) -> None:
    tamper(url, "UPDATE obligations SET retired_on = '2026-01-01' WHERE id = DUTY(O1)")
    lines = run("verify").stdout.splitlines()
    assert "挂钩联系产生的任务不符：PAIR-HB" in lines


def test_settings_that_are_not_applied_yet_are_no_fault(run: Run) -> None:
    done = run("verify", XUNHE_COUNT_FROM="2026-02-01")
    assert (done.returncode, done.stdout) == (0, WELL)
    assert done.stderr == (
        "履职是按原来的设置核算的（起算日、挂钩任务与现在不同），服务启动时会重新核算。\n"
    )


def test_a_book_that_was_never_kept_is_no_fault(run: Run, url: str) -> None:
    """As after an update from a version, or the restore of its backup, that knew no duties."""
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM credits")
        connection.execute("DELETE FROM rulebook")
    done = run("verify")
    assert (done.returncode, done.stdout) == (0, WELL)
    assert done.stderr == "履职还没有核算过，服务启动时会核算。\n"
    assert run("remind", "--dry-run").returncode == 0
    assert run("verify").stderr == done.stderr
    assert run("remind").returncode == 0
    done = run("verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, WELL, "")


def test_a_start_with_another_day_to_count_from_judges_anew(
    run: Run, url: str, tmp_path: Path
) -> None:
    def in_force() -> list[str]:
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT DISTINCT p.code FROM credits k JOIN patrols p ON p.id = k.patrol_id "
                "WHERE k.revoked_at IS NULL ORDER BY 1"
            )
            return [row[0] for row in rows]

    assert in_force() == ["L1", "L3"]
    counting = {"XUNHE_DATABASE_URL": url, "XUNHE_COUNT_FROM": "2026-01-01"}
    serving = command("serve", "--port=0", "--workers=2")
    running = Running(serving, tmp_path / "data", **counting)
    try:
        assert running.line().startswith("http://")
        assert in_force() == ["L3"]
    finally:
        running.end()
    done = run("verify", XUNHE_COUNT_FROM="2026-01-01")
    assert (done.stdout, done.stderr) == (WELL, "")
    assert run("import", str(tmp_path / "lake")).returncode == 0
    assert in_force() == ["L1", "L3"]
