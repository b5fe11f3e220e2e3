"""Managers read and change the roster."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Membership, Person, Role
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token, an_api_key
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SUN: dict[str, Any] = {
    "name": "示例孙",
    "phone": "199 0000 2001",
    "organisation_code": "EAST",
    "role": "member",
    "party_member": True,
    "from": "2026-01-01",
    "reason": "新到任",
}
SHOWN = {
    "code": "SUN",
    "name": "示例孙",
    "phone": "19900002001",
    "organisation_code": "EAST",
    "role": "member",
    "party_member": True,
    "title": None,
    "public_name": None,
    "from": "2026-01-01",
    "to": None,
    "retired_on": None,
}


def url(code: str = "SUN") -> str:
    return f"/api/v1/people/{code}"


async def terms(session: AsyncSession, code: str) -> list[tuple[Any, Any, Any, bool]]:
    """Organisation, first and last day, and whether it is in force; in order of recording."""
    rows = await session.scalars(
        select(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(Person.code == code)
        .order_by(Membership.recorded_at, Membership.from_on)
        .execution_options(populate_existing=True)
    )
    return [(row.organisation_id, row.from_on, row.to_on, row.revoked_at is None) for row in rows]


@time_machine.travel(NOW, tick=False)
async def test_somebody_is_put_on_the_roster_once(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    made = await wang.client.put(url(), json=SUN)
    again = await wang.client.put(url(), json=SUN)
    read = await wang.client.get(url())

    assert [(answer.status_code, answer.json()) for answer in (made, again, read)] == [
        (201, SHOWN),
        (200, SHOWN),
        (200, SHOWN),
    ]
    assert made.headers["etag"] == again.headers["etag"] == read.headers["etag"]
    assert await terms(session, "SUN") == [(lake.east_branch.id, date(2026, 1, 1), None, True)]
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.actor_id, entry.action, entry.subject, entry.before, entry.after, entry.reason) == (
        wang.person.id, "create", "person:SUN", None, SHOWN, "新到任",
    )  # fmt: skip


@time_machine.travel(NOW, tick=False)
async def test_another_organisation_closes_one_membership_and_begins_another(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    await wang.client.put(url(), json=SUN)

    moved = await wang.client.put(
        url(), json=SUN | {"organisation_code": "WEST", "from": "2026-11-01", "reason": "调动"}
    )

    assert (moved.status_code, moved.json()["organisation_code"]) == (200, "WEST")
    assert await terms(session, "SUN") == [
        (lake.east_branch.id, date(2026, 1, 1), None, False),
        (lake.east_branch.id, date(2026, 1, 1), date(2026, 10, 31), True),
        (lake.west_branch.id, date(2026, 11, 1), None, True),
    ]
    entry = (await session.scalars(select(AuditEntry).where(AuditEntry.action == "edit"))).one()
    assert (entry.before, entry.after, entry.reason) == (
        SHOWN,
        SHOWN | {"organisation_code": "WEST", "from": "2026-11-01"},
        "调动",
    )


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("given", "retired_on"),
    [({"retired": True}, "2026-11-23"), ({"to": "2026-10-31"}, "2026-11-01")],
)
async def test_whoever_is_off_the_roster_has_no_access_and_leaves_the_list(
    session: AsyncSession,
    client: Client,
    lake: Lake,
    wang: Member,
    given: dict[str, Any],
    retired_on: str,
) -> None:
    sun = await a_person(session, code="SUN", organisation_id=lake.east_branch.id)
    sun_client = client(await a_token(session, sun))
    assert (await sun_client.get("/api/v1/me")).status_code == 200

    answer = await wang.client.put(url(), json=SUN | given)

    assert (answer.status_code, answer.json()["retired_on"]) == (200, retired_on)
    assert (await sun_client.get("/api/v1/me")).json()["code"] == "not-bound"
    listed = (await wang.client.get("/api/v1/people")).json()["items"]
    everybody = (await wang.client.get("/api/v1/people?retired=true")).json()["items"]
    assert [each["code"] for each in listed] == ["WANG"]
    assert [each["code"] for each in everybody] == ["SUN", "WANG"]
    back = await wang.client.put(url(), json=SUN)
    assert (back.status_code, back.json()["retired_on"]) == (200, None)


@time_machine.travel(NOW, tick=False)
async def test_a_phone_is_free_when_its_holder_is_gone(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    await a_person(
        session,
        phone="19900002001",
        organisation_id=lake.east_branch.id,
        to_on=date(2026, 11, 22),
    )

    assert (await wang.client.put(url(), json=SUN)).status_code == 201


@time_machine.travel(NOW, tick=False)
async def test_a_phone_has_one_holder_who_is_named_only_to_their_manager(
    session: AsyncSession, lake: Lake, wang: Member, zhao: Member
) -> None:
    await a_person(session, code="SHI", phone="19900002001", organisation_id=lake.east_branch.id)

    told = await wang.client.put(url(), json=SUN)
    untold = await zhao.client.put(url(), json=SUN | {"organisation_code": "VILLAGE"})

    assert [(answer.status_code, answer.json()["errors"]) for answer in (told, untold)] == [
        (422, [{"pointer": "/phone", "detail": "这个手机号已登记在 SHI 名下"}]),
        (422, [{"pointer": "/phone", "detail": "这个手机号已登记在 其他人员 名下"}]),
    ]


@pytest.mark.parametrize(
    ("given", "code", "errors"),
    [
        ({"name": ""}, "invalid", [("/name", "不能为空")]),
        ({"name": "字" * 101}, "invalid", [("/name", "太长了：101 个字，最多 100 个字")]),
        ({"name": "\u0000"}, "invalid", [("/name", "含有看不见的控制字符，请删掉重新输入")]),
        ({"name": None}, "invalid", [("/name", "格式不对")]),
        ({"phone": "12345"}, "invalid", [("/phone", "不是有效的大陆手机号，应为 11 位数字")]),
        ({"phone": 19900002001}, "invalid", [("/phone", "格式不对")]),
        (
            {"role": "king"},
            "invalid",
            [("/role", "“king”不在可选范围内，可填：member（成员）、manager（管理人员）、admin（管理员）")],
        ),
        ({"party_member": "true"}, "invalid", [("/party_member", "格式不对")]),
        ({"from": "2026-02-30"}, "invalid", [("/from", "日期要写成 2026-06-01 的格式")]),
        ({"from": "1899-01-01"}, "invalid", [("/from", "年份 1899 不对，应在 1900 至 2199 之间")]),
        ({"to": "2025-12-31"}, "invalid", [("/to", "2025-12-31 早于开始的 2026-01-01")]),
        ({"organisation_code": "NOWHERE"}, "unknown-code",
         [("/organisation_code", "“NOWHERE”不存在，请先在 organisations 里登记")]),
        ({"reason": ""}, "invalid", [("/reason", "太短，至少 1 个字")]),
        ({"name": "", "organisation_code": "NOWHERE"}, "invalid",
         [("/name", "不能为空"), ("/organisation_code", "“NOWHERE”不存在，请先在 organisations 里登记")]),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_in_the_words_of_the_import(
    session: AsyncSession,
    wang: Member,
    given: dict[str, Any],
    code: str,
    errors: list[tuple[str, str]],
) -> None:
    answer = await wang.client.put(url(), json=SUN | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [(each["pointer"], each["detail"]) for each in answer.json()["errors"]] == errors
    assert await session.scalar(select(Person).where(Person.code == "SUN")) is None


async def test_a_code_without_sense_is_refused(wang: Member) -> None:
    answers = [
        await wang.client.put(f"/api/v1/people/{code}", json=SUN)
        for code in ("%20", "A%20B", "x" * 65, "%00")
    ]

    assert [answer.status_code for answer in answers] == [422] * 4


@time_machine.travel(NOW, tick=False)
async def test_a_version_that_is_no_longer_current_is_not_overwritten(wang: Member) -> None:
    first = (await wang.client.put(url(), json=SUN)).headers["etag"]
    changed = await wang.client.put(
        url(), json=SUN | {"title": "组长"}, headers={"If-Match": first}
    )

    late = await wang.client.put(url(), json=SUN | {"title": "主任"}, headers={"If-Match": first})
    nothing = await wang.client.put(url("NEW"), json=SUN, headers={"If-Match": "*"})

    assert (changed.status_code, late.status_code, nothing.status_code) == (200, 412, 412)
    assert (await wang.client.get(url())).json()["title"] == "组长"


@pytest.mark.usefixtures("li")
async def test_a_manager_neither_makes_nor_edits_an_admin(
    session: AsyncSession, wang: Member, qian: Member
) -> None:
    made = await wang.client.put(url(), json=SUN | {"role": "admin"})
    raised = await wang.client.put(url("LI"), json=SUN | {"role": "admin"})
    edited = await wang.client.put(
        url("QIAN"), json=SUN | {"organisation_code": "GWH", "role": "member"}
    )
    by_admin = await qian.client.put(url(), json=SUN | {"role": "admin"})

    assert [a.status_code for a in (made, raised, edited, by_admin)] == [403, 403, 403, 201]
    roles = (
        await session.scalars(
            select(Person.role).where(Person.code.in_(["LI", "QIAN"])).order_by(Person.code)
        )
    ).all()
    assert roles == [Role.member, Role.admin]


async def test_a_manager_reaches_neither_out_of_nor_into_other_subtrees(
    session: AsyncSession, li: Member, zhao: Member
) -> None:
    """Zhao manages the village; Li is of the east bank."""
    read = await zhao.client.get(url("LI"))
    taken = await zhao.client.put(url("LI"), json=SUN | {"organisation_code": "VILLAGE"})
    into = await zhao.client.put(url(), json=SUN)
    out = await zhao.client.put(url("ZHAO"), json=SUN | {"role": "manager", "reason": "调动"})

    assert [(answer.status_code, answer.json()["code"]) for answer in (read, taken, into, out)] == [
        (404, "not-found"),
        (409, "conflict"),
        (422, "unknown-code"),
        (422, "unknown-code"),
    ]
    assert into.json()["errors"] == [
        {"pointer": "/organisation_code", "detail": "“EAST”不存在，请先在 organisations 里登记"}
    ]
    assert "示例李" not in taken.text
    assert [each["code"] for each in (await zhao.client.get("/api/v1/people")).json()["items"]] == [
        "ZHAO"
    ]
    await session.refresh(li.person)
    assert li.person.name == "示例李"


async def test_members_and_strangers_get_nothing_and_programs_no_phones(
    client: Client,
    li: Member,
    zhou: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    for path in ("/api/v1/people", url("LI")):
        answers = [
            await each.get(path) for each in (client(None), stranger, li.client, zhou.client)
        ]
        assert [answer.status_code for answer in answers] == [401, 403, 403, 403]
    written = [
        await each.put(url("LI"), json=SUN)
        for each in (client(None), stranger, li.client, program, west_program)
    ]
    assert [answer.status_code for answer in written] == [401, 403, 403, 403, 403]

    listed = (await program.get("/api/v1/people")).json()["items"]
    mine = (await wang.client.get("/api/v1/people")).json()["items"]
    west = (await west_program.get("/api/v1/people")).json()["items"]

    assert {each["code"]: each["phone"] for each in listed} == dict.fromkeys(["LI", "ZHOU", "WANG"])
    assert {each["code"]: each["phone"] for each in mine} == {
        each.person.code: each.person.phone for each in (li, zhou, wang)
    }
    assert [each["code"] for each in west] == ["ZHOU"]
    assert (await program.get(url("LI"))).json()["phone"] is None
    assert (await west_program.get(url("LI"))).status_code == 404


@pytest.mark.usefixtures("li", "zhou", "zhao")
async def test_the_list_is_filtered_and_cut_in_pages(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    async def codes(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/people?{query}")
        assert answer.status_code == 200, answer.text
        return [each["code"] for each in answer.json()["items"]]

    assert await codes("organisation=EAST") == ["LI"]
    assert sorted(await codes("organisation=GWH")) == ["LI", "WANG", "ZHAO", "ZHOU"]
    assert await codes("organisation=NOWHERE") == []
    assert sorted(await codes("role=manager")) == ["WANG", "ZHAO"]
    assert await codes("q=例周") == ["ZHOU"]

    first = (await wang.client.get("/api/v1/people?limit=3")).json()
    await a_person(session, code="LATER", organisation_id=lake.east_branch.id)
    second = (await wang.client.get(f"/api/v1/people?limit=3&cursor={first['next']}")).json()

    seen = [each["code"] for each in first["items"] + second["items"]]
    assert (len(first["items"]), second["next"], sorted(seen)) == (
        3, None, ["LI", "WANG", "ZHAO", "ZHOU"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "role=king", "q=", "cursor=x%00", "cursor=bm8="]
)
async def test_a_list_is_not_asked_for_nonsense(wang: Member, query: str) -> None:
    answer = await wang.client.get(f"/api/v1/people?{query}")

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_three_rows_cost_no_more_questions_than_one(
    session: AsyncSession, lake: Lake, wang: Member
) -> None:
    with counted(session) as one:
        assert len((await wang.client.get("/api/v1/people")).json()["items"]) == 1
    for _ in range(2):
        await a_person(session, organisation_id=lake.east_branch.id)
    with counted(session) as three:
        assert len((await wang.client.get("/api/v1/people")).json()["items"]) == 3

    assert three.statements == one.statements


@pytest.mark.usefixtures("li", "chen")
async def test_a_scoped_key_of_another_enterprise_sees_nobody_else(
    session: AsyncSession, client: Client, lake: Lake
) -> None:
    key = client(await an_api_key(session, lake.enterprise))

    assert [each["code"] for each in (await key.get("/api/v1/people")).json()["items"]] == ["CHEN"]


@time_machine.travel(NOW, tick=False)
async def test_the_last_admin_stays_one(
    session: AsyncSession, client: Client, lake: Lake, qian: Member
) -> None:
    me = SUN | {"name": "示例钱", "phone": None, "organisation_code": "GWH", "from": None}
    refused = await qian.client.put(url("QIAN"), json=me | {"role": "member"})
    gone = await qian.client.put(url("QIAN"), json=me | {"role": "admin", "to": "2026-11-01"})
    other = await a_person(session, code="A2", organisation_id=lake.committee.id, role=Role.admin)
    allowed = await client(await a_token(session, other)).put(
        url("QIAN"), json=me | {"role": "member"}
    )

    assert [(each.status_code, each.json().get("code")) for each in (refused, gone)] == [
        (409, "wrong-state"),
        (409, "wrong-state"),
    ]
    assert (allowed.status_code, allowed.json()["role"]) == (200, "member")
