"""The database that comes with Xunhe: shared, restarted, left tidy, whoever is killed."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app import embedded_postgres
from app.embedded_postgres import leftovers, programs
from app.embedded_postgres.cluster import Cluster
from app.errors import CommandFailed

HOLDER = """
import sys
from pathlib import Path
from app import embedded_postgres, logs
logs.configure("ERROR")
with embedded_postgres.hold(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds the database until told to let go."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def let_go(self) -> int:
        self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for what another process does; a minute is for ever."""
    for _ in range(1200):
        if holds():
            return True
        time.sleep(0.05)
    return False


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def postmaster_of(cluster: Cluster) -> int:
    pid = leftovers.pid_in(cluster.folder / "postmaster.pid")
    assert pid is not None
    return pid


def is_stopped(cluster: Cluster) -> bool:
    return not cluster.is_listening() and not (cluster.folder / "postmaster.pid").exists()


def write(url: str, value: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def rows(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A data folder that does not exist yet; whatever a test leaves running is ended."""
    cluster = Cluster(tmp_path / "data")
    yield cluster
    cluster.stop()


def test_is_made_started_shared_and_stopped_by_the_last_one_out(cluster: Cluster) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert url == embedded_postgres.url_of(cluster.data_dir)
        first = postmaster_of(cluster)
        write(url, 1)
        other = Holder(cluster.data_dir)
        assert other.url == url
    assert not is_stopped(cluster)
    assert (rows(url), postmaster_of(cluster)) == ([1], first)
    assert other.let_go() == 0
    assert is_stopped(cluster)
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert rows(url) == [1]
    assert is_stopped(cluster)


def test_keeps_what_was_committed_and_shows_nothing_to_others(cluster: Cluster) -> None:
    with (
        embedded_postgres.hold(cluster.data_dir) as url,
        psycopg.connect(url) as connection,
    ):
        settings = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchall()[0][0]
            for name in ("fsync", "synchronous_commit", "listen_addresses", "max_connections")
        }
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (cluster.data_dir, cluster.folder, cluster.log_file)
        }
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "max_connections": "200",
    }
    assert modes == {"data": 0o700, "postgres": 0o700, "postgres.log": 0o600}


def test_starts_once_when_many_want_it_at_the_same_time(cluster: Cluster) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(cluster.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    printed = [process.communicate()[0].strip() for process in processes]
    assert printed == [cluster.url()] * 3
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert is_stopped(cluster)


def test_a_killed_holder_does_not_count_as_one(cluster: Cluster) -> None:
    killed, last = Holder(cluster.data_dir), Holder(cluster.data_dir)
    killed.kill()
    assert answers(last.url)
    assert last.let_go() == 0
    assert is_stopped(cluster)


def test_outlives_its_holders_when_all_are_killed_and_is_joined_by_the_next(
    cluster: Cluster,
) -> None:
    holder = Holder(cluster.data_dir)
    write(holder.url, 1)
    postmaster = postmaster_of(cluster)
    holder.kill()
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert (rows(url), postmaster_of(cluster)) == ([1], postmaster)
    assert is_stopped(cluster)


def test_is_not_ended_by_ctrl_c_in_the_terminal_of_whoever_started_it(cluster: Cluster) -> None:
    starter, other = Holder(cluster.data_dir), Holder(cluster.data_dir)
    postmaster = postmaster_of(cluster)
    os.killpg(starter.process.pid, signal.SIGINT)
    starter.process.wait()
    starter.process.communicate()
    assert (answers(other.url), postmaster_of(cluster)) == (True, postmaster)
    assert other.let_go() == 0


@pytest.mark.parametrize("times", [1, 2])
def test_comes_back_when_the_server_is_killed_under_its_holders(
    cluster: Cluster, times: int
) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        other = Holder(cluster.data_dir)
        for value in range(times):
            write(url, value)
            killed = postmaster_of(cluster)
            os.kill(killed, signal.SIGKILL)
            assert eventually(lambda: leftovers.is_gone(killed) and answers(url))  # noqa: B023
        assert rows(url) == list(range(times))
    assert other.let_go() == 0
    assert is_stopped(cluster)


def test_comes_back_although_a_busy_backend_outlives_the_killed_server(cluster: Cluster) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        connection = psycopg.connect(url)
        backend, killed = connection.info.backend_pid, postmaster_of(cluster)
        connection.pgconn.send_query(b"DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")
        os.kill(killed, signal.SIGKILL)
        assert eventually(lambda: leftovers.is_gone(killed) and answers(url))
        assert leftovers.is_gone(backend)
        connection.close()


def test_comes_back_when_one_backend_is_killed(cluster: Cluster) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        write(url, 1)
        with psycopg.connect(url) as connection:
            postmaster = postmaster_of(cluster)
            os.kill(connection.info.backend_pid, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert eventually(lambda: answers(url))
        assert (rows(url), postmaster_of(cluster)) == ([1], postmaster)
    assert is_stopped(cluster)


def test_starts_although_its_old_process_id_is_somebody_elses_now(cluster: Cluster) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        write(url, 1)
        pid_file = (cluster.folder / "postmaster.pid").read_text().partition("\n")[2]
        socket_lock = (cluster.folder / ".s.PGSQL.5432.lock").read_text().partition("\n")[2]
        owner = cluster.folder.stat()
    stranger = subprocess.Popen(["/bin/sleep", "600"], user=owner.st_uid, group=owner.st_gid)
    for name, rest in (("postmaster.pid", pid_file), (".s.PGSQL.5432.lock", socket_lock)):
        path = cluster.folder / name
        path.write_text(f"{stranger.pid}\n{rest}")
        os.chown(path, owner.st_uid, owner.st_gid)
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert rows(url) == [1]
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_changes_no_mode_of_the_folders_above_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed" / "room"
    closed.mkdir(parents=True)
    above = [closed, *closed.parents]
    closed.parent.chmod(0o700)
    closed.chmod(0o700)
    before = [path.stat().st_mode for path in above]
    with embedded_postgres.hold(closed) as url:
        assert answers(url)
    assert [path.stat().st_mode for path in above] == before


def test_uses_a_short_closed_folder_where_the_path_is_too_long_for_a_socket(
    tmp_path: Path,
) -> None:
    cluster = Cluster(tmp_path / ("河" * 40) / "a,b")
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert answers(url)
        assert cluster.socket_folder != cluster.folder
        state = cluster.socket_folder.stat()
        assert stat.S_IMODE(state.st_mode) == 0o700
        assert state.st_uid == cluster.folder.stat().st_uid
    assert not cluster.socket_folder.exists()


def test_does_not_use_a_socket_folder_that_somebody_else_put_there(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / ("河" * 40))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    cluster.socket_folder.symlink_to(elsewhere)
    try:
        with pytest.raises(CommandFailed) as caught, embedded_postgres.hold(cluster.data_dir):
            pass
    finally:
        cluster.socket_folder.unlink()
    assert str(caught.value) == (
        f"{cluster.socket_folder} 不是本系统建立的，请删除它，或换一个较短的 XUNHE_DATA_DIR。"
    )


def test_refuses_a_cluster_of_another_postgresql(cluster: Cluster) -> None:
    cluster.folder.mkdir(parents=True)
    (cluster.folder / "PG_VERSION").write_text("16\n")
    with pytest.raises(CommandFailed) as caught, embedded_postgres.hold(cluster.data_dir):
        pass
    assert str(caught.value) == (
        f"{cluster.folder} 是 PostgreSQL 16 的数据，本版本使用 18："
        "请用原来的版本备份，再用本版本恢复。"
    )


def test_leaves_a_folder_alone_that_is_no_cluster(cluster: Cluster) -> None:
    cluster.folder.mkdir(parents=True)
    (cluster.folder / "notes.txt").write_text("mine")
    with pytest.raises(CommandFailed) as caught, embedded_postgres.hold(cluster.data_dir):
        pass
    assert str(caught.value) == f"{cluster.folder} 不是数据库目录，请移走或换 XUNHE_DATA_DIR。"
    assert (cluster.folder / "notes.txt").read_text() == "mine"


def test_begins_again_where_an_earlier_making_was_interrupted(cluster: Cluster) -> None:
    unfinished = cluster.data_dir / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_postgres.hold(cluster.data_dir) as url:
        assert answers(url)
    assert not unfinished.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_takes_back_a_cluster_that_root_has_copied(cluster: Cluster, tmp_path: Path) -> None:
    with embedded_postgres.hold(cluster.data_dir) as url:
        write(url, 1)
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", cluster.data_dir, copy], check=True)
    with embedded_postgres.hold(copy) as url:
        assert rows(url) == [1]
    account = programs.Account.of(copy, Cluster(copy).folder)
    assert {path.stat().st_uid for path in (copy / "postgres").rglob("*")} == {account.uid}


def test_its_log_is_bounded(cluster: Cluster) -> None:
    cluster.data_dir.mkdir(mode=0o700)
    cluster.log_file.write_bytes(b"x" * (9 * 1024 * 1024))
    with embedded_postgres.hold(cluster.data_dir):
        assert cluster.log_file.stat().st_size < 1024 * 1024
        assert (cluster.data_dir / "postgres.log.1").stat().st_size == 8 * 1024 * 1024
