"""`xunhe import` and `xunhe export`, as an operator runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import databases
from tests.services.datasets import LAKE, square, written

ROOT = Path(__file__).parents[2]

Xunhe = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    """A database of this test alone, since the command commits."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture
def xunhe(url: str, tmp_path: Path) -> Xunhe:
    """Run the command; its exit status, stdout and stderr."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("XUNHE_")}
        return subprocess.run(
            [sys.executable, "-m", "app.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=clean
            | {
                "PYTHONPATH": str(ROOT),
                "XUNHE_DATABASE_URL": url,
                "XUNHE_DATA_DIR": str(tmp_path / "data"),
            }
            | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    return run


def names(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM organisations ORDER BY 1")]


def test_the_demo_is_imported_exported_and_unchanged_by_its_export(
    xunhe: Xunhe, tmp_path: Path
) -> None:
    demo = ROOT / "demo" / "yangzonghai"
    first = xunhe("import", demo)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines()[-1] == "导入完成。"
    out = xunhe("export", tmp_path / "out")
    assert (out.returncode, out.stderr) == (0, "")
    assert out.stdout.splitlines()[-1] == "导出完成。"
    again = xunhe("import", tmp_path / "out", "--deactivate-missing")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "没有变化。")


def test_a_check_writes_nothing_and_an_import_does(xunhe: Xunhe, url: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "lake", LAKE)
    check = xunhe("import", folder, "--dry-run")
    assert (check.returncode, check.stderr, names(url)) == (0, "", [])
    assert check.stdout.splitlines()[0] == "organisations.csv：新增 4，更新 0，未变 0，停用 0"
    assert not (tmp_path / "data" / "documents").exists()
    assert xunhe("import", folder).returncode == 0
    assert len(names(url)) == 4
    assert len(list((tmp_path / "data" / "documents").iterdir())) == 1


def test_every_fault_is_a_line_and_the_exit_status_is_one(
    xunhe: Xunhe, url: str, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "bad",
        {"organisations.csv": "code,name,kind,parent_code\nA,,village,\nB,示例,village,X\n"},
    )
    done = xunhe("import", folder)
    assert (done.returncode, done.stdout, names(url)) == (1, "", [])
    assert done.stderr.splitlines() == [
        "organisations.csv:2: name: 不能为空",
        "organisations.csv:3: parent_code: “X”不存在，请先在 organisations 里登记",
        "共 2 处错误，什么都没有写入。",
    ]
    gone = xunhe("import", tmp_path / "gone")
    assert (gone.returncode, gone.stderr) == (1, f"{tmp_path / 'gone'} 不是文件夹\n")


def test_the_area_of_interest_is_that_of_the_settings(xunhe: Xunhe, tmp_path: Path) -> None:
    area = tmp_path / "area.geojson"
    area.write_text(json.dumps(square(103.2, 24.9)))
    folder = written(tmp_path / "lake", LAKE)
    done = xunhe("import", folder, XUNHE_AREA_OF_INTEREST=str(area))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "共 6 处错误，什么都没有写入。"
    assert xunhe("import", folder).returncode == 0


def test_a_template_needs_no_database(xunhe: Xunhe, tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    done = xunhe("import", "--template", "t.xlsx", XUNHE_DATABASE_URL=nowhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "模板已写入 t.xlsx\n", "")
    assert (tmp_path / "t.xlsx").read_bytes().startswith(b"PK")


def test_a_command_line_that_asks_for_nothing_is_refused(xunhe: Xunhe) -> None:
    done = xunhe("import")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_folder_with_other_things_is_not_exported_into(xunhe: Xunhe, tmp_path: Path) -> None:
    other = written(tmp_path / "other", {"notes.txt": "mine"})
    done = xunhe("export", other)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


def test_the_operator_reads_what_was_left_alone(xunhe: Xunhe, url: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "lake", LAKE)
    assert xunhe("import", folder).returncode == 0
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE people SET title = '组长' WHERE code = 'P2'")
        connection.execute(
            "INSERT INTO audit_entries (id, at, actor_id, via, action, subject) SELECT "
            "gen_random_uuid(), now(), id, 'api', 'edit', 'person:P2' FROM people WHERE code = 'P1'"
        )

    older = xunhe("import", folder, "--written-at", "2026-01-01")
    wrong = xunhe("import", folder, "--written-at", "昨天")
    newer = xunhe("import", folder, "--written-at", "2100-01-01T08:00:00+08:00")

    assert (older.returncode, older.stderr) == (0, "")
    told = older.stdout.splitlines()
    assert told[-3].startswith("有 1 行在文件写成以后被修改过")
    assert told[-2].startswith("people.csv:3: P2：示例甲于 ")
    assert told[-2].endswith("没有覆盖（职务名称）")
    assert told[-1] == "没有变化。"
    assert wrong.returncode == 2
    assert newer.stdout.splitlines()[1] == "people.csv：新增 0，更新 1，未变 2，停用 0"
