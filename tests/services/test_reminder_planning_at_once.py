"""Planners side by side and planners that die: nobody is told twice, nobody is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.database import connect
from app.models import Call, Person, Reminder, ReminderItem, StaleStanding, Standing
from app.services import credits
from app.services.reminders import planning
from app.settings import Settings
from tests import databases
from tests.factories import a_person, an_organisation
from tests.services.duty_book import (
    an_obligation,
    at,
    follows,
    how_many,
    june,
    walked,
    with_template,
)

Sessions = async_sessionmaker[AsyncSession]
TABLES = (Reminder, ReminderItem, Call, Standing, StaleStanding)


@pytest.fixture
def own_url(server_url: str) -> Iterator[str]:
    """A database in which commits are commits."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        yield url


@pytest.fixture
async def own_engine(
    own_url: str, settings: Settings
) -> AsyncIterator[tuple[AsyncEngine, Sessions]]:
    engine, sessions = connect(own_url, settings.database)
    yield engine, sessions
    await engine.dispose()


@pytest.fixture
async def people(own_engine: tuple[AsyncEngine, Sessions]) -> list[Person]:
    """Eight who are behind, half of whom can be reached."""
    _, sessions = own_engine
    async with sessions() as session:
        branch = await an_organisation(session)
        found = [await a_person(session, organisation_id=branch.id) for _ in range(8)]
        for person in found:
            await an_obligation(session, person, times=10)
        await follows(session, *found[:4])
    return found


async def _plan(sessions: Sessions, settings: Settings) -> int:
    async with sessions() as session, session.begin():
        found = await planning.plan(session, with_template(settings), now=at(june(16)))
        return len(found.notices)


async def _counts(sessions: Sessions) -> list[int]:
    async with sessions() as session:
        return [await how_many(session, table) for table in TABLES]


async def test_many_planners_tell_everybody_once(
    own_engine: tuple[AsyncEngine, Sessions], people: list[Person], settings: Settings
) -> None:
    _, sessions = own_engine

    planned = await asyncio.gather(*(_plan(sessions, settings) for _ in range(5)))

    assert sorted(planned) == [0, 0, 0, 0, len(people)]
    assert await _counts(sessions) == [8, 8, 4, 8, 0]


async def test_a_planner_that_dies_leaves_everything_to_the_next(
    own_engine: tuple[AsyncEngine, Sessions], people: list[Person], settings: Settings
) -> None:
    _, sessions = own_engine
    before = await _counts(sessions)
    async with sessions() as session:
        found = await planning.plan(session, with_template(settings), now=at(june(16)))
        assert len(found.notices) == len(people)
        # The process is gone before it could commit: the server closes what it had begun.
        await (await session.connection()).invalidate()

    assert await _counts(sessions) == before
    assert await _plan(sessions, settings) == len(people)
    assert await _counts(sessions) == [8, 8, 4, 8, 0]


async def test_what_counts_while_planning_is_seen_by_the_next(
    own_engine: tuple[AsyncEngine, Sessions], people: list[Person], settings: Settings
) -> None:
    _, sessions = own_engine
    await _plan(sessions, settings)
    async with sessions() as planner, planner.begin():
        await planning.plan(planner, with_template(settings), now=at(june(17)))
        async with sessions() as walker:
            await walked(walker, people[0], june(17))
    async with sessions() as session:
        stale = await how_many(session, StaleStanding)
        await planning.plan(session, with_template(settings), now=at(june(17)))
        await session.commit()
        done = (await session.scalars(select(Standing.done).order_by(Standing.done))).all()

    assert stale == 1
    assert done == [0, 0, 0, 0, 0, 0, 0, 1]


async def test_judging_everything_waits_for_the_plan_whose_standings_it_throws_away(
    own_engine: tuple[AsyncEngine, Sessions], people: list[Person], settings: Settings
) -> None:
    _, sessions = own_engine

    async def judge() -> None:
        async with sessions() as session, session.begin():
            await credits.judge_everything(session, now=at(june(16)))

    async with sessions() as planner:
        await planning.plan(planner, with_template(settings), now=at(june(16)))
        judging = asyncio.create_task(judge())
        await asyncio.wait([judging], timeout=0.5)
        assert not judging.done()
        await planner.commit()
    await judging

    assert await _counts(sessions) == [8, 8, 4, 0, 0]
    assert await _plan(sessions, settings) == 0
    assert await _counts(sessions) == [8, 8, 4, len(people), 0]
