"""Transactions that also keep what a refusal has to leave behind."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import XunheError

Result = TypeVar("Result")


async def keep(
    sessions: async_sessionmaker[AsyncSession],
    act: Callable[[AsyncSession], Awaitable[Result]],
) -> Result:
    """What `act` returns, in a transaction of its own that is committed even when it refuses.

    For doors whose refusals must be remembered (a wrong code is counted, a second WeChat becomes an
    application): an `XunheError` passes on after the commit, everything else rolls back.
    """
    async with sessions() as session, session.begin():
        try:
            return await act(session)
        except XunheError as refusal:
            refused = refusal
    raise refused
