"""Sync: an offline queue in one request."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.schemas.fields import Strict


class Queue(Strict):
    """Operations in any order; each is checked on its own, so that a bad one harms no other."""

    operations: Annotated[list[Any], Field(max_length=1000)]


class Result(BaseModel):
    """What became of one operation: the status that its own request would have had."""

    id: str | None
    op: str | None
    status: int
    problem: dict[str, Any] | None = None


class Results(BaseModel):
    """In the order of the operations."""

    results: list[Result]
