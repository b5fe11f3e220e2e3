"""Companions: who came along, and their "I was not there"."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import NotFound, TooLate, UnknownCode
from app.models import Companion, Patrol, Person, on_roster
from app.services import credits, messages

DECLINE_WITHIN = timedelta(days=7)


async def find(
    session: AsyncSession, walker: Person, codes: Sequence[str], *, on: date
) -> list[Person]:
    """The people with these codes who are on the roster that day, without the walker.

    Raises `UnknownCode` with one error a code.
    """
    if not codes:
        return []
    people = (
        await session.scalars(
            select(Person).where(Person.code.in_(set(codes)), on_roster(on)).order_by(Person.code)
        )
    ).all()
    known = {person.code for person in people}
    unknown = [
        {"pointer": f"/companions/{n}", "detail": "没有这个编号的人员"}
        for n, code in enumerate(codes)
        if code not in known
    ]
    if unknown:
        raise UnknownCode(errors=unknown)
    return [person for person in people if person.id != walker.id]


async def set_for(
    session: AsyncSession,
    patrol: Patrol,
    walker: Person,
    people: Sequence[Person],
    *,
    now: datetime,
) -> None:
    """Make these the companions of the patrol; whoever is new is told."""
    there = {
        companion.person_id: companion
        for companion in await session.scalars(
            select(Companion).where(Companion.patrol_id == patrol.id)
        )
    }
    wanted = {person.id for person in people}
    for person_id, companion in there.items():
        if person_id not in wanted and companion.removed_at is None:
            companion.removed_at = now
        elif person_id in wanted and companion.removed_at is not None:
            companion.removed_at, companion.added_at = None, now
    for person in people:
        if person.id not in there:
            await _add(session, patrol, walker, person, now=now)
    await session.flush()


async def add(
    session: AsyncSession, patrol: Patrol, walker: Person, person: Person, *, now: datetime
) -> None:
    """One more companion; one who is there already, or declined, stays as they are."""
    if await session.get(Companion, (patrol.id, person.id)) is None and person.id != walker.id:
        await _add(session, patrol, walker, person, now=now)
        await credits.hold(session)
        await credits.judge(session, [patrol.id], now=now)


async def _add(
    session: AsyncSession, patrol: Patrol, walker: Person, person: Person, *, now: datetime
) -> None:
    session.add(
        Companion(
            patrol_id=patrol.id,
            person_id=person.id,
            organisation_id=person.organisation_id,
            added_at=now,
        )
    )
    day = patrol.started_at.astimezone(clock.LAKE)
    await messages.tell(
        session,
        person_id=person.id,
        kind="companion",
        subject=f"patrol:{patrol.id}",
        text=f"{walker.name}记录您{day.month}月{day.day}日一同巡河。如果没有参加，请在7天内到小程序里说明。",
        now=now,
    )


async def decline(session: AsyncSession, person: Person, patrol_id: UUID, *, now: datetime) -> None:
    """Say "I was not there", within seven days; saying it twice is saying it once.

    Raises `NotFound` for a patrol on which the person is not a companion, `TooLate`.
    """
    await credits.hold(session)
    patrol = await session.get(Patrol, patrol_id, with_for_update={"key_share": True})
    companion = await session.get(Companion, (patrol_id, person.id), with_for_update=True)
    if patrol is None or companion is None or companion.removed_at is not None:
        raise NotFound
    if companion.declined_at is not None:
        return
    if now - companion.added_at > DECLINE_WITHIN:
        raise TooLate("已经超过7天，不能再说明未参加，请联系管理员。")
    companion.declined_at = now
    await credits.judge(session, [patrol_id], now=now)
    await messages.tell(
        session,
        person_id=patrol.person_id,
        kind="companion_declined",
        subject=f"patrol:{patrol_id}",
        text=f"{person.name}说明没有参加您{patrol.started_on:%m月%d日}的巡河，已不计为同行人。",
        now=now,
    )
    await session.flush()
