"""The roster: phones that change hands, and memberships that are closed and kept."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Membership, Organisation, Person
from tests.services.datasets import NOW, counts, imported, refused, written

HEAD = "code,name,phone,organisation_code,role,party_member,from,to\n"
ORGANISATIONS = "code,name,kind\nA,示例甲村,village\nB,示例乙村,village\n"
TODAY = date(2026, 6, 15)

Terms = list[tuple[str, date | None, date | None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "roster", {"organisations.csv": ORGANISATIONS})


async def roster(
    session: AsyncSession, folder: Path, *rows: str, now: datetime = NOW
) -> tuple[int, int, int, int]:
    """Import these people; the counts."""
    written(folder, {"people.csv": HEAD + "".join(row + "\n" for row in rows)})
    return counts(await imported(session, folder, now=now))["people.csv"]


async def person(session: AsyncSession, code: str) -> Person:
    query = select(Person).where(Person.code == code).execution_options(populate_existing=True)
    return (await session.scalars(query)).one()


async def terms(session: AsyncSession, code: str, *, revoked: bool = False) -> Terms:
    """A person's memberships in force, in order of their beginnings."""
    query = (
        select(Organisation.code, Membership.from_on, Membership.to_on)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .join(Person, Person.id == Membership.person_id)
        .where(Person.code == code)
        .where(Membership.revoked_at.is_not(None) if revoked else Membership.revoked_at.is_(None))
        .order_by(Membership.from_on.asc().nulls_first(), Membership.to_on)
    )
    return [(row.code, row.from_on, row.to_on) for row in await session.execute(query)]


async def test_a_new_person_has_one_membership(session: AsyncSession, folder: Path) -> None:
    row = "P,示例甲,,A,member,true,2025-01-01,"
    assert await roster(session, folder, row) == (1, 0, 0, 0)
    assert await roster(session, folder, row) == (0, 0, 1, 0)
    assert await terms(session, "P") == [("A", date(2025, 1, 1), None)]
    assert await terms(session, "P", revoked=True) == []


async def test_another_organisation_from_a_day_closes_the_earlier_one_the_day_before(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,示例甲,,A,member,true,2025-01-01,")
    moved = "P,示例甲,,B,member,true,2026-03-01,"
    assert await roster(session, folder, moved) == (0, 1, 0, 0)
    assert await terms(session, "P") == [
        ("A", date(2025, 1, 1), date(2026, 2, 28)),
        ("B", date(2026, 3, 1), None),
    ]
    assert await terms(session, "P", revoked=True) == [("A", date(2025, 1, 1), None)]
    found = await person(session, "P")
    assert (found.from_on, found.to_on) == (date(2026, 3, 1), None)
    assert await roster(session, folder, moved) == (0, 0, 1, 0)


async def test_without_a_day_the_earlier_one_ends_today(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,示例甲,,A,member,true,,")
    await roster(session, folder, "P,示例甲,,B,member,true,,")
    assert await terms(session, "P") == [
        ("A", None, TODAY),
        ("B", TODAY + timedelta(days=1), None),
    ]
    assert (await person(session, "P")).from_on is None
    assert await roster(session, folder, "P,示例甲,,B,member,true,,") == (0, 0, 1, 0)


async def test_a_new_from_in_the_same_organisation_closes_the_earlier_one_too(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,示例甲,,A,member,true,2024-01-01,2024-12-31")
    assert not (await person(session, "P")).is_on_roster(TODAY)
    await roster(session, folder, "P,示例甲,,A,member,true,2026-01-01,")
    assert await terms(session, "P") == [
        ("A", date(2024, 1, 1), date(2024, 12, 31)),
        ("A", date(2026, 1, 1), None),
    ]
    assert (await person(session, "P")).is_on_roster(TODAY)


async def test_an_earlier_from_replaces_what_it_covers(session: AsyncSession, folder: Path) -> None:
    await roster(session, folder, "P,示例甲,,A,member,true,2026-01-01,")
    await roster(session, folder, "P,示例甲,,B,member,true,2025-01-01,")
    assert await terms(session, "P") == [("B", date(2025, 1, 1), None)]
    assert await terms(session, "P", revoked=True) == [("A", date(2026, 1, 1), None)]


async def test_a_past_to_takes_the_person_off_the_roster_and_frees_the_phone(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,示例甲,19900000001,A,member,true,2025-01-01,")
    left = "P,示例甲,19900000001,A,member,true,2025-01-01,2026-06-14"
    heir = "Q,示例乙,19900000001,A,member,true,,"
    assert await roster(session, folder, left, heir) == (1, 1, 0, 0)
    gone = await person(session, "P")
    assert (gone.to_on, gone.retired_on) == (date(2026, 6, 14), TODAY)
    assert (gone.is_on_roster(date(2026, 6, 14)), gone.is_on_roster(TODAY)) == (True, False)
    assert await terms(session, "P") == [("A", date(2025, 1, 1), date(2026, 6, 14))]
    assert gone.phone == (await person(session, "Q")).phone == "19900000001"
    assert await roster(session, folder, left, heir) == (0, 0, 2, 0)


async def test_whose_last_day_has_passed_since_does_not_hold_the_phone(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,示例甲,19900000001,A,member,true,,2026-06-20")
    heir = "Q,示例乙,19900000001,A,member,true,,"
    written(folder, {"people.csv": HEAD + heir + "\n"})
    assert await refused(session, folder) == ["people.csv:2: phone: 这个手机号已登记在 P 名下"]
    later = datetime(2026, 6, 21, 4, tzinfo=UTC)
    assert await roster(session, folder, heir, now=later) == (1, 0, 0, 0)


async def test_two_people_may_swap_their_phones(session: AsyncSession, folder: Path) -> None:
    await roster(
        session, folder, "P,甲,19900000001,A,member,true,,", "Q,乙,19900000002,A,member,true,,"
    )
    assert await roster(
        session, folder, "P,甲,19900000002,A,member,true,,", "Q,乙,19900000001,A,member,true,,"
    ) == (0, 2, 0, 0)
    assert (await person(session, "P")).phone == "19900000002"
    assert (await person(session, "Q")).phone == "19900000001"


async def test_a_phone_may_go_to_a_new_person_in_the_same_file(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,甲,19900000001,A,member,true,,")
    assert await roster(
        session, folder, "Q,乙,19900000001,A,member,true,,", "P,甲,19900000003,A,member,true,,"
    ) == (1, 1, 0, 0)
    assert (await person(session, "Q")).phone == "19900000001"


async def test_somebody_retired_by_absence_gives_up_the_phone(
    session: AsyncSession, folder: Path
) -> None:
    await roster(session, folder, "P,甲,19900000001,A,member,true,,")
    written(folder, {"people.csv": HEAD + "Q,乙,19900000001,A,member,true,,\n"})
    summary = await imported(session, folder, deactivate_missing=True, yes=True)
    assert counts(summary)["people.csv"] == (1, 0, 0, 1)
    assert (await person(session, "P")).retired_on == TODAY
    # And comes back without it, while the other keeps it.
    assert await roster(session, folder, "P,甲,,A,member,true,,") == (0, 1, 0, 0)
