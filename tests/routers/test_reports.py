"""Reports over the API: what they say, to whom, in which format, and as it was known when."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AreaKind,
    Call,
    Credit,
    EarlierVersion,
    Membership,
    Obligation,
    Period,
    Reminder,
    ReminderItem,
    ReminderKind,
    ReminderState,
)
from app.services import credits
from tests.conftest import Lake, Member
from tests.queries import counted
from tests.services.duty_book import (
    a_liaison,
    an_obligation,
    at,
    doubtful,
    june,
    walked,
)

YEAR = {"from": "2026-01-01", "to": "2026-12-31"}
JUNE = {"from": "2026-06-01", "to": "2026-06-30"}
REPORTS = ("patrol-progress", "behind", "coverage", "effort", "reminders")


async def get(client: httpx.AsyncClient, report: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def owe(session: AsyncSession, lake: Lake, li: Member) -> None:
    """Li owes six a year and walked thrice, twice in June; the west owes two a month."""
    await an_obligation(session, li.person, code="D-LI", times=6, period=Period.year)
    await an_obligation(
        session,
        lake.west_branch,
        code="D-WEST",
        times=2,
        area_kind=AreaKind.grid_cell,
        grid_cell_id=lake.west.id,
    )
    await walked(session, li.person, date(2026, 2, 3), june(1), june(2))
    await doubtful(session, li.person, june(3))


EAST_ROW = {
    "code": "EAST",
    "name": "东岸党支部",
    "organisation": None,
    "organisation_name": None,
    "duties": 1,
    "holders": 1,
    "owed": 6,
    "due": 2,
    "done": 3,
    "met": 3,
    "pending": 1,
    "rate": 0.5,
    "on_target": 0,
    "behind": 0,
    "missing": 0,
}
WEST_ROW = EAST_ROW | {
    "code": "WEST",
    "name": "西岸党支部",
    "owed": 24,
    "due": 11,
    "done": 0,
    "met": 0,
    "pending": 0,
    "rate": 0.0,
    "behind": 1,
    "missing": 11,
}


async def test_progress_of_a_year_by_organisation(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    await owe(session, lake, li)

    said = await get(wang.client, "patrol-progress", **YEAR, as_of="2026-06-20")

    assert said["rows"] == [EAST_ROW, WEST_ROW]
    assert said["totals"] == {
        "duties": 2,
        "holders": 2,
        "owed": 30,
        "due": 13,
        "done": 3,
        "met": 3,
        "pending": 1,
        "rate": 0.1,
        "on_target": 0,
        "behind": 1,
        "missing": 11,
    }
    frame = {name: said[name] for name in ("report", "definition_version", "as_of", "known_at")}
    assert frame == {
        "report": "patrol-progress",
        "definition_version": 1,
        "as_of": "2026-06-20",
        "known_at": None,
    }
    assert (said["from"], said["to"], said["by"]) == ("2026-01-01", "2026-12-31", "organisation")
    assert said["definition"].endswith("第1版")
    assert [each["name"] for each in said["columns"]] == [
        name for name in EAST_ROW if name != "organisation"
    ]


async def test_by_person_only_what_people_owe_by_place_everything(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    await owe(session, lake, li)
    params = YEAR | {"as_of": "2026-06-20"}

    people = await get(wang.client, "patrol-progress", **params, by="person")
    cells = await get(wang.client, "patrol-progress", **params, by="grid_cell")
    steles = await get(wang.client, "patrol-progress", **params, by="stele")

    home = {"organisation": "EAST", "organisation_name": "东岸党支部"}
    assert people["rows"] == [EAST_ROW | home | {"code": "LI", "name": "示例李"}]
    nowhere = {"code": None, "organisation": None, "organisation_name": None}
    west = {"organisation": "WEST", "organisation_name": "西岸党支部"}
    assert cells["rows"] == [
        WEST_ROW | west | {"code": "G-2", "name": "西岸网格"},
        EAST_ROW | nowhere | {"name": "不限地点"},
    ]
    assert steles["rows"] == [
        EAST_ROW | nowhere | {"name": "不限地点"},
        WEST_ROW | nowhere | {"name": "其他地点"},
    ]
    assert cells["totals"] == steles["totals"]


async def test_what_is_met_late_is_met_in_the_month_in_which_it_was_due(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    """Slices of two months each; the first ends on 2 March, and was walked for in April."""
    await an_obligation(session, li.person, times=6, period=Period.year)
    await walked(session, li.person, date(2026, 4, 20))
    march = {"from": "2026-03-01", "to": "2026-03-31"}
    found = []
    for as_of in ("2026-03-02", "2026-03-31", "2026-04-20"):
        said = await get(wang.client, "patrol-progress", **march, as_of=as_of)
        found.append([said["totals"][name] for name in ("owed", "due", "met", "done", "missing")])
    assert found == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 1], [1, 1, 1, 0, 0]]


async def test_the_same_number_of_queries_for_one_duty_and_three(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member, wang: Member
) -> None:
    asked: dict[str, list[int]] = {}
    for holders in ((li.person,), (zhou.person, lake.village)):
        for holder in holders:
            await an_obligation(session, holder, times=6)
        for report in ("patrol-progress", "behind"):
            for by in ("organisation", "person"):
                with counted(session) as queries:
                    said = await get(wang.client, report, as_of="2026-06-20", by=by, explain=True)
                asked.setdefault(f"{report} {by}", []).append(queries.statements)
                assert said["rows"] != []
    assert {name: len(set(numbers)) for name, numbers in asked.items()} == dict.fromkeys(asked, 1)


async def test_behind_says_since_when_and_who_is_reached(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member, wang: Member
) -> None:
    await owe(session, lake, li)
    await a_liaison(session, zhou.person, lake.west_branch)
    call = Call(person_id=zhou.person.id, reason="未绑定", day=june(2), opened_at=at(june(2)))
    session.add(call)
    duty = await session.scalar(select(Obligation.id).where(Obligation.code == "D-WEST"))
    for day, state in ((june(17), ReminderState.sent), (june(18), ReminderState.dropped)):
        reminder = Reminder(
            person_id=zhou.person.id,
            day=day,
            kind=ReminderKind.behind,
            planned_at=at(day),
            figures={},
            state=state,
            try_at=at(day),
            sent_at=at(day, 10) if state is ReminderState.sent else None,
        )
        session.add(reminder)
        await session.flush()
        session.add(
            ReminderItem(
                reminder_id=reminder.id, obligation_id=duty, kind=ReminderKind.behind,
                window_from=june(1), slice=1, due_on=june(15), done=0, owed=2, behind=1,
            )
        )  # fmt: skip
    await session.commit()

    said = await get(wang.client, "behind", as_of="2026-06-20", explain=True)

    (row,) = said["rows"]
    (told,) = row["records"].pop("last_reminder_at")
    assert told == str(
        await session.scalar(select(Reminder.id).where(Reminder.state == ReminderState.sent))
    )
    assert row == {
        "obligation": "D-WEST",
        "holder_kind": "organisation",
        "holder": "WEST",
        "holder_name": "西岸党支部",
        "organisation": "WEST",
        "organisation_name": "西岸党支部",
        "area_kind": "grid_cell",
        "area": "G-2",
        "area_name": "西岸网格",
        "period": "month",
        "window_from": "2026-06-01",
        "window_to": "2026-06-30",
        "owed": 2,
        "due": 1,
        "done": 0,
        "pending": 0,
        "behind": 1,
        "since": "2026-06-16",
        "last_patrol_on": None,
        "last_reminder_at": "2026-06-17T10:00:00+08:00",
        "last_reminder_state": "sent",
        "reachable": False,
        "reachable_by": None,
        "unreachable_because": "没有关注服务号，小程序也没有可发次数",
        "call_id": str(call.id),
        "contact": "ZHOU",
        "contact_name": "示例周",
        "records": {"obligation": ["D-WEST"], "done": [], "pending": []},
        "hidden": 0,
    }
    assert said["totals"] == {
        "duties": 1,
        "holders": 1,
        "reachable_holders": 0,
        "owed": 2,
        "due": 1,
        "done": 0,
        "pending": 0,
        "behind": 1,
    }
    earlier = await get(wang.client, "behind", as_of="2026-06-15")
    assert earlier["rows"] == []
    # As it was known before it went out.
    moment = datetime.now(UTC)
    sent = update(Reminder).where(Reminder.state == ReminderState.sent)
    await session.execute(sent.values(sent_at=moment + timedelta(hours=1)))
    await session.commit()
    then = await get(wang.client, "behind", as_of="2026-06-20", known_at=moment.isoformat())
    assert [(of["last_reminder_at"], of["last_reminder_state"]) for of in then["rows"]] == [
        ("2026-06-17T09:00:00+08:00", "queued")
    ]


async def test_nobody_sees_the_figures_of_others(
    session: AsyncSession,
    lake: Lake,
    li: Member,
    zhao: Member,
    wang: Member,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    await owe(session, lake, li)
    params = YEAR | {"as_of": "2026-06-20"}
    seen = {}
    for name, client in (
        ("zhao", zhao.client),
        ("wang", wang.client),
        ("program", program),
        ("west", west_program),
    ):
        rows = (await get(client, "patrol-progress", **params))["rows"]
        late = (await get(client, "behind", **params))["rows"]
        seen[name] = [row["code"] for row in rows], [row["obligation"] for row in late]
    everything = (["EAST", "WEST"], ["D-WEST"])
    assert seen == {
        "zhao": ([], []),
        "wang": everything,
        "program": everything,
        "west": (["WEST"], ["D-WEST"]),
    }
    for report in REPORTS:
        for client in (zhao.client, west_program):
            answer = await client.get(f"/api/v1/reports/{report}?organisation=EAST&explain=1")
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
        answer = await li.client.get(f"/api/v1/reports/{report}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_an_organisation_is_it_and_all_below(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    await owe(session, lake, li)
    found = {}
    for code in ("EAST", "GWH", "VILLAGE"):
        said = await get(wang.client, "patrol-progress", **YEAR, organisation=code)
        found[code] = [row["code"] for row in said["rows"]]
        assert said["organisation"] == code
    assert found == {"EAST": ["EAST"], "GWH": ["EAST", "WEST"], "VILLAGE": []}


async def test_somebody_who_moved_is_counted_where_they_were(
    session: AsyncSession, lake: Lake, li: Member, wang: Member, west_program: httpx.AsyncClient
) -> None:
    await an_obligation(session, li.person, times=6, period=Period.year)
    await session.execute(
        update(Membership).where(Membership.person_id == li.person.id).values(to_on=june(10))
    )
    session.add(
        Membership(
            person_id=li.person.id,
            organisation_id=lake.west_branch.id,
            from_on=june(11),
            recorded_at=at(june(11)),
        )
    )
    await session.commit()
    found = {}
    for as_of in ("2026-06-10", "2026-06-11"):
        for name, client in (("wang", wang.client), ("west", west_program)):
            said = await get(client, "patrol-progress", **YEAR, as_of=as_of)
            found[name, as_of] = [row["code"] for row in said["rows"]]
    assert found == {
        ("wang", "2026-06-10"): ["EAST"],
        ("west", "2026-06-10"): [],
        ("wang", "2026-06-11"): ["WEST"],
        ("west", "2026-06-11"): ["WEST"],
    }


async def test_every_figure_names_its_records(
    session: AsyncSession,
    lake: Lake,
    li: Member,
    wang: Member,
    west_program: httpx.AsyncClient,
) -> None:
    await owe(session, lake, li)
    # Li is of the west as well: it counts there, and whose patrols they are stays with the east.
    session.add(
        Membership(
            person_id=li.person.id,
            organisation_id=lake.west_branch.id,
            from_on=june(1),
            recorded_at=at(june(1)),
        )
    )
    await an_obligation(session, lake.west_branch, code="D-ANY", times=1)
    await session.flush()
    ids = (await session.scalars(select(Credit.patrol_id).distinct())).all()
    await credits.judge(session, ids, now=at(june(19)))
    await session.commit()
    params = JUNE | {"as_of": "2026-06-20", "explain": True}

    said = await get(wang.client, "patrol-progress", **params, organisation="WEST")
    (row,) = said["rows"]
    records = row["records"]
    assert records["duties"] == ["D-ANY", "D-LI", "D-WEST"]
    assert records["owed"] == ["D-ANY", "D-WEST"]
    assert (records["missing"], records["behind"]) == (["D-WEST"], ["D-WEST"])
    assert (len(records["done"]), len(records["met"]), len(records["pending"])) == (2, 2, 1)
    assert (row["done"], row["met"], row["pending"], row["hidden"]) == (4, 1, 2, 0)
    for id_ in [*records["done"], *records["pending"]]:
        assert (await wang.client.get(f"/api/v1/patrols/{id_}")).status_code == 200
    for code in records["duties"]:
        assert (await wang.client.get(f"/api/v1/obligations/{code}")).status_code == 200

    (hidden,) = (await get(west_program, "patrol-progress", **params))["rows"]
    assert hidden["records"]["done"] == hidden["records"]["pending"] == []
    assert hidden["records"]["duties"] == ["D-ANY", "D-WEST"]
    assert (hidden["done"], hidden["hidden"]) == (4, 3 + 1)
    for id_ in records["done"]:
        assert (await west_program.get(f"/api/v1/patrols/{id_}")).status_code == 404


async def test_what_came_later_is_left_out_as_it_was_known(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    """Late syncs, reviews and edits after that moment; asked now, they all count."""
    await owe(session, lake, li)
    moment = datetime.now(UTC) + timedelta(milliseconds=2)
    params = YEAR | {"as_of": "2026-06-20"}
    before = await get(wang.client, "patrol-progress", **params)
    late_before = await get(wang.client, "behind", **params)
    later = moment + timedelta(hours=1)

    # A late sync, a review that takes a patrol away, a duty changed, one made, an area retired.
    patrols = await walked(session, li.person, june(4))
    await session.execute(
        update(Credit).where(Credit.patrol_id == patrols[0].id).values(recorded_at=later)
    )
    await session.execute(
        update(Credit).where(Credit.counted_on == june(2)).values(revoked_at=later)
    )
    duty = await session.scalar(select(Obligation).where(Obligation.code == "D-LI"))
    assert duty is not None
    duty.times = 12
    lake.west.retired_on = june(1)
    session.add(lake.west)
    await session.commit()
    made = await an_obligation(session, li.person, code="D-NEW", id=_made_at(later))
    await session.execute(update(EarlierVersion).values(superseded_at=later))
    await session.commit()

    answer = await wang.client.get(
        "/api/v1/reports/patrol-progress", params={"known_at": later.isoformat()}
    )
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        [{"pointer": "/known_at", "detail": "不能是将来的时间"}],
    )
    then = await get(wang.client, "patrol-progress", **params, known_at=moment.isoformat())
    late_then = await get(wang.client, "behind", **params, known_at=moment.isoformat())
    now = await get(wang.client, "patrol-progress", **params)
    assert (then["rows"], late_then["rows"]) == (before["rows"], late_before["rows"])
    assert then["known_at"] is not None
    east, west = now["rows"]
    assert made.code == "D-NEW"
    assert (east["duties"], east["owed"], east["done"]) == (2, 12 + 12, 3 - 1 + 1)
    assert west["owed"] == 10


async def test_a_past_day_is_told_with_what_came_in_since(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    """A check-in of the second that arrives on the fifth, and is taken back on the sixth."""
    await an_obligation(session, li.person, times=2)
    url = f"/api/v1/check-ins/{uuid4()}"
    found = {}
    with time_machine.travel(at(june(2)), tick=False) as traveller:
        for day in (june(3), june(5), june(6)):
            traveller.move_to(at(day))
            if day == june(5):
                position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 8, "datum": "wgs84"}
                said = {"at": at(june(2)).isoformat(), "position": position}
                assert (await li.client.put(url, json=said)).status_code == 201
            if day == june(6):
                verdict = {"verdict": "rejected", "reason": "不是本人"}
                assert (await wang.client.post(f"{url}/review", json=verdict)).status_code == 200
            progress = await get(wang.client, "patrol-progress", **JUNE, as_of="2026-06-02")
            cells = await get(wang.client, "coverage", **JUNE, as_of="2026-06-02")
            outings = await get(wang.client, "effort", **JUNE, as_of="2026-06-02")
            found[day.day] = (
                progress["totals"]["done"],
                cells["totals"]["visited"],
                outings["totals"]["outings"],
            )
    assert found == {3: (0, 0, 0), 5: (1, 3, 1), 6: (0, 0, 0)}


def _made_at(moment: datetime) -> UUID:
    """An id of ours that says when it was made."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | 1)


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", "", "application/json"),
        ("text/csv", "", "text/csv; charset=utf-8"),
        ("application/json, text/csv", "", "application/json"),
        ("text/csv;q=0.9,*/*", "", "text/csv; charset=utf-8"),
        ("text/csv", "?format=json", "application/json"),
        ("application/json", "?format=csv", "text/csv; charset=utf-8"),
    ],
)
async def test_the_format_is_asked_for_by_name_or_by_accept(
    wang: Member, accept: str, query: str, kind: str
) -> None:
    for report in REPORTS:
        answer = await wang.client.get(
            f"/api/v1/reports/{report}{query}", headers={"Accept": accept}
        )
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


async def test_only_coverage_is_a_map(wang: Member) -> None:
    for report in REPORTS:
        answer = await wang.client.get(f"/api/v1/reports/{report}?format=geojson")
        if report == "coverage":
            kind = answer.headers["content-type"]
            assert (answer.status_code, kind) == (200, "application/geo+json")
            assert answer.json()["type"] == "FeatureCollection"
        else:
            assert answer.json()["errors"] == [{"pointer": "/format", "detail": "这份报表没有地图"}]


async def test_a_table_for_excel(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    await owe(session, lake, li)
    lake.west_branch.name = "=1+1"
    session.add(lake.west_branch)
    await session.commit()

    answer = await wang.client.get(
        "/api/v1/reports/patrol-progress",
        params=YEAR | {"as_of": "2026-06-20", "format": "csv", "compare": "year_ago"},
    )

    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="patrol-progress-2026-01-01-2026-12-31.csv"'
    )
    head, east, west, total = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert head[:8] == ["编码", "名称", "所在组织", "任务", "责任人", "应巡", "到期", "巡河天数"]
    assert head[-1] == "未完成增减"
    assert east[:14] == [
        "EAST", "东岸党支部", "", "1", "1", "6", "2", "3", "3", "1", "50.0%", "0", "0", "0",
    ]  # fmt: skip
    assert west[1] == "'=1+1"
    assert (total[0], total[5], total[10]) == ("合计", "30", "10.0%")


async def test_an_unchanged_report_is_not_sent_again(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    await owe(session, lake, li)
    url = "/api/v1/reports/patrol-progress?as_of=2026-06-20"
    first = await wang.client.get(url)
    again = {"If-None-Match": first.headers["etag"]}

    assert (await wang.client.get(url, headers=again)).status_code == 304
    await walked(session, li.person, june(5))
    assert (await wang.client.get(url, headers=again)).status_code == 200


async def test_compared_with_the_month_before_as_it_stood_as_long_after(
    session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    """June twenty days in, against May on its twenty-first: both have had as long to go."""
    await an_obligation(session, li.person, times=2)
    await walked(session, li.person, date(2026, 5, 5), date(2026, 5, 22), june(6))
    await an_obligation(session, zhou.person, starts_on=june(1))

    said = await get(wang.client, "patrol-progress", **JUNE, as_of="2026-06-20", compare="previous")

    compared = said["compared"]
    assert [compared[name] for name in ("from", "to", "as_of")] == [
        "2026-05-01",
        "2026-05-31",
        "2026-05-21",
    ]
    (may,) = compared["rows"]
    assert (may["code"], may["owed"], may["met"], may["due"]) == ("EAST", 2, 1, 1)
    east, west = said["rows"]
    assert (east["met"], east["change"]["met"], east["change"]["rate"]) == (1, 0, 0.0)
    assert set(west["change"].values()) == {None}
    assert (said["totals"]["owed"], compared["change"]["owed"]) == (3, 1)


async def test_faults_are_told(wang: Member) -> None:
    for query, pointer in (
        ("from=2026-02-01&to=2026-01-01", "/to"),
        ("from=2020-01-01&to=2026-01-01", "/to"),
    ):
        answer = await wang.client.get(f"/api/v1/reports/patrol-progress?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    for query in ("by=rank", "as_of=today", "known_at=2026-01-01T00:00:00", "compare=2020"):
        answer = await wang.client.get(f"/api/v1/reports/patrol-progress?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert (await wang.client.get("/api/v1/reports/points")).status_code == 404


async def test_a_list_of_a_day_is_not_compared(wang: Member) -> None:
    for compare in ("previous", "year_ago", "2020", ""):
        answer = await wang.client.get("/api/v1/reports/behind", params={"compare": compare})
        assert (answer.status_code, answer.json()["errors"]) == (
            422,
            [
                {
                    "pointer": "/compare",
                    "detail": "进度落后的名单不能对比，请改用截至日查看那一天的名单",
                }
            ],
        )


async def test_programs_can_read_what_reports_say_of_themselves(wang: Member) -> None:
    paths = (await wang.client.get("/openapi.json")).json()["paths"]
    for report in REPORTS:
        answers = paths[f"/api/v1/reports/{report}"]["get"]["responses"]["200"]["content"]
        assert set(answers) == {"application/json", "text/csv"}
        assert answers["application/json"]["schema"]["$ref"].endswith("/Report")
