"""A store keeps bytes whole, for nobody else's eyes, in a folder as in a bucket."""

import os
import stat
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.errors import StorageUnavailable
from app.settings import S3, BadSettings, get_settings
from app.storage import Store, open_store, original_key, rendition_key
from tests.buckets import operator, s3_server

NO_S3 = S3(_env_file=None)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as s3:
        yield s3


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "folder":
        yield open_store((tmp_path / "媒体 %20" / "photos").as_uri(), NO_S3)
        return
    s3: S3 = request.getfixturevalue("s3")
    operator(s3).create_bucket(Bucket=tmp_path.name.replace("_", "-")[:60])
    yield open_store(f"s3://{tmp_path.name.replace('_', '-')[:60]}/xunhe/photos", s3)


async def test_what_was_put_is_there(store: Store) -> None:
    content = os.urandom(6 << 20)
    await store.put("originals/ab/one", content)
    assert await store.get("originals/ab/one") == content
    size, pieces = await store.open("originals/ab/one")
    assert (size, b"".join([piece async for piece in pieces])) == (len(content), content)
    assert await store.exists("originals/ab/one")


async def test_what_is_put_again_replaces(store: Store) -> None:
    await store.put("originals/ab/one", b"first")
    await store.put("originals/ab/one", b"second")
    assert await store.get("originals/ab/one") == b"second"


async def test_what_was_deleted_is_gone(store: Store) -> None:
    await store.put("originals/ab/one", b"bytes")
    await store.delete("originals/ab/one")
    await store.delete("originals/ab/one")
    assert not await store.exists("originals/ab/one")
    with pytest.raises(StorageUnavailable):
        await store.get("originals/ab/one")
    with pytest.raises(StorageUnavailable):
        await store.open("originals/ab/one")


async def test_everything_is_listed(store: Store) -> None:
    for key in ("originals/ab/one", "originals/cd/three", "renditions/ab/one-large.jpg"):
        await store.put(key, key.encode())
    listed = {each.key: each.size async for each in store.list("originals")}
    assert listed == {"originals/ab/one": 16, "originals/cd/three": 18}
    assert [each async for each in store.list("nothing")] == []


async def test_a_check_leaves_nothing_behind(store: Store) -> None:
    await store.check()
    assert [each async for each in store.list("checks")] == []


async def test_only_old_scraps_are_swept(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri(), NO_S3)
    await store.put("originals/ab/one", b"bytes")
    for name in ("old", "new"):
        (tmp_path / "incoming" / name).write_bytes(b"half a pho")
    for path in (tmp_path / "incoming" / "old", tmp_path / "originals" / "ab" / "one"):
        os.utime(path, (0, 0))
    assert await store.sweep(datetime(2026, 1, 1, tzinfo=UTC)) == 1
    assert [each.key async for each in store.list("incoming")] == ["incoming/new"]
    assert await store.get("originals/ab/one") == b"bytes"


async def test_a_folder_is_for_us_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await open_store((tmp_path / "media").as_uri(), NO_S3).put("originals/ab/one", b"bytes")
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
    }
    assert modes == {
        "media": 0o700,
        "media/incoming": 0o700,
        "media/originals": 0o700,
        "media/originals/ab": 0o700,
        "media/originals/ab/one": 0o600,
    }


async def test_bytes_are_synced_before_they_have_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after `put` finds the file, its name and its folders on the disk."""
    store = open_store(tmp_path.as_uri(), NO_S3)
    synced: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append("file" if path.is_file() else str(path.relative_to(tmp_path)))
        fsync(descriptor)

    def note_replace(self: Path, target: Path) -> Path:
        synced.append("named")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    await store.put("originals/ab/one", b"bytes")
    assert synced == [".", ".", "originals", "file", "named", "originals/ab"]


def test_keys_fan_out_by_hash() -> None:
    assert original_key(bytes(range(32))) == f"originals/00/{bytes(range(32)).hex()}"
    assert rendition_key(b"\xab" * 32, "small") == f"renditions/ab/{'ab' * 32}-small.jpg"


@pytest.mark.parametrize(
    "url", ["http://photos", "gs://bucket", "file://elsewhere/folder", "s3://", "/folder", ""]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(BadSettings) as refused:
        open_store(url, NO_S3)
    assert str(refused.value) == "XUNHE_MEDIA_URL: must be file:///folder or s3://bucket/prefix"


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadSettings) as refused:
        open_store((tmp_path / "file" / "media").as_uri(), NO_S3)
    assert str(refused.value) == f"XUNHE_MEDIA_URL: cannot use the folder {tmp_path}/file/media"


async def test_no_bucket_is_unavailable_and_told_to_the_log_alone(s3: S3) -> None:
    store = open_store("s3://no-such-bucket", s3)
    with capture_logs() as logged, pytest.raises(StorageUnavailable) as refused:
        await store.put("originals/ab/one", b"bytes")
    assert (refused.value.detail, refused.value.members) == (None, {})
    assert [(each["event"], each["act"]) for each in logged] == [("photo store", "put")]
    assert "test-secret-key" not in str(logged)
    with pytest.raises(StorageUnavailable):
        await store.get("originals/ab/one")
    with pytest.raises(StorageUnavailable):
        await store.check()


async def test_no_server_is_unavailable(s3: S3) -> None:
    nobody = s3.model_copy(update={"endpoint": "http://127.0.0.1:1"})
    with pytest.raises(StorageUnavailable):
        await open_store("s3://bucket", nobody).put("originals/ab/one", b"bytes")


async def test_the_usual_variables_serve_where_ours_are_unset(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator(s3).create_bucket(Bucket="usual")
    for name, value in {
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_REGION": s3.region,
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key.get_secret_value(),
    }.items():
        monkeypatch.setenv(name, value)
    await open_store("s3://usual", NO_S3).put("originals/ab/one", b"bytes")
    stored = operator(s3).get_object(Bucket="usual", Key="originals/ab/one")
    assert stored["Body"].read() == b"bytes"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("XUNHE_S3_ENDPOINT", "s3.example", "must start with http:// or https://"),
        ("XUNHE_MEDIA_URL", "photos", "must be file:///folder or s3://bucket/prefix"),
    ],
)
def test_a_malformed_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as refused:
        get_settings.__wrapped__()
    assert str(refused.value) == f"{name}: Value error, {why}"
