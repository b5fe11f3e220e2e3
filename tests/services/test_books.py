"""The book of duties follows every import: what counts is always what the records say."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Credit, Obligation, Patrol, StaleStanding
from app.services import credits
from tests.services.datasets import LAKE, geojson, imported, line, written
from tests.services.test_dataset_people import person

OBLIGATIONS = (
    "code,holder_kind,holder_code,area_kind,area_code,times,period,starts_on,ends_on,months,"
    "min_minutes,min_metres,kinds,photo,letter_number\n"
)
PEOPLE = LAKE["people.csv"]
WALKED = ("O1", date(2025, 3, 12), "L1", False)
Counted = list[tuple[str, date, str | None, bool]]


@pytest.fixture
async def folder(session: AsyncSession, tmp_path: Path) -> Path:
    """A lake whose department walked once, as the operator has already imported it."""
    folder = written(tmp_path / "lake", LAKE)
    await imported(session, folder)
    return folder


async def counted(session: AsyncSession) -> Counted:
    """Every credit in force, by code of the duty and of the patrol; all of them must be right."""
    assert [each async for each in credits.differences(session)] == []
    query = (
        select(Obligation.code, Credit.counted_on, Patrol.code, Credit.proxy)
        .join(Obligation, Obligation.id == Credit.obligation_id)
        .join(Patrol, Patrol.id == Credit.patrol_id)
        .where(Credit.revoked_at.is_(None))
        .order_by(Obligation.code, Credit.counted_on, Patrol.code)
    )
    rows = await session.execute(query)
    return [(code, day, patrol, proxy) for code, day, patrol, proxy in rows]


async def duty(session: AsyncSession, code: str) -> Obligation:
    query = select(Obligation).where(Obligation.code == code)
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def again(
    session: AsyncSession,
    folder: Path,
    files: Mapping[str, str],
    *,
    deactivate_missing: bool = False,
    now: datetime = datetime(2026, 6, 15, 4, tzinfo=UTC),
) -> Counted:
    """Import these files alone; what counts then."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    await imported(
        session, written(folder, files), deactivate_missing=deactivate_missing, yes=True, now=now
    )
    return await counted(session)


@pytest.mark.usefixtures("folder")
async def test_paper_patrols_count_from_the_first_import(session: AsyncSession) -> None:
    assert await counted(session) == [WALKED]


async def test_a_second_run_judges_nothing_again(session: AsyncSession, folder: Path) -> None:
    credits_then = (await session.scalars(select(Credit.id))).all()
    await session.execute(delete(StaleStanding))
    assert (await imported(session, folder)).changes_nothing
    assert (await session.scalars(select(Credit.id))).all() == credits_then
    assert await session.scalar(select(func.count()).select_from(StaleStanding)) == 0


async def test_names_and_telephones_make_no_standing_stale(
    session: AsyncSession, folder: Path
) -> None:
    await session.execute(delete(StaleStanding))
    assert await again(
        session,
        folder,
        {
            "people.csv": PEOPLE.replace("示例乙", "示例丁").replace("19900000002", "19900000009"),
            "organisations.csv": LAKE["organisations.csv"].replace("示例环保部门", "示例水务部门"),
            "reaches.geojson": LAKE["reaches.geojson"].replace("target", "start"),
        },
    ) == [WALKED]
    assert await session.scalar(select(func.count()).select_from(StaleStanding)) == 0


CHANGES: dict[str, tuple[dict[str, str], Counted]] = {
    "a duty that begins later": (
        {"obligations.csv": OBLIGATIONS + "O1,organisation,HB,paired,,6,year,2025-03-13,,,,,,,\n"},
        [("PAIR-HB", date(2025, 3, 12), "L1", False)],
    ),
    "a duty that ended before": (
        {
            "obligations.csv": OBLIGATIONS
            + "O1,organisation,HB,paired,,6,year,2025-01-01,2025-03-11,,,,,,\n"
        },
        [("PAIR-HB", date(2025, 3, 12), "L1", False)],
    ),
    "a duty out of season": (
        {"obligations.csv": OBLIGATIONS + "O1,organisation,HB,paired,,6,year,2025-01-01,,4-2,,,,,\n"},
        [],
    ),
    "a duty that asks for boats": (
        {"obligations.csv": OBLIGATIONS + "O1,organisation,HB,paired,,6,year,2025-01-01,,,,,boat,,\n"},
        [],
    ),
    "a duty that became somebody else's": (
        {"obligations.csv": OBLIGATIONS + "O1,organisation,ENT,any,,6,year,2025-01-01,,,,,,,\n"},
        [("PAIR-HB", date(2025, 3, 12), "L1", False)],
    ),
    "another duty of the whole tree": (
        {"obligations.csv": OBLIGATIONS + "O9,organisation,GWH,any,,6,year,2025-01-01,,,,,,,\n"},
        [WALKED, ("O9", date(2025, 3, 12), "L1", False), ("O9", date(2025, 3, 13), "L2", False)],
    ),
    "a walker who was elsewhere that day": (
        {"people.csv": PEOPLE.replace("HB,member,true,,,2025-01-01", "ENT,member,true,,,2025-03-01")},
        [],
    ),
    "a walker who had left": (
        {"people.csv": PEOPLE.replace("HB,member,true,,,2025-01-01,",
                                      "HB,member,true,,,2025-01-01,2025-03-11")},
        [],
    ),
    "leave of the holder": (
        {"exemptions.csv": LAKE["exemptions.csv"]
         + "X2,organisation,HB,,2025-03-01,2025-03-31,closure,检修,P1\n"},
        [],
    ),
    "leave from another duty": (
        {"exemptions.csv": LAKE["exemptions.csv"]
         + "X2,organisation,ENT,O3,2025-03-01,2025-03-31,closure,检修,P1\n"},
        [WALKED],
    ),
    "a pairing that begins later": (
        {"pairings.csv": LAKE["pairings.csv"].replace("2025-01-01", "2025-03-13")},
        [],
    ),
    "a patrol on another day": (
        {"patrols.csv": "code,person_code,on,area_kind,area_code\nL1,P2,2025-03-14,reach,R1\n"},
        [("O1", date(2025, 3, 14), "L1", False)],
    ),
    "a patrol somewhere else": (
        {"patrols.csv": "code,person_code,on,area_kind,area_code\nL1,P2,2025-03-12,any,\n"},
        [],
    ),
    "a patrol of somebody else": (
        {"patrols.csv": "code,person_code,on,area_kind,area_code\nL1,P3,2025-03-12,reach,R1\n"},
        [],
    ),
    "another patrol": (
        {"patrols.csv": "code,person_code,on,area_kind,area_code\nL3,P2,2025-03-20,reach,R1\n"},
        [WALKED, ("O1", date(2025, 3, 20), "L3", False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
async def test_what_an_import_changes_is_judged_with_it(
    session: AsyncSession, folder: Path, change: str
) -> None:
    files, wanted = CHANGES[change]
    assert await again(session, folder, files) == wanted
    if change == "leave of the holder":
        return  # the days before an exemption was retired stay taken off
    assert WALKED in await again(
        session, folder,
        {name: LAKE[name] for name in ("people.csv", "pairings.csv", "obligations.csv",
                                       "exemptions.csv", "patrols.csv")},
        deactivate_missing=True,
    )  # fmt: skip


async def test_an_organisation_that_moves_takes_its_walkers_along(
    session: AsyncSession, folder: Path
) -> None:
    whole = OBLIGATIONS + "O9,organisation,GWH,reach,R1,6,year,2025-01-01,,,,,,,\n"
    both = await again(session, folder, {"obligations.csv": whole})
    assert both == [WALKED, ("O9", date(2025, 3, 12), "L1", False)]
    tree = LAKE["organisations.csv"]
    alone = {"organisations.csv": tree.replace("department,GWH", "department,")}
    assert await again(session, folder, alone) == [WALKED]
    assert await again(session, folder, {"organisations.csv": tree}) == both


async def test_a_cell_that_moves_takes_paper_along(session: AsyncSession, folder: Path) -> None:
    files = {
        "obligations.csv": OBLIGATIONS
        + "O9,organisation,HB,grid_cell,G1,6,year,2025-01-01,,,,,,,\n",
        "patrols.csv": "code,person_code,on,area_kind,area_code\nL3,P2,2025-05-05,grid_cell,G1-1\n",
    }
    inside = ("O9", date(2025, 5, 5), "L3", False)
    assert await again(session, folder, files) == [WALKED, inside]
    cells = LAKE["grid_cells.geojson"]
    apart = cells.replace('"parent_code": "G1"', '"parent_code": ""')
    assert await again(session, folder, {"grid_cells.geojson": apart}) == [WALKED]
    assert await again(session, folder, {"grid_cells.geojson": cells}) == [WALKED, inside]


async def test_a_deputy_walks_while_the_post_is_held(session: AsyncSession, folder: Path) -> None:
    owed = OBLIGATIONS + "O4,person,P1,reach,R1,1,month,2025-01-01,,,,,,,\n"
    proxy = ("O4", date(2025, 3, 12), "L1", True)
    assert await again(session, folder, {"obligations.csv": owed}) == [WALKED, proxy]
    posts = LAKE["posts.csv"]
    for without in (
        posts.replace("R1,P2,2025-01-01", "R1,P3,2025-01-01"),
        posts.replace("R1,P2,2025-01-01", "R1,P2,2025-03-13"),
        posts.replace("Z1,P1,", "Z1,P3,"),
        posts.replace("Z1,P1,", "Z1,P3,").replace("R1,P2,2025-01-01", "R1,,2025-01-01"),
        posts.replace("reach,R1,P2", "stele,JB-01,P2"),
    ):
        assert await again(session, folder, {"posts.csv": without}) == [WALKED]
        assert await again(session, folder, {"posts.csv": posts}) == [WALKED, proxy]
    # Retired today: what was walked before stays.
    gone = "".join(posts.splitlines(keepends=True)[:1])
    assert await again(session, folder, {"posts.csv": gone}, deactivate_missing=True) == [
        WALKED, proxy,
    ]  # fmt: skip


async def test_leave_that_goes_to_somebody_else_leaves_the_first(
    session: AsyncSession, folder: Path
) -> None:
    leave = LAKE["exemptions.csv"] + "X2,organisation,{},,2025-03-01,2025-03-31,closure,检修,P1\n"
    assert await again(session, folder, {"exemptions.csv": leave.format("HB")}) == []
    assert await again(session, folder, {"exemptions.csv": leave.format("ENT")}) == [WALKED]
    owed = OBLIGATIONS + "O4,person,P2,reach,R1,1,month,2025-01-01,,,,,,,\n"
    own = ("O4", date(2025, 3, 12), "L1", False)
    assert await again(session, folder, {"obligations.csv": owed}) == [WALKED, own]
    personal = leave.replace("X2,organisation", "X2,person")
    assert await again(session, folder, {"exemptions.csv": personal.format("P2")}) == [WALKED]
    assert await again(session, folder, {"exemptions.csv": personal.format("P3")}) == [WALKED, own]


async def test_what_is_retired_asks_for_nothing_from_that_day_on(
    session: AsyncSession, folder: Path
) -> None:
    later = "code,person_code,on,area_kind,area_code\nL5,P2,2026-06-14,reach,R1\n"
    await again(session, folder, {"patrols.csv": later})
    kept = [WALKED, ("O1", date(2026, 6, 14), "L5", False)]
    # The reach is gone since the 10th; the file says so on the 15th only.
    lines = line((103, 24.9), (103.02, 24.9))
    other = geojson(({"code": "R9", "name": "段", "waterbody_code": "RIVER"}, lines))
    assert await again(session, folder, {"reaches.geojson": other}, deactivate_missing=True) == kept
    head = LAKE["patrols.csv"].splitlines(keepends=True)[0]
    # What the file of paper patrols no longer has was never walked.
    assert await again(session, folder, {"patrols.csv": head}, deactivate_missing=True) == []
    assert await again(session, folder, {"patrols.csv": LAKE["patrols.csv"]}) == [WALKED]


async def test_a_holder_who_is_gone_owes_until_the_day_before(
    session: AsyncSession, folder: Path
) -> None:
    owed = OBLIGATIONS + "O4,person,P2,reach,R1,1,month,2025-01-01,,,,,,,\n"
    own = ("O4", date(2025, 3, 12), "L1", False)
    assert await again(session, folder, {"obligations.csv": owed}) == [WALKED, own]
    without = "".join(row for row in PEOPLE.splitlines(keepends=True) if not row.startswith("P2"))
    early = datetime(2025, 3, 12, 4, tzinfo=UTC)
    gone = {"people.csv": without}
    assert await again(session, folder, gone, deactivate_missing=True, now=early) == []
    assert await again(session, folder, {"people.csv": PEOPLE}) == [WALKED, own]


async def test_whose_last_day_has_passed_is_judged_by_any_import(
    session: AsyncSession, folder: Path
) -> None:
    leaving = PEOPLE.replace(
        "HB,member,true,,,2025-01-01,", "HB,member,true,,,2025-01-01,2026-06-20"
    )
    assert await again(session, folder, {"people.csv": leaving}) == [WALKED]
    later = datetime(2026, 6, 25, 4, tzinfo=UTC)
    pairings = {"pairings.csv": LAKE["pairings.csv"]}
    assert await again(session, folder, pairings, now=later) == [WALKED]
    assert (await person(session, "P2")).retired_on == date(2026, 6, 21)
    assert await session.scalar(select(func.count()).select_from(StaleStanding)) != 0


async def test_a_dry_run_judges_nothing(session: AsyncSession, folder: Path) -> None:
    files, _ = CHANGES["leave of the holder"]
    await imported(session, written(folder, files), dry_run=True)
    assert await counted(session) == [WALKED]
