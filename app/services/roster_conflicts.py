"""Roster conflicts: managers decide about the rows that an import left alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound, WrongState
from app.models import ConflictState, Person, RosterConflict
from app.services import access, audit
from app.services.access import Caller
from app.services.dataset import rows
from app.services.dataset.conflicts import differences, plain, subject_of
from app.services.dataset.rows import Row
from app.services.edits import Wish
from app.services.roster_nouns import NOUNS, Noun
from app.settings import Settings

# The file of a letter comes by imports alone, and who approves is who takes it.
_NOT_TAKEN = ("document", "approved_by")


@dataclass(frozen=True, slots=True)
class Disputed:
    """An open conflict with the row as it stands, and in which columns the two differ now."""

    conflict: RosterConflict
    noun: Noun
    row: Row
    differing: Sequence[str]
    edited_by: str | None

    @property
    def ours(self) -> Mapping[str, Any]:
        """The row, as the conflict has the file's."""
        return plain(self.row)


async def open_(
    session: AsyncSession, caller: Caller, *, limit: int, now: datetime
) -> Sequence[Disputed]:
    """The open conflicts about rows of the caller's, those of the latest import first."""
    scope = await access.scope_of(session, caller)
    found = (
        await session.execute(
            select(RosterConflict, Person.name)
            .outerjoin(Person, Person.id == RosterConflict.edited_by_id)
            .where(RosterConflict.state == ConflictState.open, _theirs(scope))
            .order_by(RosterConflict.found_at.desc(), RosterConflict.id)
            .limit(limit)
        )
    ).all()
    there: dict[UUID, Row] = {}
    for stem, noun in NOUNS.items():
        ids = [one.row_id for one, _ in found if one.stem == stem]
        if ids:
            page = await rows.page(session, stem, noun.model.id.in_(ids), limit=len(ids))
            there |= {row.id: row for row in page}
    return [_disputed(one, there[one.row_id], name, now) for one, name in found]


async def decide(
    session: AsyncSession,
    caller: Caller,
    id_: UUID,
    settings: Settings,
    *,
    take: bool,
    version: str,
    reason: str,
    now: datetime,
) -> None:
    """Take what the file says, by the rules of every edit, or keep the row as it is.

    `version` is that of the row as the manager saw it. Raises `NotFound`, `WrongState`, and as the
    noun's `put`.
    """
    scope = await access.scope_of(session, caller)
    conflict = await session.scalar(
        select(RosterConflict)
        .where(RosterConflict.id == id_, _theirs(scope))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if conflict is None:
        raise NotFound
    if conflict.state is not ConflictState.open:
        raise WrongState("这一处已经处理过了。")
    noun = NOUNS[conflict.stem]
    row = await rows.find(session, noun.stem, noun.model.id == conflict.row_id)
    assert row is not None  # noqa: S101  rows of the dataset are never deleted
    key = noun.key_of(row)
    if take:
        said = dict(conflict.said or {})
        wanted = {**row.said, **{n: v for n, v in said.items() if n not in _NOT_TAKEN}}
        for name in ("confirmed_at", *_NOT_TAKEN):
            wanted.pop(name, None)
        wish = Wish(wanted, reason, conflict.said is None, f'"{version}"')
        await noun.put(session, caller, key, wish, settings, now)
    conflict.state = ConflictState.taken if take else ConflictState.kept
    conflict.decided_at, conflict.decided_by_id = now, access.person_of(caller).id
    await audit.record(
        session,
        access.person_of(caller),
        "take-file" if take else "keep-edit",
        subject_of(noun.stem, row),
        via="web",
        now=now,
        before={"place": conflict.place, "said": conflict.said},
        reason=reason,
    )


def _theirs(scope: Collection[UUID] | None) -> ColumnElement[bool]:
    """Whether the conflict is about a row that is the caller's to manage."""
    about = (
        and_(
            RosterConflict.stem == stem,
            RosterConflict.row_id.in_(select(noun.model.id).where(noun.theirs(scope))),
        )
        for stem, noun in NOUNS.items()
    )
    return or_(false(), *about)


def _disputed(one: RosterConflict, row: Row, name: str | None, now: datetime) -> Disputed:
    differing: Sequence[str] = ()
    if one.said is not None:
        differing = differences(one.stem, one.said, row, clock.day_of(now))
    return Disputed(one, NOUNS[one.stem], row, differing, name)
