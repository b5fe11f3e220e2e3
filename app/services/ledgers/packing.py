"""Packing: the zip of a ledger, sent while it is made; its manifest lists every file."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import orjson
import zipstream

from app import clock
from app.errors import StorageUnavailable
from app.models import Organisation
from app.services import workbooks
from app.services.access import Caller
from app.services.exports.downloads import Downloads
from app.services.ledgers import workbook
from app.services.ledgers.workbook import Enclosed, Enclosures, Place, safe
from app.services.reports import progress
from app.services.reports.report import Asked
from app.storage import Store, rendition_key

FORMAT = 1
_GONE = "存储中找不到"


def name_of(organisation: Organisation, asked: Asked) -> str:
    """What the ledger and its workbook are called, without an ending."""
    return safe(f"台账-{organisation.code}-{asked.from_on}-{asked.to_on}")


async def pieces(
    downloads: Downloads,
    store: Store,
    organisation: Organisation,
    asked: Asked,
    *,
    data_dir: Path,
) -> AsyncGenerator[bytes]:
    """The whole zip. Raises `Busy` or `NoRoom` before the first byte.

    The workbook is made first, by one snapshot; then no connection is held while photos are sent.
    What is not there any more is listed in the manifest as missing; a store that does not answer
    breaks the ledger off.
    """
    with downloads.files.one(), workbooks.folder_in(data_dir) as folder:
        sheets, enclosures = folder / "ledger.xlsx", Enclosures(folder / "enclosures")
        async with downloads.snapshots() as session, session.begin():
            await workbook.write(session, asked, sheets, enclosures)
        packed = zipstream.ZipStream()
        with _Manifest(folder / "manifest.json", organisation, asked) as manifest:
            name = f"{name_of(organisation, asked)}.xlsx"
            await asyncio.to_thread(manifest.add_file, name, sheets)
            packed.add_path(sheets, name)
            async for piece in _sent(packed):
                yield piece
            for each in enclosures:
                fault = each.fault or await _pack(packed, store, data_dir, each, manifest)
                if fault is not None:
                    manifest.miss(each.path, fault)
                async for piece in _sent(packed):
                    yield piece
            manifest.finish()
        packed.add_path(folder / "manifest.json", "manifest.json")
        async for piece in _sent(packed):
            yield piece
        for piece in packed.finalize():
            yield piece


async def _pack(
    packed: zipstream.ZipStream,
    store: Store,
    data_dir: Path,
    each: Enclosed,
    manifest: "_Manifest",
) -> str | None:
    """Put one file into the zip; what is wrong if it is not there."""
    if each.place is Place.documents:
        file = data_dir / "documents" / each.sha256
        if not file.is_file():
            return _GONE
        await asyncio.to_thread(manifest.add_file, each.path, file)
        packed.add_path(file, each.path)
        return None
    key = rendition_key(bytes.fromhex(each.sha256), "large")
    try:
        content = await store.get(key)
    except StorageUnavailable:
        if await store.exists(key):
            raise
        return _GONE
    manifest.add(each.path, len(content), hashlib.sha256(content).hexdigest())
    packed.add(content, each.path)
    return None


async def _sent(packed: zipstream.ZipStream) -> AsyncGenerator[bytes]:
    """What the files that were added come to; read from the disk beside the loop."""
    found: Iterator[bytes] = packed.all_files()
    while (piece := await asyncio.to_thread(next, found, None)) is not None:
        yield piece


class _Manifest:
    """The list of files, written to the disk as it grows: one JSON object in the end."""

    def __init__(self, file: Path, organisation: Organisation, asked: Asked) -> None:
        self._open: TextIO = file.open("w", encoding="utf-8")
        self._missing: list[dict[str, str]] = []
        self._count = 0
        head = orjson.dumps(_described(organisation, asked)).decode()
        self._open.write(head.removesuffix("}") + ',\n"files": [')

    def __enter__(self) -> "_Manifest":
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def add(self, path: str, size: int, sha256: str) -> None:
        """One more file."""
        entry = orjson.dumps({"path": path, "size": size, "sha256": sha256}).decode()
        self._open.write((",\n" if self._count else "\n") + entry)
        self._count += 1

    def add_file(self, path: str, file: Path) -> None:
        """One more, as it lies on the disk."""
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        self.add(path, file.stat().st_size, digest)

    def miss(self, path: str, why: str) -> None:
        """One that belongs here and is not."""
        self._missing.append({"path": path, "why": why})

    def finish(self) -> None:
        """The rest."""
        missing = orjson.dumps(self._missing).decode()
        self._open.write(f'\n],\n"missing": {missing}\n}}\n')


def _described(organisation: Organisation, asked: Asked) -> dict[str, Any]:
    definition = progress.DEFINITION
    return {
        "format": FORMAT,
        "organisation": organisation.code,
        "organisation_name": organisation.name,
        "from": asked.from_on,
        "to": asked.to_on,
        "as_of": asked.as_of,
        "known_at": _lake(asked.known_at or asked.now),
        "made_at": _lake(asked.now),
        "made_by": made_by(asked.caller),
        "definitions": {
            definition.report: {"version": definition.version, "text": definition.text}
        },
    }


def made_by(caller: Caller) -> Sequence[str]:
    """Code and name of the person, or the prefix of the program's key."""
    if caller.person is not None:
        return [caller.person.code, caller.person.name]
    return [f"key:{caller.api_key.prefix}"] if caller.api_key else []


def _lake(at: datetime) -> str:
    return at.astimezone(clock.LAKE).isoformat(timespec="seconds")
