"""Filters: conditions that lists and exports are asked alike; none where nothing was asked."""

from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, any_, or_, select

from app import clock
from app.models import CheckIn, GridCell, Patrol, Person, Reach, Stele


def instants(column: Any, from_on: date | None, to_on: date | None) -> list[ColumnElement[bool]]:
    """An instant within the days, both included, at the lake."""
    found: list[ColumnElement[bool]] = []
    if from_on is not None:
        found.append(column >= clock.start_of(from_on))
    if to_on is not None:
        found.append(column < clock.end_of(to_on))
    return found


def days(column: Any, from_on: date | None, to_on: date | None) -> list[ColumnElement[bool]]:
    """A day within the days, both included."""
    found: list[ColumnElement[bool]] = []
    if from_on is not None:
        found.append(column >= from_on)
    if to_on is not None:
        found.append(column <= to_on)
    return found


def terms(
    starts: Any, ends: Any, from_on: date | None, to_on: date | None
) -> list[ColumnElement[bool]]:
    """A term, open where an end is null, that has a day in common with the days."""
    found: list[ColumnElement[bool]] = []
    if from_on is not None:
        found.append(or_(ends.is_(None), ends >= from_on))
    if to_on is not None:
        found.append(or_(starts.is_(None), starts <= to_on))
    return found


def person(column: Any, code: str | None) -> list[ColumnElement[bool]]:
    """The person in this column has the code."""
    return [] if code is None else [column == _id_of(Person, code)]


def equal(column: Any, value: object) -> list[ColumnElement[bool]]:
    """The column says just this."""
    return [] if value is None else [column == value]


def check_ins_at(code: str) -> ColumnElement[bool]:
    """A check-in in the cell of this code or inside it, along the reach, or at the stele."""
    stele = _id_of(Stele, code)
    return or_(
        _id_of(GridCell, code) == any_(CheckIn.grid_cell_ids),
        CheckIn.reach_id == _id_of(Reach, code),
        CheckIn.stele_id == stele,
        (CheckIn.nearest_stele_id == stele) & CheckIn.nearest_stele_within,
    )


def patrols_at(code: str) -> ColumnElement[bool]:
    """A patrol that is about this area, or that has a check-in in it."""
    return or_(
        areas(Patrol, code), Patrol.id.in_(select(CheckIn.patrol_id).where(check_ins_at(code)))
    )


def areas(model: Any, code: str) -> ColumnElement[bool]:
    """A row about the reach or stele of this code, or about its cell or one inside."""
    cells = select(GridCell.id).where(_id_of(GridCell, code) == any_(GridCell.lineage))
    return or_(
        model.reach_id == _id_of(Reach, code),
        model.stele_id == _id_of(Stele, code),
        model.grid_cell_id.in_(cells),
    )


def _id_of(model: Any, code: str) -> Any:
    return select(model.id).where(model.code == code).scalar_subquery()
