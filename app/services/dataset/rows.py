"""Rows: what is in the database, one row or a page of them, as the dataset's files would say it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from app.services.dataset.exporting import rows_of
from app.services.dataset.register import TABLE_OF
from app.services.dataset.tables import BY_STEM

# What rows of a table say beyond their file's columns.
_MORE = {"exemptions": ("state",), "letters": ("confirmed_at",)}


@dataclass(frozen=True, slots=True)
class Row:
    """A row by the dataset's own columns; `said` holds codes where the database has ids."""

    id: UUID
    retired_on: date | None
    said: dict[str, Any]

    @property
    def version(self) -> str:
        """Another one whenever the row says something else."""
        return hashlib.sha256(orjson.dumps([self.id, self.audited])).hexdigest()[:32]

    @property
    def audited(self) -> dict[str, Any]:
        """What of it stands in the audit log: plain JSON."""
        said = {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in self.said.items()
        }
        return said | {"retired_on": self.retired_on.isoformat() if self.retired_on else None}


async def page(
    session: AsyncSession,
    stem: str,
    *conditions: ColumnElement[bool],
    after: UUID | None = None,
    limit: int = 1,
) -> Sequence[Row]:
    """Up to `limit` rows of a table, the newest first, after the row with the id `after`."""
    table, model = BY_STEM[stem], TABLE_OF[stem]
    columns: Any = model.__table__.c
    wanted = [*conditions, columns.id < after] if after is not None else conditions
    more = _MORE.get(stem, ())
    query = rows_of(table, *wanted).add_columns(
        *(columns[name] for name in more), columns.id, columns.retired_on
    )
    found = await session.execute(query.order_by(None).order_by(columns.id.desc()).limit(limit))
    names = [*(column.name for column in table.columns), *more]
    return [Row(row[-2], row[-1], dict(zip(names, row, strict=False))) for row in found.all()]


async def find(session: AsyncSession, stem: str, *conditions: ColumnElement[bool]) -> Row | None:
    """The one row of which this holds, if there is one."""
    found = await page(session, stem, *conditions)
    return found[0] if found else None
