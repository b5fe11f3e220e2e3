"""Edits: a manager changes one row of roster and duties; whose it may be, which version, and why.

Every edit has the books alone (`credits.hold_alone`): edits come one after the other, and nobody
judges a patrol by what is just being changed. An import, which may take minutes, is not waited for.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.errors import LockNotAvailable
from sqlalchemy import ColumnElement, Select, and_, or_, select, text, true
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Busy, Conflict, StaleVersion
from app.models import Letter, Obligation, Organisation, Person, subtree_of
from app.services import access, audit, credits, turns
from app.services.access import Caller
from app.services.dataset import editing, rows
from app.services.dataset.editing import Draft, Said
from app.services.dataset.register import TABLE_OF
from app.services.dataset.rows import Row

_PATIENCE = "10s"
_TAKEN = "这个编码已经用在别处，请换一个。"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a row is to say, by the dataset's columns, and why; `if_match` as the header has it.

    Whoever wants a row that `is_new` does not want to change one that is there.
    """

    said: Said
    reason: str | None
    retired: bool = False
    if_match: str | None = None
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """What became of a row; `before` and `was` (its attributes then) are empty for a new one."""

    id: UUID
    before: Row | None
    after: Row
    was: Mapping[str, Any]
    attributes: Mapping[str, Any]

    @property
    def is_new(self) -> bool:
        """Whether there was no such row."""
        return self.before is None

    @property
    def changed(self) -> bool:
        """Whether the row says anything new."""
        return self.before is None or self.before.audited != self.after.audited

    def ids(self, attribute: str) -> set[UUID]:
        """Whom an attribute names, before and after."""
        both = (self.was.get(attribute), self.attributes.get(attribute))
        return {each for each in both if each is not None}


async def begin(session: AsyncSession) -> None:
    """Have the books alone from here on. Raises `Busy` when others keep them for too long."""
    try:
        await session.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
        # First the import, which asks for the books while it has tables that an edit writes to.
        await turns.take(session)
        await credits.hold_alone(session)
    except (OperationalError, LockNotAvailable) as error:
        if not isinstance(getattr(error, "orig", error), LockNotAvailable):
            raise
        raise Busy("正在导入数据，请过几分钟再修改。", retry_after=60) from None


async def current(
    session: AsyncSession,
    stem: str,
    key: ColumnElement[bool],
    theirs: ColumnElement[bool],
    wish: Wish,
) -> Row | None:
    """The row as it stands, if there is one, with the books held alone from here on.

    Raises `Conflict` for one outside of `theirs`, of which nothing is told, and `StaleVersion`.
    """
    await begin(session)
    there = await rows.find(session, stem, key)
    if there is not None and (wish.is_new or await rows.find(session, stem, key, theirs) is None):
        raise Conflict(_TAKEN)
    if wish.if_match is not None:
        names = {
            name.strip().removeprefix("W/").strip('"').partition("-")[0]
            for name in wish.if_match.split(",")
        }
        if there is None or not names & {there.version, "*"}:
            raise StaleVersion
    return there


async def require_inside(session: AsyncSession, caller: Caller, draft: Draft) -> None:
    """Every organisation, person and letter that the row names is the caller's to manage.

    Raises `UnknownCode` for others, as if they were not there. Areas and villages are everybody's.
    """
    scope = await access.scope_of(session, caller)
    if scope is None:
        return
    for column, stem, organisation in _named(draft):
        if await session.scalar(organisation) not in scope:
            code = draft.sheet[column][0]
            raise editing.unknown(stem, column, code)


def _named(draft: Draft) -> list[tuple[str, str, Select[UUID]]]:
    """The columns that name somebody, in which file that is, and how to find where they belong."""
    found: list[tuple[str, str, Select[UUID]]] = []
    for attribute, column, stem in (
        ("organisation_id", "organisation_code", "organisations"),
        ("department_id", "department_code", "organisations"),
        ("holder_organisation_id", "holder_code", "organisations"),
        ("person_id", "person_code", "people"),
        ("deputy_id", "deputy_code", "people"),
        ("holder_person_id", "holder_code", "people"),
        ("letter_id", "letter_number", "letters"),
    ):
        id_ = draft.attributes.get(attribute)
        if id_ is None:
            continue
        home: Select[UUID] = select(Organisation.id).where(Organisation.id == id_)
        if stem == "people":
            home = select(Person.organisation_id).where(Person.id == id_)
        elif stem == "letters":
            home = select(Letter.organisation_id).where(Letter.id == id_)
        found.append((column, stem, home))
    return found


async def write(
    session: AsyncSession,
    caller: Caller,
    stem: str,
    before: Row | None,
    id_: UUID,
    attributes: Mapping[str, Any],
    *,
    subject: str,
    reason: str | None,
    now: datetime,
) -> Edit:
    """Make the row so, and say so in the audit log unless nothing is new.

    Raises `Conflict` when somebody else has the code, the phone or the id.
    """
    model = TABLE_OF[stem]
    was: dict[str, Any] = {}
    row: Any = await session.get(model, id_, populate_existing=True)
    try:
        async with session.begin_nested():
            if row is None:
                session.add(model(id=id_, **attributes))
            else:
                was = {name: getattr(row, name) for name in attributes}
                for name, value in attributes.items():
                    setattr(row, name, value)
    except IntegrityError:
        raise Conflict(_TAKEN) from None
    after = await rows.find(session, stem, model.__table__.c.id == id_)
    assert after is not None  # noqa: S101  it was written just now
    edit = Edit(id_, before, after, was, attributes)
    if edit.changed:
        await audit.record(
            session,
            access.person_of(caller),
            "edit" if before else "create",
            subject,
            via=audit.door_of(caller),
            now=now,
            before=before.audited if before else None,
            after=after.audited,
            reason=reason,
        )
    return edit


def retired_on(there: Row | None, wish: Wish, today: date) -> date | None:
    """From which day on the row asks for nothing more; saying it again does not move the day."""
    if not wish.retired:
        return None
    return there.retired_on if there and there.retired_on else today


def not_over(model: Any, today: date) -> ColumnElement[bool]:
    """Whether a row of people, posts or pairings is not over yet; it may begin later."""
    found: ColumnElement[bool] = and_(
        or_(model.to_on.is_(None), model.to_on >= today), not_retired(model, today)
    )
    return found


def not_retired(model: Any, today: date) -> ColumnElement[bool]:
    """Whether a row of the dataset is in force."""
    return or_(model.retired_on.is_(None), model.retired_on > today)


def inside(scope: Collection[UUID] | None, column: Any) -> ColumnElement[bool]:
    """Whether the organisation in this column is in the scope; without a scope all are."""
    found: ColumnElement[bool] = true() if scope is None else column.in_(scope)
    return found


def people_inside(scope: Collection[UUID] | None, column: Any) -> ColumnElement[bool]:
    """Whether the person in this column is now in one of these organisations."""
    if scope is None:
        return true()
    found: ColumnElement[bool] = column.in_(
        select(Person.id).where(Person.organisation_id.in_(scope))
    )
    return found


def held_inside(model: Any, scope: Collection[UUID] | None) -> ColumnElement[bool]:
    """Whether the holder of an obligation or exemption belongs to one of these organisations."""
    return or_(
        people_inside(scope, model.holder_person_id), inside(scope, model.holder_organisation_id)
    )


async def below(session: AsyncSession, code: str) -> Sequence[UUID]:
    """The organisation of this code and all below it; none when nobody has the code."""
    roots = (await session.scalars(select(Organisation.id).where(Organisation.code == code))).all()
    return (await session.scalars(subtree_of(roots))).all() if roots else ()


def held_by(people: Any, organisations: Any) -> Select[UUID]:
    """The obligations of these people and organisations."""
    return select(Obligation.id).where(
        Obligation.holder_person_id.in_(people)
        | Obligation.holder_organisation_id.in_(organisations)
    )
