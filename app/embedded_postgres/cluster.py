"""One PostgreSQL cluster in the data folder: made, started, found alive, stopped."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import structlog
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from app.embedded_postgres import leftovers, locks, programs
from app.errors import CommandFailed

log = structlog.get_logger(__name__)

PATIENCE_S = 60
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 107
_SHORT = Path("/tmp")  # noqa: S108 - every process must find the same one, whatever its TMPDIR
_LOG_BYTES = 8 * 1024 * 1024

# Written into postgresql.conf once, where an operator may tune them.
_FIRST_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "wal_compression": "on",
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "jit": "off",
    "timezone": "UTC",
    # The log must hold no personal data: no statements, no key values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# Given at every start: what our promises and our way of finding the server rest on.
_FIXED_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "restart_after_crash": "on",
    "logging_collector": "off",
    "log_destination": "stderr",
}


@dataclass(frozen=True)
class Cluster:
    """`DATA_DIR/postgres`; whoever changes its state holds the start lock (see `hold`)."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        """PGDATA."""
        return self.data_dir / "postgres"

    @property
    def log_file(self) -> Path:
        """What the server says; kept to 16 MiB with its predecessor."""
        return self.data_dir / "postgres.log"

    @property
    def name(self) -> str:
        """The name in the titles of its processes."""
        return "xunhe-" + hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]

    @property
    def socket_folder(self) -> Path:
        """The cluster itself (0700), or a short folder where libpq could not use that path."""
        path = os.fsencode(self.folder / _SOCKET)
        if len(path) <= _SOCKET_PATH_BYTES and not set(path) & set(b',"'):
            return self.folder
        return _SHORT / self.name

    def url(self, database: str = "xunhe") -> str:
        """Its address for libpq, psycopg and (with the driver's name put in) SQLAlchemy."""
        where = urlencode({"host": str(self.socket_folder), "port": 5432})
        return f"postgresql://xunhe@/{database}?{where}"

    def make(self) -> None:
        """Make it if it is not there.

        Raises `CommandFailed` if it is of another PostgreSQL or not a cluster at all.
        """
        version_file = self.folder / "PG_VERSION"
        if version_file.exists():
            version = version_file.read_text(encoding="ascii").strip()
            if version != str(programs.MAJOR):
                raise CommandFailed(
                    f"{self.folder} 是 PostgreSQL {version} 的数据，本版本使用 {programs.MAJOR}："
                    "请用原来的版本备份，再用本版本恢复。"
                )
            self._give_to_account()
            return
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            raise CommandFailed(
                f"{self.folder} 不是数据库目录，请移走或换 XUNHE_DATA_DIR。"
            ) from None
        self._initialise()

    def _initialise(self) -> None:
        """Beside its place first, so that a crash leaves no half-made cluster."""
        account = programs.Account.of(self.data_dir, self.folder)
        unfinished = self.data_dir / "postgres.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(unfinished, account.uid, account.gid)
        settings = [f"--set={name}={value}" for name, value in _FIRST_SETTINGS.items()]
        command = account.command(
            programs.folder() / "initdb",
            f"--pgdata={unfinished}",
            "--username=xunhe",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *settings,
            reaching=unfinished,
        )
        done = subprocess.run(  # noqa: S603 - our own programs, no shell
            command, cwd="/", env=programs.environment(), capture_output=True, check=False
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise CommandFailed(f"内置数据库建不起来：{_last_line(done.stderr)}")
        unfinished.rename(self.folder)
        log.info("cluster_made", folder=str(self.folder))

    def _give_to_account(self) -> None:
        """Take a cluster that root copied (and so owns) back to the account."""
        state = self.folder.stat()
        if os.geteuid() not in (0, state.st_uid):
            raise CommandFailed(f"{self.folder} 属于另一个系统用户，请用那个用户（或 root）运行。")
        if state.st_uid == 0:
            account = programs.Account.of(self.data_dir, self.folder)
            for root, _folders, files in os.walk(self.folder):
                for path in (root, *(os.path.join(root, name) for name in files)):  # noqa: PTH118
                    os.chown(path, account.uid, account.gid, follow_symlinks=False)
        if stat.S_IMODE(state.st_mode) & 0o077:
            self.folder.chmod(0o700)

    def ensure_running(self, is_unwanted: Callable[[], bool] = lambda: False) -> None:
        """Return once a connection is answered, after starting the server as often as it takes.

        Raises `CommandFailed` after a minute of trying, or when it `is_unwanted` meanwhile.
        """
        give_up = time.monotonic() + PATIENCE_S
        pause, started = 0.02, None
        while (answer := self.ping()) is not Ping.OK:
            if time.monotonic() > give_up or is_unwanted():
                raise CommandFailed(f"内置数据库没有起来：{_last_line(_tail(self.log_file))}")
            # Somebody who listens but does not answer yet is recovering or stopping: wait.
            if (
                answer is not Ping.REJECT
                and not self.is_listening()
                and (started is None or leftovers.is_gone(started))
            ):
                if started is not None:
                    log.warning("start_failed", why=_last_line(_tail(self.log_file)))
                    leftovers.clear(
                        self.name,
                        self.folder / "postmaster.pid",
                        self.socket_folder / f"{_SOCKET}.lock",
                    )
                    pause = min(pause * 2, 5)
                started = self._start()
            time.sleep(pause)

    def _start(self) -> int:
        """Start the server in a session of its own, as nobody's child; return its process id."""
        account = programs.Account.of(self.data_dir, self.folder)
        self.trim_log()
        os.close(locks.open_private(self.log_file))
        self._make_socket_folder(account)
        settings = {
            **_FIXED_SETTINGS,
            "cluster_name": self.name,
            "unix_socket_directories": str(self.socket_folder),
        }
        server = account.command(
            programs.folder() / "postgres",
            f"-D{self.folder}",
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            reaching=self.folder,
        )
        # The shell puts it into the background and leaves, so that Ctrl-C in our terminal and our
        # own end do not concern it. Nothing of ours is pasted into the script.
        script = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
        started = subprocess.run(  # noqa: S603 - our own programs
            ["/bin/sh", "-c", script, str(self.log_file), *server],
            cwd="/",
            env=programs.environment(),
            stdout=subprocess.PIPE,
            start_new_session=True,
            umask=0o077,
            check=True,
        )
        return int(started.stdout)

    def _make_socket_folder(self, account: programs.Account) -> None:
        """Outside the data folder anybody may have put something in its place: look closely."""
        folder = self.socket_folder
        if folder == self.folder:
            return
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(folder, account.uid, account.gid, follow_symlinks=False)
        state = folder.lstat()
        ours = state.st_uid == account.uid and stat.S_ISDIR(state.st_mode)
        if not ours or stat.S_IMODE(state.st_mode) & 0o077:
            raise CommandFailed(
                f"{folder} 不是本系统建立的，请删除它，或换一个较短的 XUNHE_DATA_DIR。"
            )

    def ensure_database(self) -> None:
        """Make the database `xunhe` in a cluster that has none yet."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = 'xunhe'").fetchall():
                connection.execute("CREATE DATABASE xunhe")

    def ping(self) -> Ping:
        """OK: it takes connections. REJECT: it lives, but recovers or stops. Else: no answer."""
        where = make_conninfo(self.url("postgres"), connect_timeout=2)
        return Ping(PGconn.ping(where.encode()))

    def is_listening(self) -> bool:
        """Whether any process holds the socket open, however busy it is."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self.socket_folder / _SOCKET))
            except BlockingIOError:
                return True
            except (ConnectionRefusedError, FileNotFoundError):
                return False
        return True

    def stop(self) -> None:
        """Fast shutdown: running transactions are rolled back, everything committed is on disk."""
        postmaster = leftovers.pid_in(self.folder / "postmaster.pid")
        # The file alone proves nothing; together with somebody who answers on the socket it does.
        if postmaster is None or not self.is_listening():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(postmaster, signal.SIGINT)
        give_up = time.monotonic() + PATIENCE_S
        while not leftovers.is_gone(postmaster):
            if time.monotonic() > give_up:
                log.warning("stop_takes_long", process=postmaster)
                return
            time.sleep(0.02)
        if self.socket_folder != self.folder:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def trim_log(self) -> None:
        """Keep the last 8 MiB of the log as `postgres.log.1` and begin anew."""
        with contextlib.suppress(FileNotFoundError):
            if self.log_file.stat().st_size > _LOG_BYTES:
                self.log_file.with_suffix(".log.1").write_bytes(_tail(self.log_file, _LOG_BYTES))
                os.truncate(self.log_file, 0)  # the server appends, wherever the end is


def _tail(path: Path, size: int = 4096) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read()
    except OSError:
        return b""


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
