"""Migrating: once when many try, alone, down and up again; and what must not change unnoticed."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager

from app import embedded_postgres
from app.opening import Revisions, check, migrate
from tests.faults import processes
from tests.faults.processes import ROOT


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with embedded_postgres.hold(tmp_path / "data") as url:
        yield url


def objects(url: str) -> list[tuple[str, str]]:
    """Every table, function and type of ours, by kind and name."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            """
            SELECT 'relation', relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
            ORDER BY 1, 2
            """
        )
        return [(row[0], row[1]) for row in rows]


def test_the_revisions_are_those_that_alembic_finds() -> None:
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    assert Revisions.read() == Revisions(
        known=frozenset(revision.revision for revision in script.walk_revisions()),
        newest=frozenset(script.get_heads()),
    )
    assert len(script.get_heads()) == 1


def test_the_schema_of_the_queue_is_the_one_that_revision_0001_was_written_for() -> None:
    digest = hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()
    assert digest == "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def test_many_migrate_at_once_and_one_does_it(url: str, tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            processes.command("migrate"),
            env=processes.environment(tmp_path / "data", XUNHE_DATABASE_URL=url),
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert [code for _, code in ended] == [0, 0, 0]
    assert sum(said.count("Running upgrade") for said, _ in ended) == len(Revisions.read().known)
    check(url)


def test_says_whether_there_was_anything_to_do(url: str) -> None:
    assert [migrate(url), migrate(url)] == [True, False]


def test_goes_all_the_way_down_and_up_again(url: str) -> None:
    migrate(url)
    up = objects(url)
    config = Config(ROOT / "alembic.ini", attributes={"url": url})
    command.downgrade(config, "base")
    assert [name for _, name in objects(url) if not name.lstrip("_").startswith("alembic_")] == []
    migrate(url)
    assert objects(url) == up
