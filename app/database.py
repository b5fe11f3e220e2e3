"""One engine, and sessions that are one transaction each."""

import re
from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from sqlalchemy import NullPool
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
        hide_parameters=True,  # in messages, which end up in logs
        connect_args={
            "connect_timeout": max(2, int(settings.connect_timeout_s)),
            "prepare_threshold": 3,
        },
    )
    return engine, async_sessionmaker(engine, expire_on_commit=False)


def snapshots(url: str) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Sessions that see one state of the database and write nothing, for what takes long.

    Each has a connection of its own, which ends with it.
    """
    engine = create_async_engine(
        sqlalchemy_url(url),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"connect_timeout": 5},
        isolation_level="REPEATABLE READ",
    )
    reading = engine.execution_options(postgresql_readonly=True)
    return engine, async_sessionmaker(reading, expire_on_commit=False)


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection that carries the session's transaction."""
    connection: AsyncConnection[Any] | None = (
        await (await session.connection()).get_raw_connection()
    ).driver_connection
    if connection is None:
        raise RuntimeError("the session has lost its connection")
    return connection


Question = tuple[LiteralString, Mapping[str, Any]]
"""A statement with `%(name)s` placeholders, and their values."""


async def at_once(session: AsyncSession, *questions: Question | None) -> list[list[Any]]:
    """Put several statements in one round trip, in their order, in the session's transaction.

    Answers each one's rows as named tuples, none where there was nothing to ask. For the hot paths:
    the way to the database and back, and SQLAlchemy's own work, cost more than most statements.
    Raises psycopg's errors.
    """
    await session.flush()
    connection = await driver_connection(session)
    async with connection.pipeline():
        cursors = [
            await connection.cursor(row_factory=namedtuple_row).execute(*question)
            if question is not None
            else None
            for question in questions
        ]
    return [
        await cursor.fetchall() if cursor is not None and cursor.description else []
        for cursor in cursors
    ]
