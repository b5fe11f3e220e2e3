"""Posts: what somebody is responsible for and who stands in, as managers see and change it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound
from app.models import Person, Post, PostKind, uuid7
from app.services import access, credits, edits
from app.services.access import Caller
from app.services.dataset import editing, rows, values
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which posts to list; those that are over only with `retired`."""

    organisation: str | None = None
    person: str | None = None
    kind: PostKind | None = None
    retired: bool = False


async def listed(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: UUID | None,
    limit: int,
    now: datetime,
) -> Sequence[Row]:
    """The posts of the caller's people, the latest first."""
    conditions = [edits.people_inside(await access.scope_of(session, caller), Post.person_id)]
    if wanted.organisation is not None:
        below = await edits.below(session, wanted.organisation)
        conditions.append(
            or_(edits.people_inside(below, Post.person_id), Post.organisation_id.in_(below))
        )
    if wanted.person is not None:
        named = select(Person.id).where(Person.code == wanted.person)
        conditions.append(Post.person_id.in_(named))
    if wanted.kind is not None:
        conditions.append(Post.kind == wanted.kind)
    if not wanted.retired:
        conditions.append(edits.not_over(Post, clock.day_of(now)))
    return await rows.page(session, "posts", *conditions, after=after, limit=limit)


async def find(session: AsyncSession, caller: Caller, code: str) -> Row:
    """A post of somebody of the caller's. Raises `NotFound`."""
    theirs = edits.people_inside(await access.scope_of(session, caller), Post.person_id)
    found = await rows.find(session, "posts", Post.code == code, theirs)
    if found is None:
        raise NotFound("没有找到这项职务。")
    return found


async def put(
    session: AsyncSession, caller: Caller, code: str, wish: Wish, *, now: datetime
) -> Edit:
    """Make or change a post; the deputies' patrols are judged by it at once.

    Raises as `edits.current`, `editing.draft`, `edits.require_inside`, `edits.write`.
    """
    code = values.plain(code)
    theirs = await _theirs_to_change(session, caller)
    there = await edits.current(session, "posts", Post.code == code, theirs, wish)
    id_ = there.id if there else uuid7()
    draft = await editing.draft(session, "posts", {**wish.said, "code": code}, id_=id_, now=now)
    await edits.require_inside(session, caller, draft)
    retired_on = edits.retired_on(there, wish, clock.day_of(now))
    edit = await edits.write(
        session, caller, "posts", there, id_, {**draft.attributes, "retired_on": retired_on},
        subject=f"post:{code}", reason=wish.reason, now=now,
    )  # fmt: skip
    if edit.changed:
        await credits.judge_people(session, edit.ids("person_id"), now=now)
    return edit


async def _theirs_to_change(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    scope = await access.scope_of(session, caller)
    return edits.people_inside(scope, Post.person_id) & (
        Post.organisation_id.is_(None) | edits.inside(scope, Post.organisation_id)
    )
