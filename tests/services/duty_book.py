"""Duties, days that count and followers, for tests of planning; the year is 2026."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import (
    App,
    AreaKind,
    CheckIn,
    Obligation,
    Organisation,
    Patrol,
    PatrolOrigin,
    PatrolState,
    Period,
    Person,
    Post,
    PostKind,
    Reminder,
    ReminderState,
    Source,
    StaleStanding,
    Verdict,
)
from app.services import credits
from app.services.alarms import milestones
from app.services.reminders import planning
from app.settings import MessageTemplate, Settings, Templates
from tests.factories import a_wechat_user

NEW_YEAR = date(2026, 1, 1)
_numbers = count(1)


def at(day: date, hour: int = 9, minute: int = 0) -> datetime:
    """That time of the day at the lake."""
    return datetime.combine(day, time(hour, minute), clock.LAKE).astimezone(UTC)


def june(day: int) -> date:
    return date(2026, 6, day)


def with_template(settings: Settings, **limits: Any) -> Settings:
    """Followers of the service account can be sent to."""
    templates = Templates(_env_file=None, reminder=MessageTemplate(id="T1"))
    reminders = settings.reminders.model_copy(update=limits)
    return settings.model_copy(update={"templates": templates, "reminders": reminders})


async def an_obligation(
    session: AsyncSession, holder: Person | Organisation, **given: Any
) -> Obligation:
    """One a month from New Year on, anywhere, unless told otherwise; its standing is stale."""
    own = isinstance(holder, Person)
    defaults = {
        "code": f"D{next(_numbers)}",
        "holder_person_id": holder.id if own else None,
        "holder_organisation_id": None if own else holder.id,
        "area_kind": AreaKind.any,
        "times": 1,
        "period": Period.month,
        "starts_on": NEW_YEAR,
    }
    obligation = Obligation(**defaults | given)
    session.add(obligation)
    await session.flush()
    session.add(StaleStanding(obligation_id=obligation.id))
    await session.commit()
    return obligation


async def _a_patrol(session: AsyncSession, person: Person, day: date, **given: Any) -> Patrol:
    defaults = {
        "id": uuid4(),
        "person_id": person.id,
        "organisation_id": person.organisation_id,
        "state": PatrolState.finished,
        "origin": PatrolOrigin.paper,
        "area_kind": AreaKind.any,
        "started_at": at(day, 10),
        "started_on": day,
        "finished_at": at(day, 11),
        "received_at": at(day, 12),
    }
    patrol = Patrol(**defaults | given)
    session.add(patrol)
    await session.flush()
    return patrol


async def walked(session: AsyncSession, person: Person, *days: date) -> list[Patrol]:
    """Patrols that count, and what they count for."""
    patrols = [await _a_patrol(session, person, day) for day in days]
    await credits.judge(session, [patrol.id for patrol in patrols], now=at(max(days), 12))
    await session.commit()
    return patrols


async def doubtful(
    session: AsyncSession, person: Person, day: date, *, received_at: datetime | None = None
) -> CheckIn:
    """A patrol with one check-in that waits for its review, and what it would count for."""
    patrol = await _a_patrol(session, person, day, origin=PatrolOrigin.self_made, area_kind=None)
    visit = CheckIn(
        id=uuid4(),
        person_id=person.id,
        organisation_id=person.organisation_id,
        patrol_id=patrol.id,
        source=Source.mini_program,
        at=at(day, 10),
        taken_on=day,
        received_at=received_at or at(day, 10),
        lon=103.01,
        lat=24.9,
        datum="wgs84",
        raw_lon=103.01,
        raw_lat=24.9,
        grid_cell_ids=[],
        place={},
        verdict=Verdict.flagged,
        evidence=[],
        rules_version=1,
        content_digest=b"",
    )
    session.add(visit)
    await session.flush()
    await credits.judge(session, [patrol.id], now=at(day, 12))
    await session.commit()
    return visit


async def a_liaison(session: AsyncSession, person: Person, organisation: Organisation) -> Post:
    post = Post(
        code=f"L{next(_numbers)}",
        person_id=person.id,
        kind=PostKind.liaison,
        organisation_id=organisation.id,
    )
    session.add(post)
    await session.commit()
    return post


async def follows(session: AsyncSession, *people: Person) -> None:
    """They can be sent template messages."""
    for person in people:
        await a_wechat_user(session, app=App.service_account, person_id=person.id, subscribed=True)


async def planned(
    session: AsyncSession, settings: Settings, day: date, **given: Any
) -> list[tuple[str, str, str]]:
    """What is planned at nine on that day: code, kind, and channel or why there is none."""
    await planned_since_monday(session, day)
    found = await planning.plan(session, settings, now=at(day), **given)
    await session.commit()
    return [
        (notice.code, notice.kind.value, notice.channel or notice.reason)
        for notice in found.notices
    ]


async def planned_since_monday(session: AsyncSession, day: date) -> None:
    """The system is not new: unless it planned before, it did on the Monday of that week."""
    if await milestones.reached_at(session, "digests") is None:
        await milestones.reach(session, "digests", at(day - timedelta(days=day.weekday())))


async def delivered(session: AsyncSession) -> None:
    """What waits has been sent."""
    await session.execute(
        update(Reminder)
        .where(Reminder.state == ReminderState.queued)
        .values(state=ReminderState.sent, sent_at=Reminder.planned_at)
    )
    await session.commit()


async def told_on(
    session: AsyncSession, settings: Settings, first: date, last: date
) -> list[tuple[date, str, str, str]]:
    """Plan and send day by day; what was planned on which day."""
    found = []
    day = first
    while day <= last:
        found += [(day, *each) for each in await planned(session, settings, day)]
        await delivered(session)
        day += timedelta(days=1)
    return found


async def how_many(session: AsyncSession, table: Any) -> int:
    return await session.scalar(select(func.count()).select_from(table)) or 0
