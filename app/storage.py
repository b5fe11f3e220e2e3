"""Where photos' bytes are: a folder or a bucket, spoken to through obstore."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import uuid4

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from app.errors import StorageUnavailable
from app.settings import S3, BadSettings

log = structlog.get_logger(__name__)

_INCOMING = "incoming"
_CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Stored:
    """One object in the store; `size` in bytes."""

    key: str
    size: int


class Store:
    """Bytes by key. Every failure of disk or network is `StorageUnavailable`.

    `put` returns when the bytes outlive a power cut, so that the database may then say "received".
    """

    def __init__(self, objects: LocalStore | S3Store, folder: Path | None = None) -> None:
        self._objects = objects
        self._folder = folder

    async def put(self, key: str, content: bytes) -> None:
        """Keep `content` under `key`, whole or not at all; what was there is replaced."""
        try:
            if self._folder is None:
                await obstore.put_async(self._objects, key, content, use_multipart=False)
            else:
                await self._put_on_disk(self._folder, key, content)
        except (BaseError, OSError) as error:
            raise _unavailable("put", error) from None

    async def _put_on_disk(self, folder: Path, key: str, content: bytes) -> None:
        # obstore neither syncs nor sets modes: so it writes beside, and we move into place.
        aside = f"{_INCOMING}/{uuid4().hex}"
        await asyncio.to_thread(_make_folders, folder, aside)
        await asyncio.to_thread(_make_folders, folder, key)
        try:
            await obstore.put_async(self._objects, aside, content, use_multipart=False)
            await asyncio.to_thread(_settle, folder / aside, folder / key)
        except BaseException:
            (folder / aside).unlink(missing_ok=True)
            raise

    async def get(self, key: str) -> bytes:
        """The bytes under `key`, whole. Missing ones are `StorageUnavailable` too."""
        try:
            result = await obstore.get_async(self._objects, key)
            return bytes(await result.bytes_async())
        except (BaseError, OSError) as error:
            raise _unavailable("get", error) from None

    async def open(self, key: str) -> tuple[int, AsyncIterator[bytes]]:
        """Size in bytes and the bytes under `key`, piece by piece; fails before the first piece."""
        try:
            result = await obstore.get_async(self._objects, key)
            size = result.meta["size"]
        except (BaseError, OSError) as error:
            raise _unavailable("get", error) from None

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in result.stream(min_chunk_size=_CHUNK):
                yield bytes(piece)

        return size, pieces()

    async def exists(self, key: str) -> bool:
        """Whether there are bytes under `key`."""
        try:
            await obstore.head_async(self._objects, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise _unavailable("head", error) from None
        return True

    async def delete(self, key: str) -> None:
        """Forget the bytes under `key`; none there is well too."""
        try:
            await obstore.delete_async(self._objects, key)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise _unavailable("delete", error) from None

    async def list(self, prefix: str) -> AsyncIterator[Stored]:
        """Everything under `prefix` (whole path segments: `originals`, `renditions/ab`)."""
        try:
            async for page in obstore.list(self._objects, prefix, chunk_size=1000):
                for each in page:
                    yield Stored(key=each["path"], size=each["size"])
        except (BaseError, OSError) as error:
            raise _unavailable("list", error) from None

    async def sweep(self, before: datetime) -> int:
        """Drop scraps that killed processes left before `before`; how many there were."""
        try:
            old = [
                each["path"]
                async for page in obstore.list(self._objects, _INCOMING, chunk_size=1000)
                for each in page
                if each["last_modified"] < before
            ]
        except (BaseError, OSError) as error:
            raise _unavailable("list", error) from None
        for key in old:
            await self.delete(key)
        return len(old)

    async def check(self) -> None:
        """For `/readyz` and `doctor`: a few bytes go in, come back and leave again."""
        key = f"checks/{uuid4().hex}"
        await self.put(key, b"xunhe")
        try:
            if await self.get(key) != b"xunhe":
                raise StorageUnavailable
        finally:
            await self.delete(key)


def open_store(url: str, s3: S3) -> Store:
    """The store behind `file:///folder` or `s3://bucket/prefix`.

    Credentials come from `XUNHE_S3_*`, else from the usual `AWS_*` and machine roles. Nothing is
    contacted yet. Raises `BadSettings` for any other address, and for a folder we cannot use.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        folder = Path(url2pathname(parts.path))
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return Store(LocalStore(folder), folder)
        except (BaseError, OSError):
            raise BadSettings(f"XUNHE_MEDIA_URL: cannot use the folder {folder}") from None
    if parts.scheme == "s3" and parts.netloc:
        given = {
            "endpoint": s3.endpoint,
            "region": s3.region,
            "access_key_id": s3.access_key_id,
            "secret_access_key": s3.secret_access_key.get_secret_value(),
        }
        return Store(
            S3Store(
                parts.netloc,
                prefix=parts.path.strip("/") or None,
                config={name: value for name, value in given.items() if value},  # type: ignore[arg-type]  # of S3Config's keys
                virtual_hosted_style_request=s3.virtual_hosted,
                # Not every store that speaks S3 knows how to delete many at once.
                disable_bulk_delete=True,
                client_options={
                    "allow_http": (s3.endpoint or "http:").startswith("http:"),
                    "connect_timeout": timedelta(seconds=5),
                    "timeout": timedelta(seconds=60),
                },
                # A phone is waiting: rather 503 soon than an answer in three minutes.
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
            )
        )
    raise BadSettings("XUNHE_MEDIA_URL: must be file:///folder or s3://bucket/prefix")


def original_key(sha256: bytes) -> str:
    """Where the bytes lie as they came."""
    name = sha256.hex()
    return f"originals/{name[:2]}/{name}"


def rendition_key(sha256: bytes, size: str) -> str:
    """Where the `large` or `small` rendition lies."""
    name = sha256.hex()
    return f"renditions/{name[:2]}/{name}-{size}.jpg"


def _make_folders(folder: Path, key: str) -> None:
    """The folders on the way to `key`, 0700, each known to its parent for good."""
    for part in reversed(Path(key).parents[:-1]):
        try:
            (folder / part).mkdir(mode=0o700)
        except FileExistsError:
            continue
        _sync(folder / part.parent)


def _settle(aside: Path, place: Path) -> None:
    """Sync the file, give it its name, sync the name: in this order a name never lies."""
    aside.chmod(0o600)
    _sync(aside)
    aside.replace(place)
    _sync(place.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(act: str, error: Exception) -> StorageUnavailable:
    # The error's text has paths and addresses in it: its first line is for the log alone.
    log.error("photo store", act=act, error=str(error).partition("\n")[0][:300])
    return StorageUnavailable()
