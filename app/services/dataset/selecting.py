"""Selecting: conditions on more values than a statement may have parameters."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, literal


def among(column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether the column is one of any number of values (`IN` ends at 65,535 of them)."""
    kind = column.type
    if isinstance(kind, Uuid):
        values = (value if isinstance(value, UUID) else UUID(value) for value in values)
    found: ColumnElement[bool] = column == any_(literal(list(values), ARRAY(kind)))
    return found
