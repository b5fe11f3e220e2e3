"""Databases for tests: made on a server, migrated, dropped."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import opening


def named(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@contextmanager
def empty(server_url: str) -> Iterator[str]:
    """A new, empty database."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        yield named(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def migrate(url: str) -> None:
    """Bring the database to the newest schema, as the program itself does."""
    opening.migrate(url)


@contextmanager
def copied(server_url: str, template_url: str) -> Iterator[str]:
    """A copy of a database nobody is connected to: quicker than migrating anew."""
    name, template = f"test_{uuid4().hex[:12]}", urlsplit(template_url).path.lstrip("/")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield named(server_url, name)
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@asynccontextmanager
async def taken_back(connection: AsyncConnection, *used: AsyncSession) -> AsyncIterator[None]:
    """What is done within leaves no trace: for a property's examples, which share a connection."""
    savepoint = await connection.begin_nested()
    try:
        yield
    finally:
        for session in used:
            session.expunge_all()  # before: a rollback makes it forget what it knows of its rows
            await session.rollback()
        await savepoint.rollback()
