"""Managers say who owes what; everybody who may sees how it stands, and why."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AreaKind,
    AuditEntry,
    Credit,
    Exemption,
    ExemptionKind,
    Obligation,
    Period,
    StaleStanding,
)
from tests.conftest import Client, Lake, Member
from tests.factories import LONG_AGO, a_person, a_token, an_api_key, an_organisation
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
TWICE_A_MONTH: dict[str, Any] = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "grid_cell",
    "area_code": "G-1",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "reason": "年度任务",
}
SAID = {
    "code": "O-1",
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "grid_cell",
    "area_code": "G-1",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "ends_on": None,
    "months": None,
    "min_minutes": None,
    "min_metres": None,
    "kinds": None,
    "photo": "wanted",
    "letter_number": None,
    "retired_on": None,
}
# November has 30 days: the slices end on the 15th and the 30th.
STANDS = {
    "holder": {"kind": "person", "code": "LI", "name": "示例李"},
    "area": {"kind": "grid_cell", "code": "G-1", "name": "东岸网格"},
    "window": {"from": "2026-11-01", "to": "2026-11-30"},
    "owed": 2,
    "done": 0,
    "done_by": {"own": 0, "proxy": 0, "late_entry": 0},
    "pending": 0,
    "due_by_now": 1,
    "behind": 1,
    "next_due_on": "2026-11-15",
    "state": "behind",
    "explanation": None,
}


def url(code: str = "O-1") -> str:
    return f"/api/v1/obligations/{code}"


async def walk(
    member: Member, at: str = "2026-11-23T12:00:00+08:00", lon: float = 103.01
) -> dict[str, Any]:
    """A check-in on the east bank, or elsewhere; what it is answered."""
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": at, "position": position}
    response = await member.client.put(f"/api/v1/check-ins/{uuid4()}", json=body)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def an_obligation(session: AsyncSession, code: str, **given: Any) -> Obligation:
    defaults = {
        "code": code,
        "area_kind": AreaKind.any,
        "times": 6,
        "period": Period.year,
        "starts_on": date(2026, 1, 1),
    }
    obligation = Obligation(**defaults | given)
    session.add(obligation)
    await session.commit()
    return obligation


async def figures(client: httpx.AsyncClient, query: str = "") -> tuple[int, int, int, str]:
    """Owed, done, behind, state."""
    response = await client.get(url() + query)
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["owed"], answer["done"], answer["behind"], answer["state"]


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("li")
async def test_an_obligation_is_made_once_and_read_as_it_stands(
    session: AsyncSession, wang: Member
) -> None:
    made = await wang.client.put(url(), json=TWICE_A_MONTH)
    again = await wang.client.put(url(), json=TWICE_A_MONTH)
    read = await wang.client.get(url())
    listed = await wang.client.get("/api/v1/obligations")

    assert [(a.status_code, a.json()) for a in (made, again, read)] == [
        (201, SAID | STANDS),
        (200, SAID | STANDS),
        (200, SAID | STANDS),
    ]
    assert listed.json() == {"items": [SAID | STANDS], "next": None}
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.actor_id, entry.action, entry.subject, entry.before, entry.after, entry.reason) == (
        wang.person.id, "create", "obligation:O-1", None, SAID, "年度任务",
    )  # fmt: skip


@time_machine.travel(NOW, tick=False)
async def test_an_edit_judges_at_once_what_was_walked(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    await walk(li)
    before = await session.scalar(select(Credit.id))

    await wang.client.put(url(), json=TWICE_A_MONTH)
    made = await figures(wang.client)
    # 30 days in 4 slices: they end on the 8th, 15th, 23rd and 30th.
    await wang.client.put(url(), json=TWICE_A_MONTH | {"times": 4})
    more = await figures(wang.client)
    await wang.client.put(url(), json=TWICE_A_MONTH | {"area_code": "G-2"})
    elsewhere = await figures(wang.client)
    await wang.client.put(url(), json=TWICE_A_MONTH | {"area_code": "G-0"})
    outer = await figures(wang.client)

    assert before is None
    assert (made, more, elsewhere, outer) == (
        (2, 1, 0, "due_soon"),
        (4, 1, 1, "behind"),
        (2, 0, 1, "behind"),
        (2, 1, 0, "due_soon"),
    )
    credits = (await session.scalars(select(Credit).order_by(Credit.id))).all()
    assert [(each.counted_on, each.revoked_at is None) for each in credits] == [
        (date(2026, 11, 23), False),
        (date(2026, 11, 23), True),
    ]
    assert await session.scalar(select(StaleStanding.id).limit(1)) is not None


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("chen")
async def test_another_holder_takes_the_duty_over(li: Member, zhou: Member, wang: Member) -> None:
    await walk(li)
    await wang.client.put(url(), json=TWICE_A_MONTH)

    moved = await wang.client.put(url(), json=TWICE_A_MONTH | {"holder_code": "ZHOU"})
    of_a_branch = await wang.client.put(
        url(), json=TWICE_A_MONTH | {"holder_kind": "organisation", "holder_code": "EAST"}
    )

    assert (moved.json()["holder"]["code"], moved.json()["done"]) == ("ZHOU", 0)
    assert (of_a_branch.json()["holder"], of_a_branch.json()["done"]) == (
        {"kind": "organisation", "code": "EAST", "name": "东岸党支部"},
        1,
    )
    assert (await zhou.client.get(url())).status_code == 404


@time_machine.travel(NOW, tick=False)
async def test_a_retired_obligation_asks_for_nothing_from_that_day(
    li: Member, wang: Member
) -> None:
    await walk(li, "2026-11-20T08:00:00+08:00")
    await walk(li)
    await wang.client.put(url(), json=TWICE_A_MONTH)

    retired = await wang.client.put(url(), json=TWICE_A_MONTH | {"retired": True})
    again = await wang.client.put(url(), json=TWICE_A_MONTH | {"retired": True})
    listed = (await wang.client.get("/api/v1/obligations")).json()["items"]
    everything = (await wang.client.get("/api/v1/obligations?retired=true")).json()["items"]
    back = await wang.client.put(url(), json=TWICE_A_MONTH)

    # 22 of 30 days are left of it: (2 × 2 × 22 + 30) div 60 = 1.
    assert (retired.json()["retired_on"], retired.json()["owed"], retired.json()["done"]) == (
        "2026-11-23", 1, 1,
    )  # fmt: skip
    assert again.json() == retired.json()
    assert (listed, [each["code"] for each in everything]) == ([], ["O-1"])
    assert (back.json()["retired_on"], back.json()["owed"], back.json()["done"]) == (None, 2, 2)


@time_machine.travel(NOW, tick=False)
async def test_a_person_who_leaves_or_moves_changes_what_counts(li: Member, wang: Member) -> None:
    """Li's walk of the 20th counts for the branch as long as Li was of it then."""
    await walk(li, "2026-11-20T08:00:00+08:00")
    await wang.client.put(
        url(), json=TWICE_A_MONTH | {"holder_kind": "organisation", "holder_code": "EAST"}
    )
    person = {
        "name": "示例李",
        "organisation_code": "WEST",
        "role": "member",
        "party_member": True,
        "reason": "调动",
    }
    assert (await figures(wang.client))[1] == 1

    moved = await wang.client.put("/api/v1/people/LI", json=person | {"from": "2026-11-01"})

    assert moved.status_code == 200
    assert (await figures(wang.client))[1] == 0


@pytest.mark.parametrize(
    ("given", "code", "errors"),
    [
        ({"times": 366}, "invalid", [("/times", "366 超出范围，应在 0 至 365 之间")]),
        ({"times": -1}, "invalid", [("/times", "-1 超出范围，应在 0 至 365 之间")]),
        ({"times": 10**30}, "invalid", [("/times", f"“{10**30}”不是整数")]),
        ({"times": 29}, "invalid", [("/times", "29 次太多：每月最多 28 次（一天一次）")]),
        ({"times": "2"}, "invalid", [("/times", "格式不对")]),
        ({"times": True}, "invalid", [("/times", "格式不对")]),
        ({"times": 2.5}, "invalid", [("/times", "格式不对")]),
        ({"period": "day"}, "invalid",
         [("/period", "“day”不在可选范围内，可填：year（年）、half_year（半年）、quarter（季）、month（月）、week（周）")]),
        ({"months": "13"}, "invalid", [("/months", "“13”里的月份应在 1 至 12 之间")]),
        ({"months": "春天"}, "invalid", [("/months", "“春天”看不懂，月份请写成 3-12")]),
        ({"ends_on": "2025-12-31"}, "invalid", [("/ends_on", "2025-12-31 早于开始的 2026-01-01")]),
        ({"area_kind": "any"}, "invalid",
         [("/area_code", "区域类别为 any（不限）时不填编码")]),
        ({"area_code": None}, "invalid", [("/area_code", "不能为空：要写明是哪一个区域")]),
        ({"area_code": "G-9"}, "unknown-code",
         [("/area_code", "“G-9”不存在，请先在 grid_cells 里登记")]),
        ({"area_kind": "waterbody"}, "invalid",
         [("/area_kind", "“waterbody”不在可选范围内，可填：any（不限）、reach（河段）、grid_cell（网格）、stele（界碑）、paired（挂钩河段）")]),
        ({"holder_code": "NOBODY"}, "unknown-code",
         [("/holder_code", "“NOBODY”不存在，请先在 people 里登记")]),
        ({"holder_kind": "organisation"}, "unknown-code",
         [("/holder_code", "“LI”不存在，请先在 organisations 里登记")]),
        ({"kinds": ["foot", "horse"]}, "invalid",
         [("/kinds", "“horse”不在可选范围内，可填：foot（步行）、vehicle（车巡）、boat（船巡）、drone（无人机）、site_meeting（现场会）")]),
        ({"letter_number": "L-9"}, "unknown-code",
         [("/letter_number", "“L-9”不存在，请先在 letters 里登记")]),
        ({"min_minutes": 1441}, "invalid", [("/min_minutes", "1441 超出范围，应在 0 至 1440 之间")]),
        ({"starts_on": "2026-11-23T00:00:00Z"}, "invalid",
         [("/starts_on", "日期要写成 2026-06-01 的格式")]),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("li")
async def test_what_is_wrong_is_said_in_the_words_of_the_import(
    session: AsyncSession, wang: Member, given: dict[str, Any], code: str, errors: Any
) -> None:
    answer = await wang.client.put(url(), json=TWICE_A_MONTH | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert [(each["pointer"], each["detail"]) for each in answer.json()["errors"]] == errors
    assert await session.scalar(select(Obligation.id)) is None


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("li")
async def test_every_column_is_kept(session: AsyncSession, wang: Member) -> None:
    given = {
        "months": "11-3",
        "ends_on": "2027-12-31",
        "min_minutes": 30,
        "min_metres": 500,
        "kinds": ["boat", "foot"],
        "photo": "required",
    }

    answer = await wang.client.put(url(), json=TWICE_A_MONTH | given)

    shown = SAID | given | {"kinds": ["foot", "boat"]}
    assert {name: answer.json()[name] for name in SAID} == shown
    assert (await session.scalars(select(Obligation.kinds))).one() == ["foot", "boat"]


async def test_what_pairings_oblige_to_is_not_edited(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    await an_obligation(session, "PAIR-EAST", holder_organisation_id=lake.east_branch.id)

    answers = [
        await wang.client.put(url(code), json=TWICE_A_MONTH)
        for code in ("PAIR-EAST", "PAIR-NEW", "pair-new")
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(409, "made-by-pairings")] * 3
    assert (await wang.client.get(url("PAIR-EAST"))).json()["times"] == 6


@time_machine.travel(NOW, tick=False)
async def test_versions_are_of_what_is_owed_and_not_of_how_it_stands(
    li: Member, wang: Member
) -> None:
    first = (await wang.client.put(url(), json=TWICE_A_MONTH)).headers["etag"]
    await walk(li)
    read = await wang.client.get(url())
    unchanged = await wang.client.get(url(), headers={"If-None-Match": read.headers["etag"]})
    stale = await wang.client.get(url(), headers={"If-None-Match": first})

    changed = await wang.client.put(
        url(), json=TWICE_A_MONTH | {"times": 3}, headers={"If-Match": first}
    )
    late = await wang.client.put(
        url(), json=TWICE_A_MONTH | {"times": 4}, headers={"If-Match": first}
    )

    assert (unchanged.status_code, stale.status_code) == (304, 200)
    assert (changed.status_code, late.status_code) == (200, 412)
    assert (await wang.client.get(url())).json()["times"] == 3


@time_machine.travel(NOW, tick=False)
async def test_a_manager_reaches_neither_out_of_nor_into_other_subtrees(
    session: AsyncSession, li: Member, zhao: Member, wang: Member
) -> None:
    await wang.client.put(url(), json=TWICE_A_MONTH)
    village = {"holder_kind": "organisation", "holder_code": "VILLAGE"}

    read = await zhao.client.get(url())
    taken = await zhao.client.put(url(), json=TWICE_A_MONTH | village)
    into = await zhao.client.put(url("O-2"), json=TWICE_A_MONTH)
    own = await zhao.client.put(url("O-3"), json=TWICE_A_MONTH | village)
    out = await zhao.client.put(
        url("O-3"), json=TWICE_A_MONTH | {"holder_kind": "organisation", "holder_code": "EAST"}
    )

    assert [(a.status_code, a.json().get("code")) for a in (read, taken, into, own, out)] == [
        (404, "not-found"),
        (409, "conflict"),
        (422, "unknown-code"),
        (201, "O-3"),
        (422, "unknown-code"),
    ]
    assert (await wang.client.get(url())).json()["holder"]["code"] == li.person.code
    codes = [e["code"] for e in (await zhao.client.get("/api/v1/obligations")).json()["items"]]
    assert codes == ["O-3"]
    assert len((await session.scalars(select(Obligation.id))).all()) == 2


@time_machine.travel(NOW, tick=False)
async def test_members_see_what_they_owe_alone_and_together(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    li: Member,
    zhou: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    await wang.client.put(url(), json=TWICE_A_MONTH)
    await an_obligation(session, "O-E", holder_organisation_id=lake.east_branch.id)
    await an_obligation(session, "O-G", holder_organisation_id=lake.committee.id)
    everybody = (client(None), stranger, li.client, zhou.client, wang.client, program, west_program)

    got = {
        code: [(await each.get(url(code))).status_code for each in everybody]
        for code in ("O-1", "O-E", "O-G", "NONE")
    }
    lists = [(await each.get("/api/v1/obligations")).status_code for each in everybody]
    written = [
        (await each.put(url(), json=TWICE_A_MONTH)).status_code
        for each in everybody
        if each is not wang.client
    ]

    assert got == {
        "O-1": [401, 403, 200, 404, 200, 200, 404],
        "O-E": [401, 403, 200, 404, 200, 200, 404],
        "O-G": [401, 403, 200, 200, 200, 200, 404],
        "NONE": [401, 403, 404, 404, 404, 404, 404],
    }
    assert lists == [401, 403, 403, 403, 200, 200, 200]
    assert written == [401, 403, 403, 403, 403, 403]
    assert (await west_program.get("/api/v1/obligations")).json()["items"] == []


@time_machine.travel(NOW, tick=False)
async def test_the_list_is_filtered_and_cut_in_pages(
    session: AsyncSession, lake: Lake, li: Member, zhou: Member, wang: Member
) -> None:
    async def codes(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/obligations?{query}")
        assert answer.status_code == 200, answer.text
        return [each["code"] for each in answer.json()["items"]]

    await an_obligation(session, "A", holder_person_id=li.person.id, times=0)
    await an_obligation(
        session, "B", holder_person_id=zhou.person.id,
        area_kind=AreaKind.grid_cell, grid_cell_id=lake.east_inner.id,
    )  # fmt: skip
    await an_obligation(
        session, "C", holder_organisation_id=lake.east_branch.id,
        area_kind=AreaKind.reach, reach_id=lake.reach.id,
    )  # fmt: skip
    await an_obligation(
        session, "D", holder_organisation_id=lake.committee.id, starts_on=date(2027, 1, 1),
        area_kind=AreaKind.stele, stele_id=lake.stele.id,
    )  # fmt: skip
    found = {
        query: await codes(query)
        for query in (
            "", "retired=true", "as_of=2027-02-01", "holder=ZHOU", "holder=EAST", "organisation=EAST",
            "area=G-1", "area=R-1", "area=JB-01&retired=true", "state=done", "state=behind",
            "state=overdue",
        )
    }  # fmt: skip
    first = (await wang.client.get("/api/v1/obligations?limit=2")).json()
    rest = (await wang.client.get(f"/api/v1/obligations?limit=2&cursor={first['next']}")).json()
    one = (await wang.client.get("/api/v1/obligations?state=behind&limit=1")).json()
    two = (
        await wang.client.get(f"/api/v1/obligations?state=behind&limit=1&cursor={one['next']}")
    ).json()

    assert found == {
        "": ["C", "B", "A"],
        "retired=true": ["D", "C", "B", "A"],
        "as_of=2027-02-01": ["D", "C", "B", "A"],
        "holder=ZHOU": ["B"],
        "holder=EAST": ["C"],
        "organisation=EAST": ["C", "A"],
        "area=G-1": ["B"],
        "area=R-1": ["C"],
        "area=JB-01&retired=true": ["D"],
        "state=done": ["A"],
        "state=behind": ["C", "B"],
        "state=overdue": [],
    }
    assert [e["code"] for e in first["items"] + rest["items"]] == ["C", "B", "A"]
    assert (rest["next"], two["next"]) == (None, None)
    assert [e["code"] for e in one["items"] + two["items"]] == ["C", "B"]


@pytest.mark.parametrize(
    "query", ["limit=0", "state=lost", "as_of=2026-13-01", "as_of=1999-12-31", "cursor=x", "explain=vielleicht"]
)  # fmt: skip
async def test_a_list_is_not_asked_for_nonsense(wang: Member, query: str) -> None:
    answer = await wang.client.get(f"/api/v1/obligations?{query}")

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@time_machine.travel(NOW, tick=False)
async def test_three_rows_cost_no_more_questions_than_one(
    session: AsyncSession, lake: Lake, li: Member, wang: Member
) -> None:
    async def asked(path: str, rows: int) -> int:
        with counted(session) as seen:
            assert len((await wang.client.get(path)).json()["items"]) == rows
        return seen.statements

    await walk(li)
    await wang.client.put(url(), json=TWICE_A_MONTH)
    paths = (
        "/api/v1/obligations",
        "/api/v1/obligations?explain=1",
        "/api/v1/obligations?state=due_soon",
    )
    one = [await asked(path, 1) for path in paths]
    for code in ("O-2", "O-3"):
        await wang.client.put(url(code), json=TWICE_A_MONTH | {"area_code": "G-0"})
    await an_organisation(session, parent_id=lake.committee.id)

    assert [await asked(path, 3) for path in paths] == one


@time_machine.travel(NOW, tick=False)
async def test_the_arithmetic_is_shown_step_by_step(
    session: AsyncSession, li: Member, wang: Member, program: httpx.AsyncClient
) -> None:
    """Li is on leave for the first 6 days of the 30: (2 × 2 × 24 + 30) div 60 = 2 are owed."""
    await wang.client.put(url(), json=TWICE_A_MONTH)
    session.add(
        Exemption(
            code="X-1",
            holder_person_id=li.person.id,
            from_on=date(2026, 10, 20),
            to_on=date(2026, 11, 6),
            kind=ExemptionKind.leave,
            reason="住院",
            recorded_at=LONG_AGO,
        )
    )
    await session.commit()
    counts = await walk(li, "2026-11-20T08:00:00+08:00")
    # The same phone somewhere else two minutes later: too fast, and so for review.
    await walk(li, "2026-11-22T08:00:00+08:00", lon=102.97)
    doubtful = await walk(li, "2026-11-22T08:01:00+08:00")
    assert (counts["verdict"], doubtful["verdict"]) == ("accepted", "flagged")

    shown = (await li.client.get(url() + "?explain=1&as_of=2026-11-23")).json()
    steps = shown["explanation"]

    assert steps == {
        "window": {
            "from": "2026-11-01",
            "to": "2026-11-30",
            "text": "2026年11月23日所在的周期（按月）：2026年11月1日至2026年11月30日。",
        },
        "season": {"months": None, "days": 30, "text": "全年各月都要巡，周期内共30天。"},
        "active": {
            "days": 24,
            "runs": [{"from": "2026-11-07", "to": "2026-11-30"}],
            "starts_on": "2026-01-01",
            "ends_on": None,
            "roster": [{"from": "2026-11-01", "to": "2026-11-30"}],
            "exemptions": [
                {
                    "code": "X-1",
                    "from": "2026-11-01",
                    "to": "2026-11-06",
                    "kind": "leave",
                    "reason": "住院",
                }
            ],
            "text": "其中任务有效、责任人在册、没有免巡的有效日共24天（有1条免巡）。",
        },
        "owed": {
            "times": 2,
            "active": 24,
            "season": 30,
            "owed": 2,
            "text": "应巡＝(2×2×24＋30)÷(2×30)，取整为2次。",
        },
        "slices": {
            "last_days": ["2026-11-18", "2026-11-30"],
            "text": "把24个有效日平均分成2段，每段一次，最迟在段末完成。",
        },
        "due": {"due_by_now": 1, "text": "2026年11月23日以前已结束1段，应完成1次。"},
        "done": {
            "done": 1,
            "days": [
                {
                    "day": "2026-11-20",
                    "patrols": [
                        {
                            "id": counts["patrol_id"],
                            "person": "LI",
                            "way": "own",
                            "check_in_ids": [counts["id"]],
                        }
                    ],
                }
            ],
            "text": "到2026年11月23日为止有1天计入，一天只计一次。",
        },
        "pending": {
            "pending": 1,
            "days": [
                {
                    "day": "2026-11-22",
                    "patrols": [
                        {
                            "id": doubtful["patrol_id"],
                            "person": "LI",
                            "way": "own",
                            "check_ins": [
                                {
                                    "id": doubtful["id"],
                                    "failed": ["speed"],
                                    "text": "待审核：与前后记录相比移动过快",
                                }
                            ],
                        }
                    ],
                }
            ],
            "text": "另有1天等待审核，审核通过后计入。",
        },
        "state": {
            "state": "due_soon",
            "behind": 0,
            "next_due_on": "2026-11-30",
            "text": "应完成1次，已完成1次：即将到期。",
        },
        "forecast": {
            "by": "2026-11-30",
            "done": 1,
            "owed": 2,
            "text": "照现在的进度，到2026年11月30日约完成1次，应巡2次。",
        },
    }
    earlier = (await wang.client.get(url() + "?explain=1&as_of=2026-11-19")).json()
    assert (earlier["done"], earlier["behind"], earlier["explanation"]["done"]["days"]) == (
        0,
        1,
        [],
    )
    listed = (await wang.client.get("/api/v1/obligations?explain=1")).json()["items"]
    assert [each["explanation"] for each in listed] == [steps]
    for_program = (await program.get(url() + "?explain=1")).json()["explanation"]
    assert for_program["active"]["exemptions"][0]["reason"] is None


@time_machine.travel(NOW, tick=False)
async def test_an_explanation_without_a_season_or_with_nothing_owed(
    wang: Member, li: Member
) -> None:
    body = TWICE_A_MONTH | {"months": "3-5", "holder_code": li.person.code}
    await wang.client.put(url(), json=body)

    steps = (await wang.client.get(url() + "?explain=1")).json()["explanation"]

    assert (steps["season"]["text"], steps["owed"]["text"], steps["slices"]["text"]) == (
        "应巡月份为3-5月，周期内共0天。",
        "周期内没有应巡的月份，应巡为0次。",
        "没有要完成的次数。",
    )
    assert steps["state"]["text"] == "应完成0次，已完成0次：已完成。"


@time_machine.travel(NOW, tick=False)
async def test_an_explanation_names_no_patrol_that_one_may_not_see(
    session: AsyncSession, client: Client, lake: Lake, li: Member, wang: Member
) -> None:
    """Wu of the same branch sees that a day counts, and not who walked where."""
    await wang.client.put(
        url(), json=TWICE_A_MONTH | {"holder_kind": "organisation", "holder_code": "EAST"}
    )
    walked = await walk(li)
    wu = await a_person(session, code="WU", organisation_id=lake.east_branch.id)
    wu_client = client(await a_token(session, wu))
    key = client(await an_api_key(session, lake.east_branch))

    seen = [
        (await each.get(url() + "?explain=1")).json()["explanation"]["done"]["days"]
        for each in (wu_client, li.client, key)
    ]

    named = {
        "id": walked["patrol_id"], "person": "LI", "way": "own", "check_in_ids": [walked["id"]],
    }  # fmt: skip
    assert seen == [
        [{"day": "2026-11-23", "patrols": patrols}] for patrols in ([], [named], [named])
    ]


@time_machine.travel(NOW, tick=False)
async def test_a_manager_makes_their_own_duty_no_lighter(
    session: AsyncSession, wang: Member, qian: Member
) -> None:
    owed = TWICE_A_MONTH | {"holder_code": "WANG"}
    refused = await wang.client.put(url(), json=owed)
    assert (await qian.client.put(url(), json=owed)).status_code == 201

    lighter = await wang.client.put(url(), json=owed | {"times": 1})
    passed_on = await wang.client.put(url(), json=owed | {"holder_code": "QIAN"})

    assert [(each.status_code, each.json()["code"]) for each in (refused, lighter, passed_on)] == [
        (403, "forbidden"),
        (403, "forbidden"),
        (403, "forbidden"),
    ]
    kept = (await session.scalars(select(Obligation))).one()
    assert (kept.times, kept.holder_person_id) == (2, wang.person.id)
