"""Downloads: how many run at once in a process, and where they read from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import Busy

STREAMS, FILES = 4, 2
_RETRY_AFTER_S = 30


class Places:
    """So many at once; whoever comes beyond that is told to come again."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a place within. Raises `Busy`."""
        if self._free == 0:
            raise Busy("正在下载的人太多，请半分钟后再试。", retry_after=_RETRY_AFTER_S)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


@dataclass(frozen=True)
class Downloads:
    """`snapshots`: sessions that see one state of the database, on connections of their own.

    `streams` are those sent as they are read, `files` those that are made on the disk first.
    """

    snapshots: async_sessionmaker[AsyncSession]
    streams: Places = field(default_factory=lambda: Places(STREAMS))
    files: Places = field(default_factory=lambda: Places(FILES))
