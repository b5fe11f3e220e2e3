"""Whatever people do, the books say what the reference says, and there is nothing to correct."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import time_machine
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import clock
from app.models import Credit
from app.services import credits, progress
from tests.conftest import Lake, Member
from tests.reference import duties as reference
from tests.services import duty_books, duty_histories
from tests.services.duty_books import Books
from tests.services.duty_histories import STARTS_AT, History, Step


async def credits_in_force(session: AsyncSession, books: Books) -> set[reference.Credit]:
    numbers = {id_: n for n, id_ in enumerate(books.patrols)}
    rows = await session.scalars(select(Credit).where(Credit.revoked_at.is_(None)))
    return {
        reference.Credit(
            str(row.obligation_id), row.counted_on, numbers[row.patrol_id], row.pending, row.proxy
        )
        for row in rows
    }


async def standings(
    session: AsyncSession, books: Books, days: list[date]
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What the product says of every obligation on each of the days, and what the reference says."""
    asked = [(UUID(each.code), day) for each in books.world.obligations for day in days]
    said = {
        (str(id_), day): (
            one.window.owed,
            one.done,
            one.pending,
            one.due_by_now,
            one.behind,
            one.next_due_on,
            one.state.value,
        )
        for (id_, day), one in (await progress.of(session, asked)).items()
    }
    expected = {}
    for each in books.world.obligations:
        for day in days:
            one = reference.answer(books.world, each, day)
            expected[each.code, day] = (
                one.owed,
                one.done,
                one.pending,
                one.due_by,
                one.behind,
                one.next_due_on,
                one.state,
            )
    return said, expected


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=duty_histories.steps)
async def test_histories_leave_nothing_to_correct(
    steps: list[Step],
    connection: AsyncConnection,
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
) -> None:
    savepoint = await connection.begin_nested()
    with time_machine.travel(STARTS_AT, tick=False) as traveller:
        await duty_histories.owe(session, lake, li, zhou, chen)
        history = History([li, zhou, chen], wang, session, traveller)
        for step in steps:
            await history.take(step)
            assert [each async for each in credits.differences(session)] == [], step
        books = await duty_books.read(session)
        assert await credits_in_force(session, books) == reference.all_credits(books.world)
        today = clock.day_of(history.now)
        said, expected = await standings(
            session, books, [today - timedelta(days=n) for n in (0, 1, 3, 7)]
        )
        assert said == expected
    session.expunge_all()
    await session.rollback()
    await savepoint.rollback()
