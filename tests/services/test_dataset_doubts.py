"""Warnings: what a dataset may say and probably does not mean."""

from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.services.datasets import LAKE, imported, written
from tests.services.test_books import OBLIGATIONS

PEOPLE = LAKE["people.csv"]


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "lake", LAKE)


async def warned(session: AsyncSession, folder: Path, *rows: str, **files: str) -> list[str]:
    """What an import with these obligations says, and a dry run before it, and one after."""
    others = {name.replace("_", ".", 1): text for name, text in files.items()}
    obligations = {"obligations.csv": OBLIGATIONS + "".join(row + "\n" for row in rows)}
    written(folder, {**others, "exemptions.csv": LAKE["exemptions.csv"].split("\n")[0] + "\n"})
    written(folder, (obligations if rows else {}) | others)
    tried = (await imported(session, folder, dry_run=True)).warnings
    assert (await imported(session, folder)).warnings == tried
    assert (await imported(session, folder)).warnings == tried
    return tried


async def test_the_lake_raises_no_doubt(session: AsyncSession, folder: Path) -> None:
    assert (await imported(session, folder)).warnings == []


async def test_a_season_shorter_than_the_times(session: AsyncSession, folder: Path) -> None:
    assert await warned(
        session,
        folder,
        "O1,organisation,HB,any,,100,year,2025-01-01,,6-8,,,,,",
        "O2,organisation,GWH,any,,92,year,2025-01-01,,6-8,,,,,",
        # Of the window there is less than the season: less is owed.
        "O3,organisation,CUN,any,,100,year,2026-08-01,,6-8,,,,,",
        # Over, or far off.
        "O4,organisation,ENT,any,,100,year,2024-01-01,2025-12-31,6-8,,,,,",
    ) == [
        "obligations.csv:2: times: 2026-01-01 至 2026-12-31 应巡 100 次，能巡的日子只有 92 天",
        "obligations.csv:4: times: 2026-01-01 至 2026-12-31 应巡 34 次，能巡的日子只有 31 天",
    ]


async def test_a_membership_of_one_day(session: AsyncSession, folder: Path) -> None:
    one_day = PEOPLE.replace("ENT,member,false,,,,", "ENT,member,false,,,2026-07-01,2026-07-01")
    row = "O1,person,P3,any,,{times},year,2025-01-01,,7,,,,,"
    assert one_day != PEOPLE
    assert await warned(session, folder, row.format(times=46), people_csv=one_day) == []
    assert await warned(session, folder, row.format(times=47), people_csv=one_day) == [
        "obligations.csv:2: times: 2026-01-01 至 2026-12-31 应巡 2 次，能巡的日子只有 1 天"
    ]


async def test_a_week_of_which_one_day_is_in_season(session: AsyncSession, folder: Path) -> None:
    # 1 March 2026 is a Sunday.
    assert await warned(
        session, folder, "O1,organisation,HB,any,,3,week,2025-01-01,,3-12,,,,,"
    ) == ["obligations.csv:2: times: 2026-02-23 至 2026-03-01 应巡 3 次，能巡的日子只有 1 天"]
    assert (
        await warned(session, folder, "O1,organisation,HB,any,,1,week,2025-01-01,,3-12,,,,,") == []
    )


async def test_nothing_to_do_at_all(session: AsyncSession, folder: Path) -> None:
    assert await warned(
        session,
        folder,
        "O1,organisation,HB,any,,0,year,2025-01-01,,,,,,,",
        "O2,organisation,CUN,any,,6,year,2026-01-01,2026-03-31,4-10,,,,,",
        "O3,organisation,ENT,any,,6,year,2026-01-01,2026-04-01,4-10,,,,,",
    ) == [
        "obligations.csv:2: times: 为 0，这项任务不要求巡河",
        "obligations.csv:3: months: 2026-01-01 至 2026-03-31 没有一天在季节里，这项任务不要求巡河",
    ]


async def test_two_duties_of_one_holder_area_and_period(
    session: AsyncSession, folder: Path
) -> None:
    assert await warned(
        session,
        folder,
        "O1,organisation,HB,reach,R1,6,year,2025-01-01,2025-12-31,,,,,,",
        "O2,organisation,HB,reach,R1,6,year,2026-01-01,,,,,,,",
        "O3,organisation,HB,reach,R1,6,year,2026-06-01,2026-06-30,,,,,,",
        "O4,organisation,HB,reach,R1,6,year,2026-07-01,,,,,,,",
        "O5,organisation,HB,reach,R1,6,quarter,2026-07-01,,,,,,,",
        "O6,organisation,HB,any,,6,year,2026-07-01,,,,,,,",
        "O7,organisation,CUN,any,,6,year,2026-07-01,,,,,,,",
        "O8,organisation,CUN,any,,6,year,2026-07-01,2026-07-31,,,,,,",
    ) == [
        "obligations.csv:4: code: 与“O2”责任主体、区域、周期都相同，日期重叠，一次巡河算两项",
        "obligations.csv:5: code: 与“O2”责任主体、区域、周期都相同，日期重叠，一次巡河算两项",
        "obligations.csv:9: code: 与“O7”责任主体、区域、周期都相同，日期重叠，一次巡河算两项",
    ]
    # With one that only the database has.
    one = OBLIGATIONS + "P1,organisation,HB,any,,6,year,2025-01-01,,,,,,,\n"
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    summary = await imported(session, written(folder, {"obligations.csv": one}))
    assert summary.warnings == [
        "obligations.csv:2: code: 与“O6”责任主体、区域、周期都相同，日期重叠，一次巡河算两项"
    ]


async def test_a_duty_where_nothing_is_paired(session: AsyncSession, folder: Path) -> None:
    assert await warned(
        session,
        folder,
        "O1,organisation,CUN,paired,,6,year,2025-01-01,,,,,,,",
        "O2,person,P2,paired,,6,year,2025-01-01,,,,,,,",
        "O3,person,P3,paired,,6,year,2025-01-01,,,,,,,",
        "O4,organisation,HB,paired,,6,year,2025-01-01,,,,,,,",
    ) == [
        "obligations.csv:2: area_kind: 责任主体没有挂钩任何河段，无处可巡",
        "obligations.csv:4: area_kind: 责任主体没有挂钩任何河段，无处可巡",
    ]


async def test_leave_from_somebody_elses_duty(session: AsyncSession, folder: Path) -> None:
    leave = (
        LAKE["exemptions.csv"] + "X2,organisation,ENT,O1,2026-02-01,2026-02-10,closure,检修,P1\n"
    )
    assert await warned(session, folder, exemptions_csv=leave) == [
        "exemptions.csv:3: obligation_code: “O1”不是这个责任主体的任务，这条免巡不起作用"
    ]


async def test_chinese_headings_are_called_as_in_the_file(
    session: AsyncSession, folder: Path
) -> None:
    text = LAKE["obligations.csv"].replace("times", "次数").replace(",6,year", ",0,year")
    written(folder, {"obligations.csv": text})
    assert (await imported(session, folder)).warnings == [
        "obligations.csv:2: 次数: 为 0，这项任务不要求巡河"
    ]
