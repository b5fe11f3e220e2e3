"""Opening the database: started if it is ours, at the newest schema before anybody uses it."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import embedded_postgres
from app.errors import CommandFailed
from app.settings import Settings

_ALEMBIC_INI = Path(__file__).parents[1] / "alembic.ini"


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
    config = _config()
    current, newest = _revisions(url, config)
    if current == newest:
        return False
    _refuse_newer(current, config)
    config.attributes["url"] = url
    command.upgrade(config, "heads")
    return True


def check(url: str) -> None:
    """Raise `CommandFailed` unless the database has exactly the schema that we know."""
    config = _config()
    current, newest = _revisions(url, config)
    if current != newest:
        _refuse_newer(current, config)
        raise CommandFailed("数据库结构不是最新的，请先运行 xunhe migrate 再启动。")


def _config() -> Config:
    return Config(_ALEMBIC_INI)


def _revisions(url: str, config: Config) -> tuple[set[str], set[str]]:
    newest = set(ScriptDirectory.from_config(config).get_heads())
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            if connection.execute("SELECT to_regclass('alembic_version')").fetchall() == [(None,)]:
                return set(), newest
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            return {row[0] for row in rows}, newest
    except psycopg.OperationalError as error:
        # libpq's text names host, port and user, and never the password.
        why = str(error).strip().splitlines()[-1].strip()
        raise CommandFailed(f"连不上数据库（XUNHE_DATABASE_URL）：{why}") from None


def _refuse_newer(current: set[str], config: Config) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if not current <= known:
        raise CommandFailed("数据库已被更新版本的程序升级过，请升级本程序后再启动。")
