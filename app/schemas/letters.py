"""Letters as they cross the wire: rows of letters.csv, and whether the chief has read them."""

from collections.abc import Sequence
from datetime import date
from typing import Self

from pydantic import BaseModel

from app.schemas.edits import Cell, Edited
from app.schemas.fields import AnyDay, Instant
from app.services.letters import Shown


class NewLetter(Edited):
    """A row of letters.csv; the file itself comes by the import."""

    organisation_code: Cell
    person_code: Cell
    signed_on: AnyDay
    starts_on: AnyDay
    ends_on: AnyDay


class Letter(BaseModel):
    """A letter as letters.csv has it; `obligations` are those that hang on it."""

    number: str
    organisation_code: str
    person_code: str
    signed_on: date
    starts_on: date
    ends_on: date
    document: str | None
    confirmed_at: Instant | None
    obligations: Sequence[str]
    retired_on: date | None

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """From the database."""
        row = shown.row
        return cls(**row.said, obligations=shown.obligations, retired_on=row.retired_on)
