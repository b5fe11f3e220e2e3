"""The watch that each holder keeps: a server that was killed is started again."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg
import structlog

from app.embedded_postgres.cluster import Cluster
from app.errors import CommandFailed

log = structlog.get_logger(__name__)

_TRIM_S = 600
_AGAIN_S = 0.2


class Watch(threading.Thread):
    """Sleeps on an idle connection: its end is the news that something happened to the server.

    After a crash of one backend PostgreSQL recovers by itself, and this only connects again; when
    the postmaster is gone, the holder that gets the start lock first starts another.
    """

    def __init__(
        self, cluster: Cluster, start_lock: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(name="postgres-watch", daemon=True)
        self._cluster = cluster
        self._start_lock = start_lock
        self._wake, self._waker = os.pipe()

    def stop(self) -> None:
        """End the watch and wait for it, a restart that is under way included."""
        os.close(self._waker)
        self.join()
        os.close(self._wake)

    def run(self) -> None:
        """Watch until told to stop."""
        while not self._is_stopped_within(_AGAIN_S):
            try:
                self._sleep_beside_the_server()
            except psycopg.Error:
                log.warning("database_unreachable")
            except (CommandFailed, OSError) as error:
                log.error("database_not_restarted", why=str(error))

    def _sleep_beside_the_server(self) -> None:
        if not self._cluster.is_listening():
            with self._start_lock():
                self._cluster.ensure_running(lambda: self._is_stopped_within(0))
            log.warning("database_restarted")
        url = self._cluster.url("postgres")
        with psycopg.connect(url, autocommit=True, application_name="xunhe holder") as connection:
            while not self._is_stopped_within(_TRIM_S, connection.fileno()):
                connection.execute("SELECT 1")  # raises when the server has gone
                with self._start_lock():
                    self._cluster.trim_log()

    def _is_stopped_within(self, seconds: float, *also: int) -> bool:
        """Wait for the end of the watch, of `also`, or of the time; True for the first."""
        poll = select.poll()
        for descriptor in (self._wake, *also):
            poll.register(descriptor, select.POLLIN)
        return any(descriptor == self._wake for descriptor, _ in poll.poll(seconds * 1000))
