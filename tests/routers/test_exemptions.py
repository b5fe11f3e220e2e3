"""Members ask for leave; managers grant it, and what is owed follows."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Exemption, Message, Role
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
DUTY: dict[str, Any] = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "any",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "reason": "年度任务",
}
LEAVE = {"from": "2026-11-01", "to": "2026-11-20", "kind": "leave", "reason": "住院"}
GRANTED = {"state": "granted", "reason": "同意"}
NEW = {**LEAVE, "state": "granted", "holder_kind": "person", "holder_code": "LI"}


def url(id_: str) -> str:
    return f"/api/v1/exemptions/{id_}"


async def ask(member: Member, **given: Any) -> str:
    answer = await member.client.post("/api/v1/me/exemptions", json=LEAVE | given)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def figures(member: Member, code: str = "O-1") -> tuple[int, int]:
    """Owed and done."""
    answer = (await member.client.get(f"/api/v1/obligations/{code}")).json()
    return answer["owed"], answer["done"]


async def walk(member: Member, day: str) -> None:
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": f"{day}T08:00:00+08:00", "position": position}
    assert (await member.client.put(f"/api/v1/check-ins/{uuid4()}", json=body)).status_code == 201


async def told(session: AsyncSession, member: Member) -> list[str]:
    messages = await session.scalars(
        select(Message.text)
        .where(Message.person_id == member.person.id, Message.kind == "exemption")
        .order_by(Message.created_at, Message.id)
    )
    return list(messages.all())


@time_machine.travel(NOW, tick=False)
async def test_leave_is_asked_for_granted_and_taken_back(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    """10 of 30 days are left: (2 × 2 × 10 + 30) div 60 = 1 is owed, and the walk of the 18th is off."""
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    await walk(li, "2026-11-18")
    id_ = await ask(li)
    seen = [await figures(wang)]

    granted = await wang.client.put(url(id_), json=GRANTED)
    seen.append(await figures(wang))
    again = await wang.client.put(url(id_), json=GRANTED)
    taken_back = await wang.client.put(url(id_), json={"state": "declined", "reason": "材料不全"})
    seen.append(await figures(wang))
    shorter = await wang.client.put(url(id_), json=GRANTED | {"to": "2026-11-15"})
    seen.append(await figures(wang))

    # 15 of 30 days: (2 × 2 × 15 + 30) div 60 = 1.
    assert seen == [(2, 1), (1, 0), (2, 1), (1, 1)]
    shown = {
        "id": id_,
        "code": granted.json()["code"],
        "holder_kind": "person",
        "holder_code": "LI",
        "obligation_code": None,
        "from": "2026-11-01",
        "to": "2026-11-20",
        "kind": "leave",
        "reason": "住院",
        "state": "granted",
        "approved_by": "WANG",
        "retired_on": None,
    }
    assert [(a.status_code, a.json()) for a in (granted, again, taken_back, shorter)] == [
        (200, shown),
        (200, shown),
        (200, shown | {"state": "declined", "approved_by": None}),
        (200, shown | {"to": "2026-11-15"}),
    ]
    assert await told(session, li) == [
        "您11月1日至11月20日的免巡已获准：同意",
        "您11月1日至11月20日的免巡已取消：材料不全",
        "您11月1日至11月15日的免巡已获准：同意",
    ]
    entries = (
        await session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject == f"exemption:{shown['code']}")
            .order_by(AuditEntry.id)
        )
    ).all()
    states = [(e.before and e.before["state"], e.after and e.after["state"]) for e in entries]
    assert states == [("asked", "granted"), ("granted", "declined"), ("declined", "granted")]
    assert [entry.reason for entry in entries] == ["同意", "材料不全", "同意"]


@time_machine.travel(NOW, tick=False)
async def test_a_wish_is_declined(session: AsyncSession, li: Member, wang: Member) -> None:
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    id_ = await ask(li, obligation_code="O-1")

    declined = await wang.client.put(
        url(id_), json={"state": "declined", "reason": "请" + "长" * 99}
    )

    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    assert await figures(wang) == (2, 0)
    assert await told(session, li) == [f"您11月1日至11月20日的免巡没有获准：请{'长' * 38}…"]
    assert (await li.client.get(url(id_))).json()["state"] == "declined"


@time_machine.travel(NOW, tick=False)
async def test_a_manager_puts_one_in_that_nobody_asked_for(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
    id_ = str(uuid4())

    made = await wang.client.put(url(id_), json=NEW)
    again = await wang.client.put(url(id_), json=NEW)

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    assert (made.json()["reason"], made.json()["approved_by"]) == ("住院", "WANG")
    assert await figures(wang) == (1, 0)
    assert await told(session, li) == ["已为您登记11月1日至11月20日的免巡：住院"]


@time_machine.travel(NOW, tick=False)
async def test_a_wish_about_the_organisations_duty_is_ones_own_unless_granted_for_all(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    branch = {"holder_kind": "organisation", "holder_code": "EAST"}
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY | branch)
    id_ = await ask(li, obligation_code="O-1")

    await wang.client.put(url(id_), json=GRANTED)
    for_oneself = await figures(wang)
    answer = await wang.client.put(url(id_), json=GRANTED | branch)
    for_all = await figures(wang)

    assert (for_oneself, for_all) == ((2, 0), (1, 0))
    assert (answer.json()["holder_kind"], answer.json()["holder_code"]) == ("organisation", "EAST")
    assert await told(session, li) == [
        "您11月1日至11月20日的免巡已获准：同意",
        "您为单位申请的11月1日至11月20日的免巡已获准：同意",
    ]
    assert (await li.client.get(url(id_))).status_code == 200


@time_machine.travel(NOW, tick=False)
async def test_nobody_grants_their_own(
    session: AsyncSession, client: Client, lake: Lake, zhao: Member, wang: Member, qian: Member
) -> None:
    """Zhao manages the village and is of it; only an admin may for the organisation they are of."""
    own = NEW | {"holder_code": "ZHAO"}
    village = NEW | {"holder_kind": "organisation", "holder_code": "VILLAGE"}
    committee = NEW | {"holder_kind": "organisation", "holder_code": "GWH"}
    asked = await ask(zhao)
    other = await a_person(session, code="V2", organisation_id=lake.village.id, role=Role.manager)
    colleague = client(await a_token(session, other))

    answers = [
        await zhao.client.put(url(str(uuid4())), json=own),
        await zhao.client.put(url(asked), json=GRANTED),
        await zhao.client.put(url(asked), json=GRANTED | {"holder_code": "V2"}),
        await zhao.client.put(url(str(uuid4())), json=village),
        await wang.client.put(url(str(uuid4())), json=committee),
        await colleague.put(url(asked), json=GRANTED),
        await wang.client.put(url(str(uuid4())), json=village),
        await qian.client.put(url(str(uuid4())), json=committee),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403, 403, 403, 200, 201, 201]
    assert len((await session.scalars(select(Exemption.id))).all()) == 3


@pytest.mark.parametrize(
    ("given", "code", "pointers"),
    [
        ({"state": "asked"}, "invalid", ["/state"]),
        ({"state": None}, "invalid", ["/state"]),
        ({"reason": ""}, "invalid", ["/reason"]),
        ({"holder_code": None}, "invalid", ["/holder_code"]),
        ({"holder_kind": None}, "invalid", ["/holder_kind"]),
        ({"holder_kind": "village"}, "invalid", ["/holder_kind"]),
        ({"holder_code": "NOBODY"}, "unknown-code", ["/holder_code"]),
        ({"from": None, "to": None, "kind": None}, "invalid", ["/from", "/to", "/kind"]),
        ({"to": "2026-10-31"}, "invalid", ["/to"]),
        ({"kind": "holiday"}, "invalid", ["/kind"]),
        ({"obligation_code": "O-9"}, "unknown-code", ["/obligation_code"]),
        ({"obligation_code": "O-Z"}, "invalid", ["/obligation_code"]),
    ],
)
@pytest.mark.usefixtures("li", "zhou")
async def test_bad_exemptions_are_not_kept(
    session: AsyncSession, wang: Member, given: dict[str, Any], code: str, pointers: list[str]
) -> None:
    await wang.client.put("/api/v1/obligations/O-Z", json=DUTY | {"holder_code": "ZHOU"})

    answer = await wang.client.put(url(str(uuid4())), json=NEW | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == pointers
    assert await session.scalar(select(Exemption.id)) is None


async def test_declining_what_was_never_asked(wang: Member) -> None:
    answer = await wang.client.put(url(str(uuid4())), json=NEW | {"state": "declined"})

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@time_machine.travel(NOW, tick=False)
async def test_who_sees_and_decides(
    session: AsyncSession,
    client: Client,
    li: Member,
    zhou: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    id_ = await ask(li)
    everybody = (
        client(None), stranger, li.client, zhou.client, zhao.client, wang.client, program, west_program,
    )  # fmt: skip

    got = [(await each.get(url(id_))).status_code for each in everybody]
    lists = [await each.get("/api/v1/exemptions") for each in everybody]
    decided = [
        (await each.put(url(id_), json=GRANTED)).status_code
        for each in everybody
        if each is not wang.client
    ]
    into = await zhao.client.put(url(str(uuid4())), json=NEW)

    assert got == [401, 403, 200, 404, 404, 200, 200, 404]
    assert [each.status_code for each in lists] == [401, 403, 200, 200, 200, 200, 200, 200]
    assert [len(each.json()["items"]) for each in lists[2:]] == [1, 0, 0, 1, 1, 0]
    reasons = [each.json()["items"][0]["reason"] for each in (lists[2], lists[5], lists[6])]
    assert reasons == ["住院", "住院", None]
    assert (await program.get(url(id_))).json()["reason"] is None
    assert decided == [401, 403, 403, 403, 409, 403, 403]
    assert (into.status_code, into.json()["errors"][0]["pointer"]) == (422, "/holder_code")
    states = (await session.scalars(select(Exemption.state))).all()
    assert states == ["asked"]


@time_machine.travel(NOW, tick=False)
async def test_filters_versions_and_pages(
    session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    one = await ask(li)
    with counted(session) as few:
        read = await wang.client.get(url(one))
        await wang.client.get("/api/v1/exemptions")
    two = await ask(zhou, **{"from": "2026-12-01", "to": "2026-12-31"})
    three = await ask(li, kind="closure")
    with counted(session) as more:
        await wang.client.get(url(one))
        await wang.client.get("/api/v1/exemptions")
    etag = {"If-Match": read.headers["etag"]}
    first = await wang.client.put(url(one), json=GRANTED, headers=etag)
    late = await wang.client.put(url(one), json=GRANTED | {"to": "2026-11-02"}, headers=etag)

    async def listed(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/exemptions?{query}")
        assert answer.status_code == 200, answer.text
        return [each["id"] for each in answer.json()["items"]]

    begun = (await wang.client.get("/api/v1/exemptions?limit=2")).json()

    assert (first.status_code, late.status_code, few.statements) == (200, 412, more.statements)
    assert {
        query: await listed(query)
        for query in (
            "", "state=asked", "holder=ZHOU", "organisation=EAST", "from=2026-11-21",
            "to=2026-11-30", f"limit=2&cursor={begun['next']}",
        )
    } == {
        "": [three, two, one],
        "state=asked": [three, two],
        "holder=ZHOU": [two],
        "organisation=EAST": [three, one],
        "from=2026-11-21": [two],
        "to=2026-11-30": [three, one],
        f"limit=2&cursor={begun['next']}": [one],
    }  # fmt: skip
