"""Locks that the kernel lets go of, however their holder ends."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path


def open_private(path: Path) -> int:
    """Open or make a file (0600) of the folder's owner, also when root is the first to want it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    return file


@contextlib.contextmanager
def alone(path: Path) -> Generator[None]:
    """Wait until nobody else is in here."""
    lock = open_private(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def join(users: int) -> None:
    """Be one of those who use the file `users` is open on."""
    fcntl.flock(users, fcntl.LOCK_SH)


def is_last(users: int) -> bool:
    """Whether nobody else has joined; the caller, `alone`, keeps newcomers out meanwhile."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
