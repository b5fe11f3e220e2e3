"""Records: which records stand behind the figures of a report, and which of them a caller sees."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid
from app.models import CheckIn, Patrol
from app.services import visibility
from app.services.access import Caller

# So many ids are one answer of 4 MB; whoever wants to see more looks at less at a time.
MOST = 100_000

# Whether a check-in `i` is a visit, by what is known now, or as it was known at `known_at`.
ACCEPTED: LiteralString = "i.verdict = 'accepted' AND i.withdrawn_at IS NULL"
ACCEPTED_THEN: LiteralString = """
    i.received_at <= %(known_at)s
    AND (i.withdrawn_at IS NULL OR i.withdrawn_at > %(known_at)s)
    AND EXISTS (
      SELECT FROM check_in_verdicts t
      WHERE t.check_in_id = i.id AND t.verdict = 'accepted' AND t.recorded_at <= %(known_at)s
        AND (t.revoked_at IS NULL OR t.revoked_at > %(known_at)s))
"""


def bound(found: Sequence[Any]) -> None:
    """Refuse to explain by more than one answer holds. Raises `Invalid`."""
    if len(found) > MOST:
        detail = f"依据的记录超过{MOST}条，请缩小日期或组织的范围"
        raise Invalid(errors=[{"pointer": "/explain", "detail": detail}])


def named(by_figure: Mapping[str, Collection[UUID]], seen: Collection[UUID]) -> dict[str, Any]:
    """What a row says when it is explained: the ids by figure, and how many others there are."""
    every = {id_ for ids in by_figure.values() for id_ in ids}
    return {
        "records": {
            figure: [str(id_) for id_ in ids if id_ in seen] for figure, ids in by_figure.items()
        },
        "hidden": len(every.difference(seen)),
    }


async def seen_check_ins(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of the check-ins that the caller may see."""
    allowed = await visibility.check_ins_for(session, caller)
    rows = await session.scalars(select(CheckIn.id).where(CheckIn.id == _any_of(ids), allowed))
    return set(rows)


async def seen_patrols(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of the patrols that the caller may see."""
    allowed = await visibility.patrols_for(session, caller)
    rows = await session.scalars(select(Patrol.id).where(Patrol.id == _any_of(ids), allowed))
    return set(rows)


def _any_of(ids: Collection[UUID]) -> ColumnElement[UUID]:
    """As one parameter, however many they are."""
    return func.any(cast(list(ids), ARRAY(Uuid)))
