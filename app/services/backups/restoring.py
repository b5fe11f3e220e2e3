"""Restoring a backup: everything is checked first, and the database changes in one transaction."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

from app.errors import CommandFailed
from app.keys import SECRET_FILE
from app.opening import Revisions
from app.services.backups import archive, dumps
from app.services.backups.archive import DUMP, FILES, MEDIA, SECRET_KEY, Manifest
from app.services.backups.writing import FOLDERS, Progress
from app.settings import Settings
from app.storage import Store

_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
"""
_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""


async def restore(
    url: str,
    store: Store,
    settings: Settings,
    file: Path,
    *,
    now: datetime,
    replace: bool = False,
    progress: Progress = lambda _step, _done: None,
) -> Manifest:
    """Put back what the backup holds; the caller migrates and verifies afterwards.

    Photos come first: under the sha256 of their content they harm nothing should the rest fail.
    Then the database, in one transaction; last the key and the files. Raises `CommandFailed`: the
    file is damaged or too new, the place is in use or not empty (and not to `replace`).
    """
    progress("检查备份文件", 0)
    manifest = await asyncio.to_thread(archive.check, file)
    Revisions.read().refuse_newer(frozenset(manifest.revisions))
    key = _read_key(file)
    with psycopg.connect(url, connect_timeout=10) as connection:
        if connection.execute(_OTHERS).fetchall() != [(0,)]:
            raise CommandFailed("数据库正在使用，请先停止 xunhe serve 和 xunhe worker 再恢复。")
        _refuse_unless_empty(connection, replace)
    await _refuse_other_contents(store, settings, key, replace)
    objects = 0
    for member in archive.members(file):
        if member.name.startswith(MEDIA):
            await store.put(member.name.removeprefix(MEDIA), member.content.read())
            objects += 1
            progress("照片", objects)
    progress("数据库", 0)
    await asyncio.to_thread(_restore_database, url, file, settings.data_dir, replace)
    _restore_files(file, settings.data_dir)
    if settings.secret_key is None:
        _restore_key(settings.data_dir / SECRET_FILE, key, now)
    return manifest


def _read_key(file: Path) -> bytes:
    for member in archive.members(file):
        if member.name == SECRET_KEY:
            return member.content.read()
    raise CommandFailed("备份文件里没有密钥。")


def _refuse_unless_empty(
    connection: "psycopg.Connection[tuple[object, ...]]", replace: bool
) -> None:
    tables = {row[0] for row in connection.execute(_TABLES)}
    if tables and "alembic_version" not in tables:
        raise CommandFailed("这个数据库里有别的程序的表，请另建一个空数据库来恢复。")
    if replace:
        return
    for table in ("people", "organisations", "check_ins", "wechat_users"):
        if table in tables and connection.execute(
            f"SELECT EXISTS (SELECT FROM {table})"  # noqa: S608 - names of our own
        ).fetchall() == [(True,)]:
            raise CommandFailed("数据库里已有记录；确定要用备份替换它，请加 --yes。")


async def _refuse_other_contents(
    store: Store, settings: Settings, key: bytes, replace: bool
) -> None:
    if settings.secret_key is not None:
        if settings.secret_key.get_secret_value().encode() != key:
            raise CommandFailed(
                "XUNHE_SECRET_KEY 与备份里的密钥不同，恢复后界碑二维码都会失效："
                "请改成备份时的密钥，或去掉这个设置。"
            )
    elif not replace:
        with_key = settings.data_dir / SECRET_FILE
        if with_key.exists() and with_key.read_bytes().strip() != key:
            raise CommandFailed(f"{with_key} 与备份里的密钥不同；确定要替换它，请加 --yes。")
    if not replace:
        async for each in store.list("originals"):
            raise CommandFailed(
                f"照片库里已有照片（{each.key[:20]}…）；确定要恢复到这里，请加 --yes。"
            )


def _restore_database(url: str, file: Path, data_dir: Path, replace: bool) -> None:
    with _dump_of(file, data_dir) as dump:
        try:
            # One connection, one transaction: it is all there, or as it was before.
            with psycopg.connect(url, connect_timeout=10) as connection:
                _refuse_unless_empty(connection, replace)
                dumps.load(connection, dump)
        except psycopg.Error as error:
            # Never its detail: that may hold a row.
            raise CommandFailed(
                f"数据库恢复失败（{type(error).__name__}），数据库没有改动。"
            ) from None


@contextmanager
def _dump_of(file: Path, data_dir: Path) -> Iterator[Path]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=data_dir, prefix=".restore.", suffix=".dump") as copy:
        for member in archive.members(file):
            if member.name == DUMP:
                shutil.copyfileobj(member.content, copy, archive.PIECE)
                break
        copy.flush()
        yield Path(copy.name)


def _restore_files(file: Path, data_dir: Path) -> None:
    for member in archive.members(file):
        name = member.name.removeprefix(FILES)
        if name == member.name or name.partition("/")[0] not in FOLDERS:
            continue
        path = data_dir / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _place(path, member.content.read())


def _restore_key(path: Path, key: bytes, now: datetime) -> None:
    """Put the key in its place; another one that is there is kept under the time of day."""
    if path.exists():
        if path.read_bytes().strip() == key:
            return
        path.rename(path.with_name(f"{path.name}.{now:%Y%m%d%H%M%S}"))
    _place(path, key)


def _place(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)
