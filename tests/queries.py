"""Counting the statements that reach the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


@dataclass
class Counted:
    """What was asked, without savepoints."""

    asked: list[str] = field(default_factory=list)

    @property
    def statements(self) -> int:
        """How many."""
        return len(self.asked)


@contextmanager
def counted(session: AsyncSession) -> Iterator[Counted]:
    """Count what goes over the connection that a test's sessions share."""
    bind = session.bind
    assert isinstance(bind, AsyncConnection)
    connection, seen = bind.sync_connection, Counted()
    assert connection is not None

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.asked.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(connection, "before_cursor_execute", note)
