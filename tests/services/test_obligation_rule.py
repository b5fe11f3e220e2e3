"""Credits and progress of the product against the reference, over random worlds."""

from datetime import date

from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.models import Credit
from app.services import credits, progress
from tests.databases import taken_back
from tests.reference import duties as reference
from tests.reference.duties import World
from tests.services.duty_rows import WRITTEN_AT, id_of, patrol_id, write
from tests.services.duty_worlds import worlds


async def product_answers(
    session: AsyncSession, world: World, days: list[date]
) -> dict[tuple[str, date], reference.Answer]:
    """How the product says that every obligation stands on each of the days."""
    asked = {
        (id_of(each.code), day): (each.code, day) for each in world.obligations for day in days
    }
    found = await progress.of(session, list(asked))
    return {
        asked[key]: reference.Answer(
            window_from=said.window.from_on,
            window_to=said.window.to_on,
            season_days=said.window.season,
            active_days=said.window.active,
            owed=said.window.owed,
            slices=said.window.slices(),
            due_by=said.due_by_now,
            done=said.done,
            pending=said.pending,
            behind=said.behind,
            next_due_on=said.next_due_on,
            state=said.state.value,
        )
        for key, said in found.items()
    }


async def product_credits(session: AsyncSession, world: World) -> set[reference.Credit]:
    codes = {id_of(each.code): each.code for each in world.obligations}
    numbers = {patrol_id(n): n for n in range(len(world.patrols))}
    rows = await session.scalars(select(Credit).where(Credit.revoked_at.is_(None)))
    return {
        reference.Credit(
            codes[row.obligation_id], row.counted_on, numbers[row.patrol_id], row.pending, row.proxy
        )
        for row in rows
    }


def reference_answers(world: World, days: list[date]) -> dict[tuple[str, date], reference.Answer]:
    return {
        (each.code, day): reference.answer(world, each, day)
        for each in world.obligations
        for day in days
    }


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(drawn=worlds())
async def test_every_state_is_the_references(
    drawn: tuple[World, list[date]], connection: AsyncConnection
) -> None:
    world, days = drawn
    async with (
        taken_back(connection),
        AsyncSession(connection, join_transaction_mode="create_savepoint") as session,
    ):
        await write(session, world)
        await credits.judge_everything(session, now=WRITTEN_AT)
        assert await product_credits(session, world) == reference.all_credits(world)
        assert await product_answers(session, world, days) == reference_answers(world, days)
        assert [each async for each in credits.differences(session)] == []
