"""Paging: a list cut to its page, and where the next one begins, by the API's cursors."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

from app.schemas.pages import page_of

Each = TypeVar("Each")

Cursor = Annotated[str | None, Query(max_length=200)]
A_PAGE = 20


def cut(
    found: Sequence[Each], place: Callable[[Each], tuple[datetime, UUID]], limit: int = A_PAGE
) -> tuple[Sequence[Each], str | None]:
    """The page of what was asked for with one more than `limit`, and the next page's cursor."""
    return found[:limit], page_of(found, limit, lambda _each: None, place).next
