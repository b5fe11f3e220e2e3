"""The database that comes with Xunhe: a PostgreSQL under `DATA_DIR`, shared by all our processes.

There is no daemon of ours. Whoever needs the database holds it; holders are known by their locks
on a file, which the kernel releases however they end; the last one out stops the server. When
every holder was killed the server lives on, and the next one joins it.
"""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from app.embedded_postgres import locks
from app.embedded_postgres.cluster import Cluster
from app.embedded_postgres.watch import Watch

__all__ = ["hold", "url_of"]


def url_of(data_dir: Path) -> str:
    """The address that `hold` will yield, before anything runs there."""
    return Cluster(data_dir.absolute().resolve()).url()


@contextlib.contextmanager
def hold(data_dir: Path) -> Generator[str]:
    """Make, start or join the cluster in `data_dir/postgres`; yield its `postgresql://…` address.

    A new `data_dir` is closed to others (0700); an existing one keeps its mode. While it is held
    the server is started again whenever it dies. Raises `CommandFailed`, one line each: another
    major version, another owner, no start within a minute.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    cluster = Cluster(data_dir.absolute().resolve())

    def start_lock() -> contextlib.AbstractContextManager[None]:
        return locks.alone(cluster.data_dir / "postgres.lock")

    users = locks.open_private(cluster.data_dir / "postgres.users")
    try:
        with start_lock():
            cluster.make()
            cluster.ensure_running()
            cluster.ensure_database()
            locks.join(users)
        watch = Watch(cluster, start_lock)
        watch.start()
        try:
            yield cluster.url()
        finally:
            watch.stop()
            with start_lock():
                if locks.is_last(users):
                    cluster.stop()
    finally:
        os.close(users)
