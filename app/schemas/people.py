"""People as they cross the wire, and parting one from their WeChat."""

from collections.abc import Sequence

from pydantic import BaseModel

from app import models
from app.models import App, Role
from app.schemas.fields import Reason, Strict


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
