"""What a PostgreSQL that was killed leaves behind, and how it is told from one that lives."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def is_gone(pid: int) -> bool:
    """Whether the process has ended (a zombie has: not every PID 1 reaps)."""
    with contextlib.suppress(ChildProcessError):  # it is our child only where we are PID 1
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return (_PROC / "self").exists()  # it ended this moment; or there is no /proc to ask


def pid_in(lock_file: Path) -> int | None:
    """The process id in PostgreSQL's `postmaster.pid` or `.s.PGSQL.….lock`."""
    try:
        return abs(int(lock_file.read_text(encoding="utf-8").partition("\n")[0]))
    except (OSError, ValueError):
        return None


def clear(cluster_name: str, pid_file: Path, socket_lock: Path) -> None:
    """Make way for a new server of this cluster, unless its postmaster lives.

    Two things keep PostgreSQL from starting after a `kill -9`. A lock file whose process id is any
    process that it may signal: somebody else's by now (after every restart of a container), or its
    own that nobody has reaped. And orphans of the old server: most notice by themselves that their
    postmaster is gone; one in a long computation does not, and holds the shared memory. What they
    have not committed is rolled back, as in any crash.

    Removing the lock file cannot let two servers in: the shared memory segment, which PostgreSQL
    finds by the folder's inode, is its second interlock.
    """
    if not (_PROC / "self").exists():
        return
    commands = dict(_commands())
    postmaster, child = (
        f"cluster_name={cluster_name}".encode(),
        f"postgres: {cluster_name}:".encode(),
    )
    alive = {pid for pid, command in commands.items() if postmaster in command.split(b"\0")}
    if pid_in(pid_file) in alive:
        return
    for pid, command in commands.items():
        if command.startswith(child):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for lock_file in (pid_file, socket_lock):
        lock_file.unlink(missing_ok=True)


def _commands() -> Iterator[tuple[int, bytes]]:
    """The command line of every living process, where PostgreSQL writes the cluster's name.

    (`/proc/…/cwd` would name the folder, but in a container root may not read another user's.)
    """
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(entry.name), (entry / "cmdline").read_bytes()
