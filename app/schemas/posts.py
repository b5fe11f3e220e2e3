"""Posts as they cross the wire: rows of posts.csv."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field

from app.models import AreaKind, PostKind
from app.schemas.edits import Cell, Edited, one_of
from app.schemas.fields import AnyDay
from app.services.dataset import labels
from app.services.dataset.rows import Row
from app.services.dataset.tables import POSTS

_AREAS = POSTS.column("area_kind").labels or {}


class NewPost(Edited):
    """A row of posts.csv."""

    person_code: Cell
    kind: Annotated[Cell, one_of(labels.POST_KINDS)]
    organisation_code: Cell | None = None
    area_kind: Annotated[Cell | None, one_of(_AREAS)] = None
    area_code: Cell | None = None
    deputy_code: Cell | None = None
    from_on: AnyDay | None = Field(None, alias="from")
    to_on: AnyDay | None = Field(None, alias="to")


class Post(BaseModel):
    """A post as posts.csv has it."""

    code: str
    person_code: str
    kind: PostKind
    organisation_code: str | None
    area_kind: AreaKind | None
    area_code: str | None
    deputy_code: str | None
    from_on: date | None = Field(alias="from")
    to_on: date | None = Field(alias="to")
    retired_on: date | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From the database."""
        return cls(**row.said, retired_on=row.retired_on)
