"""A folder becomes rows: what each file turns into, and what a second run does."""

import json
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import shapely
from pyproj.geod import Geod
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from app.domain import datum
from app.domain.datum import Datum
from app.domain.geometry import box_literal
from app.services.dataset.template import write_template
from tests.services.datasets import (
    LAKE,
    NOW,
    counts,
    documents_of,
    geojson,
    imported,
    line,
    point,
    refused,
    square,
    without,
    written,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "lake", LAKE)


async def one(session: AsyncSession, model: Any, code: str) -> Any:
    key = model.number if model is models.Letter else model.code
    query = select(model).where(key == code).execution_options(populate_existing=True)
    return (await session.scalars(query)).one()


async def how_many(session: AsyncSession, model: Any) -> int:
    return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_every_file_becomes_rows(session: AsyncSession, folder: Path) -> None:
    summary = await imported(session, folder)
    assert counts(summary) == {
        "organisations.csv": (4, 0, 0, 0),
        "people.csv": (3, 0, 0, 0),
        "posts.csv": (4, 0, 0, 0),
        "waterbodies.geojson": (2, 0, 0, 0),
        "reaches.geojson": (1, 0, 0, 0),
        "grid_cells.geojson": (2, 0, 0, 0),
        "steles.geojson": (1, 0, 0, 0),
        "pairings.csv": (1, 0, 0, 0),
        "letters.csv": (1, 0, 0, 0),
        "obligations.csv": (3, 0, 0, 0),
        "exemptions.csv": (1, 0, 0, 0),
        "patrols.csv": (2, 0, 0, 0),
    }
    assert summary.warnings == []
    assert summary.lines()[-1] == "导入完成。"

    department, person = (
        await one(session, models.Organisation, "HB"),
        await one(session, models.Person, "P2"),
    )
    assert (department.name, department.kind) == ("示例环保部门", "department")
    assert department.parent_id == (await one(session, models.Organisation, "GWH")).id
    assert (person.phone, person.organisation_id, person.role, person.party_member) == (
        "19900000002", department.id, "member", True,
    )  # fmt: skip
    assert (person.from_on, person.to_on, person.retired_on) == (date(2025, 1, 1), None, None)

    post = await one(session, models.Post, "Z1")
    reach = await one(session, models.Reach, "R1")
    assert (post.area_kind, post.reach_id, post.stele_id) == ("reach", reach.id, None)
    assert post.deputy_id == person.id
    duty = await one(session, models.Obligation, "O2")
    assert (duty.holder_person_id, duty.holder_organisation_id) == (person.id, None)
    assert (duty.times, duty.period, duty.months, duty.kinds, duty.photo) == (
        2, "month", "11-3", ["foot", "boat"], "required",
    )  # fmt: skip
    assert (await one(session, models.Obligation, "O1")).photo == "wanted"
    letter = await one(session, models.Letter, "ZRS-1")
    assert (await one(session, models.Obligation, "O3")).letter_id == letter.id
    leave = await one(session, models.Exemption, "X1")
    assert (leave.state, leave.obligation_id, leave.recorded_at) == ("granted", duty.id, NOW)
    patrol = await one(session, models.Patrol, "L1")
    assert (patrol.origin, patrol.state, patrol.kind, patrol.started_on) == (
        "paper", "finished", "foot", date(2025, 3, 12),
    )  # fmt: skip
    assert patrol.started_at == datetime(2025, 3, 12, 4, tzinfo=UTC)
    assert (patrol.area_kind, patrol.reach_id, patrol.organisation_id) == (
        "reach", reach.id, department.id,
    )  # fmt: skip
    assert await how_many(session, models.CheckIn) == 0
    pairing = (await session.scalars(select(models.Pairing))).one()
    assert (pairing.department_id, pairing.reach_id) == (department.id, reach.id)


async def test_geometry_is_measured_on_the_ellipsoid(session: AsyncSession, folder: Path) -> None:
    await imported(session, folder)
    geod = Geod(ellps="WGS84")
    outer, inner = (
        await one(session, models.GridCell, "G1"),
        await one(session, models.GridCell, "G1-1"),
    )
    shape = shapely.box(103, 24.9, 103.01, 24.91)
    assert shapely.from_wkb(outer.geometry).equals(shape)
    assert outer.area_m2 == pytest.approx(abs(geod.geometry_area_perimeter(shape)[0]))
    assert (outer.lineage, inner.lineage) == ([outer.id], [outer.id, inner.id])
    assert outer.bounds == "(103.01,24.91),(103,24.9)"
    reach = await one(session, models.Reach, "R1")
    assert reach.length_m == pytest.approx(geod.inv(103, 24.9, 103.01, 24.9)[2])
    stele = await one(session, models.Stele, "JB-01")
    assert (stele.lon, stele.lat, stele.radius_m, stele.kind) == (
        103.005, 24.9, 80, "boundary_stone",
    )  # fmt: skip
    assert stele.bounds == "(103.005,24.9),(103.005,24.9)"


async def test_a_second_run_changes_nothing_and_says_so(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    entries = await how_many(session, models.AuditEntry)
    again = await imported(session, folder)
    assert {count[:2] + count[3:] for count in counts(again).values()} == {(0, 0, 0)}
    assert sum(count[2] for count in counts(again).values()) == 25
    assert again.lines()[-1] == "没有变化。"
    assert await how_many(session, models.AuditEntry) == entries == 1


async def test_one_audit_entry_tells_what_an_import_did(
    session: AsyncSession, tmp_path: Path
) -> None:
    await imported(
        session, written(tmp_path / "a", {"organisations.csv": LAKE["organisations.csv"]})
    )
    entry = (await session.scalars(select(models.AuditEntry))).one()
    assert (entry.at, entry.via, entry.action, entry.actor_id) == (
        NOW, "cli", "dataset.import", None,
    )  # fmt: skip
    assert entry.after == {
        "organisations.csv": {"new": 4, "changed": 0, "unchanged": 0, "retired": 0}
    }


async def test_a_dry_run_counts_and_writes_nothing(session: AsyncSession, folder: Path) -> None:
    summary = await imported(session, folder, dry_run=True)
    assert counts(summary)["people.csv"] == (3, 0, 0, 0)
    assert summary.lines()[-1] == "检查通过；这只是试运行，什么都没有写入。"
    for model in (models.Organisation, models.Person, models.Membership, models.AuditEntry):
        assert await how_many(session, model) == 0
    assert not documents_of(folder).exists()


async def test_only_changed_rows_are_counted_as_changed(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    before = (await one(session, models.GridCell, "G1-1")).id
    written(
        folder,
        {
            "organisations.csv": LAKE["organisations.csv"].replace("示例村", "示例新村"),
            "grid_cells.geojson": LAKE["grid_cells.geojson"].replace("103.002,", "103.003,"),
        },
    )
    summary = await imported(session, folder)
    assert counts(summary)["organisations.csv"] == (0, 1, 3, 0)
    assert counts(summary)["grid_cells.geojson"] == (0, 1, 1, 0)
    assert (await one(session, models.Organisation, "CUN")).name == "示例新村"
    cell = await one(session, models.GridCell, "G1-1")
    shape = shapely.from_wkb(cell.geometry)
    assert (cell.id, cell.bounds) == (before, box_literal(shape))
    assert shape.bounds == pytest.approx((103.003, 24.902, 103.004, 24.904))


async def test_columns_and_rows_that_a_file_does_not_have_are_left_alone(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    text = "name,code,organisation_code,role,party_member\n示例新甲,P1,GWH,manager,true\n"
    summary = await imported(session, written(tmp_path / "few", {"people.csv": text}))
    assert counts(summary) == {"people.csv": (0, 1, 0, 0)}
    person = await one(session, models.Person, "P1")
    assert (person.name, person.phone, person.title, person.from_on) == (
        "示例新甲", "19900000001", "主任", date(2025, 1, 1),
    )  # fmt: skip
    assert (await one(session, models.Person, "P2")).retired_on is None


async def test_cells_below_one_that_moves_get_their_new_ancestors(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    cells = geojson(
        ({"code": "G0", "name": "总网格", "kind": "general", "organisation_code": "GWH"},
         square(102.9, 24.8, 0.3)),
        ({"code": "G1", "name": "外网格", "kind": "general", "parent_code": "G0",
          "organisation_code": "GWH"}, square(103, 24.9)),
    )  # fmt: skip
    await imported(session, written(tmp_path / "more", {"grid_cells.geojson": cells}))
    ids = [(await one(session, models.GridCell, code)).id for code in ("G0", "G1", "G1-1")]
    assert (await one(session, models.GridCell, "G1-1")).lineage == ids


async def test_drawings_of_chinese_web_maps_are_brought_to_wgs84(
    session: AsyncSession, tmp_path: Path
) -> None:
    drawn = datum.to_gcj02(103.005, 24.9)
    stele = geojson(({"code": "JB-9", "name": "碑", "organisation_code": "O"}, point(*drawn)))
    folder = written(
        tmp_path / "gcj",
        {"organisations.csv": "code,name,kind\nO,示例,village\n", "steles.geojson": stele},
    )
    await imported(session, folder, datum=Datum.gcj02)
    found = await one(session, models.Stele, "JB-9")
    assert (found.lon, found.lat) == pytest.approx((103.005, 24.9), abs=1e-8)


async def test_rows_that_are_gone_are_retired_on_demand_and_come_back(
    session: AsyncSession, tmp_path: Path
) -> None:
    rows = "".join(f"O{n},示例{n},village\n" for n in range(20))
    folder = written(tmp_path / "many", {"organisations.csv": "code,name,kind\n" + rows})
    await imported(session, folder)
    shorter = "code,name,kind\n" + without(rows, "O3")
    written(folder, {"organisations.csv": shorter})
    assert counts(await imported(session, folder))["organisations.csv"] == (0, 0, 19, 0)
    assert (await one(session, models.Organisation, "O3")).retired_on is None
    summary = await imported(session, folder, deactivate_missing=True)
    assert counts(summary)["organisations.csv"] == (0, 0, 19, 1)
    assert (await one(session, models.Organisation, "O3")).retired_on == date(2026, 6, 15)
    again = await imported(session, folder, deactivate_missing=True)
    assert again.changes_nothing
    written(folder, {"organisations.csv": "code,name,kind\n" + rows})
    assert counts(await imported(session, folder))["organisations.csv"] == (0, 1, 19, 0)
    assert (await one(session, models.Organisation, "O3")).retired_on is None


async def test_retiring_more_than_a_tenth_needs_a_yes(
    session: AsyncSession, tmp_path: Path
) -> None:
    rows = "".join(f"O{n},示例{n},village\n" for n in range(10))
    folder = written(tmp_path / "ten", {"organisations.csv": "code,name,kind\n" + rows})
    await imported(session, folder)
    written(folder, {"organisations.csv": "code,name,kind\n" + without(rows, "O1", "O2")})
    assert await refused(session, folder, deactivate_missing=True) == [
        "organisations.csv:1: 要停用 2 行，而在用的共 10 行",
        "停用的超过一成；确认无误请加 --yes 再运行。",
    ]
    summary = await imported(session, folder, deactivate_missing=True, yes=True)
    assert counts(summary)["organisations.csv"] == (0, 0, 8, 2)


async def test_absent_files_retire_nothing(session: AsyncSession, folder: Path) -> None:
    await imported(session, folder)
    for name in LAKE:
        if name != "organisations.csv":
            (folder / name).unlink()
    summary = await imported(session, folder, deactivate_missing=True)
    assert counts(summary) == {"organisations.csv": (0, 0, 4, 0)}
    assert (await one(session, models.Person, "P1")).retired_on is None


async def test_a_leave_that_was_asked_for_here_is_not_missing_there(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    holder = await one(session, models.Person, "P1")
    session.add(
        models.Exemption(
            code="ASK-1",
            holder_person_id=holder.id,
            from_on=date(2026, 6, 1),
            to_on=date(2026, 6, 30),
            kind=models.ExemptionKind.leave,
            reason="住院",
            recorded_at=NOW,
        )
    )
    await session.commit()

    await imported(session, folder, deactivate_missing=True)

    assert (await one(session, models.Exemption, "ASK-1")).retired_on is None


async def test_documents_are_kept_for_the_operator_alone(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    letter = await one(session, models.Letter, "ZRS-1")
    kept = documents_of(folder) / letter.document_sha256.hex()
    assert kept.read_bytes() == b"a signed letter"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert letter.document == "zrs/one.pdf"
    written(folder, {"zrs/one.pdf": "a letter signed anew"})
    assert counts(await imported(session, folder))["letters.csv"] == (0, 1, 0, 0)
    assert len(list(kept.parent.iterdir())) == 2


async def test_what_excel_makes_of_a_file_is_understood(
    session: AsyncSession, tmp_path: Path
) -> None:
    text = (
        "姓名,编码,手机号,单位编码,权限,是否党员,开始日期,结束日期\r\n"
        "示例甲,P1,19900000001.0,ENT,管理员,是,2026/6/1,46387\r\n"
        "示例乙,Ｐ２,１９９００００００２２,ENT,member,FALSE,2026年6月2日,\r\n"
        '"示例\n丙",P3,+86 199 0000 0033,ENT,MANAGER,0,20260603,\r\n'
        ",,,,,,,\r\n"
    )
    folder = written(
        tmp_path / "excel",
        {
            "organisations.csv": LAKE["organisations.csv"].encode("utf-8-sig"),
            "people.csv": text.encode("gb18030"),
        },
    )
    assert counts(await imported(session, folder))["people.csv"] == (3, 0, 0, 0)
    first = await one(session, models.Person, "P1")
    assert (first.phone, first.role, first.party_member) == ("19900000001", "admin", True)
    assert (first.from_on, first.to_on) == (date(2026, 6, 1), date(2026, 12, 31))
    second, third = await one(session, models.Person, "P2"), await one(session, models.Person, "P3")
    assert (second.phone, second.from_on) == ("19900000022", date(2026, 6, 2))
    assert (third.name, third.phone, third.role) == ("示例\n丙", "19900000033", "manager")


async def test_empty_files_and_files_of_headings_alone_are_fine(
    session: AsyncSession, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "empty",
        {
            "organisations.csv": "",
            "people.csv": "code,name,organisation_code,role,party_member\n",
            "grid_cells.geojson": '{"type": "FeatureCollection", "features": []}',
            "steles.geojson": "",
        },
    )
    summary = await imported(session, folder)
    assert set(counts(summary).values()) == {(0, 0, 0, 0)}
    assert summary.lines()[-1] == "没有变化。"


async def test_the_tables_may_be_sheets_of_a_workbook(
    session: AsyncSession, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    organisations = book.active
    assert organisations is not None
    organisations.title = "organisations"
    organisations.append(["编码", "名称", "类别"])
    organisations.append(["HB", "示例部门", "部门"])
    people = book.create_sheet("人员")
    people.append(["code", "name", "phone", "organisation_code", "role", "party_member", "from"])
    people.append([1001, "示例甲", 19900000001, "HB", "member", True, date(2026, 6, 1)])
    path = tmp_path / "book" / "dataset.xlsx"
    path.parent.mkdir()
    book.save(path)
    assert counts(await imported(session, path.parent)) == {
        "dataset.xlsx[organisations]": (1, 0, 0, 0),
        "dataset.xlsx[人员]": (1, 0, 0, 0),
    }
    person = await one(session, models.Person, "1001")
    assert (person.phone, person.party_member, person.from_on) == (
        "19900000001", True, date(2026, 6, 1),
    )  # fmt: skip


async def test_the_template_is_a_workbook_that_brings_nothing(
    session: AsyncSession, folder: Path, tmp_path: Path
) -> None:
    await imported(session, folder)
    empty = tmp_path / "template"
    empty.mkdir()
    write_template(empty / "dataset.xlsx")
    summary = await imported(session, empty, deactivate_missing=True, yes=True)
    assert (counts(summary), summary.changes_nothing) == ({}, True)

    book = openpyxl.load_workbook(empty / "dataset.xlsx")
    assert book.sheetnames == [
        "说明", "organisations", "people", "posts", "pairings", "letters", "obligations",
        "exemptions", "patrols",
    ]  # fmt: skip
    for name in book.sheetnames[1:]:
        assert book[name].max_row == 3
    kinds = next(
        v for v in book["organisations"].data_validations.dataValidation if "C2" in v.sqref
    )
    assert kinds.formula1 == ('"党工委/管委会,党委,部门,党总支,党支部,党小组,村/社区,企业"')
    book["organisations"].append(["D9", "示例新部门", "部门"])
    book.save(empty / "dataset.xlsx")
    summary = await imported(session, empty)
    assert counts(summary) == {"dataset.xlsx[organisations]": (1, 0, 0, 0)}
    assert summary.warnings == ["dataset.xlsx[organisations]：2 行示例（以“示例-”开头）没有导入"]


async def test_paper_patrols_belong_to_the_branch_of_their_day(
    session: AsyncSession, folder: Path
) -> None:
    await imported(session, folder)
    moved = LAKE["people.csv"].replace("P2,示例乙,19900000002,HB,member,true,,,2025-01-01,",
                                       "P2,示例乙,19900000002,CUN,member,true,,,2026-01-01,")  # fmt: skip
    patrols = LAKE["patrols.csv"] + "L3,P2,2026-02-01,any,,,\n"
    written(folder, {"people.csv": moved, "patrols.csv": patrols})
    await imported(session, folder)
    then = (await one(session, models.Patrol, "L1")).organisation_id
    now = (await one(session, models.Patrol, "L3")).organisation_id
    assert then == (await one(session, models.Organisation, "HB")).id
    assert now == (await one(session, models.Organisation, "CUN")).id


async def test_unknown_files_are_pointed_out(session: AsyncSession, tmp_path: Path) -> None:
    folder = written(
        tmp_path / "typo",
        {"organisations.csv": "code,name,kind\n", "organization.csv": "code\n", "notes.txt": ""},
    )
    summary = await imported(session, folder)
    assert summary.warnings == ["organization.csv：不认识这个文件名，没有导入"]


async def test_a_river_of_several_lines_is_one_feature(
    session: AsyncSession, tmp_path: Path
) -> None:
    lines = [line((103, 24.9), (103.01, 24.9)), line((103.005, 24.9), (103.005, 24.91))]
    shape = {"type": "MultiLineString", "coordinates": [one["coordinates"] for one in lines]}
    river = geojson(({"code": "R", "name": "河", "kind": "river"}, shape))
    await imported(session, written(tmp_path / "river", {"waterbodies.geojson": river}))
    stored = shapely.from_wkb((await one(session, models.Waterbody, "R")).geometry)
    assert json.loads(shapely.to_geojson(stored)) == shape


async def test_more_rows_than_a_statement_has_parameters_are_written_and_retired(
    session: AsyncSession, tmp_path: Path
) -> None:
    rows = 70_000
    text = "".join(f"O{n},示例,village,\n" for n in range(rows))
    head = "code,name,kind,parent_code\n"
    folder = written(tmp_path / "many", {"organisations.csv": head + text})
    assert counts(await imported(session, folder))["organisations.csv"] == (rows, 0, 0, 0)
    written(folder, {"organisations.csv": head + "O0,示例,village,\nO1,示例村,village,O0\n"})
    summary = await imported(session, folder, deactivate_missing=True, yes=True)
    assert counts(summary)["organisations.csv"] == (0, 1, 1, rows - 2)
