"""Bulletins, from the first look to the signed one, and what may lay them out."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
import time_machine
from docx import Document
from openpyxl import Workbook, load_workbook
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Person
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.services.bulletins import templates
from app.settings import Settings
from app.state import State
from tests.conftest import Client, Member

pytestmark = pytest.mark.usefixtures("june")

HERE = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
JUNE = datetime(2026, 6, 15, 2, tzinfo=UTC)
IN_JULY = datetime(2026, 7, 3, 2, tzinfo=UTC)
IN_AUGUST = datetime(2026, 8, 3, 2, tzinfo=UTC)


@pytest.fixture
def at() -> Iterator[Any]:
    """`at(instant)`: it is that moment from now on."""
    travellers: list[Any] = []

    def go(instant: datetime) -> None:
        for each in travellers:
            each.stop()
        travellers[:] = [time_machine.travel(instant, tick=False)]
        travellers[0].start()

    yield go
    for each in travellers:
        each.stop()


At = Callable[[datetime], None]


@dataclass
class Desk:
    """A manager at the dashboard: forms carry the token of the sign-in."""

    browser: httpx.AsyncClient
    token: str

    async def post(self, path: str, organisation: str = "GWH", **form: Any) -> httpx.Response:
        files = form.pop("files", None)
        return await self.browser.post(
            f"/dashboard/bulletins{path}",
            data={"form_token": self.token, "organisation": organisation, **form},
            files=files,
        )

    async def get(self, path: str) -> httpx.Response:
        return await self.browser.get(f"/dashboard/bulletins{path}")


async def _desk(session: AsyncSession, client: Client, state: State, person: Person) -> Desk:
    # Signed in for as long as the story takes.
    now = datetime.now(UTC)
    cookie = await web_sessions.begin(session, person, via="link", now=now)
    signed = await web_sessions.find(session, cookie, now=now)
    assert signed is not None
    signed.web_session.expires_at = signed.web_session.seen_at = now + timedelta(days=4000)
    await session.commit()
    browser = client(None)
    browser.cookies.set(WEB_COOKIE, cookie)
    return Desk(browser, web_sessions.form_token(state["keys"], signed))


@pytest.fixture
async def desk(session: AsyncSession, client: Client, state: State, wang: Member, at: At) -> Desk:
    """Wang's."""
    at(JUNE)
    return await _desk(session, client, state, wang.person)


async def _duty(admin: Member, code: str, holder: str, times: int = 2) -> None:
    response = await admin.client.put(
        f"/api/v1/obligations/{code}",
        json={
            "holder_kind": "person",
            "holder_code": holder,
            "area_kind": "any",
            "times": times,
            "period": "month",
            "starts_on": "2026-01-01",
            "reason": "布置",
        },
    )
    assert response.status_code == 201, response.text


async def _visit(member: Member, day: date) -> None:
    response = await member.client.put(
        f"/api/v1/check-ins/{uuid4()}",
        json={"at": f"{day}T10:00:00+08:00", "position": HERE},
    )
    assert response.status_code == 201, response.text


async def _said(member: Member | httpx.AsyncClient, period: str, **query: str) -> Any:
    client = member if isinstance(member, httpx.AsyncClient) else member.client
    response = await client.get(f"/api/v1/bulletins/{period}.json", params=query)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
async def june(qian: Member, li: Member, zhou: Member, at: At) -> None:
    """Two a month from each: Li went once in May and twice in June, Zhou once in June."""
    at(datetime(2026, 5, 1, 2, tzinfo=UTC))
    await _duty(qian, "O-LI", "LI")
    await _duty(qian, "O-ZHOU", "ZHOU")
    for member, days in (
        (li, (date(2026, 5, 6), date(2026, 6, 2), date(2026, 6, 9))),
        (zhou, (date(2026, 6, 10),)),
    ):
        for day in days:
            at(datetime(day.year, day.month, day.day, 9, tzinfo=UTC))
            await _visit(member, day)
    at(IN_JULY)


async def test_its_figures_are_those_of_the_reports_compared_with_the_period_before(
    wang: Member,
) -> None:
    content = (await _said(wang, "2026-06"))["content"]
    assert [
        {
            name: unit[name]
            for name in ("code", "owed", "done", "met", "missing", "rate", "change_previous")
        }
        for unit in content["units"]
    ] == [
        {"code": "EAST", "owed": 2, "done": 2, "met": 2, "missing": 0, "rate": 1.0,
         "change_previous": 0.5},
        {"code": "WEST", "owed": 2, "done": 1, "met": 1, "missing": 1, "rate": 0.5,
         "change_previous": 0.5},
    ]  # fmt: skip
    assert content["short"] == [{"code": "WEST", "name": "西岸党支部", "missing": 1}]
    assert (content["totals"]["owed"], content["totals"]["met"]) == (4, 3)
    assert content["totals"]["rate"] == 0.75
    report = (
        await wang.client.get(
            "/api/v1/reports/patrol-progress",
            params={"from": "2026-06-01", "to": "2026-06-30", "as_of": "2026-06-30"},
        )
    ).json()
    assert {
        row["code"]: (row["owed"], row["done"], row["met"], row["rate"]) for row in report["rows"]
    } == {
        unit["code"]: (unit["owed"], unit["done"], unit["met"], unit["rate"])
        for unit in content["units"]
    }
    cold = {cell["code"] for cell in content["coverage"]["cold_cells"]}
    assert cold == {"G-2"}


async def test_from_draft_to_final(
    desk: Desk, wang: Member, program: httpx.AsyncClient, at: At
) -> None:
    at(IN_JULY)
    assert (await _said(program, "2026-06"))["state"] == "preview"
    assert (await desk.post("/2026-06/draft")).status_code == 303
    response = await desk.post(
        "/2026-06/texts",
        version="1",
        opening="六月通报。",
        closing="<b>请补齐</b>",
        **{"remark:WEST": "=1+1 已约谈"},
    )
    assert response.status_code == 303, response.text
    said = await _said(wang, "2026-06")
    assert (said["state"], said["version"], said["content"]["opening"]) == (
        "draft",
        2,
        "六月通报。",
    )
    # What is only a draft is the office's own.
    assert (await _said(program, "2026-06"))["content"]["opening"] == ""
    assert (await program.get("/api/v1/bulletins")).json()["items"] == []
    page = (await desk.get("/2026-06?organisation=GWH")).text
    assert "&lt;b&gt;请补齐" in page
    assert "<b>请补齐" not in page

    assert (await desk.post("/2026-06/sign", version="1")).status_code == 412
    assert (await desk.post("/2026-06/sign", version="2")).status_code == 303
    final = await _said(program, "2026-06")
    assert final["state"] == "final"
    assert final["content"]["signed_by"]["name"] == "示例王"
    assert final["content"]["known_at"] == "2026-07-03T10:00:00+08:00"
    canonical = orjson.dumps(final["content"], option=orjson.OPT_SORT_KEYS)
    assert final["sha256"] == hashlib.sha256(canonical).hexdigest()
    (listed,) = (await program.get("/api/v1/bulletins")).json()["items"]
    assert (listed["period"], listed["sha256"], listed["signed_by"]) == (
        "2026-06",
        final["sha256"],
        "示例王",
    )
    for path, form in (("texts", {"opening": "改"}), ("sign", {})):
        assert (await desk.post(f"/2026-06/{path}", version="2", **form)).status_code == 409
    assert await _said(wang, "2026-06") == final


async def test_a_final_one_stays_and_the_next_lists_what_came_late(
    desk: Desk, wang: Member, zhou: Member, at: At
) -> None:
    at(IN_JULY)
    await desk.post("/2026-06/draft")
    assert (await desk.post("/2026-06/sign", version="1")).status_code == 303
    final = await _said(wang, "2026-06")
    documents = [
        (await wang.client.get(f"/api/v1/bulletins/2026-06.{kind}")).content
        for kind in ("docx", "xlsx")
    ]
    at(IN_JULY + timedelta(hours=1))
    await _visit(zhou, date(2026, 6, 29))
    assert await _said(wang, "2026-06") == final
    assert documents == [
        (await wang.client.get(f"/api/v1/bulletins/2026-06.{kind}")).content
        for kind in ("docx", "xlsx")
    ]
    at(IN_AUGUST)
    assert (await _said(wang, "2026-07"))["content"]["corrections"] == [
        {"period": "2026-06", "code": "WEST", "name": "西岸党支部", "figure": figure,
         "figure_name": name, "said": before, "now": now}
        for figure, name, before, now in (
            ("done", "已巡", 1, 2), ("met", "完成", 1, 2), ("missing", "缺", 1, 0)
        )
    ]  # fmt: skip
    page = (await desk.get("/2026-07?organisation=GWH")).text
    assert "对上一期的更正" in page


async def test_its_documents_say_what_it_says(desk: Desk, wang: Member, at: At) -> None:
    at(IN_JULY)
    await desk.post("/2026-06/draft")
    await desk.post("/2026-06/texts", version="1", **{"remark:WEST": "=1+1"})
    await desk.post("/2026-06/sign", version="2")
    word = Document(io.BytesIO((await wang.client.get("/api/v1/bulletins/2026-06.docx")).content))
    assert word.paragraphs[0].text == "示例管委会2026年6月巡河月通报"
    rows = [[cell.text for cell in row.cells] for row in word.tables[0].rows]
    assert [row[1:7] for row in rows[1:]] == [
        ["东岸党支部", "2", "2", "2", "0", "100.0%"],
        ["西岸党支部", "2", "1", "1", "1", "50.0%"],
    ]
    book = load_workbook(
        io.BytesIO((await wang.client.get("/api/v1/bulletins/2026-06.xlsx")).content)
    )
    cells = [list(row) for row in book.active.iter_rows()]  # type: ignore[union-attr]
    units = {row[1].value: row for row in cells if row[1].value in {"东岸党支部", "西岸党支部"}}
    assert [cell.value for cell in units["西岸党支部"][2:7]] == [2, 1, 1, 1, "50.0%"]
    remark = units["西岸党支部"][9]
    assert (remark.value, remark.data_type) == ("=1+1", "s")


async def test_people_are_in_no_order_and_units_only_where_switched_on(
    wang: Member,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = [unit["code"] for unit in (await _said(wang, "2026-05"))["content"]["units"]]
    assert codes == ["EAST", "WEST"]
    monkeypatch.setattr(settings, "rank_organisations", True)
    content = (await _said(wang, "2026-05"))["content"]
    assert [(unit["code"], unit["rate"]) for unit in content["units"]] == [
        ("EAST", 0.5),
        ("WEST", 0.0),
    ]
    assert "LI" not in str(content)
    assert "示例李" not in str(content)


async def test_a_period_is_signed_when_it_is_over(desk: Desk, at: At) -> None:
    at(IN_JULY)
    assert (await desk.post("/2026-07/draft")).status_code == 303
    response = await desk.post("/2026-07/sign", version="1")
    assert response.status_code == 409
    assert "2026年7月还没有结束" in response.text
    assert (await desk.post("/2026-08/draft")).status_code == 404
    assert (await desk.get("/2026-13")).status_code == 404
    assert (await desk.get("/2026-Q3?organisation=GWH")).status_code == 200


async def test_a_quarter(wang: Member) -> None:
    content = (await _said(wang, "2026-Q2"))["content"]
    assert (content["from"], content["to"]) == ("2026-04-01", "2026-06-30")
    assert {unit["code"]: (unit["owed"], unit["met"]) for unit in content["units"]} == {
        "EAST": (6, 3),
        "WEST": (6, 1),
    }


async def test_others_do_not_see_it(
    desk: Desk,
    zhao: Member,
    li: Member,
    west_program: httpx.AsyncClient,
    session: AsyncSession,
    client: Client,
    state: State,
    at: At,
) -> None:
    at(IN_JULY)
    await desk.post("/2026-06/draft")
    for client_ in (zhao.client, west_program):
        for path in ("bulletins", "bulletins/2026-06.json", "bulletins/2026-06.docx"):
            response = await client_.get(f"/api/v1/{path}", params={"organisation": "GWH"})
            assert response.status_code == 404, path
    assert (await li.client.get("/api/v1/bulletins/2026-06.json")).status_code == 403
    theirs = await _desk(session, client, state, zhao.person)
    assert (await theirs.get("/2026-06?organisation=GWH")).status_code == 404
    for path in ("draft", "texts", "sign"):
        assert (await theirs.post(f"/2026-06/{path}", version="1")).status_code == 404
    forged = Desk(desk.browser, "0" * 64)
    assert (await forged.post("/2026-06/sign", version="1")).status_code == 403
    assert (await _said(west_program, "2026-06"))["organisation"] == "WEST"


def _docx(*texts: str) -> bytes:
    document = Document()
    for each in texts:
        document.add_paragraph(each)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def _xlsx(*rows: tuple[str, ...]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


async def test_an_office_has_its_own_templates(desk: Desk, wang: Member, at: At) -> None:
    at(IN_JULY)
    for name, content in (
        ("我们的.docx", _docx("本局 {{ title }}", "{%p for unit in units %}", "{{ unit.name }}：{{ unit.rate }}", "{%p endfor %}")),
        ("我们的.xlsx", _xlsx(("本局 {{ title }}",), ("{{ unit.name }}", "{{ unit.met }}"), ("合计", "{{ met }}"))),
    ):  # fmt: skip
        response = await desk.post("/templates", files={"file": (name, content)})
        assert response.status_code == 303, response.text
    assert "我们的.docx" in (await desk.get("?organisation=GWH")).text
    word = Document(io.BytesIO((await wang.client.get("/api/v1/bulletins/2026-06.docx")).content))
    assert [each.text for each in word.paragraphs] == [
        "本局 示例管委会2026年6月巡河月通报",
        "东岸党支部：100.0%",
        "西岸党支部：50.0%",
    ]
    book = load_workbook(
        io.BytesIO((await wang.client.get("/api/v1/bulletins/2026-06.xlsx")).content)
    )
    assert list(book.active.iter_rows(values_only=True)) == [  # type: ignore[union-attr]
        ("本局 示例管委会2026年6月巡河月通报", None),
        ("东岸党支部", 2),
        ("西岸党支部", 1),
        ("合计", 3),
    ]
    assert (await desk.post("/templates/docx/drop")).status_code == 303
    word = Document(io.BytesIO((await wang.client.get("/api/v1/bulletins/2026-06.docx")).content))
    assert word.paragraphs[0].text == "示例管委会2026年6月巡河月通报"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.docx", _docx("{{ ''.__class__ }}"), "不允许的写法"),
        ("a.docx", _docx("{{ title.__class__.__mro__ }}"), "模板里"),
        ("a.docx", _docx("{{ 'a' * 999999999 }}"), "不允许的写法"),
        (
            "a.docx",
            _docx("{% for a in units %}{% for b in units %}x{% endfor %}{% endfor %}"),
            "不允许的写法",
        ),
        ("a.docx", _docx("{{ nothing }}"), "不认识的占位符：nothing"),
        ("a.docx", _docx("{{ title"), "不完整"),
        ("a.xlsx", _xlsx(("{{ nothing }}",)), "不认识的占位符：nothing"),
        ("a.xlsx", _xlsx(("{% for x in y %}",)), "不认识的占位符"),
        ("a.xlsx", _xlsx(("{{ unit.name }}", "{{ correction.name }}")), "不能放在一起"),
        ("a.docx", b"PK nothing", "打不开"),
        ("a.xlsx", _docx("{{ title }}"), "不是完整的 Excel"),
        ("a.pdf", b"%PDF", "应是 .docx 或 .xlsx"),
        ("a.docx", b"0" * (templates.MOST_BYTES + 1), "不能超过900KB"),
    ],
    ids=[
        "an attribute",
        "a deeper attribute",
        "a product",
        "loops in loops",
        "an unknown name",
        "half a placeholder",
        "an unknown name in a cell",
        "a statement in a cell",
        "two kinds in a row",
        "a broken archive",
        "another kind",
        "another name",
        "too large",
    ],
)
async def test_what_is_no_template_is_refused_by_name(
    desk: Desk, wang: Member, at: At, name: str, content: bytes, sentence: str
) -> None:
    at(IN_JULY)
    response = await desk.post("/templates", files={"file": (name, content)})
    assert response.status_code == 422, response.text
    assert sentence in response.text
    assert (await wang.client.get("/api/v1/bulletins/2026-06.docx")).status_code == 200
