"""The schema as the migrations leave it."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests import databases

CONFIG = "alembic.ini"


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with databases.empty(server_url) as url:
        yield url


def config(url: str) -> Config:
    return Config(CONFIG, attributes={"url": url})


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    return {row[0] for row in rows} - {"alembic_version"}


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(Config(CONFIG)).get_heads()) == 1


def test_up_down_and_up_again(url: str) -> None:
    command.upgrade(config(url), "head")
    up = tables(url)
    command.downgrade(config(url), "base")
    down = tables(url)
    command.upgrade(config(url), "head")

    assert {"check_ins", "grid_cells", "procrastinate_jobs"} <= up
    assert down == set()
    assert tables(url) == up


def test_models_and_migrations_agree(url: str) -> None:
    command.upgrade(config(url), "head")

    command.check(config(url))

    # check() raises on any difference; and it has looked at something.
    assert "check_ins" in tables(url)


def test_every_foreign_key_is_indexed(url: str) -> None:
    command.upgrade(config(url), "head")
    with psycopg.connect(url) as connection:
        bare = connection.execute(
            """
            SELECT c.conrelid::regclass::text, a.attname
            FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.conrelid::regclass::text NOT LIKE 'procrastinate%'
              AND NOT EXISTS (
                SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]
              )
            """
        ).fetchall()

    assert bare == []
