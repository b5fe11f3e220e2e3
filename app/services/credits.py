"""Credits: which day's patrol counts for which obligation, written with whatever causes it.

One statement says what ought to be there for some patrols; what is there is brought to that.
Whoever judges patrols holds the books together with others (`hold`), whoever changes rules has them
alone (`hold_alone`): neither ever judges by what the other is just changing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import queue
from app.database import Question, at_once
from app.errors import Busy
from app.services import standings
from app.services.crediting import OUGHT, OUGHT_BY_NEW

# Any number that nothing else in this database uses as an advisory lock.
_BOOKS = 0x7875_6E68_6502
_TOGETHER = 2000
_ALL_BEYOND = 20_000
_PATIENCE_S = 1.0
_LOOK_AGAIN_S = 0.05
_RETRY_AFTER_S = 5
_BUSY = "books are busy"

_TRY_TO_HOLD = "SELECT pg_try_advisory_xact_lock_shared(%(books)s) AS held"
_HOLD_ALONE = "SELECT pg_advisory_xact_lock(%(books)s)"
_LOCK_PATROLS = """
    SELECT id FROM patrols
    WHERE id IN (SELECT patrol_id FROM check_ins WHERE id = ANY(%(check_ins)s))
    ORDER BY id FOR NO KEY UPDATE
"""

_SAME: LiteralString = """
    k.obligation_id = o.obligation_id AND k.counted_on = o.day AND k.patrol_id = o.patrol_id
    AND k.pending = o.pending AND k.proxy = o.proxy AND k.revoked_at IS NULL
"""
# Hashed whatever the planner expects; an anti-join it would walk pair by pair.
_NOT_AS_IT_OUGHT: LiteralString = """
    k.patrol_id = ANY(%(patrols)s) AND k.revoked_at IS NULL
    AND (k.obligation_id, k.counted_on, k.patrol_id, k.pending, k.proxy) NOT IN (
      SELECT o.obligation_id, o.day, o.patrol_id, o.pending, o.proxy FROM ought o)
"""

_JUDGE: LiteralString = f"""
    {OUGHT}, revoked AS (
      UPDATE credits k SET revoked_at = %(now)s
      WHERE {_NOT_AS_IT_OUGHT}
      RETURNING k.obligation_id
    ), added AS (
      INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at)
      SELECT o.obligation_id, o.day, o.patrol_id, o.pending, o.proxy, %(now)s FROM ought o
      WHERE NOT EXISTS (SELECT FROM credits k WHERE {_SAME})
      RETURNING obligation_id
    )
    INSERT INTO stale_standings (obligation_id)
    SELECT obligation_id FROM revoked UNION SELECT obligation_id FROM added
    RETURNING obligation_id
"""  # noqa: S608

_ADD: LiteralString = f"""
    {OUGHT_BY_NEW}, revoked AS (
      UPDATE credits k SET revoked_at = %(now)s FROM ought o
      WHERE k.obligation_id = o.obligation_id AND k.counted_on = o.day
        AND k.patrol_id = o.patrol_id AND k.pending AND NOT o.pending AND k.revoked_at IS NULL
      RETURNING k.obligation_id
    ), added AS (
      INSERT INTO credits (obligation_id, counted_on, patrol_id, pending, proxy, recorded_at)
      SELECT o.obligation_id, o.day, o.patrol_id, o.pending, o.proxy, %(now)s FROM ought o
      WHERE NOT EXISTS (
        SELECT FROM credits k
        WHERE k.obligation_id = o.obligation_id AND k.counted_on = o.day
          AND k.patrol_id = o.patrol_id AND k.revoked_at IS NULL AND (o.pending OR NOT k.pending))
      RETURNING obligation_id
    )
    INSERT INTO stale_standings (obligation_id)
    SELECT obligation_id FROM revoked UNION SELECT obligation_id FROM added
    RETURNING obligation_id
"""  # noqa: S608

_DIFFERENCES: LiteralString = f"""
    {OUGHT}
    SELECT o.obligation_id, o.day, o.patrol_id, o.pending, o.proxy, true AS missing FROM ought o
    WHERE NOT EXISTS (SELECT FROM credits k WHERE {_SAME})
    UNION ALL
    SELECT k.obligation_id, k.counted_on, k.patrol_id, k.pending, k.proxy, false FROM credits k
    WHERE {_NOT_AS_IT_OUGHT}
"""  # noqa: S608

_PATROLS_AFTER = """
    SELECT id FROM patrols WHERE id > %(after)s ORDER BY id LIMIT %(most)s
"""

# Everybody who might walk for the obligations, and whoever's patrols count for them now.
_PATROLS_OF_OBLIGATIONS = """
    WITH RECURSIVE below AS (
      SELECT holder_organisation_id AS id FROM obligations
      WHERE id = ANY(%(obligations)s) AND holder_organisation_id IS NOT NULL
      UNION
      SELECT g.id FROM below b JOIN organisations g ON g.parent_id = b.id
    ), holders AS (
      SELECT holder_person_id AS id FROM obligations
      WHERE id = ANY(%(obligations)s) AND holder_person_id IS NOT NULL
    ), people_who AS (
      SELECT id FROM holders
      UNION
      SELECT t.deputy_id FROM posts t JOIN holders h ON h.id = t.person_id
      WHERE t.deputy_id IS NOT NULL
      UNION
      SELECT m.person_id FROM memberships m JOIN below b ON b.id = m.organisation_id
    )
    SELECT p.id FROM patrols p JOIN people_who w ON w.id = p.person_id
    UNION
    SELECT c.patrol_id FROM companions c JOIN people_who w ON w.id = c.person_id
    UNION
    SELECT k.patrol_id FROM credits k
    WHERE k.obligation_id = ANY(%(obligations)s) AND k.revoked_at IS NULL
"""

# Theirs, and those of whoever stands in for them: what they owe is filled by both.
_PATROLS_OF_PEOPLE = """
    WITH people_who AS (
      SELECT unnest(CAST(%(people)s AS uuid[])) AS id
      UNION
      SELECT deputy_id FROM posts WHERE person_id = ANY(%(people)s) AND deputy_id IS NOT NULL
    )
    SELECT p.id FROM patrols p JOIN people_who w ON w.id = p.person_id
    UNION
    SELECT c.patrol_id FROM companions c JOIN people_who w ON w.id = c.person_id
    UNION
    SELECT k.patrol_id FROM credits k JOIN obligations b ON b.id = k.obligation_id
    WHERE b.holder_person_id = ANY(%(people)s) AND k.revoked_at IS NULL
"""

_STALE = """
    INSERT INTO stale_standings (obligation_id)
    SELECT b.id FROM obligations b
    WHERE b.id = ANY(%(obligations)s) OR b.holder_person_id = ANY(%(people)s)
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """A credit that ought to be there and is not (`missing`), or the other way round."""

    obligation_id: UUID
    day: date
    patrol_id: UUID
    pending: bool
    proxy: bool
    missing: bool


def holding() -> Question:
    """What to ask the database (`at_once`) early in a transaction that will judge; for `held`."""
    return _TRY_TO_HOLD, {"books": _BOOKS}


async def held(session: AsyncSession, answer: Sequence[Any]) -> bool:
    """Whether the books are held now, by the answer to `holding` or after a moment's patience.

    Where somebody has them alone for long (everything is judged anew), nobody waits for that: what
    this transaction would judge is left to a job, which comes when they are free.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_S
    while not answer[0].held and loop.time() < until:
        await asyncio.sleep(_LOOK_AGAIN_S)
        (answer,) = await at_once(session, holding())
    session.info[_BUSY] = not answer[0].held
    return bool(answer[0].held)


async def hold(session: AsyncSession, *, check_ins: Collection[UUID] = ()) -> None:
    """Keep whoever changes rules out until the end of the transaction, as `held` says.

    And lock the patrols of those check-ins, which comes before the check-ins' own locks everywhere.
    """
    ids = list(check_ins)
    answer, _ = await at_once(
        session, holding(), (_LOCK_PATROLS, {"check_ins": ids}) if ids else None
    )
    await held(session, answer)


async def hold_alone(session: AsyncSession) -> None:
    """Wait for those who judge, and keep everybody else out until the end of the transaction.

    For whoever changes what counts: obligations, memberships, exemptions, pairings, posts, areas.
    Ask before anything else is locked; never after `hold` in the same transaction.
    """
    await at_once(session, (_HOLD_ALONE, {"books": _BOOKS}))
    session.info[_BUSY] = False


async def judge_later(
    session: AsyncSession, patrol_ids: Collection[UUID], *, now: datetime
) -> None:
    """A job's: judge what could not be judged when it was recorded. Raises `Busy`: not yet."""
    (answer,) = await at_once(session, holding())
    if not answer[0].held:
        raise Busy(retry_after=_RETRY_AFTER_S)
    session.info[_BUSY] = False
    await judge(session, patrol_ids, now=now)


async def judge(session: AsyncSession, patrol_ids: Collection[UUID], *, now: datetime) -> None:
    """Bring the credits of these patrols to the facts; the patrols best locked, the books held."""
    ids = sorted(set(patrol_ids))
    if session.info.get(_BUSY) and ids:
        await queue.defer(session, "judge_patrols", patrol_ids=[str(id_) for id_ in ids])
        return
    for n in range(0, len(ids), _TOGETHER):
        await at_once(session, (_JUDGE, {"patrols": ids[n : n + _TOGETHER], "now": now}))


async def add(
    session: AsyncSession,
    patrol_ids: Collection[UUID],
    check_in_ids: Collection[UUID],
    *,
    now: datetime,
) -> None:
    """The same where nothing happened but that these patrols got these new check-ins."""
    if session.info.get(_BUSY):
        await judge(session, patrol_ids, now=now)
        return
    asked = {"patrols": sorted(set(patrol_ids)), "check_ins": list(check_in_ids), "now": now}
    await at_once(session, (_ADD, asked))


async def judge_obligations(
    session: AsyncSession, obligation_ids: Collection[UUID], *, now: datetime
) -> None:
    """After these obligations, or anything they stand on, changed. Has the books alone."""
    await hold_alone(session)
    if len(obligation_ids) > _ALL_BEYOND:
        await judge_everything(session, now=now)
        return
    said = {"obligations": list(obligation_ids), "people": []}
    (rows, _) = await at_once(session, (_PATROLS_OF_OBLIGATIONS, said), (_STALE, said))
    await judge(session, [row.id for row in rows], now=now)


async def judge_people(
    session: AsyncSession, person_ids: Collection[UUID], *, now: datetime
) -> None:
    """After memberships, posts or the retirement of these people changed. Has the books alone."""
    await hold_alone(session)
    said = {"obligations": [], "people": list(person_ids)}
    (rows, _) = await at_once(session, (_PATROLS_OF_PEOPLE, said), (_STALE, said))
    await judge(session, [row.id for row in rows], now=now)


async def judge_everything(session: AsyncSession, *, now: datetime) -> None:
    """Every patrol there is; every standing is made again. Has the books alone."""
    await hold_alone(session)
    async for ids in _all_patrols(session):
        await judge(session, ids, now=now)
    # A plan that runs just now has them made from what was counted before.
    await standings.hold(session)
    await at_once(session, ("DELETE FROM standings", {}), ("DELETE FROM stale_standings", {}))


async def differences(
    session: AsyncSession, told: Callable[[int], None] = lambda _done: None
) -> AsyncIterator[Difference]:
    """Wherever the credits are not what the facts say; there should be none.

    `told` hears how many patrols were looked at.
    """
    done = 0
    async for ids in _all_patrols(session):
        asked = {"patrols": ids}
        (rows,) = await at_once(session, (_DIFFERENCES, asked))
        for row in rows:
            yield Difference(*row)
        done += len(ids)
        told(done)


async def _all_patrols(session: AsyncSession) -> AsyncIterator[Sequence[UUID]]:
    after = UUID(int=0)
    while True:
        (rows,) = await at_once(session, (_PATROLS_AFTER, {"after": after, "most": _TOGETHER}))
        if not rows:
            return
        yield [row.id for row in rows]
        after = rows[-1].id
