"""Opening the database: started if it is ours, at the newest schema before anybody uses it."""

import ast
import contextlib
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from app import embedded_postgres
from app.errors import CommandFailed
from app.settings import Settings

_ROOT = Path(__file__).parents[1]
_ASSIGNMENT = re.compile(r"^(revision|down_revision)\b[^=\n]*= *(.+)$", re.MULTILINE)


@contextlib.contextmanager
def opened(settings: Settings) -> Generator[str]:
    """Yield the `postgresql://…` address of a database that runs and has the newest schema.

    The embedded one is started, migrated and held; an external one is only looked at. Raises
    `CommandFailed`, one line each: it cannot be reached, its schema is old, or newer than we are.
    """
    with held(settings) as url:
        if settings.database.url is None:
            migrate(url)
        else:
            check(url)
        yield url


@contextlib.contextmanager
def held(settings: Settings) -> Generator[str]:
    """Yield the address of the database that the settings mean, whatever its schema."""
    if settings.database.url is not None:
        yield settings.database.url
        return
    with embedded_postgres.hold(settings.data_dir) as url:
        yield url


def migrate(url: str) -> bool:
    """Bring the database to the newest schema; whether there was anything to do."""
    revisions = Revisions.read()
    current = _current(url)
    revisions.refuse_newer(current)
    if current == revisions.newest:
        return False
    # Imported here and not above: with SQLAlchemy it takes longer than all the rest of a start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    command.upgrade(Config(_ROOT / "alembic.ini", attributes={"url": url}), "heads")
    return True


def check(url: str) -> None:
    """Raise `CommandFailed` unless the database has exactly the schema that we know."""
    revisions = Revisions.read()
    current = _current(url)
    revisions.refuse_newer(current)
    if current != revisions.newest:
        raise CommandFailed("数据库结构不是最新的，请先运行 xunhe migrate 再启动。")


@dataclass(frozen=True)
class Revisions:
    """The migrations that came with this program."""

    known: frozenset[str]
    newest: frozenset[str]

    @classmethod
    def read(cls) -> "Revisions":
        """Read from the files what alembic would find by importing them all."""
        known: set[str] = set()
        older: set[str] = set()
        for file in (_ROOT / "migrations" / "versions").glob("*.py"):
            said = dict(_ASSIGNMENT.findall(file.read_text(encoding="utf-8")))
            known.add(ast.literal_eval(said["revision"]))
            before = ast.literal_eval(said["down_revision"])
            older.update([before] if isinstance(before, str) else before or ())
        if not known:  # installed without the rest of the project
            raise CommandFailed(f"找不到数据库迁移文件：{_ROOT / 'migrations'}。")
        return cls(frozenset(known), frozenset(known - older))

    def refuse_newer(self, current: frozenset[str]) -> None:
        """Raise `CommandFailed` for a database that a later program has migrated."""
        if not current <= self.known:
            raise CommandFailed("数据库已被更新版本的程序升级过，请升级本程序后再启动。")


def _current(url: str) -> frozenset[str]:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchall() == [(None,)]:
                return frozenset()
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            return frozenset(row[0] for row in rows)
    except psycopg.Error as error:
        # libpq's text names host, port and user, and never the password.
        why = str(error).strip().splitlines()[-1].strip()
        raise CommandFailed(f"连不上数据库（XUNHE_DATABASE_URL）：{why}") from None
