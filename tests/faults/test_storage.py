"""Full disks and processes killed between the bytes and their row."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.errors import StorageUnavailable
from app.settings import S3
from app.storage import open_store

NO_S3 = S3(_env_file=None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """One mebibyte, where we may mount it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_is_unavailable_and_keeps_no_scraps(small_disk: Path) -> None:
    store = open_store(small_disk.as_uri(), NO_S3)
    await store.put("originals/ab/one", b"small enough")
    with pytest.raises(StorageUnavailable):
        await store.put("originals/ab/two", bytes(3 << 20))
    files = [str(path.relative_to(small_disk)) for path in small_disk.rglob("*") if path.is_file()]
    assert files == ["originals/ab/one"]
    await store.put("originals/ab/two", bytes(1 << 19))
    assert await store.get("originals/ab/two") == bytes(1 << 19)


_PUT_FOR_EVER = """
import asyncio, sys
from app.settings import S3
from app.storage import open_store

async def main():
    store = open_store(sys.argv[1], S3(_env_file=None))
    for n in range(10_000):
        content = bytes([n % 256]) * 300_000
        await store.put(f"originals/ab/{n}", content)
        print(n, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [0, 1, 5, 20])
async def test_a_killed_process_leaves_whole_files_only(tmp_path: Path, after: int) -> None:
    """Whatever stands under its own name is whole; scraps lie aside and are in nobody's way."""
    with subprocess.Popen(
        [sys.executable, "-c", _PUT_FOR_EVER, tmp_path.as_uri()],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(after + 1)]
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
    store = open_store(tmp_path.as_uri(), NO_S3)
    kept = {each.key async for each in store.list("originals")}
    assert {f"originals/ab/{n}" for n in acknowledged} <= kept
    for key in kept:
        n = int(key.rpartition("/")[2])
        assert await store.get(key) == bytes([n % 256]) * 300_000
    await store.sweep(datetime.now(UTC) + timedelta(seconds=1))
    assert [each async for each in store.list("incoming")] == []
    assert {each.key async for each in store.list("originals")} == kept
    await store.put("originals/ab/0", b"again")
    assert await store.get("originals/ab/0") == b"again"
