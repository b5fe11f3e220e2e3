"""The system's pages: how it stands, the audit log and the keys of programs, for admins."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import Alarm, ApiKey, AuditEntry, Person, WechatCircuit, WechatToken
from app.routers.deps import WEB_COOKIE
from app.services import audit, chain, web_sessions
from app.services.web_sessions import form_token
from tests.conftest import KEYS, Client, Lake, Member
from tests.queries import counted

NOW = datetime.now(UTC)
SECRET = "the-token-that-nobody-may-see"


@pytest.fixture
async def browser(session: AsyncSession, client: Client, qian: Member) -> httpx.AsyncClient:
    """Qian's browser; every form sends her token."""
    cookie = await web_sessions.begin(session, qian.person, via="link", now=NOW)
    await session.commit()
    signed = await web_sessions.find(session, cookie, now=NOW)
    assert signed is not None
    browser = client(None)
    browser.cookies.set(WEB_COOKIE, cookie)
    browser.headers["X-Form-Token"] = form_token(KEYS, signed)
    return browser


def text_of(page: httpx.Response) -> str:
    """What somebody reads, without markup."""
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


async def test_the_page_and_its_json_say_the_same(
    session: AsyncSession, browser: httpx.AsyncClient, qian: Member
) -> None:
    session.add(
        WechatToken(
            app_id="wx1", kind="access_token", token=SECRET, expires_at=NOW, refreshed_at=NOW
        )
    )
    session.add(
        WechatCircuit(
            app_id="wx1",
            path="/cgi-bin/message/template/send#T-SECRET",
            errcode=40037,
            opened_at=NOW,
            closes_at=NOW + timedelta(hours=1),
        )
    )
    session.add(Alarm(name="disk", text="磁盘只剩 5% 的空间。", raised_at=NOW))
    await chain.begin(session, now=NOW)
    await session.commit()

    answer = await qian.client.get("/api/v1/system")
    page = await browser.get("/dashboard/system")

    found = answer.json()
    assert found["tokens"] == [
        {
            "app": None,
            "kind": "access_token",
            "refreshed_at": found["tokens"][0]["refreshed_at"],
            "expires_at": found["tokens"][0]["expires_at"],
        }
    ]
    assert [each["path"] for each in found["circuits"]] == ["/cgi-bin/message/template/send"]
    assert found["chain"] == {
        "opened_at": found["chain"]["sealed_at"],
        "taken_over_at": found["chain"]["sealed_at"],
        "sealed_at": found["chain"]["sealed_at"],
        "position": 0,
        "unsealed": 0,
        "closing": None,
    }
    assert found["alarms"][0]["text"] == "磁盘只剩 5% 的空间。"
    said = text_of(page)
    for each in found["findings"]:
        assert each["said"] in said.replace("&lt;", "<")
    assert "磁盘只剩 5% 的空间。" in said
    for body in (answer.text, page.text):
        assert SECRET not in body
        assert "T-SECRET" not in body


async def entries(session: AsyncSession, li: Member, wang: Member) -> None:
    changed: dict[str, Any] = {"before": {"a": 1, "b": 2}, "after": {"a": 1, "b": 3}}
    looked: dict[str, Any] = {"reason": "查轨迹"}
    written: list[tuple[Person | None, str, str, dict[str, Any]]] = [
        (wang.person, "see", "person:LI", looked),
        (wang.person, "edit", "person:LI", changed),
        (li.person, "create", "exemption:1", {"after": {"days": 2}}),
        (None, "import", "dataset", {"via": "cli"}),
    ]
    for n, (actor, action, subject, given) in enumerate(written):
        at = NOW - timedelta(days=4 - n)
        await audit.record(session, actor, action, subject, now=at, **given)
    await session.commit()


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ({}, ["dataset", "exemption:1", "person:LI", "person:LI"]),
        ({"actor": "WANG"}, ["person:LI", "person:LI"]),
        ({"actor": "示例王", "action": "see"}, ["person:LI"]),
        ({"actor": "cli"}, ["dataset"]),
        ({"subject": "exemption:"}, ["exemption:1"]),
        ({"subject": "%"}, []),
        ({"from": clock.day_of(NOW - timedelta(days=1)).isoformat()}, ["dataset"]),
        ({"to": clock.day_of(NOW - timedelta(days=4)).isoformat()}, ["person:LI"]),
    ],
)
async def test_the_log_is_found_by_who_what_and_when(
    session: AsyncSession,
    li: Member,
    wang: Member,
    qian: Member,
    query: dict[str, str],
    subjects: list[str],
) -> None:
    await entries(session, li, wang)
    answer = await qian.client.get("/api/v1/audit-entries", params=query)
    assert [each["subject"] for each in answer.json()["items"]] == subjects


async def test_the_log_is_paged_and_read_in_one_question(
    session: AsyncSession, li: Member, wang: Member, qian: Member
) -> None:
    await entries(session, li, wang)
    numbers = []
    for limit in (1, 3):
        with counted(session) as asked:
            await qian.client.get("/api/v1/audit-entries", params={"limit": limit})
        numbers.append(asked.statements)
    assert numbers[0] == numbers[1]
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = await qian.client.get("/api/v1/audit-entries", params={"limit": 3} | cursor)
        seen += [each["id"] for each in answer.json()["items"]]
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    ids = await session.scalars(select(AuditEntry.id).order_by(AuditEntry.id.desc()))
    assert seen == [str(id_) for id_ in ids]


async def test_the_log_page_shows_what_changed_and_only_that(
    session: AsyncSession, browser: httpx.AsyncClient, li: Member, wang: Member
) -> None:
    await entries(session, li, wang)
    said = text_of(await browser.get("/dashboard/system/audit", params={"action": "edit"}))
    assert "b：2 → 3" in said
    assert "a：1" not in said
    said = text_of(await browser.get("/dashboard/system/audit", params={"subject": "exemption:"}))
    assert "days：2" in said
    # An empty field of the form is no filter.
    whole = await browser.get("/dashboard/system/audit?actor=&subject=&action=&from=&to=")
    assert whole.text.count("<tr>") == 1 + 5  # its head; the four, and her signing in


async def test_a_key_is_shown_once_works_and_is_revoked(
    session: AsyncSession, browser: httpx.AsyncClient, client: Client, lake: Lake, qian: Member
) -> None:
    made = await browser.post(
        "/dashboard/system/keys", data={"organisation": "EAST", "name": "报表程序"}
    )
    (key,) = re.findall(r"xk_[\w-]{40,}", made.text)
    assert (await client(key).get("/api/v1/people")).status_code == 200
    listed = await browser.get("/dashboard/system/keys")
    assert key not in listed.text
    assert f"{key[:10]}…" in listed.text
    row = await session.scalar(select(ApiKey))
    assert row is not None
    assert (row.organisation_id, row.name) == (lake.east_branch.id, "报表程序")

    without_reason = await browser.post(f"/dashboard/system/keys/{row.id}/revoke")
    assert without_reason.status_code == 422
    revoked = await browser.post(
        f"/dashboard/system/keys/{row.id}/revoke", data={"reason": "程序停用"}
    )
    assert revoked.status_code == 303
    assert (await client(key).get("/api/v1/people")).status_code == 401
    log = await session.execute(
        select(AuditEntry.action, AuditEntry.actor_id, AuditEntry.via, AuditEntry.reason)
        .where(AuditEntry.subject == f"api-key:{row.id}")
        .order_by(AuditEntry.id)
    )
    assert log.all() == [
        ("create-api-key", qian.person.id, "web", None),
        ("revoke-api-key", qian.person.id, "web", "程序停用"),
    ]


@pytest.mark.usefixtures("lake")
async def test_no_key_without_the_form_or_for_no_organisation(
    session: AsyncSession, browser: httpx.AsyncClient
) -> None:
    unknown = await browser.post("/dashboard/system/keys", data={"organisation": "X", "name": "x"})
    assert unknown.status_code == 422
    del browser.headers["X-Form-Token"]
    forged = await browser.post(
        "/dashboard/system/keys", data={"organisation": "EAST", "name": "x"}
    )
    assert forged.status_code == 403
    assert (await session.scalars(select(ApiKey))).all() == []


async def test_managers_see_none_of_it(
    session: AsyncSession, client: Client, wang: Member, program: httpx.AsyncClient
) -> None:
    cookie = await web_sessions.begin(session, wang.person, via="link", now=NOW)
    await session.commit()
    browser = client(None)
    browser.cookies.set(WEB_COOKIE, cookie)
    for path in ("", "/audit", "/keys"):
        assert (await browser.get(f"/dashboard/system{path}")).status_code == 403
    for path in ("system", "audit-entries"):
        assert (await wang.client.get(f"/api/v1/{path}")).status_code == 403
        assert (await program.get(f"/api/v1/{path}")).status_code == 403
