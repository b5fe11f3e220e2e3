"""Recording check-ins, many at once."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import at_once
from app.domain.evidence import RULES_VERSION
from app.errors import Conflict, UnknownCode, XunheError
from app.keys import Keys
from app.models import CheckIn, Verdict
from app.models.base import uuid7
from app.services import chain, check_in_lists, credits, judging, outings, progress
from app.services.check_in_lists import Recorded
from app.services.new_check_in import NewCheckIn
from app.services.outings import Outing, Step
from app.settings import Settings

# The verdict's fact is written with its check-in, and only where that was written; so are the
# events by which the chain vouches for both.
_INSERT: LiteralString = f"""
    WITH inserted AS (
      INSERT INTO check_ins
      SELECT * FROM json_populate_recordset(NULL::check_ins, %(rows)s::json) ORDER BY id
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), concluded AS (
      INSERT INTO check_in_verdicts
      SELECT v.* FROM json_populate_recordset(NULL::check_in_verdicts, %(verdicts)s::json) v
      JOIN inserted i ON i.id = v.check_in_id
    ), vouched AS (
      SELECT e.* FROM {chain.GIVEN} JOIN inserted i ON i.id = e.check_in_id
    ), {chain.INSERT}
    SELECT id FROM inserted
"""  # noqa: S608  put together from our own text alone

_KNOWN = "SELECT id FROM check_ins WHERE id = ANY(%(ids)s)"

_STELES_BY_CODE = """
    SELECT id, code, name, lon, lat, radius_m FROM steles WHERE code = ANY(%(codes)s)
"""


async def record_many(
    session: AsyncSession,
    news: Sequence[NewCheckIn],
    settings: Settings,
    keys: Keys,
    *,
    counting: bool = True,
) -> list[Recorded | XunheError]:
    """Record each, or say why not; the same id with the same content is answered as it stands.

    One transaction, set-based; nobody's failure is another's. The database has the last word on
    identity: of parallel calls with one id, one inserts, the others find it. Without `counting`
    nobody is told what theirs counts for: the chat has more to ask about that, and later.
    """
    results: dict[int, Recorded | XunheError] = {}
    fresh: dict[UUID, int] = {}
    codes = [new.stele_code for new in news if new.stele_code]
    now = max((new.received_at for new in news), default=clock.now())
    books, known, steles, opened = await at_once(
        session,
        credits.holding(),
        (_KNOWN, {"ids": [new.id for new in news]}),
        (_STELES_BY_CODE, {"codes": codes}) if codes else None,
        outings.open_patrols({new.person.id for new in news}),
    )
    await credits.held(session, books)
    there = await check_in_lists.by_id(session, [row.id for row in known], now=now)
    for n, new in enumerate(news):
        if new.id in there:
            results[n] = _again(new, there[new.id])
        else:
            fresh.setdefault(new.id, n)
    named = {row.code: row for row in steles}
    inserted = await _insert(
        session, [news[n] for n in fresh.values()], named, opened, settings, keys, now
    )
    late = [new.id for new in news if new.id in fresh and inserted[new.id] is None]
    there = await check_in_lists.by_id(session, late, now=now)
    written = [id_ for id_, result in inserted.items() if isinstance(result, CheckIn)]
    asked = written if counting else []
    counted = await progress.counts_for(session, asked, clock.day_of(now))
    for n, new in enumerate(news):
        if n in results:
            continue
        result = inserted[new.id]
        if result is None:
            results[n] = _again(new, there[new.id])
        elif isinstance(result, CheckIn):
            recorded = Recorded(
                result, new.person.code, 0, created=True, counts_for=counted.get(new.id, ())
            )
            results[n] = recorded if fresh[new.id] == n else _again(new, recorded)
        else:
            results[n] = result
    return [results[n] for n in range(len(news))]


async def record(
    session: AsyncSession, new: NewCheckIn, settings: Settings, keys: Keys
) -> Recorded:
    """Record one. Raises `Conflict`, `UnknownCode`."""
    (result,) = await record_many(session, [new], settings, keys)
    if isinstance(result, XunheError):
        raise result
    return result


def _again(new: NewCheckIn, there: Recorded) -> Recorded | XunheError:
    check_in = there.check_in
    if check_in.person_id != new.person.id or check_in.content_digest != new.digest:
        return Conflict()
    return dataclasses.replace(there, created=False)


async def _insert(
    session: AsyncSession,
    news: Sequence[NewCheckIn],
    named: Mapping[str, Any],
    opened: Sequence[Any],
    settings: Settings,
    keys: Keys,
    now: datetime,
) -> Mapping[UUID, CheckIn | XunheError | None]:
    """The new check-ins by id; None where somebody else was quicker."""
    if not news:
        return {}
    results: dict[UUID, CheckIn | XunheError | None] = {}
    takeable = []
    for new in news:
        if new.stele_code is not None and new.stele_code not in named:
            results[new.id] = UnknownCode(
                errors=[{"pointer": "/stele/code", "detail": "没有这个编号的界碑"}]
            )
        else:
            takeable.append(new)
    steps = [
        Step(n.id, n.person.id, n.person.organisation_id, n.at, n.lon, n.lat, n.patrol_id)
        for n in takeable
    ]
    joined = await outings.join_many(
        session,
        steps,
        opened,
        open_for=timedelta(hours=settings.patrol_open_h),
        now=now,
    )
    ready: list[tuple[NewCheckIn, Step, Outing]] = []
    for new, step, outing in zip(takeable, steps, joined, strict=True):
        if outing is None:
            results[new.id] = UnknownCode(
                errors=[
                    {"pointer": "/patrol_id", "detail": "没有找到这次巡河，请先上传巡河再上传记录"}
                ]
            )
        else:
            ready.append((new, step, outing))
    if not ready:
        return results
    rows = await judging.rows_of(
        session, [(new, outing) for new, _, outing in ready], named, settings, keys
    )
    joined_by = [(outing.patrol_id, step) for _, step, outing in ready]
    verdicts = [_fact(row) for row in rows]
    given = {
        "rows": chain.as_json(rows),
        "verdicts": chain.as_json(verdicts),
        "events": chain.as_json(chain.of_check_ins(rows, verdicts)),
    }
    written, around = await at_once(session, (_INSERT, given), outings.line(joined_by))
    inserted = {row.id for row in written}
    for row in rows:
        results[row["id"]] = _as_check_in(row) if row["id"] in inserted else None
    lost = [patrol_id for patrol_id, step in joined_by if step.id not in inserted]
    if lost:
        await outings.take_back(session, lost)
    added = [(patrol_id, step) for patrol_id, step in joined_by if step.id in inserted]
    await outings.lengthen_many(session, added, around)
    await credits.add(
        session, {patrol_id for patrol_id, _ in added}, [step.id for _, step in added], now=now
    )
    return results


def _fact(row: Mapping[str, Any]) -> dict[str, Any]:
    """The first verdict on a check-in, as the rules have it."""
    return {
        "id": uuid7(),
        "check_in_id": row["id"],
        "verdict": row["verdict"],
        "rules_version": RULES_VERSION,
        "reviewer_id": None,
        "reason": None,
        "answer": None,
        "answered_at": None,
        "recorded_at": row["received_at"],
        "revoked_at": None,
    }


def _as_check_in(row: Mapping[str, Any]) -> CheckIn:
    """The row as an object, without asking the database for what we just told it."""
    return CheckIn(**{**row, "verdict": Verdict(row["verdict"])})
