"""Whatever people do, the books say what the reference says, and there is nothing to correct."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import time_machine
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import clock
from app.models import Credit, Obligation
from app.services import credits, progress
from tests.conftest import Lake, Member
from tests.databases import taken_back
from tests.reference import duties as reference
from tests.services import duty_histories, duty_reading
from tests.services.duty_histories import STARTS_AT, History, Step
from tests.services.duty_reading import Books


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


async def counted_for(members: list[Member]) -> dict[UUID, list[tuple[str, int, int, int]]]:
    """What each check-in says that it counts for, as its sender reads it."""
    found = {}
    for member in members:
        answer = await member.client.get("/api/v1/check-ins?mine=true&limit=1000")
        assert (answer.status_code, answer.json()["next"]) == (200, None)
        for row in answer.json()["items"]:
            found[UUID(row["id"])] = [
                (each["obligation"], each["done"], each["owed"], each["behind"])
                for each in row["counts_for"]
            ]
    return found


def reference_counted_for(
    books: Books, codes: dict[str, str], today: date
) -> dict[UUID, list[tuple[str, int, int, int]]]:
    """The duties whose credit a check-in carries, as they stand today in the window of that day."""
    world, found = books.world, {}
    counted = {
        (each.obligation, each.patrol) for each in reference.all_credits(world) if not each.pending
    }
    for id_, (n, check_in) in books.check_ins.items():
        day, here = reference.day_of(world.patrols[n]), []
        for obligation in world.obligations:
            if (obligation.code, n) not in counted:
                continue
            alone = replace(world.patrols[n], check_ins=[check_in])
            if reference.patrol_counts(world, obligation, alone, ["accepted"]):
                one = reference.answer(world, obligation, max(today, day), day)
                here.append((codes[obligation.code], one.done, one.owed, one.behind))
        found[id_] = sorted(here)
    return found


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
    async with taken_back(connection, session):
        with time_machine.travel(STARTS_AT, tick=False) as traveller:
            await duty_histories.owe(session, lake, li, zhou, chen)
            history = History([li, zhou, chen], wang, session, traveller)
            for step in steps:
                await history.take(step)
                assert [each async for each in credits.differences(session)] == [], step
            books = await duty_reading.read(session)
            assert await credits_in_force(session, books) == reference.all_credits(books.world)
            today = clock.day_of(history.now)
            said, expected = await standings(
                session, books, [today - timedelta(days=n) for n in (0, 1, 3, 7)]
            )
            assert said == expected
            codes = {
                str(id_): code
                for id_, code in await session.execute(select(Obligation.id, Obligation.code))
            }
            assert await counted_for(history.people) == reference_counted_for(books, codes, today)
