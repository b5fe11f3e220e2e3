"""Pairings as they cross the wire: rows of pairings.csv, told apart by their ids."""

from datetime import date
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.schemas.edits import Cell, Edited
from app.schemas.fields import AnyDay
from app.services.dataset.rows import Row


class NewPairing(Edited):
    """A row of pairings.csv."""

    department_code: Cell
    reach_code: Cell | None = None
    village_code: Cell | None = None
    from_on: AnyDay | None = Field(None, alias="from")
    to_on: AnyDay | None = Field(None, alias="to")


class Pairing(BaseModel):
    """A pairing as pairings.csv has it."""

    id: UUID
    department_code: str
    reach_code: str | None
    village_code: str | None
    from_on: date | None = Field(alias="from")
    to_on: date | None = Field(alias="to")
    retired_on: date | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From the database."""
        return cls(**row.said, id=row.id, retired_on=row.retired_on)
