"""Backups under load, restored elsewhere; and everything that may be wrong with what is stored."""

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from sqlalchemy import update

from app import clock, embedded_postgres
from app.database import connect
from app.domain import geometry
from app.errors import CommandFailed
from app.keys import open_keys
from app.models import CheckIn, Patrol
from app.opening import migrate
from app.services import chain
from app.services.backups import archive
from app.settings import Database, Settings
from app.storage import original_key
from tests import databases
from tests.buckets import operator, s3_server
from tests.conftest import KEYS
from tests.factories import a_person, a_token
from tests.faults.processes import Running, command, copied, eventually, xunhe
from tests.pictures import a_jpeg

AT_THE_LAKE = {"lon": 103.01, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}
NO_LIMITS = {"XUNHE_RATE_LIMIT_PER_PERSON": "0", "XUNHE_RATE_LIMIT_PER_ADDRESS": "0"}
WELL = "核对完毕，没有发现问题。\n"


class Walker:
    """Somebody who sends check-ins, each with a photo, as fast as they are acknowledged."""

    def __init__(self, address: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self._seed = 0
        self.acknowledged: list[tuple[UUID, bytes]] = []

    async def send(self) -> None:
        """One check-in and its photo; both acknowledged."""
        self._seed += 1
        id_, photo = uuid4(), a_jpeg(self._seed, (64, 48))
        at = datetime.now(UTC).replace(microsecond=0).isoformat()
        position = AT_THE_LAKE | {"lon": 103.01 + self._seed * 1e-6}
        put = await self._http.put(
            f"/api/v1/check-ins/{id_}", json={"at": at, "position": position}
        )
        assert put.status_code == 201, put.text
        posted = await self._http.post(
            f"/api/v1/check-ins/{id_}/photos",
            data={"id": str(uuid4())},
            files={"file": ("p.jpg", photo, "image/jpeg")},
        )
        assert posted.status_code == 201, posted.text
        self.acknowledged.append((id_, hashlib.sha256(photo).digest()))

    async def close(self) -> None:
        await self._http.aclose()


async def a_walker_in(url: str) -> str:
    """The token of somebody on the roster of this database."""
    engine, sessions = connect(url, Database(_env_file=None))
    async with sessions() as session:
        token = await a_token(session, await a_person(session))
    await engine.dispose()
    return token


async def in_thread(*arguments: str, data_dir: Path, **more: str) -> Any:
    return await asyncio.to_thread(xunhe, *arguments, data_dir=data_dir, **more)


@pytest.fixture(scope="module")
async def living(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Path, Walker]]:
    """A system that serves, with a worker, and somebody walking."""
    data_dir = tmp_path_factory.mktemp("living") / "data"
    with embedded_postgres.hold(data_dir) as url:
        migrate(url)
        token = await a_walker_in(url)
        serving = Running(
            command("serve", "--port", "0", "--workers", "1", "--with-worker"),
            data_dir,
            **NO_LIMITS,
        )
        walker = Walker(await asyncio.to_thread(serving.line), token)
        yield data_dir, walker
        await walker.close()
        serving.end()


@pytest.fixture(scope="module")
async def made(living: tuple[Path, Walker], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that was made while records came in."""
    data_dir, walker = living
    file = tmp_path_factory.mktemp("backup") / "xunhe.tar"
    for name in ("documents/ab12", "verification/MP_verify_ab12.txt"):
        (data_dir / name).parent.mkdir(exist_ok=True)
        (data_dir / name).write_text(f"content of {name}")
    for _ in range(3):
        await walker.send()
    before = len(walker.acknowledged)
    backing_up = asyncio.create_task(in_thread("backup", str(file), data_dir=data_dir))
    while not backing_up.done():
        await walker.send()
    done = await backing_up
    assert (done.returncode, done.stderr) == (0, "")
    assert len(walker.acknowledged) > before
    (file.parent / "before").write_text(str(before))
    return file


@pytest.fixture(scope="module")
def restored(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That backup, restored where nothing was."""
    data_dir = tmp_path_factory.mktemp("restored") / "data"
    done = xunhe("restore", str(made), data_dir=data_dir)
    assert done.stdout.splitlines()[1:] == [WELL.strip()]
    assert done.returncode == 0
    return data_dir


def rows(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def test_what_was_acknowledged_before_the_backup_is_in_it(
    living: tuple[Path, Walker], made: Path, restored: Path
) -> None:
    data_dir, walker = living
    before = walker.acknowledged[: int((made.parent / "before").read_text())]
    with embedded_postgres.hold(restored) as url:
        found = set(
            rows(
                url, "SELECT c.id, p.sha256 FROM check_ins c JOIN photos p ON p.check_in_id = c.id"
            )
        )
    assert set(before) <= found <= set(walker.acknowledged)
    for _, sha256 in found:
        kept = restored / "media" / original_key(sha256)
        assert hashlib.sha256(kept.read_bytes()).digest() == sha256
    for name in ("secret_key", "documents/ab12", "verification/MP_verify_ab12.txt"):
        assert (restored / name).read_bytes() == (data_dir / name).read_bytes()
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in (made, restored / "secret_key", restored)
    ]
    assert modes == [0o600, 0o600, 0o700]


def test_the_backup_is_a_tar_that_common_tools_can_check(made: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", made, "-C", tmp_path], check=True)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "checksums.sha256"],
        cwd=tmp_path,
        check=True,
    )


async def test_a_backup_notes_that_it_was_made(living: tuple[Path, Walker], made: Path) -> None:
    del made
    with embedded_postgres.hold(living[0]) as url:
        assert [
            row[0] for row in rows(url, "SELECT name FROM milestones WHERE name = 'backup'")
        ] == ["backup"]


async def test_nothing_is_restored_under_a_system_that_runs(
    living: tuple[Path, Walker], made: Path
) -> None:
    data_dir, walker = living
    await walker.send()
    done = await in_thread("restore", str(made), "--yes", data_dir=data_dir)
    assert (done.returncode, done.stderr) == (
        1,
        "数据库正在使用，请先停止 xunhe serve 和 xunhe worker 再恢复。\n",
    )
    await walker.send()


def test_an_existing_file_is_not_overwritten_unasked(restored: Path, tmp_path: Path) -> None:
    file = tmp_path / "old.tar"
    file.write_text("precious")
    done = xunhe("backup", str(file), data_dir=restored)
    assert (done.returncode, done.stderr) == (
        1,
        f"{file} 已存在，请换一个文件名，或加 --overwrite。\n",
    )
    assert file.read_text() == "precious"
    assert xunhe("backup", str(file), "--overwrite", data_dir=restored).returncode == 0
    assert archive.check(file).format == 1


def test_what_is_there_is_replaced_only_when_told(
    made: Path, restored: Path, tmp_path: Path
) -> None:
    there = copied(restored, tmp_path / "data")
    with embedded_postgres.hold(there) as url, psycopg.connect(url) as connection:
        connection.execute("UPDATE people SET name = '示例乙'")
    (there / "secret_key").write_text("another secret of thirty characters")
    refused = xunhe("restore", str(made), data_dir=there)
    assert (refused.returncode, refused.stderr) == (
        1,
        "数据库里已有记录；确定要用备份替换它，请加 --yes。\n",
    )
    done = xunhe("restore", str(made), "--yes", data_dir=there)
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, [WELL.strip()])
    with embedded_postgres.hold(there) as url:
        assert rows(url, "SELECT count(*) FROM people WHERE name = '示例乙'") == [(0,)]
    assert (there / "secret_key").read_bytes() == (restored / "secret_key").read_bytes()
    kept = [path.read_text() for path in there.glob("secret_key.*")]
    assert kept == ["another secret of thirty characters"]


def test_another_secret_in_the_settings_is_refused(made: Path, tmp_path: Path) -> None:
    done = xunhe(
        "restore", str(made), "--yes", data_dir=tmp_path / "data", XUNHE_SECRET_KEY="another" * 5
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "XUNHE_SECRET_KEY 与备份里的密钥不同，恢复后界碑二维码都会失效："
        "请改成备份时的密钥，或去掉这个设置。"
    )


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_cut_backup_is_refused_before_anything_changes(
    made: Path, tmp_path: Path, part: float
) -> None:
    cut = tmp_path / "cut.tar"
    shutil.copyfile(made, cut)
    os.truncate(cut, int(made.stat().st_size * part))
    with pytest.raises(CommandFailed, match=r"损坏|不是"):
        archive.check(cut)


def test_a_cut_backup_leaves_an_empty_system_empty(made: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tar"
    shutil.copyfile(made, cut)
    os.truncate(cut, made.stat().st_size - 2048)
    data_dir = tmp_path / "data"
    done = xunhe("restore", str(cut), data_dir=data_dir)
    assert done.returncode == 1
    assert "备份文件" in done.stderr.splitlines()[-1]
    assert not list(data_dir.glob("media/originals/*/*"))
    assert not (data_dir / "secret_key").exists()
    with embedded_postgres.hold(data_dir) as url:
        assert rows(url, "SELECT to_regclass('people')") == [(None,)]


def test_one_flipped_bit_anywhere_that_matters_is_noticed(made: Path, tmp_path: Path) -> None:
    content = made.read_bytes()
    spots = [content.index(b"PGDMP") + 700, content.index(b"\xff\xd8\xff") + 40]
    spots.append(content.rindex(b"  media/") - 3)  # in the checksums themselves
    for spot in spots:
        flipped = bytearray(content)
        flipped[spot] ^= 1
        damaged = tmp_path / "damaged.tar"
        damaged.write_bytes(flipped)
        with pytest.raises(CommandFailed, match="损坏"):
            archive.check(damaged)


def test_a_backup_of_a_later_program_is_refused(made: Path, tmp_path: Path) -> None:
    later = rewritten(made, tmp_path / "later.tar", revisions=("9999",))
    done = xunhe("restore", str(later), data_dir=tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "数据库已被更新版本的程序升级过，请升级本程序后再启动。"


def rewritten(
    made: Path, file: Path, *, revisions: tuple[str, ...] | None = None, dump: bytes | None = None
) -> Path:
    """The same backup with right checksums and something else in it."""
    manifest = archive.check(made)
    with file.open("wb") as target, (file.parent / "sums").open("w+b") as sums:
        writer = archive.Writer(target, sums)
        writer.describe(
            archive.Manifest(
                manifest.format,
                manifest.made_at,
                revisions or manifest.revisions,
                manifest.server_version,
            )
        )
        for member in archive.members(made):
            content = member.content.read()
            if member.name == archive.DUMP and dump is not None:
                content = dump
            if member.name not in {archive.MANIFEST, archive.CHECKSUMS}:
                writer.add(member.name, content)
        writer.finish()
    return file


def test_a_dump_that_fails_halfway_changes_nothing(
    made: Path, restored: Path, tmp_path: Path
) -> None:
    there = copied(restored, tmp_path / "data")
    whole = next(m.content.read() for m in archive.members(made) if m.name == archive.DUMP)
    broken = rewritten(made, tmp_path / "broken.tar", dump=whole[: len(whole) * 2 // 3])
    with embedded_postgres.hold(there) as url:
        before = rows(url, "SELECT id, verdict FROM check_ins ORDER BY id")
    done = xunhe("restore", str(broken), "--yes", data_dir=there)
    assert done.returncode == 1
    with embedded_postgres.hold(there) as url:
        assert rows(url, "SELECT id, verdict FROM check_ins ORDER BY id") == before
    assert xunhe("verify", data_dir=there).stdout == WELL


def test_a_database_of_another_program_is_left_alone(
    made: Path, server_url: str, tmp_path: Path
) -> None:
    with databases.empty(server_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE invoices (id int)")
        done = xunhe(
            "restore", str(made), "--yes", data_dir=tmp_path / "data", XUNHE_DATABASE_URL=url
        )
        assert (done.returncode, done.stderr) == (
            1,
            "这个数据库里有别的程序的表，请另建一个空数据库来恢复。\n",
        )
        assert rows(url, "SELECT to_regclass('invoices')::text") == [("invoices",)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Too small for a backup, where we may mount it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_leaves_no_half_backup(restored: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(40_000))
    done = xunhe("backup", str(small_disk / "b.tar"), data_dir=restored)
    assert done.returncode == 1
    assert "空间不够" in done.stderr or "No space left" in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_moves_to_an_external_database_and_a_bucket_and_back(
    made: Path, restored: Path, server_url: str, tmp_path: Path
) -> None:
    with s3_server() as s3, databases.empty(server_url) as url:
        operator(s3).create_bucket(Bucket="photos")
        elsewhere = {
            "XUNHE_DATABASE_URL": url,
            "XUNHE_MEDIA_URL": "s3://photos/lake",
            "XUNHE_S3_ENDPOINT": s3.endpoint,
            "XUNHE_S3_REGION": s3.region,
            "XUNHE_S3_ACCESS_KEY_ID": s3.access_key_id,
            "XUNHE_S3_SECRET_ACCESS_KEY": s3.secret_access_key.get_secret_value(),
        }
        there = tmp_path / "there"
        done = xunhe("restore", str(made), data_dir=there, **elsewhere)
        assert (done.returncode, done.stdout.splitlines()[1:]) == (0, [WELL.strip()])
        again = tmp_path / "again.tar"
        assert xunhe("backup", str(again), data_dir=there, **elsewhere).returncode == 0
        bucket = operator(s3)
        # Any that is registered: what somebody tried to upload and was refused may lie there too.
        lost = original_key(rows(url, "SELECT sha256 FROM images ORDER BY 1 LIMIT 1")[0][0])
        bucket.delete_object(Bucket="photos", Key=f"lake/{lost}")
        found = xunhe("verify", data_dir=there, **elsewhere)
        assert (found.returncode, found.stdout) == (1, f"原件不见了：{lost}\n")
    back = tmp_path / "back"
    assert xunhe("restore", str(again), data_dir=back).returncode == 0
    with embedded_postgres.hold(back) as one, embedded_postgres.hold(restored) as other:
        for table in ("check_ins", "check_in_verdicts", "photos", "images", "people", "patrols"):
            whole = f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"  # noqa: S608
            assert rows(one, whole) == rows(other, whole), table


def test_verify_names_each_thing_that_is_wrong(restored: Path, tmp_path: Path) -> None:
    there = copied(restored, tmp_path / "data")
    with embedded_postgres.hold(there) as url, psycopg.connect(url) as connection:
        flipped, deleted, unregistered = (
            row[0]
            for row in connection.execute(
                "SELECT sha256 FROM images ORDER BY sha256 LIMIT 3"
            ).fetchall()
        )
        path = there / "media" / original_key(flipped)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        (there / "media" / original_key(deleted)).unlink()
        first, second, third = (
            row[0] for row in connection.execute("SELECT id FROM check_ins ORDER BY id LIMIT 3")
        )
        (patrol, metres), *_ = connection.execute(
            "UPDATE patrols SET distance_m = distance_m + 100 RETURNING id, distance_m - 100"
        ).fetchall()
        photo = connection.execute(
            "SELECT id FROM photos WHERE sha256 = %s", [unregistered]
        ).fetchall()[0][0]
        lonely, orphan_of = uuid4(), uuid4()
        connection.execute(
            "INSERT INTO patrols SELECT (jsonb_populate_record(p, jsonb_build_object("
            "'id', %s::text, 'started_on', '2020-01-01', 'distance_m', 0))).* FROM patrols p LIMIT 1",
            [str(lonely)],
        )
        # What no statement of ours could do: the foreign keys look away.
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM images WHERE sha256 = %s", [unregistered])
        gone = connection.execute(
            "DELETE FROM check_in_verdicts WHERE check_in_id = %s RETURNING id", [first]
        ).fetchall()
        connection.execute("UPDATE check_ins SET verdict = 'rejected' WHERE id = %s", [second])
        connection.execute(
            "UPDATE check_ins SET patrol_id = %s, withdrawn_at = now() WHERE id = %s",
            [orphan_of, third],
        )
        remaining = connection.execute(
            "SELECT lon, lat FROM check_ins WHERE patrol_id = %s ORDER BY at, id", [patrol]
        ).fetchall()
    true = geometry.path_length_m([row[0] for row in remaining], [row[1] for row in remaining])
    done = xunhe("verify", data_dir=there)
    assert sorted(done.stdout.splitlines()) == sorted(
        [
            f"原件内容与校验值不符：{original_key(flipped)}",
            f"原件不见了：{original_key(deleted)}",
            f"照片没有登记图像：{photo}",
            f"核验结论与结论台账不符：{first}",
            f"核验结论与结论台账不符：{second}",
            f"巡河记录没有所属的巡河：{third}",
            *(f"核验结论有存证，记录却不见了：{row[0]}" for row in gone),
            f"巡河记录与存证不符，被改动过：{second}",
            f"巡河记录与存证不符，被改动过：{third}",
            f"自动生成的巡河没有任何巡河记录：{lonely}",
            f"巡河里程不符：{patrol}，记为 {metres + 100:.1f} 米，应为 {true:.1f} 米",
        ]
    )
    assert done.returncode == 1


async def withdraw_all(url: str, data_dir: Path) -> None:
    """As their senders do in the chat, all at once."""
    engine, sessions = connect(url, Database(_env_file=None))
    chain.use(open_keys(Settings(_env_file=None, data_dir=data_dir)))
    try:
        async with sessions.begin() as session:
            now = clock.now()
            ids = await session.scalars(
                update(CheckIn).values(withdrawn_at=now).returning(CheckIn.id)
            )
            await session.execute(update(Patrol).values(distance_m=0))
            await chain.append(session, {chain.CHECK_IN: ids.all()}, now=now)
    finally:
        chain.use(KEYS)
        await engine.dispose()


def test_a_patrol_whose_check_ins_were_all_withdrawn_is_well(
    restored: Path, tmp_path: Path
) -> None:
    there = copied(restored, tmp_path / "data")
    with embedded_postgres.hold(there) as url:
        asyncio.run(withdraw_all(url, there))
    done = xunhe("verify", data_dir=there)
    assert (done.returncode, done.stdout) == (0, WELL)


def test_a_terminated_backup_leaves_nothing(restored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    running = Running(command("backup", str(folder / "b.tar")), restored)
    assert eventually(lambda: any(folder.iterdir()) or running.process.poll() is not None)
    running.end()
    assert [path.name for path in folder.iterdir() if path.name != "b.tar"] == []
