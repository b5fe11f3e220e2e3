"""Managers say who is responsible for what, and who stands in."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import time_machine
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AuditEntry, Post, PostKind
from tests.conftest import Client, Lake, Member
from tests.factories import a_person
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
POST: dict[str, Any] = {
    "person_code": "LI",
    "kind": "reach_chief",
    "area_kind": "reach",
    "area_code": "R-1",
    "deputy_code": "ZHOU",
    "from": "2026-01-01",
    "reason": "任命",
}
SHOWN = {
    "code": "Z-1",
    "person_code": "LI",
    "kind": "reach_chief",
    "organisation_code": None,
    "area_kind": "reach",
    "area_code": "R-1",
    "deputy_code": "ZHOU",
    "from": "2026-01-01",
    "to": None,
    "retired_on": None,
}
DUTY = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "reach",
    "area_code": "R-1",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "reason": "年度任务",
}


def url(code: str = "Z-1") -> str:
    return f"/api/v1/posts/{code}"


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("li", "zhou")
async def test_a_post_is_made_once(session: AsyncSession, wang: Member) -> None:
    made = await wang.client.put(url(), json=POST)
    again = await wang.client.put(url(), json=POST)
    read = await wang.client.get(url())
    listed = await wang.client.get("/api/v1/posts")

    assert [(a.status_code, a.json()) for a in (made, again, read)] == [
        (201, SHOWN),
        (200, SHOWN),
        (200, SHOWN),
    ]
    assert listed.json() == {"items": [SHOWN], "next": None}
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.action, entry.subject, entry.before, entry.after, entry.reason) == (
        "create", "post:Z-1", None, SHOWN, "任命",
    )  # fmt: skip


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("li")
async def test_a_deputy_counts_from_the_edit_that_names_them(zhou: Member, wang: Member) -> None:
    position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    body = {"at": "2026-11-23T12:00:00+08:00", "position": position}
    await zhou.client.put(f"/api/v1/check-ins/{uuid4()}", json=body)
    await wang.client.put("/api/v1/obligations/O-1", json=DUTY)

    async def done() -> int:
        duty = (await wang.client.get("/api/v1/obligations/O-1")).json()
        # Zhou walks, never Li: what counts is a deputy's.
        assert duty["done_by"] == {"own": 0, "proxy": duty["done"], "late_entry": 0}
        return int(duty["done"])

    seen = [await done()]
    for given in (
        {},
        {"deputy_code": None},
        {"area_kind": "stele", "area_code": "JB-02"},
        {},
        {"to": "2026-11-22"},
        {},
        {"retired": True},
        {},
    ):
        answer = await wang.client.put(url(), json=POST | given)
        assert answer.status_code in (200, 201), answer.text
        seen.append(await done())

    assert seen == [0, 1, 0, 0, 1, 0, 1, 0, 1]


@time_machine.travel(NOW, tick=False)
@pytest.mark.usefixtures("li", "zhou")
async def test_posts_that_are_over_leave_the_list(wang: Member) -> None:
    await wang.client.put(url("OVER"), json=POST | {"to": "2026-11-22"})
    await wang.client.put(url("RETIRED"), json=POST | {"retired": True})
    await wang.client.put(url("LATER"), json=POST | {"from": "2027-01-01"})
    other = {"person_code": "ZHOU", "deputy_code": None, "kind": "liaison", "area_kind": None}
    await wang.client.put(url("WEST"), json=POST | other | {"area_code": None})

    async def codes(query: str) -> list[str]:
        answer = await wang.client.get(f"/api/v1/posts?{query}")
        return [each["code"] for each in answer.json()["items"]]

    assert [
        await codes(query)
        for query in ("", "retired=true", "person=ZHOU", "kind=reach_chief", "organisation=EAST")
    ] == [["WEST", "LATER"], ["WEST", "LATER", "RETIRED", "OVER"], ["WEST"], ["LATER"], ["LATER"]]


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({"kind": "king"}, "invalid", "/kind"),
        ({"area_kind": "any", "area_code": None}, "invalid", "/area_kind"),
        ({"area_kind": None}, "invalid", "/area_kind"),
        ({"area_code": None}, "invalid", "/area_code"),
        ({"area_code": "R-9"}, "unknown-code", "/area_code"),
        ({"deputy_code": "NOBODY"}, "unknown-code", "/deputy_code"),
        ({"to": "2025-12-31"}, "invalid", "/to"),
        ({"person_code": None}, "invalid", "/person_code"),
        ({"organisation_code": "\u0000"}, "invalid", "/organisation_code"),
        ({"reason": "  "}, "invalid", "/reason"),
        ({"retired": "yes"}, "invalid", "/retired"),
    ],
)
@pytest.mark.usefixtures("li", "zhou")
async def test_bad_posts_are_not_kept(
    session: AsyncSession, wang: Member, given: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await wang.client.put(url(), json=POST | given)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert await session.scalar(select(Post.id)) is None


@pytest.mark.usefixtures("li", "zhou")
async def test_a_post_stays_inside_of_the_subtree(
    session: AsyncSession, lake: Lake, zhao: Member, wang: Member
) -> None:
    """Zhao manages the village; neither holder nor deputy nor organisation is from elsewhere."""
    await a_person(session, code="V1", organisation_id=lake.village.id)
    mine = {"person_code": "V1", "deputy_code": None, "reason": "任命", "kind": "liaison"}
    await wang.client.put(url(), json=POST)
    await wang.client.put(url("MIXED"), json=mine | {"organisation_code": "EAST"})

    answers = [
        await zhao.client.get(url()),
        await zhao.client.put(url(), json=mine),
        await zhao.client.put(url("MIXED"), json=mine),
        await zhao.client.put(url("NEW"), json=POST),
        await zhao.client.put(url("NEW"), json=mine | {"deputy_code": "ZHOU"}),
        await zhao.client.put(url("NEW"), json=mine | {"organisation_code": "EAST"}),
        await zhao.client.put(url("NEW"), json=mine | {"deputy_code": "ZHAO"}),
    ]

    assert [(a.status_code, a.json().get("errors", [{}])[0].get("pointer")) for a in answers] == [
        (404, None),
        (409, None),
        (409, None),
        (422, "/person_code"),
        (422, "/deputy_code"),
        (422, "/organisation_code"),
        (201, None),
    ]
    seen = (await zhao.client.get("/api/v1/posts")).json()["items"]
    assert [each["code"] for each in seen] == ["NEW", "MIXED"]
    kinds = (await session.scalars(select(Post.kind).where(Post.code == "Z-1"))).all()
    assert kinds == [PostKind.reach_chief]


@pytest.mark.usefixtures("zhou")
async def test_only_managers_and_programs_read_and_only_managers_write(
    client: Client,
    li: Member,
    wang: Member,
    stranger: httpx.AsyncClient,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    await wang.client.put(url(), json=POST)
    everybody = (client(None), stranger, li.client, program, west_program)

    assert [(await each.get(url())).status_code for each in everybody] == [401, 403, 403, 200, 404]
    assert [(await each.get("/api/v1/posts")).status_code for each in everybody] == [
        401, 403, 403, 200, 200,
    ]  # fmt: skip
    assert (await west_program.get("/api/v1/posts")).json()["items"] == []
    assert [(await each.put(url(), json=POST)).status_code for each in everybody] == [
        401, 403, 403, 403, 403,
    ]  # fmt: skip


@pytest.mark.usefixtures("li", "zhou")
async def test_versions_and_pages(session: AsyncSession, wang: Member) -> None:
    first = (await wang.client.put(url(), json=POST)).headers["etag"]
    with counted(session) as one:
        await wang.client.get("/api/v1/posts")
    changed = await wang.client.put(
        url(), json=POST | {"kind": "assistant"}, headers={"If-Match": f'W/{first}, "x"'}
    )
    late = await wang.client.put(url(), json=POST, headers={"If-Match": first})
    for code in ("Z-2", "Z-3"):
        await wang.client.put(url(code), json=POST)
    with counted(session) as three:
        page = (await wang.client.get("/api/v1/posts")).json()
    begun = (await wang.client.get("/api/v1/posts?limit=2")).json()
    rest = (await wang.client.get(f"/api/v1/posts?limit=2&cursor={begun['next']}")).json()

    assert (changed.status_code, late.status_code) == (200, 412)
    assert [each["code"] for each in page["items"]] == ["Z-3", "Z-2", "Z-1"]
    assert begun["items"] + rest["items"] == page["items"]
    assert three.statements == one.statements
