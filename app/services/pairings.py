"""Pairings: which department looks after which reach and village, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Conflict, NotFound
from app.models import AreaKind, Membership, Obligation, Organisation, Pairing, Reach
from app.services import access, credits, edits, pairing_duties
from app.services.access import Caller
from app.services.dataset import editing, rows
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pairings to list; those that are over only with `retired`."""

    organisation: str | None = None
    reach: str | None = None
    village: str | None = None
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
    """The pairings of the caller's departments, the latest first."""
    conditions = [edits.inside(await access.scope_of(session, caller), Pairing.department_id)]
    if wanted.organisation is not None:
        below = await edits.below(session, wanted.organisation)
        conditions.append(Pairing.department_id.in_(below))
    if wanted.reach is not None:
        named = select(Reach.id).where(Reach.code == wanted.reach)
        conditions.append(Pairing.reach_id.in_(named))
    if wanted.village is not None:
        named = select(Organisation.id).where(Organisation.code == wanted.village)
        conditions.append(Pairing.village_id.in_(named))
    if not wanted.retired:
        conditions.append(edits.not_over(Pairing, clock.day_of(now)))
    return await rows.page(session, "pairings", *conditions, after=after, limit=limit)


async def find(session: AsyncSession, caller: Caller, id_: UUID) -> Row:
    """A pairing of a department of the caller's. Raises `NotFound`."""
    theirs = edits.inside(await access.scope_of(session, caller), Pairing.department_id)
    found = await rows.find(session, "pairings", Pairing.id == id_, theirs)
    if found is None:
        raise NotFound("没有找到这组挂钩联系。")
    return found


async def put(
    session: AsyncSession,
    caller: Caller,
    id_: UUID,
    wish: Wish,
    settings: Settings,
    *,
    now: datetime,
) -> Edit:
    """Make or change a pairing; the department's duty follows it at once.

    Raises as `edits.current`, `editing.draft`, `edits.require_inside`, `edits.write`, and
    `Conflict` when the same department, reach and village stand under another id.
    """
    theirs = edits.inside(await access.scope_of(session, caller), Pairing.department_id)
    there = await edits.current(session, "pairings", Pairing.id == id_, theirs, wish)
    draft = await editing.draft(session, "pairings", wish.said, id_=id_, now=now)
    await edits.require_inside(session, caller, draft)
    same = await session.scalar(
        select(Pairing.id).where(
            Pairing.id != id_,
            *(
                getattr(Pairing, name).is_not_distinct_from(draft.attributes[name])
                for name in ("department_id", "reach_id", "village_id")
            ),
        )
    )
    if same is not None:
        raise Conflict(f"这一组挂钩已经登记，编号是 {same}，请修改那一条。", id=str(same))
    retired_on = edits.retired_on(there, wish, clock.day_of(now))
    edit = await edits.write(
        session, caller, "pairings", there, id_, {**draft.attributes, "retired_on": retired_on},
        subject=f"pairing:{id_}", reason=wish.reason, now=now,
    )  # fmt: skip
    if edit.changed:
        await pairing_duties.settle(session, settings, now=now)
        await credits.judge_obligations(
            session, await _paired(session, edit.ids("department_id")), now=now
        )
    return edit


async def _paired(session: AsyncSession, departments: set[UUID]) -> Sequence[UUID]:
    """The duties of area `paired` that these departments, or people who were in them, owe."""
    members = select(Membership.person_id).where(Membership.organisation_id.in_(departments))
    owed = edits.held_by(members, departments).where(Obligation.area_kind == AreaKind.paired)
    return (await session.scalars(owed)).all()
