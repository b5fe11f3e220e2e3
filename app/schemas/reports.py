"""Reports as programs read them: the same frame for all, rows and totals by the columns."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from app.schemas.fields import Instant
from app.services.reports.report import By, Kind


class Format(StrEnum):
    """How a report is answered; left out, as `Accept` says."""

    json = "json"
    csv = "csv"
    geojson = "geojson"


class Column(BaseModel):
    """A column of the rows, what people call it, and how its values are to be read."""

    name: str
    title: str
    kind: Kind


class Compared(BaseModel):
    """The same report about the other days; `change` is by how much the totals are more."""

    from_on: date = Field(alias="from")
    to_on: date = Field(alias="to")
    as_of: date
    rows: Sequence[Mapping[str, Any]]
    totals: Mapping[str, Any]
    change: Mapping[str, Any]


class Report(BaseModel):
    """A report.

    A row has the columns and what else programs may want (codes behind names); with `explain` also
    `records`, the ids behind each figure, and `hidden`, how many of them are not the caller's to
    see; with `compare` also `change`, by how much each figure is more.
    """

    report: str
    title: str
    definition: str = Field(description="口径，末尾是版本")
    definition_version: int
    as_of: date
    known_at: Instant | None
    from_on: date = Field(alias="from")
    to_on: date = Field(alias="to")
    by: By
    organisation: str | None
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    totals: Mapping[str, Any]
    compared: Compared | None = None
