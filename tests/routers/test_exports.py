"""Downloads of whole tables: who gets which rows, and that every format says the same."""

import csv
import io
import os
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import openpyxl
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import clock
from app.domain import datum as datums
from app.models import ApiKey, AuditEntry, CheckIn
from app.services import workbooks
from app.services.exports import downloads
from app.services.exports.catalogue import EXPORTS
from app.services.exports.downloads import Downloads
from app.services.exports.writing import FORMULA
from app.state import State
from tests import databases
from tests.conftest import Lake, Member
from tests.factories import a_person
from tests.queries import counted

NOW = datetime.now(UTC)
TODAY = clock.day_of(NOW)
EAST, WEST = (103.01, 24.9), (102.97, 24.9)


async def a_visit(
    member: Member, at: datetime = NOW, place: tuple[float, float] = EAST, **given: Any
) -> str:
    id_ = str(uuid4())
    position = {"lon": place[0], "lat": place[1], "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": at.isoformat(), "position": position} | given
    answer = await member.client.put(f"/api/v1/check-ins/{id_}", json=body)
    assert answer.status_code == 201, answer.text
    return id_


async def csv_from(client: httpx.AsyncClient, path: str) -> list[dict[str, str]]:
    answer = await client.get(f"/api/v1/exports/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.content.endswith(b"\r\n")
    lines = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    return list(lines)


async def ndjson_from(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/exports/{path}")
    assert answer.status_code == 200, answer.text
    return [orjson.loads(line) for line in answer.content.splitlines()]


async def sheet_from(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/api/v1/exports/{path}")
    assert answer.status_code == 200, answer.text
    return openpyxl.load_workbook(io.BytesIO(answer.content))


async def test_a_manager_gets_the_records_of_people_and_places_below(
    li: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    here = await a_visit(li, NOW - timedelta(hours=2))
    there = await a_visit(zhou, NOW - timedelta(hours=1), WEST)
    across = await a_visit(zhou, NOW, EAST)
    crossing = await a_visit(li, NOW + timedelta(minutes=1), WEST)

    async def ids(client: httpx.AsyncClient) -> list[str]:
        return [row["id"] for row in await ndjson_from(client, "check-ins.ndjson")]

    for client in (wang.client, qian.client, program):
        assert await ids(client) == [here, there, across, crossing]
    assert await ids(west_program) == [there, across, crossing]
    assert await ids(zhao.client) == []


async def test_members_strangers_and_nobody_are_refused(
    li: Member, stranger: httpx.AsyncClient, client: Any
) -> None:
    await a_visit(li)

    for each, status in ((li.client, 403), (stranger, 403), (client(None), 401)):
        for table in EXPORTS:
            answer = await each.get(f"/api/v1/exports/{table}.csv")
            assert answer.status_code == status


async def test_every_format_says_the_same(li: Member, wang: Member) -> None:
    id_ = await a_visit(
        li, datetime.fromisoformat(f"{TODAY - timedelta(days=1)}T08:30:00.25+08:00"),
        note="=1+1", stele={"code": "JB-01"}, photos_expected=2,
    )  # fmt: skip
    (said,) = (await wang.client.get("/api/v1/check-ins")).json()["items"]

    (line,) = await ndjson_from(wang.client, "check-ins.ndjson")
    (row,) = await csv_from(wang.client, "check-ins.csv")
    sheet = (await sheet_from(wang.client, "check-ins.xlsx"))["巡河记录"]

    # Names and values of the API.
    for name in ("id", "at", "received_at", "person", "note", "patrol_id", "verdict", "review",
                 "position", "photos", "withdrawn_at", "evidence"):  # fmt: skip
        if name in ("at", "received_at"):
            moments = [datetime.fromisoformat(each[name]) for each in (line, said)]
            assert moments[0] == moments[1]
            assert line[name].endswith("+08:00")
        else:
            assert line[name] == said[name], name
    assert line["grid_cell"] == {"code": "G-1-1", "name": "东岸一号网格"}
    assert line["stele"].items() <= said["stele"].items()
    assert line["reach"].items() <= said["reach"].items()
    assert (line["organisation"], line["organisation_name"]) == ("EAST", "东岸党支部")

    assert row["记录编号"] == id_
    assert row["时间"] == f"{TODAY - timedelta(days=1)}T08:30:00+08:00"
    assert (row["姓名"], row["人员编码"], row["组织"]) == ("示例李", "LI", "东岸党支部")
    assert (row["经度"], row["纬度"], row["坐标系"]) == ("103.01", "24.9", "wgs84")
    assert (row["备注"], row["核验结论"]) == (
        "'=1+1",
        {"accepted": "有效", "flagged": "待核"}[said["verdict"]],
    )
    assert (row["照片数"], row["应有照片"], row["撤回时间"]) == ("0", "2", "")

    titles, values = [list(each) for each in sheet.iter_rows(values_only=True)]
    assert titles == list(row)
    cells = dict(zip(titles, values, strict=True))
    assert cells["时间"] == datetime.fromisoformat(f"{TODAY - timedelta(days=1)}T08:30:00.25")
    assert (cells["经度"], cells["照片数"], cells["备注"]) == (103.01, 0, "=1+1")
    assert sheet.freeze_panes == "A2"
    assert sheet.cell(2, titles.index("备注") + 1).data_type == "s"


async def test_positions_are_answered_in_the_datum_asked_for(li: Member, wang: Member) -> None:
    await a_visit(li)
    lon, lat = datums.to_gcj02(*EAST)

    (line,) = await ndjson_from(wang.client, "check-ins.ndjson?datum=gcj02")
    (row,) = await csv_from(wang.client, "check-ins.csv?datum=gcj02")
    sheet = (await sheet_from(wang.client, "check-ins.xlsx?datum=gcj02"))["巡河记录"]
    steles = await ndjson_from(wang.client, "steles.ndjson?datum=gcj02")

    assert line["position"] == {"lon": lon, "lat": lat, "accuracy_m": 10, "datum": "gcj02"}
    assert (float(row["经度"]), float(row["纬度"]), row["坐标系"]) == (lon, lat, "gcj02")
    titles, values = list(sheet.iter_rows(values_only=True))
    cells = dict(zip(titles, values, strict=True))
    assert (cells["经度"], cells["纬度"]) == pytest.approx((lon, lat), abs=1e-12)
    assert cells["坐标系"] == "gcj02"
    assert steles[0]["position"] == {"lon": lon, "lat": lat, "datum": "gcj02"}


async def test_filters_narrow_and_what_is_not_heeded_is_refused(
    li: Member, zhou: Member, wang: Member, zhao: Member
) -> None:
    yesterday = clock.start_of(TODAY - timedelta(days=1))
    old = await a_visit(li, yesterday)
    east = await a_visit(li, NOW, EAST)
    west = await a_visit(zhou, NOW + timedelta(minutes=1), WEST)

    async def ids(query: str) -> list[str]:
        return [row["id"] for row in await ndjson_from(wang.client, f"check-ins.ndjson?{query}")]

    assert await ids(f"to={TODAY - timedelta(days=1)}") == [old]
    assert await ids(f"from={TODAY}") == [east, west]
    assert await ids("person=ZHOU") == [west]
    assert await ids("organisation=WEST") == [west]
    assert await ids("area=G-1") == await ids("area=R-1") == await ids("area=JB-01") == [old, east]
    assert await ids("area=G-0") == [old, east, west]
    assert await ids("verdict=rejected") == []
    assert await ids("person=NOBODY") == []
    for query, pointer in (
        ("state=open", "/state"),
        ("verdict=good", "/verdict"),
        ("retired=true", "/retired"),
        (f"from={TODAY}&to={TODAY - timedelta(days=1)}", "/to"),
    ):
        answer = await wang.client.get(f"/api/v1/exports/check-ins.csv?{query}")
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    outside = await zhao.client.get("/api/v1/exports/check-ins.csv?organisation=EAST")
    assert outside.status_code == 404
    for path in ("problems.csv", "check-ins.pdf", "check-ins.csv.gz"):
        assert (await wang.client.get(f"/api/v1/exports/{path}")).status_code == 404


@pytest.mark.parametrize("ending", ["csv", "ndjson", "xlsx"])
@pytest.mark.parametrize("table", EXPORTS)
async def test_every_table_comes_in_every_format(
    li: Member, qian: Member, table: str, ending: str
) -> None:
    patrol = str(uuid4())
    body = {"started_at": NOW.isoformat(), "companions": ["QIAN"], "reach_code": "R-1"}
    assert (await li.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201
    await a_visit(li, patrol_id=patrol)

    answer = await qian.client.get(f"/api/v1/exports/{table}.{ending}")

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers
    name = unquote(answer.headers["content-disposition"].partition("UTF-8''")[2])
    assert name == f"{EXPORTS[table].title}-截至{TODAY}.{ending}"
    if ending == "ndjson" and table == "patrols":
        (line,) = [orjson.loads(each) for each in answer.content.splitlines()]
        shown = (await qian.client.get(f"/api/v1/patrols/{patrol}")).json()
        for member in ("id", "person", "kind", "state", "reach", "companions", "findings", "note",
                       "distance_m", "duration_s", "points"):  # fmt: skip
            assert line[member] == shown[member], member
        assert line["check_ins"] == len(shown["check_in_ids"]) == 1


@pytest.mark.usefixtures("zhou")
async def test_the_roster_says_what_the_api_says(
    li: Member, wang: Member, program: httpx.AsyncClient
) -> None:
    for query in ("", "?retired=true"):
        items = (await wang.client.get(f"/api/v1/people{query}")).json()["items"]
        lines = await ndjson_from(wang.client, f"people.ndjson{query}")
        names = [line.pop("organisation_name") for line in lines]
        assert sorted(lines, key=lambda each: each["code"]) == sorted(
            items, key=lambda each: each["code"]
        )
        assert set(names) == {"示例管委会", "东岸党支部", "西岸党支部"}
    phones = {line["phone"] for line in await ndjson_from(wang.client, "people.ndjson")}
    assert li.person.phone in phones
    for ending in ("ndjson", "csv", "xlsx"):
        told = await program.get(f"/api/v1/exports/people.{ending}")
        assert b"1990001" not in told.content
    assert "phone" not in (await ndjson_from(program, "people.ndjson"))[0]


async def test_whoever_left_the_roster_comes_only_when_asked_for(
    wang: Member, session: AsyncSession, lake: Lake
) -> None:
    await a_person(
        session, code="GONE", organisation_id=lake.east_branch.id, to_on=date(2025, 1, 1)
    )

    async def codes(query: str) -> set[str]:
        return {row["编码"] for row in await csv_from(wang.client, f"people.csv{query}")}

    assert await codes("") == {"WANG"}
    assert await codes("?retired=true") == {"WANG", "GONE"}
    assert await codes("?retired=true&to=2024-12-31") == {"WANG", "GONE"}
    assert await codes("?retired=true&from=2025-01-02") == {"WANG"}


@pytest.mark.usefixtures("li")
async def test_duties_leave_and_letters(
    qian: Member, zhao: Member, program: httpx.AsyncClient
) -> None:
    duty = {
        "holder_kind": "person", "holder_code": "LI", "area_kind": "grid_cell", "area_code": "G-1",
        "times": 6, "period": "year", "starts_on": "2026-01-01", "kinds": ["foot", "boat"],
        "reason": "示例",
    }  # fmt: skip
    leave = {
        "holder_kind": "organisation", "holder_code": "EAST", "from": "2026-12-01",
        "to": "2026-12-02", "kind": "leave", "reason": "住院", "state": "granted",
    }  # fmt: skip
    for path, body in (("obligations/O/1", duty), (f"exemptions/{uuid4()}", leave)):
        assert (await qian.client.put(f"/api/v1/{path}", json=body)).status_code == 201

    (owed,) = await csv_from(qian.client, "obligations.csv")
    assert (owed["责任主体类别"], owed["责任主体名称"], owed["区域名称"]) == (
        "个人",
        "示例李",
        "东岸网格",
    )
    assert (owed["周期"], owed["巡河方式"], owed["次数"]) == ("年", "步行、船巡", "6")
    (line,) = await ndjson_from(qian.client, "obligations.ndjson")
    assert (line["period"], line["kinds"]) == ("year", ["foot", "boat"])
    (granted,) = await csv_from(qian.client, "exemptions.csv?state=granted")
    assert (granted["类别"], granted["原因"], granted["状态"]) == ("请假", "住院", "已批准")
    (told,) = await ndjson_from(program, "exemptions.ndjson")
    assert "reason" not in told
    for table in ("obligations", "exemptions"):
        assert await csv_from(zhao.client, f"{table}.csv") == []


async def test_the_audit_log_is_for_admins_and_every_download_stands_in_it(
    li: Member,
    wang: Member,
    qian: Member,
    program: httpx.AsyncClient,
    session: AsyncSession,
) -> None:
    await a_visit(li)
    for each in (wang.client, program):
        assert (await each.get("/api/v1/exports/audit-entries.csv")).status_code == 403

    await csv_from(wang.client, f"check-ins.csv?from={TODAY}&person=LI")
    await ndjson_from(program, "check-ins.ndjson?datum=gcj02")

    key = await session.scalar(select(ApiKey.prefix).limit(1))
    lines = await ndjson_from(qian.client, f"audit-entries.ndjson?from={TODAY}&to={TODAY}")
    seen = [
        (line["actor"], line["via"], line["subject"], line["reason"])
        for line in lines
        if line["action"] == "see"
    ]
    assert seen == [
        ("WANG", "api", "export:check-ins", f"from={TODAY} person=LI format=csv datum=wgs84"),
        (None, f"key:{key}", "export:check-ins", "format=ndjson datum=gcj02"),
        ("QIAN", "api", "export:audit-entries",
         f"from={TODAY} to={TODAY} format=ndjson datum=wgs84"),
    ]  # fmt: skip


async def test_a_download_that_is_refused_says_so_and_leaves_no_entry(
    wang: Member, session: AsyncSession
) -> None:
    await wang.client.get("/api/v1/exports/check-ins.csv?verdict=good")

    assert await session.scalar(select(AuditEntry.id)) is None


NASTY = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(note=NASTY)
@example(note='=HYPERLINK("http://x","点")')
@example(note='"quoted", and\r\nbroken\nlines')
@example(note="\\.")
@example(note="-5 度")
@example(note="＝cmd|' /C calc'!A0")
@example(note="🌊\x01\x02\x7f%s%(x)s:name")
async def test_any_text_arrives_whole_and_starts_no_formula(
    li: Member, wang: Member, session: AsyncSession, connection: AsyncConnection, note: str
) -> None:
    async with databases.taken_back(connection, session):
        await a_visit(li)
        await session.execute(update(CheckIn).values(note=note))
        await session.commit()

        (line,) = await ndjson_from(wang.client, "check-ins.ndjson")
        (row,) = await csv_from(wang.client, "check-ins.csv")

    assert line["note"] == note
    assert row["备注"] == ("'" + note if note.startswith(FORMULA) else note)


async def test_a_sheet_goes_on_on_the_next_one(
    li: Member, wang: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbooks, "ROWS_A_SHEET", 2)
    ids = [await a_visit(li, NOW + timedelta(minutes=n)) for n in range(5)]

    book = await sheet_from(wang.client, "check-ins.xlsx")

    assert book.sheetnames == ["巡河记录", "巡河记录2", "巡河记录3"]
    found = [row[0].value for sheet in book for row in sheet.iter_rows(min_row=2)]
    assert found == ids
    assert {sheet.cell(1, 1).value for sheet in book} == {"记录编号"}


async def test_what_no_cell_holds_is_cut_with_a_word(
    li: Member, wang: Member, session: AsyncSession
) -> None:
    await a_visit(li)
    await session.execute(update(CheckIn).values(note="长" * 40_000))
    await session.commit()

    sheet = (await sheet_from(wang.client, "check-ins.xlsx"))["巡河记录"]

    titles, values = list(sheet.iter_rows(values_only=True))
    note = values[titles.index("备注")]
    assert (len(note), note[-14:]) == (32_767, "…（后面太长，请看 CSV）"[-14:])


async def test_no_more_than_a_few_at_once(wang: Member, state: State) -> None:
    full = Downloads(state["sessions"], downloads.Places(0), downloads.Places(0))
    state["downloads"] = full

    for ending in ("csv", "ndjson", "xlsx"):
        answer = await wang.client.get(f"/api/v1/exports/check-ins.{ending}")
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["retry-after"] == "30"


async def test_places_are_given_back(wang: Member, state: State) -> None:
    state["downloads"] = Downloads(state["sessions"], downloads.Places(1), downloads.Places(1))

    for _ in range(3):
        for ending in ("csv", "xlsx"):
            answer = await wang.client.get(f"/api/v1/exports/people.{ending}")
            assert answer.status_code == 200


async def test_a_full_disk_is_said_and_leaves_nothing(
    li: Member, wang: Member, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_visit(li)

    def on_a_full_disk(**_given: Any) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), "/dev/full"

    monkeypatch.setattr("xlsxwriter.worksheet.tempfile.mkstemp", on_a_full_disk)
    answer = await wang.client.get("/api/v1/exports/check-ins.xlsx")

    assert (answer.status_code, answer.json()["code"]) == (507, "no-room")
    assert list((state["settings"].data_dir / "making").iterdir()) == []
    monkeypatch.undo()
    assert (await wang.client.get("/api/v1/exports/check-ins.xlsx")).status_code == 200


async def test_the_number_of_statements_does_not_grow_with_the_rows(
    li: Member, wang: Member, session: AsyncSession
) -> None:
    asked = []
    for more in (1, 2):
        for n in range(more):
            await a_visit(li, NOW + timedelta(minutes=10 * more + n))
        with counted(session) as seen:
            await csv_from(wang.client, "check-ins.csv")
        asked.append(seen.statements)
    assert asked[0] == asked[1]
