"""Shapes: which rows are chained, and how a row is written down so that it can be authenticated."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import orjson

ENCODING = 1
_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of record: its table, what of a row never changes, and what the program may change.

    The order of the columns is part of the encoding: a new column means a new encoding.
    """

    kind: str
    name: str
    table: LiteralString
    core: tuple[LiteralString, ...]
    state: tuple[LiteralString, ...]


CHECK_IN = Shape(
    kind="check-in",
    name="巡河记录",
    table="check_ins",
    core=(
        "id",
        "person_id",
        "organisation_id",
        "patrol_id",
        "source",
        "at",
        "taken_on",
        "received_at",
        "lon",
        "lat",
        "accuracy_m",
        "datum",
        "raw_lon",
        "raw_lat",
        "grid_cell_id",
        "grid_cell_ids",
        "reach_id",
        "stele_id",
        "stele_distance_m",
        "stele_within",
        "nearest_stele_id",
        "nearest_stele_distance_m",
        "nearest_stele_within",
        "place",
        "device",
        "photos_expected",
        "rules_version",
        "content_digest",
    ),
    state=("note", "no_photo_reason", "verdict", "evidence", "reviewed_at", "withdrawn_at"),
)
PHOTO = Shape(
    kind="photo",
    name="照片",
    table="photos",
    core=("id", "check_in_id", "person_id", "sha256", "source", "taken_at", "received_at"),
    state=(),
)
VERDICT = Shape(
    kind="verdict",
    name="核验结论",
    table="check_in_verdicts",
    core=(
        "id",
        "check_in_id",
        "verdict",
        "rules_version",
        "reviewer_id",
        "reason",
        "recorded_at",
    ),
    state=("answer", "answered_at", "revoked_at"),
)
SHAPES: Mapping[str, Shape] = {shape.kind: shape for shape in (CHECK_IN, PHOTO, VERDICT)}


def encoded(values: list[Any]) -> bytes:
    """The values as bytes: equal for equal content, however the database gave it back."""
    return orjson.dumps([_plain(value) for value in values], option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    """Instants in UTC, bytes in hex, and numbers as JSON in the database may give them back."""
    kind = type(value)
    if kind is datetime:
        return value.astimezone(UTC)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if kind is int:
        return value if abs(value) < _EXACT else float(value)
    if kind is dict:
        return {key: _plain(each) for key, each in value.items()}
    if kind is list or kind is tuple:
        return [_plain(each) for each in value]
    return value.hex() if kind is bytes else value
