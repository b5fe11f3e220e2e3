"""Where features are: lines and areas by the boxes around them, points by their two numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    and_,
    cast,
    func,
    literal_column,
    null,
    or_,
    true,
)

from app.models import GridCell, Reach, Waterbody
from app.models.base import Box as BoxType

Box = tuple[float, float, float, float]
"""West, south, east, north in WGS-84 degrees, west of east: across 180° it takes two of them."""


class Place(Protocol):
    """Where the features of a table are."""

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """What has to be read of a row in order to draw it."""

    @property
    def shape(self) -> SQLColumnExpression[Any]:
        """WKB, by which those that are not surely in a box are tested."""

    def near(self, boxes: Sequence[Box]) -> ColumnElement[bool]:
        """True at least of all that meets one of the boxes; asked of an index."""

    def surely(self, boxes: Sequence[Box]) -> ColumnElement[bool]:
        """True of those near ones that need no closer look."""

    def extent(self) -> Sequence[SQLColumnExpression[Any]]:
        """West, south, east and north of all rows."""


def _box(box: Box, margin: float = 0) -> ColumnElement[Any]:
    west, south, east, north = box
    text = f"({east - margin!r},{north - margin!r}),({west + margin!r},{south + margin!r})"
    return cast(text, BoxType)


# PostgreSQL compares boxes with a tolerance of 1e-6 degrees.
_TOLERANCE = 2e-6


@dataclass(frozen=True, slots=True)
class Shapes:
    """Lines and areas: WKB, with the box around each in an index."""

    model: type[Waterbody] | type[Reach] | type[GridCell]

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """The WKB."""
        return [self.model.geometry.label("geometry")]

    @property
    def shape(self) -> SQLColumnExpression[Any]:
        """The WKB."""
        return self.model.geometry

    def near(self, boxes: Sequence[Box]) -> ColumnElement[bool]:
        """By the boxes around them."""
        return or_(*(self.model.bounds.op("&&", is_comparison=True)(_box(box)) for box in boxes))

    def surely(self, boxes: Sequence[Box]) -> ColumnElement[bool]:
        """Whatever lies inside as a whole."""
        inner = [
            self.model.bounds.op("<@", is_comparison=True)(_box(box, _TOLERANCE))
            for box in boxes
            if box[2] - box[0] > 2 * _TOLERANCE and box[3] - box[1] > 2 * _TOLERANCE
        ]
        return or_(*inner) if inner else ~true()

    def extent(self) -> Sequence[SQLColumnExpression[Any]]:
        """By the boxes around them."""
        bounds = f"{self.model.__tablename__}.bounds"
        corners = ((func.min, 1, 0), (func.min, 1, 1), (func.max, 0, 0), (func.max, 0, 1))
        return [
            outermost(literal_column(f"({bounds}[{corner}])[{axis}]"))
            for outermost, corner, axis in corners
        ]


@dataclass(frozen=True, slots=True)
class Points:
    """Points: two numbers, and what finds those in a box by an index."""

    lon: SQLColumnExpression[float]
    lat: SQLColumnExpression[float]
    indexed: Callable[[ColumnElement[Any]], ColumnElement[bool]]

    @property
    def columns(self) -> Sequence[ColumnElement[Any]]:
        """Both numbers."""
        return [self.lon.label("lon"), self.lat.label("lat")]

    @property
    def shape(self) -> SQLColumnExpression[Any]:
        """None is ever tested: a point is all that its bounds are."""
        return null()

    def near(self, boxes: Sequence[Box]) -> ColumnElement[bool]:
        """Exactly: the index is asked first."""
        return or_(
            *(
                and_(
                    self.indexed(_box(box)),
                    self.lon.between(box[0], box[2]),
                    self.lat.between(box[1], box[3]),
                )
                for box in boxes
            )
        )

    def surely(self, boxes: Sequence[Box]) -> ColumnElement[bool]:  # noqa: ARG002  as of shapes
        """All of them."""
        return true()

    def extent(self) -> Sequence[SQLColumnExpression[Any]]:
        """Of the points."""
        return [func.min(self.lon), func.min(self.lat), func.max(self.lon), func.max(self.lat)]
