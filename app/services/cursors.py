"""Cursors: a million rows through the memory of a thousand."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

AT_A_TIME = 1000


async def rows(
    connection: AsyncConnection, statement: str, given: Mapping[str, Any] | None = None
) -> AsyncIterator[Any]:
    """The statement's rows, read through a cursor on the server."""
    async with connection.stream(
        text(statement), given, execution_options={"yield_per": AT_A_TIME}
    ) as result:
        async for row in result:
            yield row
