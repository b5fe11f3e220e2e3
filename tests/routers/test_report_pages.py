"""The reports' pages: the figures are those of the report, and lead to their records."""

from collections.abc import Mapping
from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import clock
from app.routers.dashboard.report_questions import SHOWN, Question
from app.routers.dashboard.report_tables import written
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.services.access import Caller
from app.services.reports import report as reporting
from app.services.reports.report import By, Kind, Report
from app.settings import Settings
from tests.conftest import Client, Lake, Member
from tests.databases import taken_back
from tests.services import duty_histories, visit_histories
from tests.services.duty_histories import STARTS_AT, History, Step

NOON = datetime.fromisoformat("2026-06-15T12:00:00+08:00")
SETTINGS = Settings(_env_file=None)
NOTHING_ELSE = Question(None, None, None, None, None, None, None, None)
MONTH = {"from": "2026-06-01", "to": "2026-06-30"}


class Page(HTMLParser):
    """What a reader sees: headings' and cells' texts, row by row, and where links lead."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        assert answer.status_code == 200, answer.text
        self.rows: list[list[str]] = []
        self.links: dict[str, str] = {}
        self.hrefs: list[str] = []
        self.headline: list[str] = []
        self._in_bold = False
        self.text = ""
        self._href = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
        elif tag == "b":
            self._in_bold = True
        elif tag == "a":
            self._href = dict(attrs)["href"]
            self.hrefs.append(self._href)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._href = ""
        if tag == "b":
            self._in_bold = False
        if tag == "table":
            self.rows.append([])

    def handle_data(self, text: str) -> None:
        self.text += text
        if self._in_bold:
            self.headline.append(text)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += text.strip()
        if self._href:
            self.links[text] = self._href

    @property
    def table(self) -> list[list[str]]:
        """The rows under the heading."""
        return [row for row in self.rows if row][1:]


async def signed_in(session: AsyncSession, client: Client, member: Member) -> httpx.AsyncClient:
    token = await web_sessions.begin(session, member.person, via="link", now=clock.now())
    await session.commit()
    browser = client(None)
    browser.cookies.set(WEB_COOKIE, token)
    return browser


async def visited(member: Member, at: str = "2026-06-15T08:00:00+08:00") -> str:
    id_ = str(uuid4())
    here = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    answer = await member.client.put(f"/api/v1/check-ins/{id_}", json={"at": at, "position": here})
    assert (answer.status_code, answer.json()["verdict"]) == (201, "accepted")
    return id_


def expected(report: Report) -> list[list[str]]:
    """The rows as they ought to be written, the total last."""
    columns = [
        column
        for column in report.definition.columns
        if column.kind is not Kind.parts
        and any(
            column.name in row and (column.kind is not Kind.text or row[column.name])
            for row in report.rows
        )
    ]
    total = [
        written(column, report.totals[column.name]) if column.name in report.totals else ""
        for column in columns
    ]
    body = [[written(column, row.get(column.name)) for column in columns] for row in report.rows]
    return [*body, ["合计", *total[1:]]]


def headline(report: Report) -> list[str]:
    """What only the total of coverage has."""
    columns = {column.name: column for column in report.definition.columns}
    names = ("cells", "visited", "cold", "coverage")
    return [written(columns[name], report.totals[name]) for name in names]


async def test_a_figure_leads_to_its_records(
    session: AsyncSession, client: Client, li: Member, wang: Member
) -> None:
    with time_machine.travel(NOON, tick=False):
        browser = await signed_in(session, client, wang)
        id_ = await visited(li)
        shown = Page(await browser.get("/dashboard/reports/coverage", params=MONTH))
        cell = next(row for row in shown.table if row[0] == "G-1-1")
        assert cell == [
            "G-1-1", "东岸一号网格", "综合网格", "东岸党支部", "2026-06", "1", "1",
            "2026年6月15日", "0",
        ]  # fmt: skip
        assert shown.links["东岸一号网格"] == "/dashboard/grid-cells/G-1-1"
        params = {**MONTH, "figure": "visits", "row": "G-1-1", "month": "2026-06"}
        behind = Page(await browser.get("/dashboard/reports/coverage/records", params=params))
        assert behind.table == [["巡河记录", "2026-06-15 08:00", "示例李", "东岸一号网格"]]
        assert behind.links["巡河记录"] == f"/dashboard/check-ins/{id_}"


async def test_every_link_of_a_figure_is_answered(
    session: AsyncSession, client: Client, li: Member, chen: Member, wang: Member
) -> None:
    with time_machine.travel(NOON, tick=False):
        browser = await signed_in(session, client, wang)
        await visited(li)
        await visited(chen)
        asked = 0
        for name, shown in SHOWN.items():
            for by in By if "by" in shown.asks else (By.organisation,):
                answer = await browser.get(
                    f"/dashboard/reports/{name}", params={**MONTH, "by": by.value}
                )
                for href in Page(answer).hrefs:
                    if "/records?" in href:
                        Page(await browser.get(href))
                        asked += 1
    # 3 cells; 2 people of 2 organisations on one reach, at one stele, in 3 cells: two figures each.
    assert asked == 2 * (3 + 2 + 2 + 1 + 1 + 3)


async def test_figures_of_duties_lead_to_duties_and_patrols(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
) -> None:
    with time_machine.travel(NOON, tick=False):
        await duty_histories.owe(session, lake, li, zhou, chen)
        await visited(li)
        browser = await signed_in(session, client, wang)
        year = {"from": "2026-01-01", "to": "2026-12-31", "by": "person"}
        shown = Page(await browser.get("/dashboard/reports/progress", params=year))
        assert shown.links["示例李"] == "/dashboard/people/LI"
        owed = next(row for row in shown.table if row[0] == "LI")[3]
        behind = Page(
            await browser.get(
                "/dashboard/reports/progress/records",
                params={**year, "figure": "duties", "row": "LI"},
            )
        )
        assert [row[0] for row in behind.table] == ["任务"] * int(owed)
        for name in ("progress", "behind"):
            shown = Page(await browser.get(f"/dashboard/reports/{name}", params=year))
            links = [href for href in shown.hrefs if "/records?" in href]
            assert links
            for href in links:
                assert Page(await browser.get(href)).table


async def test_what_changed_stands_beside_each_figure(
    session: AsyncSession, client: Client, li: Member, wang: Member
) -> None:
    with time_machine.travel(NOON, tick=False):
        browser = await signed_in(session, client, wang)
        await visited(li)
        for at in ("2026-06-13T08:00:00+08:00", "2026-06-12T08:00:00+08:00"):
            await visited(li, at)
        params = {"from": "2026-06-14", "to": "2026-06-15", "compare": "previous", "by": "person"}
        shown = Page(await browser.get("/dashboard/reports/effort", params=params))
        assert shown.table == [
            ["LI", "示例李", "1−1", "1−1", "0.00", "0.00"],
            ["合计", "", "1−1", "1−1", "0.00", "0.00"],
        ]
        assert "增减是比2026年6月12日至2026年6月13日" in shown.text


async def test_a_report_as_it_was_known(
    session: AsyncSession, client: Client, li: Member, wang: Member
) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        browser = await signed_in(session, client, wang)
        traveller.shift(600)
        await visited(li)
        params = {**MONTH, "known_at": NOON.isoformat(), "organisation": "EAST"}
        shown = Page(await browser.get("/dashboard/reports/coverage", params=params))
        assert [row[:1] + row[5:] for row in shown.table] == [
            ["G-1", "0", "0", "—", "—"],
            ["G-1-1", "0", "0", "—", "—"],
            ["合计", "0", "", "", ""],
        ]
        assert "按2026-06-15 12:00所知" in shown.text


async def test_what_is_not_ours_to_see_is_only_counted(
    session: AsyncSession, client: Client, li: Member, zhao: Member
) -> None:
    """Zhao manages the village: of an outing from elsewhere nothing is told."""
    with time_machine.travel(NOON, tick=False):
        browser = await signed_in(session, client, zhao)
        await visited(li)
        for by in By:
            shown = Page(
                await browser.get("/dashboard/reports/effort", params={**MONTH, "by": by.value})
            )
            assert shown.table == [["没有可以列出的内容。"]]
        answer = await browser.get(
            "/dashboard/reports/effort/records",
            params={**MONTH, "figure": "outings", "row": "LI", "by": "person"},
        )
        assert (answer.status_code, "示例李" in answer.text) == (404, False)
        answer = await browser.get(
            "/dashboard/reports/coverage", params={**MONTH, "organisation": "EAST"}
        )
        assert answer.status_code == 404


async def test_blank_fields_are_none_and_bad_ones_are_named(
    session: AsyncSession, client: Client, wang: Member
) -> None:
    browser = await signed_in(session, client, wang)
    blank = dict.fromkeys(
        ("from", "to", "as_of", "organisation", "by", "kind", "compare", "known_at"), ""
    )
    for name in SHOWN:
        answer = await browser.get(f"/dashboard/reports/{name}", params=blank)
        assert answer.status_code == 200
    for params in ({"from": "yesterday"}, {"from": "2026-02-01", "to": "2026-01-01"}):
        answer = await browser.get("/dashboard/reports/coverage", params=params)
        assert (answer.status_code, "没有成功" in answer.text) == (422, True)
    assert (await browser.get("/dashboard/reports/assessment")).status_code == 404
    params = {"figure": "nonsense", "row": "G-1"}
    answer = await browser.get("/dashboard/reports/coverage/records", params=params)
    assert answer.status_code == 404


async def test_whoever_is_not_signed_in_is_led_there(client: Client) -> None:
    answer = await client(None).get("/dashboard/reports/coverage?from=2026-06-01")
    assert answer.status_code == 303
    assert unquote(answer.headers["location"]).endswith(
        "?next=/dashboard/reports/coverage?from=2026-06-01"
    )


async def test_a_long_table_comes_in_pages(
    session: AsyncSession,
    client: Client,
    wang: Member,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.routers.dashboard.reports._A_PAGE", 3)
    browser = await signed_in(session, client, wang)
    address = "/dashboard/reports/coverage?from=2026-05-01&to=2026-06-30&as_of=2026-06-30"
    codes = []
    for _ in range(3):
        shown = Page(await browser.get(address))
        codes += [(row[0], row[4]) for row in shown.table[:-1]]
        address = shown.links.get("下一页", "")
    assert address == ""
    cells = ("G-0", "G-1", "G-1-1", "G-2")
    assert codes == [(cell, month) for cell in cells for month in ("2026-05", "2026-06")]


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=visit_histories.steps)
async def test_pages_say_what_the_reports_say(
    steps: list[Step],
    connection: AsyncConnection,
    session: AsyncSession,
    client: Client,
    lake: Lake,
    li: Member,
    zhou: Member,
    chen: Member,
    wang: Member,
) -> None:
    async with taken_back(connection, session):
        with time_machine.travel(STARTS_AT, tick=False) as traveller:
            await duty_histories.owe(session, lake, li, zhou, chen)
            history = History([li, zhou, chen], wang, session, traveller)
            for step in steps:
                await visit_histories.take(history, step)
            browser = await signed_in(session, client, wang)
            for organisation in (None, "EAST"):
                for by in By:
                    given = {"from": "2025-12-01", "to": "2026-01-31", "by": by.value}
                    given |= {"organisation": organisation} if organisation else {}
                    await _compare(session, browser, wang, given, by, organisation, history.now)


async def _compare(
    session: AsyncSession,
    browser: httpx.AsyncClient,
    member: Member,
    given: Mapping[str, str],
    by: By,
    organisation: str | None,
    now: datetime,
) -> None:
    asked = await reporting.ask(
        session, Caller(person=member.person), now=now, from_on=date(2025, 12, 1),
        to_on=date(2026, 1, 31), organisation=organisation, by=by,
    )  # fmt: skip
    for name, shown in SHOWN.items():
        said = Page(await browser.get(f"/dashboard/reports/{name}", params=given))
        report = await shown.make(session, asked, NOTHING_ELSE, SETTINGS)
        nothing = [["没有可以列出的内容。"]]
        assert said.table == (expected(report) if report.rows else nothing), name
        if name == "coverage":
            assert said.headline == headline(report)
