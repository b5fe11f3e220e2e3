"""`xunhe doctor` as an operator runs it: exit codes, no secrets, nothing changed."""

import stat
from pathlib import Path

import psycopg

from app import embedded_postgres
from tests.faults.processes import xunhe


def levels(printed: str) -> dict[str, str]:
    """What each line is about, with its level."""
    return {
        line[5:].partition("：")[0]: line[:5].strip()
        for line in printed.splitlines()
        if not line[5:].startswith("XUNHE_")
    }


def test_a_new_system_is_well_enough_and_not_touched(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    done = xunhe("doctor", data_dir=data_dir)
    assert done.returncode == 0
    found = levels(done.stdout)
    assert {what for what, level in found.items() if level == "fail"} == set()
    assert found["数据库结构"] == "warn"
    assert found["照片库"] == "ok"
    assert "数据目录" not in found
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert not (data_dir / "secret_key").exists()
    with embedded_postgres.hold(data_dir) as url, psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('people')").fetchall() == [(None,)]


def test_malformed_settings_are_all_named_without_their_values(tmp_path: Path) -> None:
    done = xunhe(
        "doctor",
        data_dir=tmp_path / "data",
        XUNHE_SERVICE_ACCOUNT_AES_KEY="hush-hush",
        XUNHE_SESSION_DAYS="hush-hush",
        XUNHE_SERVICE_ACCOUNT_SECRET="hush-hush",
    )
    assert done.returncode == 1
    failed = [line.partition("：")[0] for line in done.stdout.splitlines() if line[:4] == "fail"]
    assert failed == ["fail XUNHE_SESSION_DAYS", "fail XUNHE_SERVICE_ACCOUNT_AES_KEY"]
    assert "hush-hush" not in done.stdout + done.stderr


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    done = xunhe(
        "doctor",
        data_dir=tmp_path / "data",
        XUNHE_DATABASE_URL="postgresql://xunhe:hush-hush@127.0.0.1:1/xunhe",
        XUNHE_PUBLIC_URL="https://xunhe.example.cn",
    )
    assert done.returncode == 1
    found = levels(done.stdout)
    assert {what for what, level in found.items() if level == "fail"} == {"数据库"}
    assert found["对外网址"] == "ok"
    assert "hush-hush" not in done.stdout + done.stderr
