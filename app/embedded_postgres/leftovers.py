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


def remove_stale_locks(lock_files: list[Path], cluster_name: str) -> None:
    """Remove lock files whose process id is no longer that of a server of this cluster.

    PostgreSQL refuses to start as long as any process that it may signal has that id: somebody
    else's (after every restart of a container), or its own that nobody has reaped. It has a second
    interlock, the shared memory segment (found by the folder's inode), so that removing the file
    cannot let two servers in.
    """
    if not _PROC.joinpath("self").exists():
        return
    alive = set(_processes(cluster_name))
    for lock_file in lock_files:
        pid = pid_in(lock_file)
        if pid is not None and pid not in alive:
            lock_file.unlink(missing_ok=True)


def kill_orphans(cluster_name: str, postmaster: int | None) -> None:
    """End server processes that outlive their postmaster (`postmaster`, if any, is spared).

    Most notice by themselves; one in a long computation does not, and holds the shared memory.
    What they have not committed is rolled back by recovery, as in any crash.
    """
    for pid in _processes(cluster_name):
        if pid != postmaster:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes(cluster_name: str) -> Iterator[int]:
    """The living server processes of this cluster, by the name in their titles.

    (`/proc/…/cwd` would say it too, but in a container root may not read that of another user.)
    """
    child = f"postgres: {cluster_name}:".encode()
    postmaster = f"cluster_name={cluster_name}".encode()
    for entry in _PROC.glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(child) or postmaster in command.split(b"\0"):
            yield int(entry.name)
