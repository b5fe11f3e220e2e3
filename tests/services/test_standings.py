"""Standings are what progress is by the facts: after edits, over windows, as at other days."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import column, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    Exemption,
    ExemptionKind,
    Membership,
    Obligation,
    Organisation,
    Period,
    Person,
    Rulebook,
    StaleStanding,
    Standing,
)
from app.services import progress, standings
from tests.conftest import Lake, Member
from tests.factories import LONG_AGO, a_person
from tests.services.duty_book import NEW_YEAR, an_obligation, how_many, june, walked

Row = tuple[date, list[date], int, date | None]


async def _rows(session: AsyncSession, table: str) -> dict[str, Row]:
    """By code: window, slices, done, next due day."""
    names = ("obligation_id", "window_from", "slices", "done", "next_due_on")
    there = sqlalchemy.table(table, *map(column, names))
    found = await session.execute(
        select(Obligation.code, *(there.c[name] for name in names[1:])).join(
            there, there.c.obligation_id == Obligation.id
        )
    )
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in found}


async def _by_the_facts(
    session: AsyncSession, obligations: list[Obligation], day: date
) -> dict[str, Row]:
    """The same by the rule, for obligations that are open on the day."""
    facts = await progress.facts_of(session, [each.id for each in obligations])
    standing = await progress.of(session, {(each.id, day) for each in obligations})
    found: dict[str, Row] = {}
    for each in obligations:
        terms, now = facts[each.id].terms, standing[each.id, day]
        is_open = terms.starts_on <= day and (terms.ends_on is None or day <= terms.ends_on)
        slices = now.window.slices() if is_open else []
        due = now.next_due_on if is_open else None
        found[each.code] = (now.window.from_on, slices, now.done, due)
    return found


async def _refreshed(session: AsyncSession, day: date) -> dict[str, Row]:
    await standings.refresh(session, day)
    await session.commit()
    return await _rows(session, "standings")


async def _touch(session: AsyncSession, obligation: Obligation, **given: Any) -> None:
    """Edit it, as the services do."""
    await session.execute(update(Obligation).where(Obligation.id == obligation.id).values(**given))
    session.add(StaleStanding(obligation_id=obligation.id))
    await session.commit()


@pytest.fixture
async def book(session: AsyncSession, lake: Lake) -> tuple[list[Obligation], list[Person]]:
    """Duties of all kinds, holders who come and go, leaves, and days that count."""
    dice = random.Random(20260616)  # noqa: S311
    people = [
        await a_person(
            session,
            organisation_id=lake.east_branch.id,
            from_on=given.get("from_on"),
            to_on=given.get("to_on"),
        )
        for given in ({}, {"from_on": june(5)}, {"to_on": june(20)}, {})
    ]
    session.add(
        Membership(
            person_id=people[3].id,
            organisation_id=lake.west_branch.id,
            from_on=NEW_YEAR,
            to_on=june(9),
            recorded_at=LONG_AGO,
            revoked_at=LONG_AGO,
        )
    )
    obligations = []
    for period in Period:
        holders: list[Person | Organisation] = [*people, lake.east_branch]
        for holder in holders:
            given: dict[str, Any] = {"period": period, "times": dice.choice((0, 1, 2, 5, 7))}
            given["months"] = dice.choice((None, None, "3-10", "11-3", "6"))
            given["starts_on"] = dice.choice((date(2024, 2, 29), june(3), june(25)))
            given["ends_on"] = dice.choice((None, None, june(22)))
            given["retired_on"] = dice.choice((None, None, None, june(18)))
            obligations.append(await an_obligation(session, holder, **given))
    for n, (holder_id, one) in enumerate(
        [(people[0].id, None), (people[0].id, obligations[0].id), (people[3].id, None)]
    ):
        session.add(
            Exemption(
                code=f"X{n}",
                holder_person_id=holder_id,
                obligation_id=one,
                from_on=june(2 + 3 * n),
                to_on=june(8 + 3 * n),
                kind=ExemptionKind.leave,
                reason="外出",
                recorded_at=LONG_AGO,
                retired_on=june(10) if n == 2 else None,
            )
        )
    await session.commit()
    for person in people:
        await walked(session, person, *(june(day) for day in sorted(dice.sample(range(1, 31), 9))))
    return obligations, people


DAYS = [june(1), june(4), june(10), june(18), june(19), june(23), june(30), date(2026, 7, 1)]


@pytest.mark.parametrize("day", DAYS)
async def test_as_at_any_day_they_are_what_the_facts_say(
    session: AsyncSession, book: tuple[list[Obligation], list[Person]], day: date
) -> None:
    await standings.as_at(session, day)

    assert await _rows(session, "standings_as_at") == await _by_the_facts(session, book[0], day)
    assert await how_many(session, Standing) == 0


async def test_day_by_day_the_table_stays_what_the_facts_say(
    session: AsyncSession, book: tuple[list[Obligation], list[Person]]
) -> None:
    # All that counts has been walked by then; windows end, duties begin and end on the way.
    for n in range(0, 40, 3):
        day = june(30) + timedelta(days=n)
        assert await _refreshed(session, day) == await _by_the_facts(session, book[0], day)
        assert await how_many(session, StaleStanding) == 0


async def test_a_clock_gone_back_gets_its_own_window(
    session: AsyncSession, book: tuple[list[Obligation], list[Person]]
) -> None:
    await _refreshed(session, date(2026, 8, 15))

    back = await _refreshed(session, june(30))

    assert back == await _by_the_facts(session, book[0], june(30))


async def test_only_what_changed_is_made_again(
    session: AsyncSession, li: Member, zhou: Member
) -> None:
    mine = await an_obligation(session, li.person, code="A")
    other = await an_obligation(session, zhou.person, code="B")
    await _refreshed(session, june(10))
    await session.execute(update(Standing).values(done=7))
    await session.commit()

    await walked(session, li.person, june(9))
    rows = await _refreshed(session, june(10))

    assert [rows[each.code][2] for each in (mine, other)] == [1, 7]


async def test_an_edit_is_seen(session: AsyncSession, li: Member) -> None:
    duty = await an_obligation(session, li.person, code="A")
    before = await _refreshed(session, june(10))
    await _touch(session, duty, times=2)

    after = await _refreshed(session, june(10))

    assert before["A"] == (june(1), [june(30)], 0, june(30))
    assert after["A"] == (june(1), [june(15), june(30)], 0, june(15))


async def test_what_lies_before_go_live_is_cut_off(session: AsyncSession, li: Member) -> None:
    session.add(
        Rulebook(
            id=1,
            opened_on=NEW_YEAR,
            count_from=june(16),
            pairing_duty="department",
            judged_at=LONG_AGO,
        )
    )
    await an_obligation(session, li.person, code="A", times=2)

    assert (await _refreshed(session, june(20)))["A"] == (june(1), [june(30)], 0, june(30))


async def test_one_that_nobody_told_about_gets_a_row(session: AsyncSession, li: Member) -> None:
    expected = (june(1), [june(30)], 0, june(30))
    for code in ("A", "B"):  # where there is no row at all, and after the newest there is
        await an_obligation(session, li.person, code=code)
        await session.execute(text("DELETE FROM stale_standings"))
        assert (await _refreshed(session, june(10)))[code] == expected


async def test_an_old_one_without_a_row_gets_one_within_the_week(
    session: AsyncSession, li: Member
) -> None:
    old = await an_obligation(session, li.person, code="A")
    await an_obligation(session, li.person, code="B")
    await _refreshed(session, june(10))
    await session.execute(delete(Standing).where(Standing.obligation_id == old.id))
    await session.commit()

    assert sorted(await _refreshed(session, june(12))) == ["B"]
    assert sorted(await _refreshed(session, june(15))) == ["A", "B"]
