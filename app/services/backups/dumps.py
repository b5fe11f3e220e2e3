"""Dumps: the database out by pg_dump, and back in over our own connection in one transaction."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.embedded_postgres import programs
from app.errors import CommandFailed

# Secrets of two hours' life, and what only the living system needs.
_LEFT_OUT = ("wechat_tokens", "callback_nonces", "rate_buckets")
_META_COMMAND = re.compile(r"^\\(?:un)?restrict .*$", re.MULTILINE)
_NEW_IN_17 = re.compile(r"^SET transaction_timeout = .*$", re.MULTILINE)
_BLOCK = 1 << 18


async def dump(url: str, file: Path) -> None:
    """Write one consistent state of the database into `file` (custom format, compressed)."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        major = connection.info.server_version // 10_000
    where, secrets = _without_secrets(url)
    command = [
        *(await _pg_dump(major)),
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--lock-wait-timeout=60s",
        *(f"--exclude-table-data=*.{table}" for table in _LEFT_OUT),
        f"--file={file}",
        f"--dbname={where}",
    ]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=programs.environment() | secrets,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise CommandFailed(f"数据库导不出来：{_first_error(said)}")


def _without_secrets(url: str) -> tuple[str, dict[str, str]]:
    """The address for a command line, where everybody can read it, and the rest beside it."""
    parts = conninfo_to_dict(url)
    password = parts.pop("password", None)
    parts.setdefault("application_name", "xunhe backup")
    secrets = {} if password is None else {"PGPASSWORD": str(password)}
    for name in ("PGPASSFILE", "PGSSLROOTCERT", "HOME"):
        if value := os.environ.get(name):
            secrets[name] = value
    return make_conninfo("", **parts), secrets


async def _pg_dump(server_major: int) -> list[str]:
    """The system's pg_dump if it is new enough for the server, else the one that came with us.

    Ours speaks no TLS, and nobody's can read a server that is newer than itself.
    """
    found = shutil.which("pg_dump")
    if found is not None:
        asked = await asyncio.create_subprocess_exec(
            found, "--version", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        answer, _ = await asked.communicate()
        version = re.search(rb"\) (\d+)", answer)
        if version is not None and server_major <= int(version[1]) <= programs.MAJOR:
            return [found]
    if server_major > programs.MAJOR:
        raise CommandFailed(
            f"数据库是 PostgreSQL {server_major}，本程序能备份的最高版本是 {programs.MAJOR}，"
            "请升级本程序。"
        )
    return [str(programs.folder() / "pg_dump")]


def load(connection: "psycopg.Connection[Any]", file: Path) -> None:
    """Put the dump in the place of everything in the schema `public`.

    Nothing is committed here. Raises `psycopg.Error`, `CommandFailed`.
    """
    is_old = connection.info.server_version < 170_000
    connection.execute("SET LOCAL lock_timeout = '10s'")
    connection.execute("DROP SCHEMA public CASCADE")
    connection.execute("CREATE SCHEMA public")
    _run(connection, _script(file, "pre-data"), is_old)
    _load_rows(connection, file, is_old)
    _run(connection, _script(file, "post-data"), is_old)
    connection.execute("RESET ALL")


def _script(file: Path, section: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own program
        _pg_restore(file, section), env=programs.environment(), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise CommandFailed(f"备份里的数据库读不出来：{_first_error(done.stderr)}")
    return done.stdout.decode()


def _pg_restore(file: Path, section: str) -> list[str]:
    return [
        str(programs.folder() / "pg_restore"),
        f"--section={section}",
        "--no-owner",
        "--no-privileges",
        "--file=-",
        str(file),
    ]


def _run(connection: "psycopg.Connection[Any]", script: str, is_old: bool) -> None:
    script = _META_COMMAND.sub("", script)
    if is_old:
        script = _NEW_IN_17.sub("", script)
    connection.execute(script.encode())


def _load_rows(connection: "psycopg.Connection[Any]", file: Path, is_old: bool) -> None:
    with subprocess.Popen(  # noqa: S603 - our own program
        _pg_restore(file, "data"),
        env=programs.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as reading:
        assert reading.stdout is not None  # noqa: S101 - made with a pipe
        try:
            lines = iter(reading.stdout)
            for line in lines:
                if line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
                    with connection.cursor().copy(line) as copy:
                        for block in _rows(lines):
                            copy.write(block)
                elif line.rstrip().endswith(b";"):
                    _run(connection, line.decode(), is_old)
        except BaseException:
            reading.kill()
            raise
    if reading.returncode != 0:
        raise CommandFailed("备份里的数据库读不出来，什么都没有改动。")


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines up to COPY's end mark, some at a time."""
    block = bytearray()
    for line in lines:
        if line == b"\\.\n":
            break
        block += line
        if len(block) > _BLOCK:
            yield bytes(block)
            block.clear()
    else:
        raise CommandFailed("备份里的数据库不完整，什么都没有改动。")
    yield bytes(block)


def _first_error(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if "error:" in line]
    return (lines or ["原因不明"])[0].rpartition("error:")[2].strip()[:200]
