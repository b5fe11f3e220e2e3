"""What a collection of features is: what it says of each one, and where those are kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import FromClause

from app.services.access import Caller
from app.services.features.place import Place


class Kind(StrEnum):
    """How the values of a property are written."""

    text = "text"
    number = "number"
    flag = "flag"
    day = "day"
    instant = "instant"


@dataclass(frozen=True, slots=True)
class Property:
    """A property of every feature: its name in JSON, what people call it, what may stand there."""

    name: str
    title: str
    kind: Kind = Kind.text
    choices: Sequence[str] = ()


Condition = Callable[[str], ColumnElement[bool]]
Visible = Callable[[AsyncSession, Caller | None], Awaitable[ColumnElement[bool]]]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the features of a collection are kept.

    `table` is the one that each feature has a row in, `joined` the same with what `columns` (by the
    names of the properties) refer to besides. `named` finds a feature by the id that it has in
    addresses; `key` orders them for ever: unique, never changed, of these types.
    """

    table: FromClause
    joined: FromClause
    row_id: SQLColumnExpression[UUID]
    feature_id: SQLColumnExpression[Any]
    named: Condition
    key: Sequence[tuple[SQLColumnExpression[Any], type]]
    columns: Mapping[str, SQLColumnExpression[Any]]
    place: Place
    visible: Visible
    filters: Mapping[str, Condition] = field(default_factory=dict)
    at: SQLColumnExpression[datetime] | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A layer of the map. Without a source there is nothing in it yet; `guarded` needs a key."""

    id: str
    title: str
    description: str
    geometry_types: Sequence[str]
    properties: Sequence[Property]
    filters: Sequence[str]
    source: Source | None
    guarded: bool = False

    def property_of(self, name: str) -> Property:
        """The property of that name."""
        return next(each for each in self.properties if each.name == name)
