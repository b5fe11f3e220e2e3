"""Drawing: rows of the database as GeoJSON, a page at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app import clock
from app.domain import geometry
from app.services.features.collection import Collection, Kind, Source


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature; `geometry` is GeoJSON, written already."""

    id: str
    geometry: str
    properties: Mapping[str, Any]


def _instant(at: datetime) -> str:
    return at.astimezone(clock.LAKE).isoformat()


def _number(value: float) -> float:
    return round(value, 2)


# How the values are written that are not written as they are.
_WRITERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.number: _number,
    Kind.day: date.isoformat,
    Kind.instant: _instant,
}


def drawn(collection: Collection, source: Source, rows: Sequence[Any]) -> list[Feature]:
    """The rows that `finding` read, as features."""
    if not rows:
        return []
    names = [each.name for each in collection.properties]
    begin = 1 + len(source.key)
    end = begin + len(names)
    if len(rows[0]) == end + 1:
        shapes = geometry.geojson_of([row[end] for row in rows])
    else:
        shapes = [geometry.geojson_of_point(*row[end:]) for row in rows]
    written = [
        (each.name, _WRITERS[each.kind]) for each in collection.properties if each.kind in _WRITERS
    ]
    features = []
    for row, shape in zip(rows, shapes, strict=True):
        properties = dict(zip(names, row[begin:end], strict=True))
        for name, write in written:
            if properties[name] is not None:
                properties[name] = write(properties[name])
        features.append(Feature(str(row[0]), shape, properties))
    return features
