"""The backup file: a tar written and read member by member, each with its checksum."""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import orjson

from app.errors import CommandFailed

FORMAT = 1
MANIFEST, DUMP, SECRET_KEY, CHECKSUMS = (
    "manifest.json",
    "database.dump",
    "secret_key",
    "checksums.sha256",
)
FILES, MEDIA = "files/", "media/"
PIECE = 1 << 20
_BLOCK = 512
_DAMAGED = "备份文件不完整或已损坏，什么都没有恢复，请换一份备份。"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; `revisions` are alembic's, `made_at` is RFC 3339."""

    format: int
    made_at: str
    revisions: tuple[str, ...]
    server_version: int


@dataclass(frozen=True)
class Member:
    """One file in the backup; `content` can be read once, before the next member."""

    name: str
    size: int
    content: IO[bytes]

    def pieces(self) -> Iterator[bytes]:
        """The bytes, up to a mebibyte at a time."""
        while piece := self.content.read(PIECE):
            yield piece


class Writer:
    """Appends members; memory stays the same however many there are (tarfile's own does not)."""

    def __init__(self, file: IO[bytes], checksums: IO[bytes]) -> None:
        self._file = file
        self._checksums = checksums

    def describe(self, manifest: Manifest) -> None:
        """Write the manifest: the first member."""
        self.add(MANIFEST, orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))

    def add(self, name: str, content: bytes) -> None:
        """Append a member that is in memory."""
        self._file.write(_header(name, len(content)))
        self._file.write(content)
        self._end(name, len(content), hashlib.sha256(content).hexdigest())

    def add_file(self, name: str, path: Path) -> None:
        """Append a file, which must not change meanwhile."""
        size = path.stat().st_size
        self._file.write(_header(name, size))
        digest, seen = hashlib.sha256(), 0
        with path.open("rb") as content:
            while piece := content.read(PIECE):
                self._file.write(piece)
                digest.update(piece)
                seen += len(piece)
        if seen != size:
            raise CommandFailed(f"{path} 在备份时被改动，请再备份一次。")
        self._end(name, size, digest.hexdigest())

    def finish(self) -> None:
        """Write the checksums and the end of the tar."""
        size = self._checksums.tell()
        self._file.write(_header(CHECKSUMS, size))
        self._checksums.seek(0)
        while piece := self._checksums.read(PIECE):
            self._file.write(piece)
        self._file.write(bytes(-size % _BLOCK + 2 * _BLOCK))

    def _end(self, name: str, size: int, digest: str) -> None:
        self._file.write(bytes(-size % _BLOCK))
        self._checksums.write(f"{digest}  {name}\n".encode())


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def members(path: Path) -> Iterator[Member]:
    """All members in their order. Raises `CommandFailed` where the file is cut or damaged."""
    with _reading(), tarfile.open(path, "r:") as tar:
        while (found := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # not in typeshed; it would remember every one of a million
            content = tar.extractfile(found)
            if content is None or not _is_safe(found.name):
                raise CommandFailed(_DAMAGED)
            yield Member(found.name, found.size, content)


def check(path: Path) -> Manifest:
    """Read the whole file once and compare every checksum.

    Raises `CommandFailed`: it is no backup, cut, damaged, or of a later format.
    """
    manifest: Manifest | None = None
    names: set[str] = set()
    with tempfile.TemporaryFile() as seen, _reading():
        for member in members(path):
            if member.name == CHECKSUMS:
                _compare(seen, member)
                names.add(CHECKSUMS)
                break
            if manifest is None:
                manifest = _manifest(member)
                digest = hashlib.sha256(_as_bytes(manifest)).hexdigest()
            else:
                summed = hashlib.sha256()
                for piece in member.pieces():
                    summed.update(piece)
                digest = summed.hexdigest()
            seen.write(f"{digest}  {member.name}\n".encode())
            if not member.name.startswith((FILES, MEDIA)):
                names.add(member.name)
    is_whole = {DUMP, SECRET_KEY, CHECKSUMS} <= names and _has_its_end(path)
    if manifest is None or not is_whole:
        raise CommandFailed(_DAMAGED)
    return manifest


def _has_its_end(path: Path) -> bool:
    """Two blocks of zeros, which nothing before them could be taken for."""
    with path.open("rb") as file:
        size = file.seek(-2 * _BLOCK, os.SEEK_END) + 2 * _BLOCK
        return size % _BLOCK == 0 and not any(file.read())


def _manifest(member: Member) -> Manifest:
    if member.name != MANIFEST or member.size > PIECE:
        raise CommandFailed("这不是 xunhe backup 生成的备份文件。")
    said = orjson.loads(member.content.read())
    if said["format"] != FORMAT:
        raise CommandFailed("这份备份来自更新版本的程序，请先升级本程序。")
    return Manifest(FORMAT, said["made_at"], tuple(said["revisions"]), said["server_version"])


def _as_bytes(manifest: Manifest) -> bytes:
    return orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)


def _compare(seen: IO[bytes], stored: Member) -> None:
    seen.seek(0)
    for line in stored.content:
        if seen.readline() != line:
            name = line.decode(errors="replace").partition("  ")[2].strip()
            raise CommandFailed(f"备份文件已损坏（{name[:120]}），什么都没有恢复，请换一份备份。")
    if seen.readline():
        raise CommandFailed(_DAMAGED)


def _is_safe(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, KeyError, TypeError, ValueError):
        raise CommandFailed(_DAMAGED) from None
