"""Ledgers: one zip that holds all an organisation can show, and proves it."""

import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import openpyxl
import orjson
import pytest
from PIL import Image as Picture
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import StorageUnavailable
from app.models import AuditEntry, Image, Letter, Photo
from app.services import renditions
from app.state import State
from app.storage import rendition_key
from tests.conftest import Member

NOW = datetime.now(UTC)
TODAY = clock.day_of(NOW)
DAYS = f"from={TODAY - timedelta(days=1)}&to={TODAY}"
SHEETS = [
    "组织", "巡河", "照片", "巡河记录", "履职进度-组织", "履职进度-人员", "履职任务", "提醒", "补录",
    "免巡", "目标责任书",
]  # fmt: skip


def a_jpeg(shade: int) -> bytes:
    made = io.BytesIO()
    Picture.new("RGB", (64, 48), (shade, shade, 90)).save(made, "JPEG")
    return made.getvalue()


async def a_visit(member: Member, at: datetime = NOW, *, photos: int = 0) -> str:
    id_ = str(uuid4())
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": at.isoformat(), "position": position}
    answer = await member.client.put(f"/api/v1/check-ins/{id_}", json=body)
    assert answer.status_code == 201
    for n in range(photos):
        answer = await member.client.post(
            f"/api/v1/check-ins/{id_}/photos",
            data={"id": str(uuid4())},
            files={"file": ("1.jpg", a_jpeg(10 * n), "image/jpeg")},
        )
        assert answer.status_code == 201
    return id_


async def made(session: AsyncSession, state: State) -> list[bytes]:
    """The renditions of all photos, as the job makes them; their contents' hashes."""
    hashes = (await session.scalars(select(Image.sha256).order_by(Image.sha256))).all()
    for sha256 in hashes:
        await renditions.make(session, state["store"], sha256, state["settings"], now=NOW)
    await session.commit()
    return list(hashes)


class Ledger:
    """A zip as it came, its manifest and its workbook."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.zip = zipfile.ZipFile(io.BytesIO(answer.content))
        assert self.zip.testzip() is None
        self.manifest: dict[str, Any] = orjson.loads(self.zip.read("manifest.json"))
        self.name = unquote(answer.headers["content-disposition"].partition("UTF-8''")[2])
        (workbook,) = (name for name in self.zip.namelist() if name.endswith(".xlsx"))
        assert workbook == self.name.removesuffix(".zip") + ".xlsx"
        self.book = openpyxl.load_workbook(io.BytesIO(self.zip.read(workbook)))

    def prove(self) -> None:
        """Every file is listed with its size and hash, and nothing else is."""
        listed = {each["path"]: each for each in self.manifest["files"]}
        assert sorted([*listed, "manifest.json"]) == sorted(self.zip.namelist())
        for path, each in listed.items():
            content = self.zip.read(path)
            assert (each["size"], each["sha256"]) == (
                len(content),
                hashlib.sha256(content).hexdigest(),
            )

    def rows(self, sheet: str) -> list[dict[str, Any]]:
        titles, *rows = self.book[sheet].iter_rows(values_only=True)
        return [dict(zip(map(str, titles), row, strict=True)) for row in rows]

    def links(self, sheet: str) -> list[str]:
        return [
            cell.hyperlink.target or ""
            for row in self.book[sheet].iter_rows()
            for cell in row
            if cell.hyperlink is not None
        ]


async def ledger(client: httpx.AsyncClient, organisation: str, query: str = DAYS) -> Ledger:
    return Ledger(await client.get(f"/api/v1/ledgers/{organisation}.zip?{query}"))


async def test_a_ledger_holds_the_rows_the_photos_and_their_hashes(
    li: Member, zhou: Member, wang: Member, state: State, session: AsyncSession
) -> None:
    first = await a_visit(li, NOW - timedelta(hours=1), photos=4)
    second = await a_visit(li)
    await a_visit(zhou, NOW - timedelta(days=3))
    await made(session, state)

    found = await ledger(wang.client, "EAST")

    found.prove()
    assert found.name == f"台账-EAST-{TODAY - timedelta(days=1)}-{TODAY}.zip"
    assert found.book.sheetnames == SHEETS
    visits = found.rows("巡河记录")
    assert [row["记录编号"] for row in visits] == [first, second]
    assert [row["照片数"] for row in visits] == [4, 0]
    assert [visits[0][f"照片{n}"] for n in (1, 2, 3)] == ["照片1", "照片2", "照片3"]
    photos = sorted(name for name in found.zip.namelist() if name.startswith("photos/"))
    ids = await session.scalars(select(Photo.id).order_by(Photo.received_at, Photo.id))
    assert photos == sorted(
        f"photos/{clock.day_of(NOW - timedelta(hours=1))}/{id_}.jpg" for id_ in ids
    )
    assert sorted(found.links("照片")) == photos
    assert len(set(found.links("巡河记录"))) == 3
    assert set(found.links("巡河记录")) < set(photos)
    for name in photos:
        picture = Picture.open(io.BytesIO(found.zip.read(name)))
        assert picture.size == (64, 48)
    assert [row["编码"] for row in found.rows("组织")] == ["EAST"]
    assert found.manifest | {"files": []} == {
        "format": 1,
        "organisation": "EAST",
        "organisation_name": "东岸党支部",
        "from": str(TODAY - timedelta(days=1)),
        "to": str(TODAY),
        "as_of": str(TODAY),
        "known_at": found.manifest["known_at"],
        "made_at": found.manifest["known_at"],
        "made_by": ["WANG", "示例王"],
        "definitions": found.manifest["definitions"],
        "files": [],
        "missing": [],
    }
    assert found.manifest["definitions"]["patrol-progress"]["version"] >= 1
    made_at = datetime.fromisoformat(found.manifest["made_at"])
    assert made_at.utcoffset() == timedelta(hours=8)
    assert NOW.replace(microsecond=0) <= made_at <= datetime.now(UTC)
    entry = await session.scalar(select(AuditEntry).where(AuditEntry.subject == "ledger:EAST"))
    assert entry is not None
    assert (entry.actor_id, entry.action) == (wang.person.id, "see")
    assert entry.reason == f"from={TODAY - timedelta(days=1)} to={TODAY} as_of={TODAY}"


async def test_a_photo_that_is_not_there_is_named(
    li: Member, wang: Member, state: State, session: AsyncSession
) -> None:
    visit = await a_visit(li, photos=3)
    gone, unmade, broken = await made(session, state)
    await state["store"].delete(rendition_key(gone, "large"))
    for sha256, change in ((unmade, {"renditions_at": None}), (broken, {"fault": "打不开"})):
        await session.execute(update(Image).where(Image.sha256 == sha256).values(**change))
    await session.commit()
    ids = {sha256: id_ for id_, sha256 in await session.execute(select(Photo.id, Photo.sha256))}

    found = await ledger(wang.client, "EAST")

    found.prove()
    assert [name for name in found.zip.namelist() if name.startswith("photos/")] == []
    assert sorted((each["path"], each["why"]) for each in found.manifest["missing"]) == sorted(
        (f"photos/{TODAY}/{ids[sha256]}.jpg", why)
        for sha256, why in ((gone, "存储中找不到"), (unmade, "未生成"), (broken, "无法显示"))
    )
    (row,) = found.rows("巡河记录")
    assert row["记录编号"] == visit
    said = [row["说明"] for row in found.rows("照片")]
    assert sorted(filter(None, said)) == ["无法显示", "未生成"]


async def test_a_store_that_does_not_answer_breaks_the_ledger_off(
    li: Member, wang: Member, state: State, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_visit(li, photos=1)
    await made(session, state)

    async def down(*_asked: object) -> bytes:
        raise StorageUnavailable

    monkeypatch.setattr(state["store"], "get", down)
    monkeypatch.setattr(state["store"], "exists", down)
    answer = await wang.client.get(f"/api/v1/ledgers/EAST.zip?{DAYS}")

    assert b"manifest.json" not in answer.content
    assert list((state["settings"].data_dir / "making").iterdir()) == []


async def test_duties_letters_and_their_files(
    li: Member,
    chen: Member,
    qian: Member,
    program: httpx.AsyncClient,
    state: State,
    session: AsyncSession,
) -> None:
    duty = {
        "holder_kind": "person", "holder_code": "LI", "area_kind": "any", "times": 12,
        "period": "year", "starts_on": f"{TODAY.year}-01-01", "reason": "示例",
    }  # fmt: skip
    letter = {
        "organisation_code": "ENT", "person_code": "CHEN", "signed_on": f"{TODAY.year}-01-05",
        "starts_on": f"{TODAY.year}-01-01", "ends_on": f"{TODAY.year}-12-31", "reason": "签订",
    }  # fmt: skip
    for path, body in (("obligations/O-LI", duty), ("letters/L/1", letter)):
        assert (await qian.client.put(f"/api/v1/{path}", json=body)).status_code == 201
    content = b"%PDF-1.7 signed"
    folder = state["settings"].data_dir / "documents"
    folder.mkdir(exist_ok=True)
    (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)
    await session.execute(
        update(Letter).values(
            document="责任书/示例 1#.pdf", document_sha256=hashlib.sha256(content).digest()
        )
    )
    await session.commit()
    await a_visit(li)
    year = f"from={TODAY.year}-01-01&to={TODAY.year}-12-31"

    found = await ledger(qian.client, "GWH", year)

    found.prove()
    name = "documents/L_1-示例 1_.pdf"
    assert found.zip.read(name) == content
    assert [unquote(link) for link in found.links("目标责任书")] == [name]
    said = (
        await qian.client.get(f"/api/v1/reports/patrol-progress?{year}&by=person&organisation=GWH")
    ).json()
    (owed,) = said["rows"]
    (row,) = found.rows("履职进度-人员")
    assert (row["编码"], row["应巡"], row["完成"], row["巡河天数"]) == (
        "LI", owed["owed"], owed["met"], owed["done"],
    )  # fmt: skip
    assert [row["编码"] for row in found.rows("履职任务")] == ["O-LI"]
    assert chen.person.code in {row["人员编码"] for row in found.rows("目标责任书")}

    # Programs get no signed letters.
    theirs = await ledger(program, "GWH", year)
    theirs.prove()
    assert [name for name in theirs.zip.namelist() if name.startswith("documents/")] == []
    assert theirs.manifest["made_by"][0].startswith("key:xk_")


async def test_an_empty_period_is_a_whole_ledger(zhao: Member) -> None:
    found = await ledger(zhao.client, "VILLAGE", "")

    found.prove()
    assert found.name == f"台账-VILLAGE-{TODAY.year}-01-01-{TODAY.year}-12-31.zip"
    assert found.rows("巡河记录") == []
    assert found.manifest["missing"] == []


async def test_nobody_gets_the_ledger_of_others(
    li: Member,
    zhao: Member,
    west_program: httpx.AsyncClient,
    stranger: httpx.AsyncClient,
    client: Any,
    session: AsyncSession,
) -> None:
    await a_visit(li)
    for each, status in (
        (zhao.client, 404),
        (west_program, 404),
        (li.client, 403),
        (stranger, 403),
        (client(None), 401),
    ):
        answer = await each.get(f"/api/v1/ledgers/EAST.zip?{DAYS}")
        assert answer.status_code == status
    assert await session.scalar(select(AuditEntry.id)) is None
