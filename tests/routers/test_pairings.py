"""Managers pair departments with reaches and villages; the department's duty follows."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import shapely
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, OrganisationKind, Pairing
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_reach, a_token, an_organisation
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
ONE, TWO = str(uuid4()), str(uuid4())
PAIRED: dict[str, Any] = {
    "department_code": "DEPT",
    "reach_code": "R-1",
    "village_code": "VILLAGE",
    "from": "2026-01-01",
    "reason": "挂钩联系",
}
SHOWN = {
    "id": ONE,
    "department_code": "DEPT",
    "reach_code": "R-1",
    "village_code": "VILLAGE",
    "from": "2026-01-01",
    "to": None,
    "retired_on": None,
}
OWN_DUTY = {
    "holder_kind": "organisation",
    "holder_code": "DEPT",
    "area_kind": "paired",
    "times": 12,
    "period": "year",
    "starts_on": "2026-01-01",
    "reason": "另有约定",
}


def url(id_: str = ONE) -> str:
    return f"/api/v1/pairings/{id_}"


@pytest.fixture
async def department(session: AsyncSession, client: Client, lake: Lake) -> Member:
    """Somebody of a department under the committee."""
    organisation = await an_organisation(
        session,
        code="DEPT",
        name="示例部门",
        kind=OrganisationKind.department,
        parent_id=lake.committee.id,
    )
    person = await a_person(session, code="HE", organisation_id=organisation.id)
    return Member(person, client(await a_token(session, person)))


async def duties(member: Member) -> list[tuple[Any, ...]]:
    """What stands in the list: code, times, done."""
    answer = await member.client.get("/api/v1/obligations")
    return [(each["code"], each["times"], each["done"]) for each in answer.json()["items"]]


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("department")
async def test_a_pairing_is_made_once_and_obliges_once(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    made = await wang.client.put(url(), json=PAIRED)
    again = await wang.client.put(url(), json=PAIRED)
    read = await wang.client.get(url())
    await an_organisation(
        session, code="V2", kind=OrganisationKind.village, parent_id=lake.committee.id
    )
    other = await wang.client.put(url(TWO), json=PAIRED | {"village_code": "V2"})

    assert [(a.status_code, a.json()) for a in (made, again, read)] == [
        (201, SHOWN),
        (200, SHOWN),
        (200, SHOWN),
    ]
    assert other.status_code == 201
    assert await duties(wang) == [("PAIR-DEPT", 6, 0)]
    entry = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).first()
    assert entry is not None
    assert (entry.action, entry.subject, entry.before, entry.reason) == (
        "create", f"pairing:{ONE}", None, "挂钩联系",
    )  # fmt: skip
    assert entry.after == {name: SHOWN[name] for name in SHOWN if name != "id"}


@time_machine.travel(NOW, tick=False)
async def test_what_the_department_walked_counts_by_the_pairing_of_that_day(
    session: AsyncSession, department: Member, wang: Member
) -> None:
    await a_reach(session, shapely.LineString([(102.97, 24.89), (102.97, 24.91)]), code="R-2")
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": "2026-11-23T12:00:00+08:00", "position": position}
    answer = await department.client.put(f"/api/v1/check-ins/{uuid4()}", json=body)
    assert answer.json()["reach"]["code"] == "R-1"

    seen = []
    for given in (
        {},
        {"reach_code": "R-2"},
        {},
        {"to": "2026-11-22"},
        {"from": "2026-11-23"},
        {"retired": True},
        {},
    ):
        answer = await wang.client.put(url(), json=PAIRED | given)
        assert answer.status_code in (200, 201), answer.text
        seen.append(await duties(wang))

    one, none = [("PAIR-DEPT", 6, 1)], [("PAIR-DEPT", 6, 0)]
    assert seen == [one, none, one, [], one, [], one]


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("department")
async def test_what_is_agreed_otherwise_takes_the_place_of_the_pairings_duty(wang: Member) -> None:
    await wang.client.put(url(), json=PAIRED)

    await wang.client.put("/api/v1/obligations/O-1", json=OWN_DUTY)
    replaced = await duties(wang)
    await wang.client.put("/api/v1/obligations/O-1", json=OWN_DUTY | {"retired": True})

    assert (replaced, await duties(wang)) == ([("O-1", 12, 0)], [("PAIR-DEPT", 6, 0)])


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("department")
async def test_the_same_pairing_has_one_id(wang: Member) -> None:
    await wang.client.put(url(), json=PAIRED)

    again = await wang.client.put(url(TWO), json=PAIRED)

    assert (again.status_code, again.json()["code"], again.json()["id"]) == (409, "conflict", ONE)
    assert (await wang.client.get(url(TWO))).status_code == 404


@pytest.mark.parametrize(
    ("given", "code", "error"),
    [
        ({"reach_code": None, "village_code": None}, "invalid",
         ("/reach_code", "河段和村至少要填一个")),
        ({"department_code": "VILLAGE"}, "invalid", ("/department_code", "“VILLAGE”不是部门")),
        ({"village_code": "EAST"}, "invalid", ("/village_code", "“EAST”不是村或社区")),
        ({"reach_code": "R-9"}, "unknown-code",
         ("/reach_code", "“R-9”不存在，请先在 reaches 里登记")),
        ({"to": "2025-12-31"}, "invalid", ("/to", "2025-12-31 早于开始的 2026-01-01")),
        ({"department_code": ""}, "invalid", ("/department_code", "不能为空")),
        ({"from": "1月1日"}, "invalid", ("/from", "日期要写成 2026-06-01 的格式")),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("department")
async def test_bad_pairings_are_not_kept(
    session: AsyncSession, wang: Member, given: dict[str, Any], code: str, error: tuple[str, str]
) -> None:
    answer = await wang.client.put(url(), json=PAIRED | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [(e["pointer"], e["detail"]) for e in answer.json()["errors"]] == [error]
    assert await session.scalar(select(Pairing.id)) is None


async def test_an_id_that_is_none(wang: Member) -> None:
    assert (await wang.client.put("/api/v1/pairings/1", json=PAIRED)).status_code == 422


async def test_only_those_above_the_department_see_and_change_it(
    client: Client,
    department: Member,
    zhao: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    """Zhao manages the village that is paired, and not the department that answers for it."""
    await wang.client.put(url(), json=PAIRED)
    everybody = (
        client(None), stranger, department.client, zhao.client, wang.client, program, west_program,
    )  # fmt: skip

    got = [(await each.get(url())).status_code for each in everybody]
    lists = [(await each.get("/api/v1/pairings")) for each in everybody]
    put = [(await each.put(url(), json=PAIRED)).status_code for each in everybody]
    new = await zhao.client.put(url(TWO), json=PAIRED)

    assert got == [401, 403, 403, 404, 200, 200, 404]
    assert [each.status_code for each in lists] == [401, 403, 403, 200, 200, 200, 200]
    assert [[e["id"] for e in each.json()["items"]] for each in lists[3:]] == [[], [ONE], [ONE], []]
    assert put == [401, 403, 403, 409, 200, 403, 403]
    assert (new.status_code, new.json()["errors"][0]["pointer"]) == (422, "/department_code")


@pytest.mark.usefixtures("department")
async def test_filters_versions_and_pages(session: AsyncSession, lake: Lake, wang: Member) -> None:
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(1, 4)]
    first = (await wang.client.put(url(ids[0]), json=PAIRED)).headers["etag"]
    with counted(session) as one:
        await wang.client.get("/api/v1/pairings")
    changed = await wang.client.put(
        url(ids[0]), json=PAIRED | {"to": "2030-12-31"}, headers={"If-Match": first}
    )
    late = await wang.client.put(url(ids[0]), json=PAIRED, headers={"If-Match": first})
    await wang.client.put(url(ids[1]), json=PAIRED | {"reach_code": None})
    await an_organisation(
        session, code="D2", kind=OrganisationKind.department, parent_id=lake.committee.id
    )
    await wang.client.put(
        url(ids[2]), json=PAIRED | {"department_code": "D2", "village_code": None}
    )

    async def listed(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/pairings?{query}")
        return [each["id"] for each in answer.json()["items"]]

    with counted(session) as three:
        everything = await listed("")
    begun = (await wang.client.get("/api/v1/pairings?limit=2")).json()
    rest = await listed(f"limit=2&cursor={begun['next']}")

    assert (changed.status_code, late.status_code) == (200, 412)
    assert everything == [e["id"] for e in begun["items"]] + rest == ids[::-1]
    assert [
        await listed(q) for q in ("organisation=DEPT", "reach=R-1", "village=VILLAGE", "reach=R-9")
    ] == [[ids[1], ids[0]], [ids[2], ids[0]], [ids[1], ids[0]], []]
    assert three.statements == one.statements
