"""Writing a backup while the system runs."""

import asyncio
import errno
import hashlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg

from app import clock
from app.errors import CommandFailed, StorageUnavailable
from app.keys import secret_of
from app.services.backups import dumps
from app.services.backups.archive import DUMP, FILES, FORMAT, MEDIA, SECRET_KEY, Manifest, Writer
from app.settings import Settings
from app.storage import Store

# Beside the photos: what WeChat and the dataset put into the data folder.
FOLDERS = ("documents", "verification")
_PASSING = ("incoming/", "checks/")

Progress = Callable[[str, int], None]


@dataclass
class Written:
    """What went into the file: its bytes, the photo store's objects, and what was wrong there."""

    size: int = 0
    objects: int = 0
    faults: list[str] = field(default_factory=list)


async def write(
    url: str,
    store: Store,
    settings: Settings,
    file: Path,
    *,
    now: datetime,
    overwrite: bool = False,
    progress: Progress = lambda _step, _done: None,
) -> Written:
    """Write the backup beside its name, sync it, give it the name (mode 0600).

    The dump is one state of the database, made first; bytes are stored before their rows commit
    and never deleted, so that whatever the dump speaks of is found afterwards. Needs room for the
    dump twice. Raises `CommandFailed`, and leaves nothing.
    """
    if not overwrite:
        _refuse_existing(file)
    written = Written()
    with _aside(file) as target, tempfile.TemporaryFile(dir=file.parent) as checksums:
        writer = Writer(target, checksums)
        with _dumped_into(file.parent) as dump:
            progress("数据库", 0)
            # Read before the dump: a migration in between makes the dump newer, never older.
            manifest = await asyncio.to_thread(_describe, url, now)
            await dumps.dump(url, dump)
            writer.describe(manifest)
            writer.add_file(DUMP, dump)
        writer.add(SECRET_KEY, secret_of(settings).encode())
        for name in FOLDERS:
            _add_folder(writer, settings.data_dir, name)
        await _add_media(writer, store, written, progress)
        writer.finish()
        written.size = target.tell()
    await asyncio.to_thread(_note, url, now)
    return written


def _refuse_existing(file: Path) -> None:
    if file.exists():
        raise CommandFailed(f"{file} 已存在，请换一个文件名，或加 --overwrite。")


def _describe(url: str, now: datetime) -> Manifest:
    with psycopg.connect(url, connect_timeout=10) as connection:
        if connection.execute("SELECT to_regclass('alembic_version')").fetchall() == [(None,)]:
            raise CommandFailed("数据库里还没有表，没有可以备份的内容。")
        rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
        made_at = now.astimezone(clock.LAKE).isoformat(timespec="seconds")
        return Manifest(
            FORMAT, made_at, tuple(row[0] for row in rows), connection.info.server_version
        )


def _add_folder(writer: Writer, data_dir: Path, name: str) -> None:
    for path in sorted((data_dir / name).rglob("*")):
        if path.is_file() and not path.is_symlink():
            writer.add_file(FILES + path.relative_to(data_dir).as_posix(), path)


async def _add_media(writer: Writer, store: Store, written: Written, progress: Progress) -> None:
    """All objects, one in memory at a time (a photo has 20 MiB at most)."""
    async for each in store.list(""):
        if each.key.startswith(_PASSING):
            continue
        try:
            content = await store.get(each.key)
        except StorageUnavailable:
            written.faults.append(f"读不出来，未备份：{each.key}")
            continue
        name = each.key.rpartition("/")[2]
        if each.key.startswith("originals/") and hashlib.sha256(content).hexdigest() != name:
            written.faults.append(f"内容与校验值不符，按原样备份：{each.key}")
        writer.add(MEDIA + each.key, content)
        written.objects += 1
        progress("照片", written.objects)


def _note(url: str, now: datetime) -> None:
    """The milestone that the alarm about old backups looks at."""
    with suppress(psycopg.errors.UndefinedTable), psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO milestones (name, at) VALUES ('backup', %s)"
            " ON CONFLICT (name) DO UPDATE SET at = excluded.at",
            [now],
        )


@contextmanager
def _aside(file: Path) -> "Iterator[tempfile._TemporaryFileWrapper[bytes]]":
    """A file that takes its name when all is well, and vanishes otherwise."""
    try:
        with _passing(file.parent, f".{file.name}.", ".part") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
            Path(target.name).replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise CommandFailed(f"{file.parent} 空间不够，备份没有做成。") from None
        raise


@contextmanager
def _dumped_into(folder: Path) -> Iterator[Path]:
    with _passing(folder, ".xunhe.", ".dump.part") as file:
        yield Path(file.name)


@contextmanager
def _passing(
    folder: Path, prefix: str, suffix: str
) -> "Iterator[tempfile._TemporaryFileWrapper[bytes]]":
    """A file for us alone (0600) whose name is gone afterwards, whatever happens."""
    with ExitStack() as stack:
        with _undisturbed():
            file = stack.enter_context(
                tempfile.NamedTemporaryFile(dir=folder, prefix=prefix, suffix=suffix, delete=False)
            )
            stack.callback(Path(file.name).unlink, missing_ok=True)
        yield file


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a signal wait for the moment in which a file is there and nobody would remove it."""
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda signalled, _frame: came.append(signalled))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for told in came:
        signal.raise_signal(told)
