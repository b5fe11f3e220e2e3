"""Databases for tests: made on a server, migrated, dropped."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from procrastinate.schema import SchemaManager
from sqlalchemy import create_engine

from app.database import sqlalchemy_url
from app.models import Base


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
    """Bring the database to the newest schema."""
    engine = create_engine(sqlalchemy_url(url))
    Base.metadata.create_all(engine)
    engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute(SchemaManager.get_schema().encode())


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
