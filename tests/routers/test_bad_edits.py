"""What managers' programs send by mistake: never a 500, never half of an edit."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    AuditEntry,
    Exemption,
    LateEntry,
    Letter,
    Obligation,
    Pairing,
    Person,
    Post,
)
from tests.conftest import Member

JSON = {"content-type": "application/json"}
PERSON = {
    "name": "示例孙", "phone": "19900002001", "organisation_code": "EAST", "role": "member",
    "party_member": True, "title": "组长", "public_name": "孙", "from": "2026-01-01",
    "to": "2030-01-01", "reason": "新到任", "retired": False,
}  # fmt: skip
POST = {
    "person_code": "LI", "kind": "reach_chief", "organisation_code": "EAST", "area_kind": "reach",
    "area_code": "R-1", "deputy_code": "ZHOU", "from": "2026-01-01", "to": "2030-01-01",
    "reason": "任命", "retired": False,
}  # fmt: skip
DUTY = {
    "holder_kind": "person", "holder_code": "LI", "area_kind": "grid_cell", "area_code": "G-1",
    "times": 2, "period": "month", "starts_on": "2026-01-01", "ends_on": "2026-12-31",
    "months": "3-12", "min_minutes": 1, "min_metres": 1, "kinds": ["foot"], "photo": "none",
    "letter_number": None, "reason": "年度任务", "retired": False,
}  # fmt: skip
PAIRED = {
    "department_code": "GWH", "reach_code": "R-1", "village_code": "VILLAGE", "from": "2026-01-01",
    "to": "2026-12-31", "reason": "挂钩", "retired": False,
}  # fmt: skip
LEAVE = {
    "state": "granted", "holder_kind": "person", "holder_code": "LI", "obligation_code": None,
    "from": "2026-06-01", "to": "2026-06-02", "kind": "leave", "reason": "住院",
}  # fmt: skip
LETTER = {
    "organisation_code": "ENT", "person_code": "CHEN", "signed_on": "2026-01-05",
    "starts_on": "2026-01-01", "ends_on": "2026-12-31", "reason": "签订", "retired": False,
}  # fmt: skip
PAPER = {
    "person_code": "LI", "on": "2026-06-01", "area_kind": "reach", "area_code": "R-1",
    "kind": "foot", "minutes": 1, "metres": 1, "note": "未见异常", "reason": "手机进水",
}  # fmt: skip
DOORS: dict[str, tuple[dict[str, Any], Any]] = {
    "/api/v1/people/{code}": (PERSON, Person),
    "/api/v1/posts/{code}": (POST, Post),
    "/api/v1/obligations/{code}": (DUTY, Obligation),
    "/api/v1/pairings/{id}": (PAIRED, Pairing),
    "/api/v1/exemptions/{id}": (LEAVE, Exemption),
    "/api/v1/letters/{code}": (LETTER, Letter),
    "/api/v1/late-entries/{id}": (PAPER, LateEntry),
}
RUBBISH: list[Any] = [
    True, -1, 1.5, 10**30, "", "\u0000", "x" * 2200, "'; DROP TABLE people; --", "2026-02-30",
    "１２", [], ["\u0000"], {}, "😀" * 30,
]  # fmt: skip


def url(path: str) -> str:
    return path.format(code=f"N-{uuid4().hex[:8]}", id=uuid4())


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.usefixtures("li", "zhou", "chen")
async def test_no_member_of_a_body_can_be_anything(
    session: AsyncSession, qian: Member, path: str
) -> None:
    body, model = DOORS[path]
    before = await session.scalar(select(func.count()).select_from(model)) or 0
    made = 0
    statuses = set()
    for name in body:
        for value in RUBBISH:
            answer = await qian.client.put(url(path), json=body | {name: value})
            assert answer.status_code in (200, 201, 403, 409, 422), (name, value, answer.text)
            made += answer.status_code == 201
            statuses.add(answer.status_code)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
    after = await session.scalar(select(func.count()).select_from(model))

    assert 422 in statuses
    assert after == before + made
    assert await session.scalar(select(func.count()).select_from(AuditEntry)) == made


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b'{"reason": "\\ud800"}', b"[" * 5000]
)
async def test_what_is_no_body(qian: Member, path: str, content: bytes) -> None:
    answer = await qian.client.put(url(path), content=content, headers=JSON)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["people/%00", "posts/%0A", "obligations/%ED%A0%80", "pairings/x", "exemptions/0",
             "letters/%00", "late-entries/-", f"people/{'x' * 65}"],
)  # fmt: skip
async def test_what_is_no_name(qian: Member, path: str) -> None:
    for method in ("GET", "PUT"):
        answer = await qian.client.request(method, f"/api/v1/{path}", json={"reason": "否"})
        assert answer.status_code in (404, 422)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("if_match", ['""', "x", '"a", "b"', "W/", "é", "," * 50])
@pytest.mark.usefixtures("li")
async def test_versions_that_are_none(qian: Member, if_match: str) -> None:
    await qian.client.put("/api/v1/obligations/O-1", json=DUTY)

    answer = await qian.client.put(
        "/api/v1/obligations/O-1",
        json=DUTY,
        headers={b"If-Match": if_match.encode()},
    )

    assert (answer.status_code, answer.json()["code"]) == (412, "stale-version")


@pytest.mark.parametrize("path", [path for path in DOORS if path.endswith("{code}")])
@pytest.mark.usefixtures("li", "zhou", "chen")
async def test_what_was_read_can_be_sent_back(
    session: AsyncSession, qian: Member, path: str
) -> None:
    """As it was read; and changes nothing, which the audit log does not mention."""
    body, _ = DOORS[path]
    there = url(path)
    made = await qian.client.put(there, json=body)
    assert made.status_code == 201, made.text

    read = await qian.client.get(there)
    again = await qian.client.put(
        there, json=read.json(), headers={"If-Match": read.headers["etag"]}
    )

    assert (again.status_code, again.json()) == (200, read.json())
    assert again.headers["etag"] == read.headers["etag"]
    assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 1
