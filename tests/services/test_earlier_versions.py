"""What decides about duties can be read as it was before it was changed."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AreaKind, EarlierVersion, Obligation, Period
from tests.conftest import Member


async def test_a_changed_obligation_leaves_what_it_was(session: AsyncSession, li: Member) -> None:
    obligation = Obligation(
        code="O-1",
        holder_person_id=li.person.id,
        area_kind=AreaKind.any,
        times=6,
        period=Period.year,
        starts_on=date(2026, 1, 1),
    )
    session.add(obligation)
    await session.commit()

    obligation.times = 4
    await session.commit()
    obligation.times = 2
    await session.commit()

    kept = (
        await session.execute(
            select(EarlierVersion.subject, EarlierVersion.content["times"])
            .where(EarlierVersion.row_id == obligation.id)
            .order_by(EarlierVersion.id)
        )
    ).all()
    assert [tuple(row) for row in kept] == [("obligations", 6), ("obligations", 4)]


async def test_an_update_that_changes_nothing_leaves_nothing(
    session: AsyncSession, li: Member
) -> None:
    obligation = Obligation(
        code="O-1",
        holder_person_id=li.person.id,
        area_kind=AreaKind.any,
        times=6,
        period=Period.year,
        starts_on=date(2026, 1, 1),
    )
    session.add(obligation)
    await session.commit()

    await session.execute(Obligation.__table__.update().values(times=6))  # type: ignore[attr-defined]  # a mapped class has a table
    await session.commit()

    assert (await session.scalars(select(EarlierVersion.id))).all() == []
