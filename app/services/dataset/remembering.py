"""Remembering: what an import left alone, until a manager decides about it."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ConflictState, RosterConflict, uuid7
from app.services.dataset.conflicts import Conflict


async def remember(
    session: AsyncSession,
    conflicts: Sequence[Conflict],
    stems: Collection[str],
    *,
    with_missing: bool,
    now: datetime,
) -> tuple[list[Conflict], bool]:
    """Keep what is to be decided, and forget what no longer is; what is open, and any of it new.

    `stems` are the files that were read, `with_missing` whether they were asked for what they do
    not have. What somebody decided about the same words stays decided.
    """
    asked = select(RosterConflict).where(RosterConflict.stem.in_(stems))
    found = await session.scalars(asked.execution_options(populate_existing=True))
    known = {(one.stem, one.row_id): one for one in found}
    opened = [
        each for each in conflicts if not _is_decided(known.get((each.stem, each.row_id)), each)
    ]
    still = {(each.stem, each.row_id) for each in opened}
    gone = [
        one.id
        for key, one in known.items()
        if one.state is ConflictState.open
        and key not in still
        and (with_missing or one.said is not None)
    ]
    await session.execute(delete(RosterConflict).where(RosterConflict.id.in_(gone)))
    is_news = False
    for each in opened:
        one = known.get((each.stem, each.row_id))
        if (
            one
            and one.state is ConflictState.open
            and (one.said, one.edited_at) == (each.said, each.edit.at)
        ):
            continue
        is_news = True
        told = {
            "place": each.place,
            "said": each.said,
            "written_at": each.written_at,
            "edited_at": each.edit.at,
            "edited_by_id": each.edit.by_id,
            "found_at": now,
            "state": ConflictState.open,
            "decided_at": None,
            "decided_by_id": None,
        }
        await session.execute(
            insert(RosterConflict)
            .values(id=uuid7(), stem=each.stem, row_id=each.row_id, **told)
            .on_conflict_do_update(index_elements=["stem", "row_id"], set_=told)
        )
    return opened, is_news


def _is_decided(known: RosterConflict | None, found: Conflict) -> bool:
    """Whether somebody has decided about just this, and what they took was not edited again."""
    return (
        known is not None
        and known.decided_at is not None
        and known.said == found.said
        and (known.state is ConflictState.kept or known.decided_at >= found.edit.at)
    )
