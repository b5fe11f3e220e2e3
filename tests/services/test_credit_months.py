"""Bits of a month are what the credits say, whoever reads them before the job has come."""

import importlib
from datetime import date

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Credit, CreditMonth, StaleCreditMonth
from app.services import credit_months
from tests.conftest import Member
from tests.services.duty_book import an_obligation, doubtful, how_many, june, walked

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)


async def noted(session: AsyncSession) -> list[tuple[date, int, int]]:
    rows = await session.execute(
        select(CreditMonth.month, CreditMonth.days, CreditMonth.pending).order_by(CreditMonth.month)
    )
    return [(month, days, pending) for month, days, pending in rows]


async def marked(session: AsyncSession) -> set[date]:
    return set(await session.scalars(select(StaleCreditMonth.month)))


async def different(session: AsyncSession) -> list[tuple[str, date, int, int, int, int]]:
    return [
        (
            each.obligation,
            each.month,
            each.noted,
            each.counted,
            each.noted_pending,
            each.pending,
        )
        async for each in credit_months.differences(session)
    ]


async def test_what_is_walked_marks_its_month_and_is_counted(
    session: AsyncSession, li: Member
) -> None:
    await an_obligation(session, li.person)
    await walked(session, li.person, june(1), june(30), date(2026, 7, 31))
    await doubtful(session, li.person, june(30))
    await doubtful(session, li.person, june(3))
    assert await marked(session) == {JUNE, JULY}
    assert await noted(session) == []

    assert await credit_months.recount(session) is False

    assert await marked(session) == set()
    assert await noted(session) == [
        (JUNE, 1 | 1 << 29, 1 << 29 | 1 << 2),
        (JULY, 1 << 30, 0),
    ]
    assert await different(session) == []


async def test_what_is_revoked_or_removed_marks_its_month_again(
    session: AsyncSession, li: Member
) -> None:
    await an_obligation(session, li.person)
    await walked(session, li.person, june(1), june(2), date(2026, 7, 3))
    await credit_months.recount(session)

    await session.execute(
        update(Credit).where(Credit.counted_on == june(1)).values(revoked_at=Credit.recorded_at)
    )
    assert await marked(session) == {JUNE}
    await session.execute(delete(Credit).where(Credit.counted_on == date(2026, 7, 3)))
    assert await marked(session) == {JUNE, JULY}
    await credit_months.recount(session)

    assert await noted(session) == [(JUNE, 1 << 1, 0), (JULY, 0, 0)]


async def test_differences_are_told_where_nothing_is_marked(
    session: AsyncSession, li: Member
) -> None:
    duty = await an_obligation(session, li.person)
    await walked(session, li.person, june(1), june(2))
    await credit_months.recount(session)
    await session.execute(update(CreditMonth).values(days=1 << 4, pending=3))
    session.add(CreditMonth(obligation_id=duty.id, month=JULY, days=1, pending=0))
    await session.flush()

    assert await different(session) == [
        (duty.code, JUNE, 1, 2, 2, 0),
        (duty.code, JULY, 1, 0, 0, 0),
    ]
    session.add(StaleCreditMonth(obligation_id=duty.id, month=JUNE))
    await session.flush()
    assert await different(session) == [(duty.code, JULY, 1, 0, 0, 0)]


async def test_the_migration_counts_what_is_there(session: AsyncSession, li: Member) -> None:
    """The same statement as the job's, so that neither can say otherwise than the other."""
    await an_obligation(session, li.person)
    await an_obligation(session, li.person, area_kind="any", times=3)
    await walked(session, li.person, june(1), june(2), date(2026, 7, 31))
    await doubtful(session, li.person, june(30))
    await credit_months.recount(session)
    by_job = await noted(session)
    assert len(by_job) == 4

    await session.execute(delete(CreditMonth))
    revision = importlib.import_module("migrations.versions.0005_credit_months")
    await session.execute(text(revision._FILL))

    assert sorted(await noted(session)) == sorted(by_job)
    assert await how_many(session, StaleCreditMonth) == 0
