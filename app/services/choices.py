"""Choices: what may be named in a form of the roster, by code and name."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, CompoundSelect, Select, case, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    GridCell,
    Letter,
    Obligation,
    Organisation,
    OrganisationKind,
    Person,
    Reach,
    Stele,
    Waterbody,
)
from app.services import access, edits
from app.services.access import Caller
from app.services.dataset import labels
from app.services.dataset.register import TABLE_OF

MOST = 2000


class Choice(NamedTuple):
    """Something that may be named; `more` tells apart those of one name."""

    code: str
    name: str
    more: str = ""

    @property
    def text(self) -> str:
        """As it stands in a field: the code, a space, the name."""
        return f"{self.code} {self.name}"


async def offered(
    session: AsyncSession, caller: Caller, lists: Collection[str]
) -> Mapping[str, Sequence[Choice]]:
    """These lists, of each at most `MOST`; what is the caller's to manage, and areas are all's."""
    scope = await access.scope_of(session, caller)
    found: dict[str, Sequence[Choice]] = {}
    for name in sorted(lists):
        query = _select(name, scope).order_by("code").limit(MOST)
        found[name] = [Choice(*row) for row in await session.execute(query)]
    return found


async def names(
    session: AsyncSession, codes: Mapping[str, Collection[str]]
) -> Mapping[tuple[str, str], str]:
    """What people call the rows of these codes, by stem and code."""
    parts = []
    for stem, wanted in codes.items():
        model: Any = TABLE_OF[stem]
        if wanted and hasattr(model, "name"):
            parts.append(
                select(literal(stem), model.code, model.name).where(model.code.in_(wanted))
            )
    if not parts:
        return {}
    return {(stem, code): name for stem, code, name in await session.execute(union_all(*parts))}


def meant(typed: str, choices: Sequence[Choice]) -> str:
    """The code that somebody means who chose from the list, or typed a code or a name in full."""
    typed = typed.strip()
    if any(typed == choice.code for choice in choices):
        return typed
    fits = [choice.code for choice in choices if typed in (choice.text, choice.name)]
    if len(fits) == 1:
        return fits[0]
    return typed.split()[0] if typed else ""


def _select(name: str, scope: Any) -> Select[str, str, str]:
    match name:
        case "people":
            return _people(scope)
        case "organisations":
            return _organisations(edits.inside(scope, Organisation.id))
        case "villages":
            return _organisations(Organisation.kind == OrganisationKind.village)
        case "holders":
            both = union_all(_people(scope), _organisations(edits.inside(scope, Organisation.id)))
            return _of(both)
        case "letters":
            return select(
                Letter.number.label("code"),
                Organisation.name.label("name"),
                literal("").label("more"),
            ).where(
                Letter.organisation_id == Organisation.id,
                Letter.retired_on.is_(None),
                edits.inside(scope, Letter.organisation_id),
            )
        case "obligations":
            return _obligations(scope)
        case "reaches":
            return _areas(Reach, "reach")
    parts = [
        _areas(model, kind)
        for model, kind in (
            (Reach, "reach"), (GridCell, "grid_cell"), (Stele, "stele"), (Waterbody, "waterbody"),
        )
    ]  # fmt: skip
    return _of(union_all(*parts))


def _of(parts: CompoundSelect[str, str, str]) -> Select[str, str, str]:
    both = parts.subquery().c
    return select(both.code, both.name, both.more)


def _people(scope: Any) -> Select[str, str, str]:
    return select(
        Person.code.label("code"), Person.name.label("name"), Organisation.name.label("more")
    ).where(
        Person.organisation_id == Organisation.id,
        Person.retired_on.is_(None),
        edits.inside(scope, Person.organisation_id),
    )


def _organisations(condition: ColumnElement[bool]) -> Select[str, str, str]:
    return select(
        Organisation.code.label("code"), Organisation.name.label("name"), literal("").label("more")
    ).where(condition, Organisation.retired_on.is_(None))


def _obligations(scope: Any) -> Select[str, str, str]:
    holder = case((Obligation.holder_person_id.is_not(None), Person.name), else_=Organisation.name)
    return (
        select(Obligation.code.label("code"), holder.label("name"), literal("").label("more"))
        .outerjoin(Person, Person.id == Obligation.holder_person_id)
        .outerjoin(Organisation, Organisation.id == Obligation.holder_organisation_id)
        .where(Obligation.retired_on.is_(None), edits.held_inside(Obligation, scope))
    )


def _areas(model: Any, kind: str) -> Select[str, str, str]:
    return select(
        model.code.label("code"), model.name.label("name"),
        literal(labels.AREA_KINDS[kind]).label("more"),
    ).where(model.retired_on.is_(None))  # fmt: skip
