"""Duty records: which duties and patrols stand behind the figures of a row about duties."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.models import Obligation
from app.services import access, edits
from app.services.access import Caller
from app.services.reports import records
from app.services.reports.duty_facts import Calendar
from app.services.reports.report import Asked

CREDITED_NOW: LiteralString = "k.revoked_at IS NULL"
CREDITED_THEN: LiteralString = """
    k.recorded_at <= %(known_at)s AND (k.revoked_at IS NULL OR k.revoked_at > %(known_at)s)
"""


@dataclass(frozen=True, slots=True)
class Behind:
    """What a duty gives to a row: whether it is in a figure itself, and which days are in others.

    `waiting` are the days on which whatever awaits review is behind `pending`.
    """

    id: str
    figures: Mapping[str, bool]
    days: Mapping[str, int]
    waiting: int


def _credits(credited: LiteralString) -> LiteralString:
    return f"""
    SELECT CAST(k.obligation_id AS text) AS id, k.counted_on, k.pending, k.patrol_id
    FROM credits k
    WHERE k.obligation_id = ANY(CAST(%(ids)s AS uuid[])) AND k.counted_on >= %(first)s
      AND k.counted_on <= %(as_of)s AND {credited}
    ORDER BY k.counted_on, k.patrol_id LIMIT %(most)s
    """  # noqa: S608  parts of this page


_NOW, _THEN = _credits(CREDITED_NOW), _credits(CREDITED_THEN)


async def of(
    session: AsyncSession, asked: Asked, days: Calendar, rows: Sequence[Sequence[Behind]]
) -> list[dict[str, Any]]:
    """To each row the ids behind its figures that the caller may see, and how many others.

    Raises `Invalid` where these are more than one answer holds.
    """
    ids = [each.id for row in rows for each in row]
    records.bound(ids)
    said = {
        "ids": ids,
        "first": days.first,
        "as_of": asked.as_of,
        "known_at": asked.known_at,
        "most": records.MOST + 1,
    }
    (found,) = await at_once(session, (_NOW if asked.known_at is None else _THEN, said))
    records.bound(found)
    by_duty: dict[str, list[Any]] = defaultdict(list)
    for credit in found:
        by_duty[credit.id].append((days.bit(credit.counted_on), credit.pending, credit.patrol_id))
    patrols = await records.seen_patrols(session, asked.caller, {row.patrol_id for row in found})
    codes = await _seen_codes(session, asked.caller, ids)
    return [_named(row, by_duty, patrols, codes) for row in rows]


def _named(
    row: Sequence[Behind],
    by_duty: Mapping[str, Sequence[tuple[int, bool, UUID]]],
    patrols: Collection[UUID],
    codes: Mapping[str, str],
) -> dict[str, Any]:
    said: dict[str, list[str]] = {}
    walked: dict[str, dict[UUID, None]] = {}
    for duty in row:
        for figure, is_in in duty.figures.items():
            named = said.setdefault(figure, [])
            if is_in and duty.id in codes:
                named.append(codes[duty.id])
        waiting = {"pending": duty.waiting}
        for figure in (*duty.days, *waiting):
            walked.setdefault(figure, {})
        for bit, pending, patrol in by_duty.get(duty.id, ()):
            for figure, days in (waiting if pending else duty.days).items():
                if days & bit:
                    walked[figure][patrol] = None
    shown = records.named(walked, patrols)
    hidden = sum(duty.id not in codes for duty in row)
    return {
        "records": {figure: sorted(names) for figure, names in said.items()} | shown["records"],
        "hidden": shown["hidden"] + hidden,
    }


async def _seen_codes(
    session: AsyncSession, caller: Caller, ids: Collection[str]
) -> Mapping[str, str]:
    """The codes of those duties that the caller may see."""
    scope = await access.scope_of(session, caller)
    rows = await session.execute(
        select(Obligation.id, Obligation.code)
        .where(
            Obligation.id == func.any(cast([UUID(id_) for id_ in ids], ARRAY(Uuid))),
            edits.held_inside(Obligation, scope),
        )
        .order_by(Obligation.code)
    )
    return {str(id_): code for id_, code in rows}
