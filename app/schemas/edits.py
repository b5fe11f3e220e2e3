"""What managers send to change a row of the dataset; the dataset's own rules judge the rest."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from app.schemas.fields import Reason, Strict
from app.services.edits import Wish

Cell = Annotated[str, StringConstraints(max_length=2100)]
"""The text of a column; how long it may be and what may stand in it, the dataset's rules say."""

Whole = Annotated[int, Field(strict=True)]
Truth = Annotated[bool, Field(strict=True)]


def one_of(labels: Mapping[str, str]) -> Any:
    """Tells the documentation which texts a cell may hold; the dataset's rules tell the rest."""
    return Field(json_schema_extra={"enum": list(labels)})


class Edited(Strict):
    """Why, for the audit log, and whether it is over; what else is left out becomes empty."""

    reason: Reason | None = None
    retired: Truth = False

    def wish(self, if_match: str | None, **more: object) -> Wish:
        """By the dataset's columns."""
        said = self.model_dump(by_alias=True, exclude={"reason", "retired"})
        return Wish(said | more, self.reason, self.retired, if_match)
