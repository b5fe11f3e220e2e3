"""Letters: target responsibility agreements; who reads one, and the chief saying that they did."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Forbidden, NotFound
from app.models import Letter, Obligation, Person, uuid7
from app.services import access, audit, credits, edits
from app.services.access import Caller
from app.services.dataset import editing, rows, values
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish

# What the chief confirmed is no longer what the letter says when one of these changes.
_CONFIRMED = ("organisation_id", "person_id", "signed_on", "starts_on", "ends_on")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters to list; retired ones only with `retired`."""

    organisation: str | None = None
    person: str | None = None
    confirmed: bool | None = None
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter, and the codes of the obligations that hang on it."""

    row: Row
    obligations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Document:
    """Where a letter's file lies, what it is called, and its sha256 in hex."""

    path: Path
    name: str
    sha256: str


async def listed(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: UUID | None,
    limit: int,
    now: datetime,
) -> Sequence[Shown]:
    """One's own and one's enterprise's; for managers and programs those of their subtree."""
    conditions = [await _visible(session, caller)]
    if wanted.organisation is not None:
        below = await edits.below(session, wanted.organisation)
        conditions.append(Letter.organisation_id.in_(below))
    if wanted.person is not None:
        conditions.append(
            Letter.person_id.in_(select(Person.id).where(Person.code == wanted.person))
        )
    if wanted.confirmed is not None:
        is_open = Letter.confirmed_at.is_(None)
        conditions.append(~is_open if wanted.confirmed else is_open)
    if not wanted.retired:
        conditions.append(edits.not_retired(Letter, clock.day_of(now)))
    found = await rows.page(session, "letters", *conditions, after=after, limit=limit)
    return await _with_obligations(session, found)


async def find(session: AsyncSession, caller: Caller, number: str) -> Shown:
    """A letter that the caller may see. Raises `NotFound`."""
    found = await rows.find(
        session,
        "letters",
        Letter.number == values.plain(number),
        await _visible(session, caller),
    )
    if found is None:
        raise NotFound("没有找到这份责任书。")
    return (await _with_obligations(session, [found]))[0]


async def document(session: AsyncSession, caller: Caller, number: str, *, folder: Path) -> Document:
    """The letter's file in the `folder` of documents, for people only.

    Raises `Forbidden` for programs, `NotFound` where there is no letter or it has no file.
    """
    if caller.api_key is not None:
        raise Forbidden("责任书附件只供人员查看。")
    shown = await find(session, caller, number)
    letter = await session.get_one(Letter, shown.row.id)
    if letter.document is None or letter.document_sha256 is None:
        raise NotFound("这份责任书没有附件。")
    name, sha256 = PurePosixPath(letter.document).name, letter.document_sha256.hex()
    return Document(folder / sha256, name, sha256)


async def put(
    session: AsyncSession, caller: Caller, number: str, wish: Wish, *, now: datetime
) -> Edit:
    """Make or change a letter; its file comes by the import and stays.

    Another chief, enterprise or term is to be confirmed anew. Raises as `edits.current`,
    `editing.draft`, `edits.require_inside`, `edits.write`.
    """
    number = values.plain(number)
    scope = await access.scope_of(session, caller)
    theirs = edits.inside(scope, Letter.organisation_id) & edits.people_inside(
        scope, Letter.person_id
    )
    there = await edits.current(session, "letters", Letter.number == number, theirs, wish)
    id_ = there.id if there else uuid7()
    draft = await editing.draft(
        session, "letters", {**wish.said, "number": number}, id_=id_, now=now
    )
    await edits.require_inside(session, caller, draft)
    retired_on = edits.retired_on(there, wish, clock.day_of(now))
    attributes = {**draft.attributes, "retired_on": retired_on}
    letter = await session.get(Letter, id_, populate_existing=True)
    if letter and any(getattr(letter, name) != attributes[name] for name in _CONFIRMED):
        attributes["confirmed_at"] = None
    edit = await edits.write(
        session, caller, "letters", there, id_, attributes,
        subject=f"letter:{number}", reason=wish.reason, now=now,
    )  # fmt: skip
    if edit.was and edit.was["retired_on"] != retired_on:
        hanging = select(Obligation.id).where(Obligation.letter_id == id_)
        await credits.judge_obligations(session, (await session.scalars(hanging)).all(), now=now)
    return edit


async def shown(session: AsyncSession, row: Row) -> Shown:
    """The letter of a row, with the obligations that hang on it."""
    return (await _with_obligations(session, [row]))[0]


async def _with_obligations(session: AsyncSession, found: Sequence[Row]) -> list[Shown]:
    hanging: Mapping[UUID, list[str]] = defaultdict(list)
    owed = await session.execute(
        select(Obligation.letter_id, Obligation.code)
        .where(Obligation.letter_id.in_([row.id for row in found]), Obligation.retired_on.is_(None))
        .order_by(Obligation.code)
    )
    for letter_id, code in owed:
        if letter_id is not None:
            hanging[letter_id].append(code)
    return [Shown(row, hanging.get(row.id, ())) for row in found]


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller may see it: the chief named, members of the enterprise, their managers."""
    managed = edits.inside(await access.scope_of(session, caller), Letter.organisation_id)
    if caller.person is None or caller.api_key is not None:
        return managed
    return or_(
        managed,
        Letter.person_id == caller.person.id,
        Letter.organisation_id == caller.person.organisation_id,
    )


async def confirm(
    session: AsyncSession, person: Person, number: str | None, *, now: datetime
) -> Letter:
    """The chief has read the letter that names them; saying it again changes nothing.

    Without a number: the one that has waited longest, else the latest. Raises `NotFound` when no
    letter (of that number) names this person.
    """
    named = select(Letter).where(Letter.person_id == person.id, Letter.retired_on.is_(None))
    if number is not None:
        named = named.where(Letter.number == values.plain(number))
    letters = (
        await session.scalars(
            named.order_by(Letter.signed_on, Letter.number)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).all()
    if not letters:
        raise NotFound("您名下没有这份责任书。" if number else "您名下没有责任书。")
    waiting = [letter for letter in letters if letter.confirmed_at is None]
    if not waiting:
        return letters[-1]
    letter = waiting[0]
    letter.confirmed_at = now
    await audit.record(
        session,
        person,
        "confirm",
        f"letter:{letter.number}",
        now=now,
        before={"confirmed_at": None},
        after={"confirmed_at": now.isoformat()},
    )
    return letter
