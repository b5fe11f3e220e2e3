"""What the pairings of a department oblige it to, and the settings by which the book is kept."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Credit, Obligation, Organisation, Reach, Rulebook
from app.services import credits, pairing_duties, rulebook
from app.services.dataset.exporting import export_folder
from app.settings import Settings
from tests.queries import counted
from tests.services.datasets import LAKE, NOW, geojson, imported, line, refused, written
from tests.services.test_books import OBLIGATIONS, again
from tests.services.test_books import counted as in_force

HEAD = "department_code,reach_code,village_code,from,to\n"
ORGANISATIONS = LAKE["organisations.csv"] + "SW,示例水务部门,department,GWH,,\n"
REACHES = geojson(
    *(
        ({"code": code, "name": code, "waterbody_code": "RIVER"},
         line((103 + n / 100, 24.9), (103.01 + n / 100, 24.9)))
        for n, code in enumerate(("R1", "R2", "R3"))
    )
)  # fmt: skip
WITHOUT_OWN = {
    name: text for name, text in LAKE.items() if name not in ("obligations.csv", "exemptions.csv")
} | {"organisations.csv": ORGANISATIONS, "reaches.geojson": REACHES}
YEAR = date(2026, 1, 1)
Owed = dict[str, tuple[str, str, str | None, int, date, date | None]]


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


@pytest.fixture
async def folder(session: AsyncSession, tmp_path: Path) -> Path:
    folder = written(tmp_path / "lake", WITHOUT_OWN)
    await imported(session, folder)
    return folder


async def owed(session: AsyncSession) -> Owed:
    """The duties of pairings in force: whose, where, times, from, to."""
    query = (
        select(Obligation, Organisation.code, Reach.code)
        .join(Organisation, Organisation.id == Obligation.holder_organisation_id)
        .outerjoin(Reach, Reach.id == Obligation.reach_id)
        .where(Obligation.code.startswith("PAIR-"), Obligation.retired_on.is_(None))
        .execution_options(populate_existing=True)
    )
    return {
        duty.code: (holder, duty.area_kind.value, reach, duty.times, duty.starts_on, duty.ends_on)
        for duty, holder, reach in await session.execute(query)
    }


async def paired(session: AsyncSession, folder: Path, *rows: str, **given: Any) -> Owed:
    """Import these pairings and no others; what they make."""
    text = HEAD + "".join(row + "\n" for row in rows)
    await again(session, folder, {"pairings.csv": text}, deactivate_missing=True, **given)
    return await owed(session)


async def test_all_pairings_of_a_department_make_one_duty(
    session: AsyncSession, folder: Path
) -> None:
    rows = (
        "HB,R1,CUN,2025-01-01,",
        "HB,R2,,2024-06-01,2025-06-30",
        "SW,R3,,,",
        "SW,,CUN,2023-01-01,",
    )
    assert await paired(session, folder, *rows) == {
        "PAIR-HB": ("HB", "paired", None, 6, date(2024, 6, 1), None),
        # Without a beginning: the year of the first import.
        "PAIR-SW": ("SW", "paired", None, 6, YEAR, None),
    }
    assert await in_force(session) == [("PAIR-HB", date(2025, 3, 12), "L1", False)]
    assert (await imported(session, folder)).changes_nothing


async def test_it_ends_with_the_last_pairing_and_begins_again(
    session: AsyncSession, folder: Path
) -> None:
    ended = await paired(
        session, folder, "HB,R1,CUN,2025-01-01,2025-12-31", "HB,R2,,2025-02-01,2026-03-31"
    )
    assert ended == {"PAIR-HB": ("HB", "paired", None, 6, date(2025, 1, 1), date(2026, 3, 31))}
    # The second pairing leaves the file on 15 June: its last day stays the 31st of March.
    assert await paired(session, folder, "HB,R1,CUN,2025-01-01,2025-12-31") == ended
    # Both leave it.
    assert await paired(session, folder, "SW,R2,,2026-02-01,") == {
        **ended,
        "PAIR-SW": ("SW", "paired", None, 6, date(2026, 2, 1), None),
    }
    assert await paired(session, folder, "HB,R1,CUN,2025-01-01,") == {
        "PAIR-HB": ("HB", "paired", None, 6, date(2025, 1, 1), None),
        "PAIR-SW": ("SW", "paired", None, 6, date(2026, 2, 1), date(2026, 6, 14)),
    }


async def test_a_village_alone_obliges_to_nothing(session: AsyncSession, folder: Path) -> None:
    only = "SW,,CUN,2025-01-01,"
    summary = await imported(session, written(folder, {"pairings.csv": HEAD + only + "\n"}))
    assert summary.warnings == [
        "pairings.csv:2: reach_code: 这个部门只挂钩了村，没有挂钩河段，不产生巡河任务"
    ]
    assert list(await owed(session)) == ["PAIR-HB"]


async def test_one_in_the_dataset_replaces_it_until_it_goes(
    session: AsyncSession, folder: Path
) -> None:
    before = await owed(session)
    (id_,) = (await session.scalars(select(Obligation.id))).all()
    own = OBLIGATIONS + "O1,organisation,HB,paired,,8,year,2025-01-01,,,,,,,\n"
    assert await again(session, folder, {"obligations.csv": own}) == [
        ("O1", date(2025, 3, 12), "L1", False)
    ]
    assert await owed(session) == {}
    # One about a reach, or of another department, replaces nothing.
    other = OBLIGATIONS + "O2,organisation,HB,reach,R1,8,year,2025-01-01,,,,,,,\n"
    await again(session, folder, {"obligations.csv": other}, deactivate_missing=True)
    assert await owed(session) == before
    assert id_ in (await session.scalars(select(Obligation.id))).all()
    # One for some time leaves the time after it.
    some = OBLIGATIONS + "O1,organisation,HB,paired,,8,year,2025-01-01,2026-12-31,,,,,,\n"
    await again(session, folder, {"obligations.csv": some})
    assert await owed(session) == {"PAIR-HB": ("HB", "paired", None, 6, date(2027, 1, 1), None)}


async def test_a_mode_by_reach_makes_one_for_each(session: AsyncSession, folder: Path) -> None:
    by_reach = settings(pairing_duty="reach", pairing_times=4)
    rows = (
        "HB,R1,CUN,2025-01-01,",
        "HB,R1,,2025-06-01,",
        "HB,R2,,2025-01-01,2025-12-31",
        "SW,R1,,2026-01-01,",
    )
    text = HEAD + "".join(row + "\n" for row in rows)
    own = OBLIGATIONS + "O2,organisation,SW,reach,R1,8,year,2025-01-01,,,,,,,\n"
    files = {"pairings.csv": text, "obligations.csv": own}
    await imported(session, written(folder, files), by_reach)
    wanted = {
        "PAIR-HB-R1": ("HB", "reach", "R1", 4, date(2025, 1, 1), None),
        "PAIR-HB-R2": ("HB", "reach", "R2", 4, date(2025, 1, 1), date(2025, 12, 31)),
    }
    assert await owed(session) == wanted
    assert await in_force(session) == [("PAIR-HB-R1", date(2025, 3, 12), "L1", False)]

    assert await rulebook.keep(session, settings(), now=NOW)
    assert await owed(session) == {
        "PAIR-HB": ("HB", "paired", None, 6, date(2025, 1, 1), None),
        "PAIR-SW": ("SW", "paired", None, 6, date(2026, 1, 1), None),
    }
    assert await in_force(session) == [("PAIR-HB", date(2025, 3, 12), "L1", False)]

    ids = set((await session.scalars(select(Obligation.id))).all())
    assert await rulebook.keep(session, by_reach, now=NOW)
    assert await owed(session) == wanted
    assert set((await session.scalars(select(Obligation.id))).all()) == ids


async def test_codes_that_would_be_the_same_are_not(session: AsyncSession, folder: Path) -> None:
    organisations = (
        ORGANISATIONS + "A,示例甲部门,department,GWH,,\nA-R1,示例乙部门,department,GWH,,\n"
    )
    reaches = REACHES.replace('"R2"', '"R1-R3"')
    files = {
        "organisations.csv": organisations,
        "reaches.geojson": reaches,
        "pairings.csv": HEAD + "A,R1-R3,,2025-01-01,\nA-R1,R3,,2025-01-01,\n",
    }
    by_reach = settings(pairing_duty="reach")
    await imported(session, written(folder, files), by_reach)
    found = await owed(session)
    assert sorted((code, *what[:3]) for code, what in found.items()) == [
        ("PAIR-A-R1-R3", "A", "reach", "R1-R3"),
        ("PAIR-A-R1-R3-", "A-R1", "reach", "R3"),
        ("PAIR-HB-R1", "HB", "reach", "R1"),
    ]
    assert await pairing_duties.changes(session, by_reach, now=NOW) == []


async def test_no_times_oblige_to_nothing(session: AsyncSession, folder: Path) -> None:
    assert list(await owed(session)) == ["PAIR-HB"]
    await imported(session, folder, settings(pairing_times=0))
    assert await owed(session) == {}
    assert await in_force(session) == []


@pytest.mark.usefixtures("folder")
async def test_settings_that_change_judge_everything_anew(session: AsyncSession) -> None:
    walked = [("PAIR-HB", date(2025, 3, 12), "L1", False)]
    assert await in_force(session) == walked
    later = settings(count_from=date(2025, 3, 13))
    now = datetime(2026, 7, 1, tzinfo=UTC)
    assert await rulebook.keep(session, later, now=now)
    assert await in_force(session) == []
    assert not await rulebook.keep(session, later, now=now)
    assert await rulebook.keep(session, settings(count_from=date(2025, 3, 12)), now=now)
    assert await in_force(session) == walked

    book = (await session.scalars(select(Rulebook))).one()
    assert (book.opened_on, book.count_from, book.judged_at) == (NOW.date(), date(2025, 3, 12), now)
    changed = (
        select(AuditEntry).where(AuditEntry.action == "rulebook.change").order_by(AuditEntry.id)
    )
    first, second = (await session.scalars(changed)).all()
    assert (first.via, first.before, first.after) == (
        "settings",
        {"count_from": None, "pairing_duty": "department", "pairing_times": 6},
        {"count_from": "2025-03-13", "pairing_duty": "department", "pairing_times": 6},
    )
    assert second.before == first.after


@pytest.mark.usefixtures("folder")
async def test_settings_that_are_the_same_cost_one_question(session: AsyncSession) -> None:
    with counted(session) as asked:
        assert not await rulebook.keep(session, settings(), now=NOW)
    assert asked.statements == 1


async def test_an_import_by_other_settings_judges_by_them(
    session: AsyncSession, folder: Path
) -> None:
    summary = await imported(session, folder, settings(count_from=date(2026, 1, 1)))
    assert summary.changes_nothing
    assert await in_force(session) == []


@pytest.mark.usefixtures("folder")
async def test_what_somebody_did_to_the_duties_is_put_right(session: AsyncSession) -> None:
    (duty,) = (await session.scalars(select(Obligation))).all()
    duty.times = 99
    await session.flush()
    await pairing_duties.settle(session, settings(), now=NOW)
    assert (await owed(session))["PAIR-HB"][3] == 6
    assert [each async for each in credits.differences(session)] == []
    assert len((await session.scalars(select(Credit))).all()) == 1


async def test_leave_from_such_a_duty(session: AsyncSession, tmp_path: Path) -> None:
    leave = (
        "code,holder_kind,holder_code,obligation_code,from,to,kind,reason,approved_by\n"
        "X1,organisation,HB,PAIR-HB,2025-03-01,2025-03-31,closure,检修,P1\n"
    )
    folder = written(tmp_path / "lake", {**WITHOUT_OWN, "exemptions.csv": leave})
    assert await refused(session, folder) == [
        "exemptions.csv:2: obligation_code: “PAIR-HB”还没有，由挂钩联系产生：先导入 pairings.csv，"
        "再导入这一行"
    ]
    (folder / "exemptions.csv").unlink()
    await imported(session, folder)
    assert len(await in_force(session)) == 1
    assert await again(session, folder, {"exemptions.csv": leave}) == []
    out = tmp_path / "out"
    await export_folder(session, out, documents_dir=tmp_path / "documents")
    assert (await imported(session, out, deactivate_missing=True)).changes_nothing


async def test_codes_that_the_system_gives_are_refused(session: AsyncSession, folder: Path) -> None:
    head = "code,person_code,on,area_kind,area_code\n"
    written(folder, {"patrols.csv": head + "late-7,P2,2025-03-12,reach,R1\n"})
    assert await refused(session, folder) == [
        "patrols.csv:2: code: “LATE-”开头的编码留给补录产生的巡河，请换一个"
    ]
