"""Real connections to the test database for what is about several at once; emptied after each."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.models import Alarm, CallbackNonce, CallbackReceipt, WechatCircuit, WechatToken


@pytest.fixture
async def real_sessions(engine: AsyncEngine) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield sessions
    async with sessions() as session, session.begin():
        for table in (Alarm, CallbackNonce, CallbackReceipt, WechatCircuit, WechatToken):
            await session.execute(delete(table))
