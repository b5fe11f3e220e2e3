"""One engine, and sessions that are one transaction each."""

import re

from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from app.settings import Database


def sqlalchemy_url(url: str) -> str:
    """The same address, spoken through psycopg 3."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def connect(url: str, settings: Database) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """The engine for the libpq `url` and the sessions it makes.

    A connection that is not had within `connect_timeout_s` raises, so that a callback can still
    say 503 in time.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.connect_timeout_s,
        pool_pre_ping=False,
        connect_args={
            "connect_timeout": max(2, int(settings.connect_timeout_s)),
            "prepare_threshold": 3,
        },
    )
    return engine, async_sessionmaker(engine, expire_on_commit=False)
