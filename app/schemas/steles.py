"""Steles as passers-by and people on the roster see them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from app.models import PostKind, SteleKind
from app.schemas.fields import Position, Reason, Strict
from app.schemas.people import Named
from app.services.access import Caller
from app.services.steles import Responsible, SteleHere


class SteleCell(BaseModel):
    """The innermost grid cell, with its path from the outermost one."""

    code: str
    name: str
    path: Sequence[Named]


class Answerable(BaseModel):
    """Who answers for this place; `name` only as far as it is public."""

    name: str | None
    title: str | None
    post: PostKind | None
    organisation: str


class KnownAnswerable(Answerable):
    """The same for people on the roster, with the code to reach somebody by."""

    code: str


class Stele(BaseModel):
    """The public part."""

    code: str
    name: str
    kind: SteleKind
    text: str | None
    position: Position
    organisation: Named
    reach: Named | None
    waterbody: Named | None
    grid_cell: SteleCell | None
    responsible: Sequence[KnownAnswerable | Answerable]
    phone: str | None


class KnownStele(Stele):
    """With what people on the roster see more of: full names, and how near counts."""

    radius_m: float
    mine: bool = Field(description="one's own post is about this stele or its reach")


def answerable(each: Responsible, *, known: bool) -> Answerable:
    """Somebody responsible, by their public name or, among colleagues, by their own."""
    shown: dict[str, Any] = {
        "name": each.person.public_name,
        "title": each.person.title,
        "post": each.post,
        "organisation": each.organisation.name,
    }
    if not known:
        return Answerable(**shown)
    return KnownAnswerable(**shown | {"name": each.person.name, "code": each.person.code})


def stele_of(here: SteleHere, office_phone: str, caller: Caller | None) -> Stele:
    """The public part, or more for somebody on the roster and for programs."""
    known = caller is not None and (caller.person is not None or caller.api_key is not None)
    cell = here.place.cell
    shown: dict[str, Any] = {
        "code": here.stele.code,
        "name": here.stele.name,
        "kind": here.stele.kind,
        "text": here.stele.text,
        "position": Position.of(here.stele.lon, here.stele.lat),
        "organisation": Named(code=here.organisation.code, name=here.organisation.name),
        "reach": Named(code=here.reach.code, name=here.reach.name) if here.reach else None,
        "waterbody": (
            Named(code=here.waterbody.code, name=here.waterbody.name) if here.waterbody else None
        ),
        "grid_cell": (
            SteleCell(
                code=cell.code,
                name=cell.name,
                path=[Named(code=code, name=name) for code, name in here.place.path],
            )
            if cell
            else None
        ),
        "responsible": [answerable(each, known=known) for each in here.responsible],
        "phone": here.organisation.phone or office_phone or None,
    }
    if caller is None or not known:
        return Stele(**shown)
    me = caller.person
    mine = me is not None and any(each.person.id == me.id for each in here.responsible)
    return KnownStele(**shown, radius_m=here.stele.radius_m, mine=mine)


class NewPrint(Strict):
    """Why the QR code has to be made anew."""

    reason: Reason


class Print(BaseModel):
    """The print that is in force now; the sheet comes from `xunhe stele-codes`."""

    code: str
    version: int
