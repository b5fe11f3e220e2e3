"""What is wrong with a dataset is told in full, each with its place, and nothing is written."""

import json
from pathlib import Path

import openpyxl
import pytest
import shapely
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from app.services.dataset.area import read_area_of_interest
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
    refused,
    square,
    written,
)

PEOPLE = "code,name,phone,organisation_code,role,party_member\n"


async def of(session: AsyncSession, tmp_path: Path, **files: str | bytes) -> list[str]:
    """The refusal of the small lake with these files instead (dots of names written `__`)."""
    changed = {name.replace("__", "."): content for name, content in files.items()}
    return await refused(session, written(tmp_path / "lake", {**LAKE, **changed}))


async def test_every_bad_row_of_every_file_is_listed_in_order(
    session: AsyncSession, tmp_path: Path
) -> None:
    people = PEOPLE + (
        "P1,示例甲,19900000001,GWH,manager,true\n"
        'P2,"示例\n乙",19900000002,NOWHERE,member,true\n'
        "P3,,12345,ENT,boss,maybe\n"
        "P1,示例丁,19900000001,GWH,member,true\n"
    )
    lines = await of(
        session,
        tmp_path,
        people__csv=people,
        organisations__csv=LAKE["organisations.csv"] + "X,某处,planet,,,\n",
    )
    assert lines == [
        "organisations.csv:6: kind: “planet”不在可选范围内，可填：committee（党工委/管委会）、"
        "party_committee（党委）、department（部门）、general_branch（党总支）、branch（党支部）、"
        "party_group（党小组）、village（村/社区）、enterprise（企业）",
        "people.csv:3: organisation_code: “NOWHERE”不存在，请先在 organisations 里登记",
        "people.csv:5: name: 不能为空",
        "people.csv:5: party_member: “maybe”看不懂，请填 true 或 false（是或否）",
        "people.csv:5: phone: 不是有效的大陆手机号，应为 11 位数字",
        "people.csv:5: role: “boss”不在可选范围内，可填：member（成员）、manager（管理人员）、admin（管理员）",
        "people.csv:6: code: “P1”与第 2 行重复",
        "people.csv:6: phone: 与第 2 行的手机号相同",
    ]
    for model in (models.Organisation, models.Person, models.GridCell, models.Patrol):
        assert await session.scalar(select(func.count()).select_from(model)) == 0
    assert not documents_of(tmp_path / "lake").exists()


@pytest.mark.parametrize(
    ("phone", "fault"),
    [
        ("1.99E+10", "手机号被 Excel 写成了“1.99E+10”，请把这一列设为文本后重新填写"),
        ("087112345678", "不是有效的大陆手机号，应为 11 位数字"),
        ("+852 6123 4567", "不是有效的大陆手机号，应为 11 位数字"),
        ("1990000000a", "不是有效的大陆手机号，应为 11 位数字"),
    ],
)
async def test_phones_are_mainland_mobiles(
    session: AsyncSession, tmp_path: Path, phone: str, fault: str
) -> None:
    folder = written(
        tmp_path / "p",
        {
            "organisations.csv": LAKE["organisations.csv"],
            "people.csv": PEOPLE + f"P1,示例甲,{phone},GWH,member,true\n",
        },
    )
    assert await refused(session, folder) == [f"people.csv:2: phone: {fault}"]


async def test_a_missing_column_is_one_fault_and_an_unknown_one_too(
    session: AsyncSession, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "c", {"organisations.csv": "code,kind,colour\nA,village,red\nB,village,blue\n"}
    )
    assert await refused(session, folder) == [
        "organisations.csv:1: colour: 没有“colour”这一列，可用的列：code、name、kind、parent_code、"
        "short_name、phone",
        "organisations.csv:1: name: 缺少这一列（名称）",
    ]


async def test_a_file_that_cannot_be_read_does_not_blame_those_that_refer_to_it(
    session: AsyncSession, tmp_path: Path
) -> None:
    assert await of(session, tmp_path, organisations__csv='code,name,kind\n"A,示例,village\n') == [
        "organisations.csv:2: 引号没有成对，或单元格过大"
    ]


async def test_rows_wider_than_the_headings_are_faults(
    session: AsyncSession, tmp_path: Path
) -> None:
    text = "code,name,kind\nA,示例,甲,village\nB,示例,village\n"
    assert await refused(session, written(tmp_path / "w", {"organisations.csv": text})) == [
        "organisations.csv:2: 有 4 列，表头只有 3 列"
    ]


async def test_parents_may_come_in_any_order_but_not_in_circles(
    session: AsyncSession, tmp_path: Path
) -> None:
    head = "code,name,kind,parent_code\n"
    circle = head + "A,甲,village,B\nB,乙,village,C\nC,丙,village,B\nD,丁,village,D\n"
    folder = written(tmp_path / "o", {"organisations.csv": circle})
    loop = "parent_code: 上级关系绕成了圈，最终又回到自己"
    assert await refused(session, folder) == [
        f"organisations.csv:3: {loop}",
        f"organisations.csv:4: {loop}",
        f"organisations.csv:5: {loop}",
    ]
    written(folder, {"organisations.csv": head + "A,甲,village,B\nB,乙,village,C\nC,丙,village,\n"})
    assert counts(await imported(session, folder))["organisations.csv"] == (3, 0, 0, 0)
    # Closed by a row that the file does not have.
    written(folder, {"organisations.csv": head + "C,丙,village,A\n"})
    assert await refused(session, folder) == [f"organisations.csv:2: {loop}"]


async def test_duties_keep_within_their_bounds(session: AsyncSession, tmp_path: Path) -> None:
    head = (
        "code,holder_kind,holder_code,area_kind,area_code,times,period,starts_on,ends_on,months\n"
    )
    rows = (
        "A,person,P1,any,,8,week,2026-01-01,,\n"
        "B,person,P1,any,,29,month,2026-01-01,,\n"
        "C,person,P1,any,,28,month,2026-01-01,,\n"
        "D,person,P1,any,,-1,month,2026-01-01,,\n"
        "E,person,P1,reach,,1,month,2026-01-01,,\n"
        "F,person,P1,any,R1,1,month,2026-01-01,,\n"
        "G,person,HB,reach,R9,1,month,2026-01-01,,\n"
        "H,person,P1,any,,1,month,2026-02-30,,\n"
        "I,person,P1,any,,1,month,2026-03-01,2026-02-01,\n"
        "J,person,P1,any,,1,month,2026-03-01,,0-13\n"
        "PAIR-1,person,P1,any,,1,month,2026-03-01,,\n"
        "K,person,P1,any,,1.5,month,2026-03-01,,\n"
    )
    exemptions = "code,holder_kind,holder_code,from,to,kind,reason,approved_by\n"
    assert await of(
        session, tmp_path, obligations__csv=head + rows, exemptions__csv=exemptions
    ) == [
        "obligations.csv:2: times: 8 次太多：每周最多 7 次（一天一次）",
        "obligations.csv:3: times: 29 次太多：每月最多 28 次（一天一次）",
        "obligations.csv:5: times: -1 超出范围，应在 0 至 365 之间",
        "obligations.csv:6: area_code: 不能为空：要写明是哪一个区域",
        "obligations.csv:7: area_code: 区域类别为 any（不限）时不填编码",
        "obligations.csv:8: area_code: “R9”不存在，请先在 reaches 里登记",
        "obligations.csv:8: holder_code: “HB”不存在，请先在 people 里登记",
        "obligations.csv:9: starts_on: 没有“2026-02-30”这一天",
        "obligations.csv:10: ends_on: 2026-02-01 早于开始的 2026-03-01",
        "obligations.csv:11: months: “0-13”里的月份应在 1 至 12 之间",
        "obligations.csv:12: code: “PAIR-”开头的编码留给挂钩联系自动产生的任务，请换一个",
        "obligations.csv:13: times: “1.5”不是整数",
    ]


async def test_a_duty_of_no_patrols_is_taken_with_a_warning(
    session: AsyncSession, tmp_path: Path
) -> None:
    text = LAKE["obligations.csv"].replace(",6,year", ",0,year")
    summary = await imported(session, written(tmp_path / "zero", {**LAKE, "obligations.csv": text}))
    assert summary.warnings == ["obligations.csv:2: times: 为 0，这项任务不要求巡河"]


async def test_pairings_letters_and_patrols_fit_what_they_name(
    session: AsyncSession, tmp_path: Path
) -> None:
    assert await of(
        session,
        tmp_path,
        pairings__csv="department_code,reach_code,village_code\n"
        "HB,,\nHB,R1,\nHB,R1,\nENT,R1,\nHB,,ENT\n",
        letters__csv="number,organisation_code,person_code,signed_on,starts_on,ends_on\n"
        "Z,HB,P1,2026-01-01,2026-01-01,2025-01-01\n",
        obligations__csv="",
        exemptions__csv="",
        patrols__csv="code,person_code,on,area_kind\nL,P1,2026-06-16,any\nM,P1,2026-06-15,any\n",
    ) == [
        "letters.csv:2: ends_on: 2025-01-01 早于开始的 2026-01-01",
        "letters.csv:2: organisation_code: “HB”不是企业，责任书只与企业签订",
        "pairings.csv:2: reach_code: 河段和村至少要填一个",
        "pairings.csv:4: department_code: 这一组挂钩与第 3 行重复",
        "pairings.csv:5: department_code: “ENT”不是部门",
        "pairings.csv:6: village_code: “ENT”不是村或社区",
        "patrols.csv:2: on: 2026-06-16 还没有到，只能补录过去的巡河",
    ]


async def test_documents_may_not_leave_the_folder(session: AsyncSession, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "lake"
    folder.mkdir()
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    head = "number,organisation_code,person_code,signed_on,starts_on,ends_on,document\n"
    names = ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "gone.pdf", "zrs")
    rows = "".join(
        f"Z{n},ENT,P3,2026-01-01,2026-01-01,2026-12-31,{name}\n" for n, name in enumerate(names)
    )
    assert await of(
        session, tmp_path, letters__csv=head + rows, obligations__csv="", exemptions__csv=""
    ) == [
        "letters.csv:2: document: “../secret.txt”指到了文件夹之外，只能填文件夹里的文件",
        f"letters.csv:3: document: “{tmp_path}/secret.txt”指到了文件夹之外，只能填文件夹里的文件",
        "letters.csv:4: document: “link.txt”指到了文件夹之外，只能填文件夹里的文件",
        "letters.csv:5: document: 找不到文件“gone.pdf”",
        "letters.csv:6: document: 找不到文件“zrs”",
    ]


async def test_geometry_is_valid_of_the_right_type_and_on_earth(
    session: AsyncSession, tmp_path: Path
) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [
        [[103, 24.9], [103.02, 24.92], [103.02, 24.9], [103, 24.92], [103, 24.9]]
    ]}  # fmt: skip
    open_ring = {"type": "Polygon", "coordinates": [[[103, 24.9], [103.1, 24.9], [103.1, 25]]]}
    shapes = [
        bow_tie,
        open_ring,
        {
            "type": "Polygon",
            "coordinates": [[[24.9, 102.9], [24.91, 102.9], [24.9, 102.91], [24.9, 102.9]]],
        },
        line((103, 24.9), (103.01, 24.9)),
        None,
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[["a", 1], [2, 3], [4, 5], ["a", 1]]]},
        square(103, 24.9),
    ]
    cells = geojson(
        *(
            ({"code": f"C{n}", "name": "格", "kind": "general", "organisation_code": "GWH"}, shape)
            for n, shape in enumerate(shapes)
        )
    )
    folder = written(
        tmp_path / "g",
        {"organisations.csv": LAKE["organisations.csv"], "grid_cells.geojson": cells},
    )
    broken = "坐标写法不对：点数不足、首尾不闭合，或不是数字"
    assert await refused(session, folder) == [
        "grid_cells.geojson:2: geometry: 图形自相交，在经度 103.010000、纬度 24.910000 附近",
        f"grid_cells.geojson:3: geometry: {broken}",
        "grid_cells.geojson:4: geometry: 坐标不是经纬度，或经度纬度写反了（经度在前）",
        "grid_cells.geojson:5: geometry: 图形类型 LineString 不对，须为面、多面",
        "grid_cells.geojson:6: geometry: 没有图形，须为面、多面",
        f"grid_cells.geojson:7: geometry: {broken}",
        f"grid_cells.geojson:8: geometry: {broken}",
    ]


async def test_a_line_that_crosses_itself_is_refused_and_a_ring_is_not(
    session: AsyncSession, tmp_path: Path
) -> None:
    crossing = line((103, 24.9), (103.02, 24.9), (103.02, 24.92), (103.01, 24.92), (103.01, 24.88))
    ring = line((103, 24.9), (103.02, 24.9), (103.02, 24.92), (103, 24.9))
    rivers = geojson(
        ({"code": "A", "name": "河", "kind": "river"}, ring),
        ({"code": "B", "name": "河", "kind": "river"}, crossing),
    )
    assert await refused(session, written(tmp_path / "r", {"waterbodies.geojson": rivers})) == [
        "waterbodies.geojson:3: geometry: 线自相交，在经度 103.010000、纬度 24.900000 附近"
    ]


async def test_geometry_outside_the_area_of_interest_is_refused(
    session: AsyncSession, tmp_path: Path
) -> None:
    (tmp_path / "area.geojson").write_text(json.dumps(square(103, 24.9, 0.1)))
    area = read_area_of_interest(tmp_path / "area.geojson")
    assert area.equals(shapely.box(103, 24.9, 103.1, 25.0))
    cells = geojson(
        ({"code": "IN", "name": "格", "kind": "lake"}, square(103.05, 24.95)),
        ({"code": "OVER", "name": "格", "kind": "lake"}, square(103.05, 24.89, 0.02)),
    )
    folder = written(tmp_path / "a", {"waterbodies.geojson": cells})
    assert await refused(session, folder, area_of_interest=area) == [
        "waterbodies.geojson:3: geometry: 超出了责任区域（XUNHE_AREA_OF_INTEREST），"
        "例如在经度 103.060000、纬度 24.895000 附近"
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("{", ["steles.geojson:1: 不是完整的 GeoJSON（第 2 个字符处看不懂），须为 UTF-8 编码"]),
        ("[]", ["steles.geojson:1: 最外层须为 FeatureCollection"]),
        (
            '{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::3857"}},"features":[]}',
            ["steles.geojson:1: crs: 坐标系是 urn:ogc:def:crs:EPSG::3857，须为 WGS-84 经纬度（EPSG:4326），请在 QGIS 里另存"],
        ),
        (
            '{"name": "x", "features": [\n\n {"a": 1}],\n "type": "FeatureCollection"}',
            ["steles.geojson:3: 不是一个完整的要素（Feature）"],
        ),
        (
            geojson(
                ({"code": "A B C", "name": "碑", "organisation_code": "GWH"}, point(103, 24.9)),
                ({"code": "abc", "name": "碑", "organisation_code": "GWH", "radius_m": 0}, point(103, 24.9)),
                ({"code": "abc", "name": "碑", "organisation_code": "GWH"}, point(103, 24.9)),
                ({"code": "x" * 25, "name": {}, "organisation_code": "GWH"}, point(103, 24.9)),
            ),
            ["steles.geojson:5: name: 这里只能填文字、数字或日期"],
        ),
        (
            geojson(
                ({"code": "A B C", "name": "碑", "organisation_code": "GWH"}, point(103, 24.9)),
                ({"code": "abc", "name": "碑", "organisation_code": "GWH", "radius_m": 0}, point(103, 24.9)),
                ({"code": "abc", "name": "碑", "organisation_code": "GWH"}, point(103, 24.9)),
            ),
            [
                "steles.geojson:2: code: 界碑编码“A B C”须为 3 至 24 个字母、数字、“-”或“_”",
                "steles.geojson:3: radius_m: 0 超出范围，应大于 0 且不超过 10000 米",
                "steles.geojson:4: code: “abc”与第 3 行重复",
            ],
        ),
        (
            geojson(({"code": "abc", "fid": 1, "name": "碑"}, point(103, 24.9))),
            [
                "steles.geojson:2: fid: 没有“fid”这一列，可用的列：code、name、kind、reach_code、"
                "organisation_code、short_name、text、radius_m、placed_on",
            ],
        ),
    ],
)  # fmt: skip
async def test_geojson_is_told_apart_from_what_only_looks_like_it(
    session: AsyncSession, tmp_path: Path, text: str, faults: list[str]
) -> None:
    folder = written(
        tmp_path / "s", {"organisations.csv": LAKE["organisations.csv"], "steles.geojson": text}
    )
    assert await refused(session, folder) == faults


async def test_faults_in_a_workbook_name_sheet_and_row(
    session: AsyncSession, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "organisations"
    for row in (["编码", "名称", "类别"], ["A", "示例", "村/社区"], [], ["B", None, "星球"]):
        sheet.append(row)
    book.create_sheet("顺便").append(["x"])
    folder = tmp_path / "x"
    folder.mkdir()
    book.save(folder / "dataset.xlsx")
    assert await refused(session, folder) == ["dataset.xlsx[顺便]:1: 不认识这个工作表名"]
    del book["顺便"]
    book.save(folder / "dataset.xlsx")
    kinds = "、".join(
        f"{name}（{label}）"
        for name, label in {
            "committee": "党工委/管委会", "party_committee": "党委", "department": "部门",
            "general_branch": "党总支", "branch": "党支部", "party_group": "党小组",
            "village": "村/社区", "enterprise": "企业",
        }.items()
    )  # fmt: skip
    assert await refused(session, folder) == [
        "dataset.xlsx[organisations]:4: 名称: 不能为空",
        f"dataset.xlsx[organisations]:4: 类别: “星球”不在可选范围内，可填：{kinds}",
    ]


async def test_a_table_in_two_places_and_a_broken_workbook_are_refused(
    session: AsyncSession, tmp_path: Path
) -> None:
    folder = written(tmp_path / "b", {"dataset.xlsx": b"no workbook"})
    assert await refused(session, folder) == [
        "dataset.xlsx:1: 打不开，不是完好的 XLSX 文件；请用 Excel 另存后再试"
    ]
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "organisations"
    sheet.append(["code", "name", "kind"])
    sheet.append(["A", "示例", "village"])
    book.save(folder / "dataset.xlsx")
    written(folder, {"organisations.csv": LAKE["organisations.csv"]})
    assert await refused(session, folder) == [
        "dataset.xlsx[organisations]:1: organisations.csv 里也有这张表，只能留一处"
    ]


async def test_a_folder_without_a_dataset_is_refused(session: AsyncSession, tmp_path: Path) -> None:
    assert (await refused(session, tmp_path / "none")) == [f"{tmp_path / 'none'} 不是文件夹"]
    (tmp_path / "other").mkdir()
    (line_,) = await refused(session, tmp_path / "other")
    assert line_.startswith(f"{tmp_path / 'other'} 里没有可导入的文件（organisations.csv、")


async def test_a_refusal_leaves_the_database_as_it_was(
    session: AsyncSession, tmp_path: Path
) -> None:
    folder = written(tmp_path / "lake", LAKE)
    await imported(session, folder)
    written(
        folder,
        {
            "organisations.csv": LAKE["organisations.csv"].replace("示例村", "改名村"),
            "patrols.csv": LAKE["patrols.csv"] + "L3,NOBODY,2025-01-01,any,,,\n",
        },
    )
    assert await refused(session, folder, now=NOW) == [
        "patrols.csv:4: person_code: “NOBODY”不存在，请先在 people 里登记"
    ]
    names = set(await session.scalars(select(models.Organisation.name)))
    assert names == {"示例管委会", "示例环保部门", "示例村", "示例度假村"}


def test_an_area_of_interest_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps(point(103, 24.9)))
    with pytest.raises(BadDataset, match=r"^XUNHE_AREA_OF_INTEREST：.*读不出面"):
        read_area_of_interest(path)
