"""How a migration meets the database: one at a time, on the address that the settings give."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from app import embedded_postgres
from app.database import sqlalchemy_url
from app.models import Base
from app.models.base import Box
from app.settings import get_settings

# So that reflection knows the type of our bounding boxes, and `alembic check` can compare it.
ischema_names["box"] = Box

# Any number that nothing else in this database uses as an advisory lock.
MIGRATING = 7_064_318


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Procrastinate's tables are its own affair (see the revisions named after it)."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


@contextmanager
def database_url() -> Iterator[str]:
    """What `app.opening` hands over; on alembic's own command line, what the settings say."""
    given: str | None = context.config.attributes.get("url") or get_settings().database.url
    if given is not None:
        yield given
        return
    with embedded_postgres.hold(get_settings().data_dir) as url:
        yield url


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Let nobody else migrate meanwhile.

    The lock is a connection's of its own, outside any transaction, so that a migration may commit
    half-way (an index built concurrently) and still be alone.
    """
    connection.execution_options(isolation_level="AUTOCOMMIT")
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": MIGRATING})
    yield


def run() -> None:
    """Migrate, each revision in a transaction of its own."""
    with database_url() as url:
        engine = create_engine(sqlalchemy_url(url), poolclass=pool.NullPool)
        with engine.connect() as guard, alone(guard), engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                include_name=is_ours,
                compare_type=True,
                compare_server_default=True,
                transaction_per_migration=True,
            )
            with context.begin_transaction():
                context.run_migrations()


run()
