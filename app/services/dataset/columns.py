"""Columns: what a file's rows are as rows of the database, references turned into ids."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from app.clock import LAKE
from app.domain.geometry import areas_m2, length_m
from app.models import uuid7
from app.services.dataset.checking import area_rows
from app.services.dataset.faults import Fault
from app.services.dataset.register import Register
from app.services.dataset.sheets import Sheet

_RENAMED = {
    "from": "from_on",
    "to": "to_on",
    "approved_by": "approved_by_id",
    "letter_number": "letter_id",
    "on": "started_on",
}
_AREA_COLUMNS = {
    "waterbodies": "waterbody_id",
    "reaches": "reach_id",
    "grid_cells": "grid_cell_id",
    "steles": "stele_id",
}


@dataclass(frozen=True)
class Values:
    """One database column. `updates`: rows that exist take it too; `differs`: it makes a change."""

    values: list[Any]
    updates: bool = True
    differs: bool = True


Columns = dict[str, Values]


def resolved(sheet: Sheet, register: Register) -> tuple[Columns, list[Fault]]:
    """The database's columns for a file, as far as they follow from the row alone.

    A column that the file does not have is left alone in rows that exist.
    """
    columns: Columns = {}
    faults: list[Fault] = []
    for column in sheet.table.columns:
        given = column.name in sheet.headings
        name = column.name
        if name in ("area_code", "holder_kind", "holder_code"):
            continue
        values = sheet[name]
        if column.refers_to:
            values, unknown = register.resolve(sheet, name, column.refers_to)
            faults += unknown
            name = name.removesuffix("_code") + "_id" if name not in _RENAMED else name
        elif column.default is not None:
            values = [column.default if value is None else value for value in values]
        columns[_RENAMED.get(name, name)] = Values(values, given)
    if "area_code" in sheet.values:
        faults += _areas(sheet, register, columns)
    if "holder_code" in sheet.values:
        faults += _holders(sheet, register, columns)
    return columns, faults


def _areas(sheet: Sheet, register: Register, columns: Columns) -> list[Fault]:
    faults: list[Fault] = []
    given = "area_kind" in sheet.headings or "area_code" in sheet.headings
    by_stem = area_rows(sheet)
    stems = (
        set(_AREA_COLUMNS) if sheet.table.stem == "posts" else set(_AREA_COLUMNS) - {"waterbodies"}
    )
    columns["area_kind"] = Values(sheet["area_kind"], given)
    for stem, name in _AREA_COLUMNS.items():
        if stem in stems:
            ids, unknown = register.resolve(sheet, "area_code", stem, by_stem.get(stem, []))
            faults += unknown
            columns[name] = Values(ids, given)
    return faults


def _holders(sheet: Sheet, register: Register, columns: Columns) -> list[Fault]:
    faults: list[Fault] = []
    kinds, codes = sheet["holder_kind"], sheet["holder_code"]
    for kind, stem in (("person", "people"), ("organisation", "organisations")):
        rows = [row for row, given in enumerate(kinds) if given == kind and codes[row] is not None]
        ids, unknown = register.resolve(sheet, "holder_code", stem, rows)
        faults += unknown
        columns[f"holder_{kind}_id"] = Values(ids)
    return faults


def complete(sheet: Sheet, columns: Columns, register: Register, now: datetime) -> None:
    """Add what is computed from the rows; only for sheets without a fault."""
    more = _MORE.get(sheet.table.stem)
    if sheet.table.shapes:
        _shaped(sheet, columns)
    if more:
        more(sheet, columns, register, now)


def _shaped(sheet: Sheet, columns: Columns) -> None:
    from app.services.dataset import shapes  # noqa: PLC0415 - brings shapely; most edits have none

    geometry = sheet.geometry
    columns["bounds"] = Values(shapes.boxes(geometry), differs=False)
    if sheet.table.stem == "steles":
        columns["lon"] = Values([point.x for point in geometry])
        columns["lat"] = Values([point.y for point in geometry])
        return
    columns["geometry"] = Values(shapes.hexes(geometry))
    if sheet.table.stem == "reaches":
        columns["length_m"] = Values([length_m(line) for line in geometry], differs=False)
    if sheet.table.stem == "grid_cells":
        columns["area_m2"] = Values(areas_m2(geometry), differs=False)


def _lineages(sheet: Sheet, columns: Columns, register: Register, _now: datetime) -> None:
    """From the outermost ancestor down to the cell, as the text of an array."""
    stored = register.stored["grid_cells"].rows
    parents = {i: str(row.parent_id) if row.parent_id else None for i, row in stored.items()}
    if "parent_code" in sheet.headings:
        parents.update(zip(sheet.ids, columns["parent_id"].values, strict=True))
    known: dict[str, str] = {}

    def lineage(identity: str) -> str:
        trail = []
        at: str | None = identity
        while at is not None and at not in known:
            trail.append(at)
            at = parents.get(at)
        line = known[at] if at is not None else ""
        for step in reversed(trail):
            line = known[step] = f"{line},{step}" if line else step
        return line

    columns["lineage"] = Values(["{" + lineage(i) + "}" for i in sheet.ids], differs=False)


def _pairing_ids(sheet: Sheet, columns: Columns, register: Register, _now: datetime) -> None:
    stored = register.stored["pairings"].ids
    keys = zip(
        columns["department_id"].values,
        columns["reach_id"].values,
        columns["village_id"].values,
        strict=True,
    )
    sheet.ids = [stored.get(key) or str(uuid7()) for key in keys]


def _granted(sheet: Sheet, columns: Columns, _register: Register, now: datetime) -> None:
    columns["state"] = Values(["granted"] * sheet.size)
    columns["recorded_at"] = Values([now] * sheet.size, updates=False)


def _from_paper(sheet: Sheet, columns: Columns, _register: Register, now: datetime) -> None:
    noons: dict[date, datetime] = {}
    for day in sheet["on"]:
        if day not in noons:
            noons[day] = datetime.combine(day, time(12), LAKE)
    at = [noons[day] for day in sheet["on"]]
    columns["started_at"] = Values(at, differs=False)
    columns["finished_at"] = Values(at, differs=False)
    for name, value in (
        ("state", "finished"),
        ("origin", "paper"),
        ("closed_by_us", False),
        ("distance_m", 0.0),
        ("points_kept", 0),
        ("points_marked", 0),
        ("received_at", now),
    ):
        columns[name] = Values([value] * sheet.size, updates=False)


_MORE: dict[str, Callable[[Sheet, Columns, Register, datetime], None]] = {
    "grid_cells": _lineages,
    "pairings": _pairing_ids,
    "exemptions": _granted,
    "patrols": _from_paper,
}
