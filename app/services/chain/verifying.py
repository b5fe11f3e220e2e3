"""Verifying: the records against their events, and the events against the chain."""

from collections.abc import AsyncIterator, Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.services.chain import order, records

Told = Callable[[str, int], None]


async def faults(connection: AsyncConnection, told: Told) -> AsyncIterator[str]:
    """What is wrong, one Chinese line each. The connection should see one snapshot."""
    head = (await connection.execute(text("SELECT taken_over_at FROM chain_heads"))).first()
    # Where somebody took the chain's end away as well, its links tell that it had begun.
    begun = (await connection.execute(text("SELECT 1 FROM chain_links LIMIT 1"))).first()
    taken_over = head.taken_over_at is not None if head else begun is not None
    async for fault in records.faults(connection, told, taken_over=taken_over):
        yield fault
    async for fault in order.faults(connection, told):
        yield fault
