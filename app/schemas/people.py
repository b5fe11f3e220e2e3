"""People as they cross the wire, and parting one from their WeChat."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field

from app import models
from app.models import App, Role
from app.schemas.edits import Cell, Edited, Truth, one_of
from app.schemas.fields import AnyDay, Reason, Strict
from app.services.dataset import labels
from app.services.dataset.rows import Row


class Named(BaseModel):
    """Something of the dataset: its code, and what people call it."""

    code: str
    name: str


class Person(BaseModel):
    """Who somebody is; never their phone."""

    code: str
    name: str
    role: Role
    organisation: Named
    party_member: bool
    title: str | None

    @classmethod
    def of(cls, person: models.Person, organisation: models.Organisation) -> "Person":
        """From the roster."""
        return cls(
            code=person.code,
            name=person.name,
            role=person.role,
            organisation=Named(code=organisation.code, name=organisation.name),
            party_member=person.party_member,
            title=person.title,
        )


class Colleague(BaseModel):
    """Somebody who may have come along."""

    code: str
    name: str
    organisation: Named


class Colleagues(BaseModel):
    """At most twenty; who is not among them is found by more of the name."""

    items: Sequence[Colleague]


class NewUnbinding(Strict):
    """From which app (both when left out), and why."""

    app: App | None = None
    reason: Reason


class Unbinding(BaseModel):
    """What was parted; empty when there was nothing."""

    code: str
    unbound: Sequence[App]


class NewOnRoster(Edited):
    """A row of people.csv."""

    name: Cell
    phone: Cell | None = None
    organisation_code: Cell
    role: Annotated[Cell, one_of(labels.ROLES)]
    party_member: Truth
    title: Cell | None = None
    public_name: Cell | None = None
    from_on: AnyDay | None = Field(None, alias="from")
    to_on: AnyDay | None = Field(None, alias="to")


class OnRoster(BaseModel):
    """Somebody as people.csv has them; their phone only for managers."""

    code: str
    name: str
    phone: str | None = None
    organisation_code: str
    role: Role
    party_member: bool
    title: str | None
    public_name: str | None
    from_on: date | None = Field(alias="from")
    to_on: date | None = Field(alias="to")
    retired_on: date | None

    @classmethod
    def of(cls, row: Row, *, with_phone: bool) -> Self:
        """From the database."""
        said = row.said if with_phone else {**row.said, "phone": None}
        return cls(**said, retired_on=row.retired_on)
