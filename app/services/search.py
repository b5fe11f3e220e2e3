"""Search: people, organisations and places by name, code or phone, in what the caller manages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import GridCell, Organisation, Person, Reach, Stele
from app.services import access, audit, edits
from app.services.access import Caller
from app.services.dataset.labels import ORGANISATION_KINDS

MOST = 20
_PHONE_DIGITS = 4
_DIGITS = re.compile(r"\+?[0-9][0-9 -]*")


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found; `about` is what tells it from others of the same name."""

    code: str
    name: str
    about: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What was found of one kind, by code; `page` is under which address each has its page."""

    title: str
    page: str
    hits: Sequence[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All groups in which something was found; `exact` is the only thing with this very code."""

    groups: Sequence[Group]
    exact: tuple[str, str] | None


async def find(session: AsyncSession, caller: Caller, q: str, *, now: datetime) -> Found:
    """At most 20 of each kind. Looking people up by their phones is written down."""
    scope = await access.scope_of(session, caller)
    theirs = edits.inside(scope, Person.organisation_id)
    groups = [
        await _group(session, "人员", "people", Person, theirs, q, (Person.name,)),
        *await _by_phone(session, caller, theirs, q, now),
        await _group(
            session, "组织", "organisations", Organisation,
            edits.inside(scope, Organisation.id), q, (Organisation.name, Organisation.short_name),
        ),
        await _group(session, "界碑", "steles", Stele, None, q, (Stele.name, Stele.short_name)),
        await _group(session, "河段", "reaches", Reach, None, q, (Reach.name, Reach.short_name)),
        await _group(session, "网格", "grid-cells", GridCell, None, q, (GridCell.name,)),
    ]  # fmt: skip
    found = [group for group in groups if group.hits]
    exact = [
        (group.page, hit.code)
        for group in found
        for hit in group.hits
        if hit.code.casefold() == q.casefold()
    ]
    return Found(found, exact[0] if len(set(exact)) == 1 else None)


async def _group(
    session: AsyncSession,
    title: str,
    page: str,
    model: Any,
    theirs: ColumnElement[bool] | None,
    q: str,
    names: Sequence[Any],
) -> Group:
    conditions = [
        or_(*(name.icontains(q, autoescape=True) for name in (model.code, *names))),
        *([] if theirs is None else [theirs]),
    ]
    # The very code first, then by code.
    order = (model.code != q, model.code)
    return _shown(title, page, await _rows(session, model, conditions, order))


async def _by_phone(
    session: AsyncSession, caller: Caller, theirs: ColumnElement[bool], q: str, now: datetime
) -> list[Group]:
    """People by their phone, or the last four and more digits of it."""
    if not _DIGITS.fullmatch(q):
        return []
    digits = re.sub(r"\D", "", q)
    if len(digits) < _PHONE_DIGITS:
        return []
    # As a caller's display shows it: with the country before it.
    digits = digits.removeprefix("86") if len(digits) > 11 else digits
    conditions = [Person.phone.endswith(digits), Person.retired_on.is_(None), theirs]
    group = _shown(
        "电话相符的人员", "people", await _rows(session, Person, conditions, (Person.code,))
    )
    for hit in group.hits:
        await audit.seen(session, caller, f"person:{hit.code}", now=now, reason="按电话查找")
    if not group.hits:
        await audit.seen(session, caller, "search:phone", now=now, reason="按电话查找，没有找到")
    return [group]


async def _rows(
    session: AsyncSession, model: Any, conditions: Sequence[ColumnElement[bool]], order: Any
) -> Sequence[Any]:
    query = select(model.code, model.name, model.retired_on, _about(model))
    if model is not Organisation and model is not Reach:
        query = query.join(Organisation, Organisation.id == model.organisation_id)
    rows = await session.execute(query.where(*conditions).order_by(*order).limit(MOST + 1))
    return rows.all()


def _about(model: Any) -> Any:
    """Whose it is; of organisations what kind, of reaches from where to where."""
    if model is Organisation:
        return Organisation.kind.label("about")
    if model is Reach:
        return Reach.start.label("about")
    return Organisation.name.label("about")


def _shown(title: str, page: str, rows: Sequence[Any]) -> Group:
    hits = [
        Hit(
            row.code,
            row.name,
            ORGANISATION_KINDS.get(row.about or "", row.about or ""),
            row.retired_on is not None,
        )
        for row in rows[:MOST]
    ]
    return Group(title, page, hits, len(rows) > MOST)
