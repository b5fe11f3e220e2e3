"""Turns: an import has the dataset to itself; whoever edits it a row at a time goes between two."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK = 0x7875_6E68_6501


async def take_all(session: AsyncSession) -> None:
    """Keep other imports and all edits out until the end of the transaction."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def take(session: AsyncSession) -> None:
    """Wait for a running import to end, and let the next one wait for this transaction.

    To be asked before `credits.hold_alone`: an import wants the books last, when it has the tables.
    """
    await session.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
