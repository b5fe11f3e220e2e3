"""Patrols from paper: entered by one manager, accepted by another, counted from then on."""

import hashlib
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import jobs
from app.models import AuditEntry, Credit, LateEntry, Message, Patrol, PatrolOrigin
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token
from tests.pictures import a_jpeg, a_png_bomb
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PAPER: dict[str, Any] = {
    "person_code": "LI",
    "on": "2026-11-10",
    "area_kind": "reach",
    "area_code": "R-1",
    "kind": "boat",
    "minutes": 90,
    "metres": 2500,
    "note": "未见异常",
    "reason": "手机进水",
}
DUTY: dict[str, Any] = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "reach",
    "area_code": "R-1",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "min_minutes": 90,
    "min_metres": 2500,
    "kinds": ["boat"],
    "photo": "required",
    "reason": "年度任务",
}
YES = {"verdict": "accepted", "reason": "与纸质记录一致"}
NO = {"verdict": "declined", "reason": "看不清"}


def url(id_: str, step: str = "") -> str:
    return f"/api/v1/late-entries/{id_}{step}"


async def entered(member: Member, **given: Any) -> str:
    id_ = str(uuid4())
    answer = await member.client.put(url(id_), json=PAPER | given)
    assert answer.status_code == 201, answer.text
    return id_


async def send(client: httpx.AsyncClient, id_: str, content: bytes) -> httpx.Response:
    files = {"file": ("记录.jpg", content, "image/jpeg")}
    return await client.post(url(id_, "/photo"), files=files)


async def figures(member: Member) -> tuple[int, int]:
    answer = (await member.client.get("/api/v1/obligations/O-1")).json()
    return answer["done"], answer["behind"]


async def count(session: AsyncSession, column: Any) -> int:
    return await session.scalar(select(func.count(column))) or 0


@time_machine.travel(NOW, tick=False)
async def test_paper_counts_once_a_second_manager_accepts_it(
    session: AsyncSession, lake: Lake, li: Member, wang: Member, qian: Member
) -> None:
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    seen = [await figures(wang)]
    id_ = await entered(wang)
    again = await wang.client.put(url(id_), json=PAPER)
    seen.append(await figures(wang))
    early = await qian.client.post(url(id_, "/decision"), json=YES)
    photo = await send(wang.client, id_, a_jpeg())
    seen.append(await figures(wang))
    accepted = await qian.client.post(url(id_, "/decision"), json=YES)
    seen.append(await figures(wang))
    retried = await qian.client.post(url(id_, "/decision"), json=YES)
    undone = await qian.client.post(url(id_, "/decision"), json=NO)

    assert seen == [(0, 1), (0, 1), (0, 1), (1, 0)]
    assert (again.status_code, photo.status_code) == (200, 201)
    assert (early.status_code, early.json()["code"]) == (409, "photo-missing")
    patrol = (await session.scalars(select(Patrol))).one()
    shown = {
        "id": id_,
        "person": "LI",
        "on": "2026-11-10",
        "area_kind": "reach",
        "area_code": "R-1",
        "kind": "boat",
        "minutes": 90,
        "metres": 2500,
        "note": "未见异常",
        "reason": "手机进水",
        "has_photo": True,
        "state": "accepted",
        "entered_by": "WANG",
        "entered_at": "2026-11-23T12:00:00+08:00",
        "decided_by": "QIAN",
        "decided_at": "2026-11-23T12:00:00+08:00",
        "decision_reason": "与纸质记录一致",
        "patrol_id": str(patrol.id),
    }
    assert [(a.status_code, a.json()) for a in (accepted, retried)] == [(200, shown)] * 2
    assert (undone.status_code, undone.json()["code"]) == (409, "wrong-state")
    assert (
        patrol.code, patrol.origin, patrol.person_id, patrol.organisation_id, patrol.kind,
        patrol.started_on, patrol.duration_s, patrol.distance_m, patrol.reach_id, patrol.area_kind,
        patrol.note, patrol.state,
    ) == (
        f"LATE-{UUID(id_).hex}", PatrolOrigin.paper, li.person.id, lake.east_branch.id, "boat",
        date(2026, 11, 10), 5400, 2500, lake.reach.id, "reach", "未见异常", "finished",
    )  # fmt: skip
    duty = (await qian.client.get("/api/v1/obligations/O-1?explain=1")).json()
    assert duty["done_by"] == {"own": 0, "proxy": 0, "late_entry": 1}
    steps = duty["explanation"]
    assert steps["done"]["days"] == [
        {
            "day": "2026-11-10",
            "patrols": [
                {"id": str(patrol.id), "person": "LI", "way": "late_entry", "check_in_ids": []}
            ],
        }
    ]
    entries = (
        await session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"late_entry:{id_}")
            .order_by(AuditEntry.id)
        )
    ).all()
    assert [(entry.action, entry.actor_id, entry.reason) for entry in entries] == [
        ("enter", wang.person.id, "手机进水"),
        ("attach", wang.person.id, None),
        ("decide", qian.person.id, "与纸质记录一致"),
    ]
    assert (entries[2].before, entries[2].after) == (
        {"state": "entered"},
        {"state": "accepted", "patrol_id": str(patrol.id)},
    )
    told = (await session.scalars(select(Message.text).where(Message.kind == "late_entry"))).all()
    assert told == ["您11月10日的纸质巡河记录已补录：与纸质记录一致"]


@time_machine.travel(NOW, tick=False)
async def test_what_is_declined_counts_for_nothing(
    session: AsyncSession, li: Member, wang: Member, qian: Member
) -> None:
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    id_ = await entered(wang)

    declined = await qian.client.post(url(id_, "/decision"), json=NO)
    late_photo = await send(wang.client, id_, a_jpeg())
    accepted = await qian.client.post(url(id_, "/decision"), json=YES)

    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    assert [(a.status_code, a.json()["code"]) for a in (late_photo, accepted)] == [
        (409, "wrong-state")
    ] * 2
    assert (await figures(wang), await count(session, Patrol.id), await count(session, Credit.id)) == (
        (0, 1), 0, 0,
    )  # fmt: skip
    told = (
        await session.scalars(select(Message.text).where(Message.person_id == li.person.id))
    ).all()
    assert told == ["您11月10日的纸质巡河记录补录没有通过：看不清"]


@time_machine.travel(NOW, tick=False)
async def test_neither_enterer_nor_walker_decides(
    session: AsyncSession, wang: Member, qian: Member
) -> None:
    of_qian = {"person_code": "QIAN"}
    id_ = await entered(wang, **of_qian)
    await send(wang.client, id_, a_jpeg())

    own = await wang.client.post(url(id_, "/decision"), json=YES)
    walker = await qian.client.post(url(id_, "/decision"), json=YES)

    assert [(a.status_code, a.json()["code"]) for a in (own, walker)] == [(403, "forbidden")] * 2
    assert await count(session, Patrol.id) == 0


@pytest.mark.parametrize(
    ("given", "code", "error"),
    [
        ({"on": "2026-11-24"}, "invalid", ("/on", "2026-11-24 还没有到，只能补录过去的巡河")),
        ({"on": "2026-06-30"}, "invalid", ("/on", "2026-06-30 这一天该人员不在名册上")),
        ({"on": None}, "invalid", ("/on", "格式不对")),
        ({"on": "2026-11-10T08:00:00+08:00"}, "invalid", ("/on", "日期要写成 2026-06-01 的格式")),
        ({"person_code": "NOBODY"}, "unknown-code",
         ("/person_code", "“NOBODY”不存在，请先在 people 里登记")),
        ({"area_kind": "paired"}, "invalid",
         ("/area_kind", "“paired”不在可选范围内，可填：any（不限）、reach（河段）、grid_cell（网格）、stele（界碑）")),
        ({"area_code": None}, "invalid", ("/area_code", "不能为空：要写明是哪一个区域")),
        ({"area_code": "R-9"}, "unknown-code",
         ("/area_code", "“R-9”不存在，请先在 reaches 里登记")),
        ({"minutes": 1441}, "invalid", ("/minutes", "不能大于 1440")),
        ({"minutes": -1}, "invalid", ("/minutes", "不能小于 0")),
        ({"minutes": "90"}, "invalid", ("/minutes", "格式不对")),
        ({"metres": 100_001}, "invalid", ("/metres", "不能大于 100000")),
        ({"note": "字" * 2001}, "invalid", ("/note", "太长了：2001 个字，最多 2000 个字")),
        ({"reason": " "}, "invalid", ("/reason", "太短，至少 1 个字")),
    ],
)  # fmt: skip
@time_machine.travel(NOW, tick=False)
async def test_bad_paper_is_not_kept(
    session: AsyncSession, lake: Lake, wang: Member, given: dict[str, Any], code: str, error: Any
) -> None:
    await a_person(
        session, code="LI", organisation_id=lake.east_branch.id, from_on=date(2026, 7, 1)
    )

    answer = await wang.client.put(url(str(uuid4())), json=PAPER | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert [(e["pointer"], e["detail"]) for e in answer.json()["errors"]] == [error]
    assert await count(session, LateEntry.id) == 0


@time_machine.travel(NOW, tick=False)
async def test_whoever_left_the_roster_is_written_down_for_the_days_before(
    session: AsyncSession, lake: Lake, wang: Member, qian: Member
) -> None:
    await a_person(
        session, code="LI", organisation_id=lake.east_branch.id, to_on=date(2026, 11, 10),
        retired_on=date(2026, 11, 11),
    )  # fmt: skip
    late = await wang.client.put(url(str(uuid4())), json=PAPER | {"on": "2026-11-11"})
    id_ = await entered(wang)
    await send(wang.client, id_, a_jpeg())

    assert late.status_code == 422
    assert (await qian.client.post(url(id_, "/decision"), json=YES)).status_code == 200


@pytest.mark.usefixtures("li")
@time_machine.travel(NOW, tick=False)
async def test_an_id_stands_for_one_entry_of_one_manager(wang: Member, qian: Member) -> None:
    id_ = await entered(wang)

    other = await wang.client.put(url(id_), json=PAPER | {"minutes": 91})
    others = await qian.client.put(url(id_), json=PAPER)

    assert [(a.status_code, a.json()["code"]) for a in (other, others)] == [(409, "conflict")] * 2


@pytest.mark.usefixtures("li")
@time_machine.travel(NOW, tick=False)
async def test_the_photo_of_the_paper_is_one_and_stays(
    session: AsyncSession, state: State, wang: Member, qian: Member
) -> None:
    id_ = await entered(wang)
    none_yet = await qian.client.get(url(id_, "/photo"))
    bad = [await send(wang.client, id_, content) for content in (b"not a photo", a_png_bomb())]
    no_form = await wang.client.post(url(id_, "/photo"), json={})
    empty = await wang.client.post(url(id_, "/photo"), files={"other": ("1", b"x")})
    first = await send(wang.client, id_, a_jpeg())
    again = await send(wang.client, id_, a_jpeg())
    other = await send(wang.client, id_, a_jpeg(seed=2))
    by_other = await send(qian.client, id_, a_jpeg())
    not_ready = await qian.client.get(url(id_, "/photo"))
    original = await qian.client.get(url(id_, "/photo"), params={"size": "original"})
    sha256 = hashlib.sha256(a_jpeg()).hexdigest()
    context: Any = SimpleNamespace(additional_context={"state": state})
    await jobs.make_renditions(context, sha256=sha256)
    small = await qian.client.get(url(id_, "/photo"), params={"size": "small"})

    assert (none_yet.status_code, not_ready.status_code, not_ready.json()["code"]) == (
        404, 404, "not-ready",
    )  # fmt: skip
    assert [a.json()["code"] for a in bad] == ["photo-unreadable"] * 2
    assert (no_form.status_code, empty.status_code) == (400, 422)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    assert by_other.status_code == 403
    assert original.content == a_jpeg()
    assert (small.status_code, small.headers["content-type"]) == (200, "image/jpeg")
    assert (await session.scalars(select(LateEntry.image_sha256))).all() == [bytes.fromhex(sha256)]


@time_machine.travel(NOW, tick=False)
async def test_a_photo_of_more_than_a_mebibyte_is_taken(li: Member, wang: Member) -> None:
    id_ = await entered(wang, person_code=li.person.code)
    large = a_jpeg() + b"\0" * (2 << 20)

    answer = await send(wang.client, id_, large)
    too_large = await send(wang.client, id_, a_jpeg() + b"\0" * (20 << 20))

    assert (answer.status_code, too_large.status_code) == (201, 413)


@time_machine.travel(NOW, tick=False)
async def test_who_sees_and_does_what(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    li: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    id_ = await entered(wang)
    await send(wang.client, id_, a_jpeg())
    wu = await a_person(session, organisation_id=lake.east_branch.id)
    colleague = client(await a_token(session, wu))
    everybody = (
        client(None), stranger, li.client, zhou.client, colleague, zhao.client, program, west_program,
    )  # fmt: skip

    got = [(await each.get(url(id_))).status_code for each in everybody]
    lists = [await each.get("/api/v1/late-entries") for each in everybody]
    looked = [
        (await each.get(url(id_, "/photo"), params={"size": "original"})).status_code
        for each in everybody
    ]
    put = [(await each.put(url(id_), json=PAPER)).status_code for each in everybody]
    into = await zhao.client.put(url(str(uuid4())), json=PAPER)
    sent = [(await send(each, id_, a_jpeg())).status_code for each in everybody]
    decided = [(await each.post(url(id_, "/decision"), json=YES)).status_code for each in everybody]

    assert got == [401, 403, 200, 404, 404, 404, 200, 404]
    assert [each.status_code for each in lists] == [401, 403] + [200] * 6
    assert [len(each.json()["items"]) for each in lists[2:]] == [1, 0, 0, 0, 1, 0]
    assert looked == [401, 403, 200, 404, 404, 404, 403, 403]
    assert put == [401, 403, 403, 403, 403, 409, 403, 403]
    assert (into.status_code, into.json()["errors"][0]["pointer"]) == (422, "/person_code")
    assert sent == [401, 403, 403, 403, 403, 404, 403, 403]
    assert decided == [401, 403, 403, 403, 403, 404, 403, 403]
    assert await count(session, Patrol.id) == 0


@time_machine.travel(NOW, tick=False)
async def test_filters_and_pages(
    session: AsyncSession, li: Member, zhou: Member, wang: Member, qian: Member
) -> None:
    one = await entered(wang)
    with counted(session) as few:
        await wang.client.get("/api/v1/late-entries")
    await qian.client.post(url(one, "/decision"), json=NO)
    with time_machine.travel(datetime(2026, 11, 23, 5, 0, tzinfo=UTC), tick=False):
        two = await entered(wang, person_code=zhou.person.code, on="2026-10-01")
    with time_machine.travel(datetime(2026, 11, 23, 6, 0, tzinfo=UTC), tick=False):
        three = await entered(wang, person_code=li.person.code, on="2026-11-23")
    with counted(session) as many:
        await wang.client.get("/api/v1/late-entries")

    async def listed(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/late-entries?{query}")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    begun = (await wang.client.get("/api/v1/late-entries?limit=2")).json()
    assert many.statements == few.statements
    assert [
        await listed(query)
        for query in (
            "", "state=declined", "person=ZHOU", "from=2026-11-10", "to=2026-11-10",
            f"limit=2&cursor={begun['next']}",
        )
    ] == [[three, two, one], [one], [two], [three, one], [two, one], [one]]  # fmt: skip


@pytest.mark.parametrize(
    "body", [{}, {"verdict": "maybe", "reason": "?"}, {"verdict": "accepted"}, []]
)
async def test_bad_decisions(wang: Member, body: Any) -> None:
    answer = await wang.client.post(url(str(uuid4()), "/decision"), json=body)

    assert answer.status_code == 422
