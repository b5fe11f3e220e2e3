"""An export is a dataset whose import changes nothing, here and in an empty database."""

import json
import math
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import models
from app.services.dataset.exporting import export_folder
from app.services.dataset.faults import BadDataset
from tests.services.datasets import (
    LAKE,
    NOW,
    counts,
    documents_of,
    geojson,
    imported,
    line,
    point,
    square,
    without,
    written,
)

TABLES = (
    models.Patrol, models.Exemption, models.Obligation, models.Letter, models.Pairing, models.Post,
    models.Stele, models.GridCell, models.Reach, models.Waterbody, models.Membership,
    models.Person, models.Organisation,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "lake", LAKE)


async def exported(session: AsyncSession, folder: Path, documents: Path) -> list[str]:
    return await export_folder(session, folder, documents_dir=documents)


async def emptied(session: AsyncSession) -> None:
    await session.execute(delete(models.Credit))
    await session.execute(update(models.GridCell).values(parent_id=None))
    await session.execute(update(models.Organisation).values(parent_id=None))
    for table in TABLES:
        await session.execute(delete(table))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def test_an_export_holds_every_file_and_document(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    lines = await exported(session, tmp_path / "out", documents_of(folder))
    assert lines == [
        "organisations.csv：4 行", "people.csv：3 行", "waterbodies.geojson：2 行",
        "reaches.geojson：1 行", "grid_cells.geojson：2 行", "steles.geojson：1 行",
        "posts.csv：4 行", "pairings.csv：1 行", "letters.csv：1 行", "obligations.csv：3 行",
        "exemptions.csv：1 行", "patrols.csv：2 行",
    ]  # fmt: skip
    assert sorted(contents(tmp_path / "out")) == sorted(LAKE)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert (tmp_path / "out" / "zrs/one.pdf").read_bytes() == b"a signed letter"
    text = (tmp_path / "out" / "obligations.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbfcode,holder_kind,")
    assert text.decode("utf-8-sig").splitlines()[2] == (
        'O2,person,P2,grid_cell,G1-1,2,month,2025-01-01,2026-12-31,11-3,20,500,"foot,boat",required,'
    )
    cells = json.loads((tmp_path / "out" / "grid_cells.geojson").read_bytes())
    assert [cell["properties"]["code"] for cell in cells["features"]] == ["G1", "G1-1"]


async def test_importing_an_export_changes_nothing(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    await exported(session, tmp_path / "out", documents_of(folder))
    summary = await imported(session, tmp_path / "out", deactivate_missing=True)
    assert summary.changes_nothing
    assert sum(count[2] for count in counts(summary).values()) == 25

    before = contents(tmp_path / "out")
    await emptied(session)
    await imported(session, tmp_path / "out")
    await exported(session, tmp_path / "again", documents_of(folder))
    assert contents(tmp_path / "again") == before


async def test_retired_rows_and_what_the_system_made_are_left_out(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    await session.execute(
        update(models.Organisation)
        .where(models.Organisation.code == "CUN")
        .values(retired_on=NOW.date())
    )
    await session.execute(
        update(models.Obligation).where(models.Obligation.code == "O1").values(code="PAIR-HB-R1")
    )
    await session.execute(update(models.Exemption).values(state="asked"))
    await session.execute(
        update(models.Patrol).where(models.Patrol.code == "L1").values(code="LATE-1")
    )
    await exported(session, tmp_path / "out", documents_of(folder))

    def codes(name: str) -> list[str]:
        lines = (tmp_path / "out" / name).read_text("utf-8-sig").splitlines()
        return [row.split(",")[0] for row in lines[1:]]

    assert codes("organisations.csv") == ["ENT", "GWH", "HB"]
    assert codes("obligations.csv") == ["O2", "O3"]
    assert codes("exemptions.csv") == []
    assert codes("patrols.csv") == ["L2"]


async def test_an_import_never_retires_what_the_system_made(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    await session.execute(
        update(models.Obligation).where(models.Obligation.code == "O1").values(code="PAIR-HB-R1")
    )
    text = LAKE["obligations.csv"].replace(
        "O1,organisation,HB,paired,,6,year,2025-01-01,,,,,,,\n", ""
    )
    await session.execute(
        update(models.Patrol).where(models.Patrol.code == "L1").values(code="LATE-1")
    )
    patrols = without(LAKE["patrols.csv"], "L1")
    written(folder, {"obligations.csv": text, "patrols.csv": patrols})
    assert (await imported(session, folder, deactivate_missing=True)).changes_nothing


async def test_people_whose_last_day_has_passed_stay_in_the_file(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    left = LAKE["people.csv"].replace("true,,,2025-01-01,", "true,,,2025-01-01,2026-01-31")
    written(folder, {"people.csv": left})
    await imported(session, folder)
    await exported(session, tmp_path / "out", documents_of(folder))
    people = (tmp_path / "out" / "people.csv").read_text("utf-8-sig").splitlines()
    assert people[2] == "P2,示例乙,19900000002,HB,member,true,,,2025-01-01,2026-01-31"
    assert (await imported(session, tmp_path / "out", deactivate_missing=True)).changes_nothing


async def test_a_folder_with_other_things_is_not_written_into(
    session: AsyncSession, tmp_path: Path
) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(BadDataset) as refusal:
        await exported(session, tmp_path, tmp_path / "documents")
    assert str(refusal.value) == (
        f"{tmp_path} 不是空的，也不是数据集文件夹，没有写入；请换一个空文件夹"
    )
    assert contents(tmp_path) == {"thesis.doc": b"years of work"}


async def test_a_dataset_folder_is_written_anew_and_what_else_lies_there_stays(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    written(folder, {"organisations.csv": "old", "map.qgz": "a project"})
    await exported(session, folder, documents_of(folder))
    assert (folder / "organisations.csv").read_text("utf-8-sig").splitlines()[1] == (
        "CUN,示例村,village,GWH,,"
    )
    assert (folder / "map.qgz").read_text() == "a project"
    assert sorted(contents(folder)) == sorted([*LAKE, "map.qgz"])


async def test_a_folder_with_a_workbook_is_not_written_into(
    session: AsyncSession, folder: Path
) -> None:
    written(folder, {"dataset.xlsx": "x"})
    before = contents(folder)
    with pytest.raises(BadDataset, match="导出后会与 CSV 重复"):
        await exported(session, folder, documents_of(folder))
    assert contents(folder) == before


async def test_a_document_that_is_gone_is_said_to_be(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    with pytest.raises(BadDataset, match=r"责任书附件“zrs/one\.pdf”的文件不见了"):
        await exported(session, tmp_path / "out", tmp_path / "nothing here")


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")) | st.sampled_from(' ",\n\\\t'),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() and not text.strip().startswith("示例-"))
days = st.dates(min_value=NOW.date().replace(year=2000), max_value=NOW.date().replace(year=2100))
lons = st.floats(102.5, 103.5)
lats = st.floats(24.5, 25.2)


@st.composite
def lakes(draw: st.DrawFn) -> dict[str, str]:
    """A dataset of organisations, people, cells, reaches and steles with odd texts and numbers."""

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    organisations = "".join(
        f"O{n},{cell(draw(texts))},village,{f'O{draw(st.integers(0, n - 1))}' if n else ''}\n"
        for n in range(draw(st.integers(1, 4)))
    )
    people = ""
    for n in range(draw(st.integers(0, 3))):
        start, end = sorted([draw(days), draw(days)])
        phone = draw(st.sampled_from(["", f"1990000{n:04}"]))
        ends = draw(st.sampled_from(["", end.isoformat()]))
        people += f"P{n},{cell(draw(texts))},{phone},O0,member,{n % 2 == 0},{start},{ends}\n"
    cells: list[tuple[dict[str, Any], Any]] = []
    for n in range(draw(st.integers(0, 3))):
        properties = {
            "code": f"G{n}",
            "name": draw(texts),
            "kind": "general",
            "organisation_code": "O0",
        }
        if n:
            properties["parent_code"] = f"G{draw(st.integers(0, n - 1))}"
        cells.append((properties, square(draw(lons), draw(lats), draw(st.floats(0.001, 0.2)))))
    steles = [
        (
            {"code": f"S-{n}", "name": draw(texts), "organisation_code": "O0",
             "radius_m": round(draw(st.floats(1, 9999)), 6)},
            point(draw(lons), draw(lats)),
        )
        for n in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    river = [(draw(lons), draw(lats)), (draw(lons), draw(lats))]
    rivers = [({"code": "W", "name": draw(texts), "kind": "river"}, line(*river))]
    return {
        "organisations.csv": "code,name,kind,parent_code\n" + organisations,
        "people.csv": "code,name,phone,organisation_code,role,party_member,from,to\n" + people,
        "waterbodies.geojson": geojson(*(rivers if math.dist(*river) > 1e-6 else [])),
        "grid_cells.geojson": geojson(*cells),
        "steles.geojson": geojson(*steles),
    }


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=lakes())
async def test_export_and_import_is_a_fixpoint(
    sessions: async_sessionmaker[AsyncSession], files: dict[str, str]
) -> None:
    with TemporaryDirectory() as place:
        folder, out, again = (Path(place) / name for name in ("lake", "out", "again"))
        async with sessions() as session, session.begin():
            await emptied(session)
            await imported(session, written(folder, files))
            await exported(session, out, Path(place))
            assert (await imported(session, out, deactivate_missing=True)).changes_nothing
            shapes = [
                shapely.from_wkb(shape)
                for shape in await session.scalars(
                    select(models.GridCell.geometry).order_by(models.GridCell.code)
                )
            ]
            await emptied(session)
            await imported(session, out)
            await exported(session, again, Path(place))
        assert contents(again) == contents(out)
        drawn = json.loads(files["grid_cells.geojson"])["features"]
        for shape, feature in zip(shapes, drawn, strict=True):
            assert shape.equals_exact(shapely.geometry.shape(feature["geometry"]), normalize=True)
