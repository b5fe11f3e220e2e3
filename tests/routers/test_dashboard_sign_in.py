"""Login links, the dashboard's cookie, and what its forms ask for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import CommandFailed
from app.keys import Keys
from app.models import AuditEntry, Person, Role, SignInTicket, WebSession
from app.routers.deps import WEB_COOKIE
from app.services import login_links, web_sessions
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import a_person

NOW = datetime.now(UTC)


@pytest.fixture
async def link(session: AsyncSession, wang: Member) -> str:
    """The address of a link for Wang."""
    token = await login_links.create(session, wang.person.code, now=NOW)
    await session.commit()
    return f"{login_links.PATH}/{token}"


async def signed_in(client: Client, session: AsyncSession, person: Person) -> httpx.AsyncClient:
    browser = client(None)
    browser.cookies.set(
        WEB_COOKIE, await web_sessions.begin(session, person, via="link", now=datetime.now(UTC))
    )
    await session.commit()
    return browser


async def is_in(browser: httpx.AsyncClient) -> bool:
    answer = await browser.get("/api/v1/people")
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


async def form_token(session: AsyncSession, keys: Keys, browser: httpx.AsyncClient) -> str:
    signed = await web_sessions.find(session, browser.cookies[WEB_COOKIE], now=datetime.now(UTC))
    assert signed is not None
    return web_sessions.form_token(keys, signed)


# -- links -----------------------------------------------------------------------------------


async def test_a_link_lets_in_once_and_by_the_button_only(
    client: Client, session: AsyncSession, wang: Member, link: str
) -> None:
    preview, browser, late = client(None), client(None), client(None)
    for _ in range(2):
        seen = await preview.get(link)
        assert (seen.status_code, wang.person.name in seen.text) == (200, True)
        assert not seen.cookies
        assert seen.headers["cache-control"] == "no-store"
    done = await browser.post(link)
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
    (cookie,) = [c for c in done.headers.get_list("set-cookie") if c.startswith(WEB_COOKIE)]
    # Over http, as in a demo, it is not for https alone.
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert await is_in(browser)
    for answer in (await late.post(link), await late.get(link)):
        assert (answer.status_code, "已经用过或过期" in answer.text) == (404, True)
    assert not await is_in(late)
    entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [(e.via, e.actor_id, e.action, e.subject) for e in entries] == [
        ("cli", None, "login-link", "person:WANG"),
        ("web", wang.person.id, "sign-in", "person:WANG"),
    ]


async def test_a_link_is_good_for_ten_minutes(
    client: Client, session: AsyncSession, link: str
) -> None:
    await session.execute(update(SignInTicket).values(expires_at=SignInTicket.created_at))
    await session.commit()
    assert (await client(None).post(link)).status_code == 404
    (ticket,) = await session.scalars(
        select(SignInTicket).execution_options(populate_existing=True)
    )
    made = NOW + login_links.LASTS
    assert made - ticket.created_at == timedelta(minutes=10)


async def test_a_link_dies_with_the_role(
    client: Client, session: AsyncSession, wang: Member, link: str
) -> None:
    wang.person.role = Role.member
    await session.commit()
    browser = client(None)
    assert (await browser.post(link)).status_code == 403
    assert not await is_in(browser)


async def test_no_link_for_members_and_strangers(
    session: AsyncSession, lake: Lake, li: Member
) -> None:
    gone = await a_person(
        session, code="GONE", organisation_id=lake.committee.id, role=Role.manager,
        to_on=(NOW - timedelta(days=2)).date(),
    )  # fmt: skip
    for code, why in (
        (li.person.code, "不是管理人员"),
        (gone.code, "名册上没有"),
        ("NOBODY", "名册上没有"),
    ):
        with pytest.raises(CommandFailed, match=why):
            await login_links.create(session, code, now=NOW)
    assert (await session.scalars(select(SignInTicket))).all() == []


async def test_another_sites_form_follows_no_link(client: Client, link: str) -> None:
    browser = client(None)
    refused = await browser.post(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert not await is_in(browser)
    assert (await browser.post(link)).status_code == 303


async def test_a_link_is_no_ticket_of_a_browser(client: Client, link: str) -> None:
    browser = client(None)
    browser.cookies.set("xunhe_sign_in", link.rsplit("/", 1)[1])
    answer = await browser.post("/dashboard/sign-in/enter", headers={"HX-Request": "true"})
    assert "已失效" in answer.text
    assert not await is_in(browser)


# -- the session -----------------------------------------------------------------------------


async def test_signing_out_ends_it_everywhere(
    client: Client, session: AsyncSession, state: State, wang: Member
) -> None:
    browser = await signed_in(client, session, wang.person)
    copied = client(None)
    copied.cookies.set(WEB_COOKIE, browser.cookies[WEB_COOKIE])
    token = await form_token(session, state["keys"], browser)
    done = await browser.post("/dashboard/sign-out", data={"form_token": token})
    assert (done.status_code, done.headers["location"].split("?")[0]) == (
        303,
        "/dashboard/sign-in",
    )
    (cookie,) = done.headers.get_list("set-cookie")
    assert cookie.startswith(f'{WEB_COOKIE}="";')
    assert "Max-Age=0" in cookie
    assert not await is_in(copied)


@pytest.mark.parametrize("change", [{"role": Role.member}, {"to_on": NOW.date()}])
async def test_who_is_taken_off_is_out_at_the_next_request(
    client: Client, session: AsyncSession, wang: Member, change: dict[str, Any]
) -> None:
    browser = await signed_in(client, session, wang.person)
    assert await is_in(browser)
    if "to_on" in change:
        change = {"to_on": (NOW - timedelta(days=2)).date()}
    await session.execute(update(Person).where(Person.id == wang.person.id).values(**change))
    await session.commit()
    assert not await is_in(browser)


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": NOW - timedelta(seconds=1)},
        {"seen_at": NOW - web_sessions.IDLE - timedelta(seconds=1)},
        {"ended_at": NOW},
    ],
)
async def test_a_session_ends_by_itself(
    client: Client, session: AsyncSession, wang: Member, change: dict[str, Any]
) -> None:
    browser = await signed_in(client, session, wang.person)
    assert await is_in(browser)
    await session.execute(update(WebSession).values(**change))
    await session.commit()
    assert not await is_in(browser)


async def test_the_cookie_writes_nothing_over_the_api(
    client: Client, session: AsyncSession, wang: Member, li: Member
) -> None:
    browser = await signed_in(client, session, wang.person)
    answer = await browser.post(f"/api/v1/people/{li.person.code}/unbind", json={"reason": "换"})
    assert answer.status_code == 401


# -- forms -----------------------------------------------------------------------------------


async def test_a_form_needs_the_token_of_its_own_session(
    client: Client, session: AsyncSession, state: State, wang: Member, zhao: Member
) -> None:
    browser = await signed_in(client, session, wang.person)
    others = await signed_in(client, session, zhao.person)
    again = await signed_in(client, session, wang.person)
    mine = await form_token(session, state["keys"], browser)
    for given, headers in (
        ({}, {}),
        ({"form_token": ""}, {}),
        ({"form_token": await form_token(session, state["keys"], others)}, {}),
        ({"form_token": await form_token(session, state["keys"], again)}, {}),
        ({"form_token": mine}, {"Sec-Fetch-Site": "cross-site"}),
        ({"form_token": mine}, {"Sec-Fetch-Site": "same-site"}),
        ({}, {"X-Form-Token": await form_token(session, state["keys"], others)}),
    ):
        refused = await browser.post("/dashboard/sign-out", data=given, headers=headers)
        assert refused.status_code == 403, (given, headers)
    assert await is_in(browser)
    done = await browser.post("/dashboard/sign-out", headers={"X-Form-Token": mine})
    assert done.status_code == 303


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/dashboard/behind?q=1", "/dashboard/behind?q=1"),
        ("/dashboard", "/dashboard"),
        ("", "/dashboard"),
        ("https://evil.example/dashboard/behind", "/dashboard"),
        ("//evil.example/dashboard", "/dashboard"),
        ("/\\evil.example/dashboard", "/dashboard"),
        ("/dashboardevil", "/dashboard"),
        ("/api/v1/people", "/dashboard"),
        ("javascript:alert(1)", "/dashboard"),
        ("/dashboard/\r\nSet-Cookie: a=b", "/dashboard/Set-Cookie:%20a=b"),
        ("/dashboard/../api/v1/people", "/dashboard"),
        ("/dashboard/%2e%2e/api/v1/people", "/dashboard"),
        ("//[/dashboard", "/dashboard"),
        ("http://[::1", "/dashboard"),
    ],
)
async def test_signing_in_leads_to_our_own_pages_only(
    client: Client, session: AsyncSession, wang: Member, asked: str, led: str
) -> None:
    browser = await signed_in(client, session, wang.person)
    answer = await browser.get("/dashboard/sign-in", params={"next": asked})
    assert (answer.status_code, answer.headers["location"]) == (303, led)


async def test_who_is_out_is_led_to_the_sign_in(client: Client, lake: Lake) -> None:  # noqa: ARG001
    page = await client(None).get("/dashboard/behind", params={"q": "李"})
    assert page.status_code == 303
    assert (
        page.headers["location"]
        == "/dashboard/sign-in?next=/dashboard/behind%3Fq%3D%25E6%259D%258E"
    )


@pytest.mark.parametrize(
    ("referer", "led"),
    [
        ("http://localhost/dashboard/behind?q=1", "/dashboard/behind"),
        ("https://evil.example//evil.example", "/dashboard"),
        ("http://[::1", "/dashboard"),
    ],
)
async def test_a_button_pressed_by_who_is_out_leads_back_to_our_own_pages_only(
    client: Client,
    lake: Lake,  # noqa: ARG001
    referer: str,
    led: str,
) -> None:
    page = await client(None).post("/dashboard/sign-out", headers={"Referer": referer})
    assert (page.status_code, page.headers["location"]) == (303, f"/dashboard/sign-in?next={led}")


async def test_the_page_forbids_everything_foreign(client: Client, lake: Lake) -> None:  # noqa: ARG001
    page = await client(None).get("/dashboard/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    # Without a service account there is nothing to scan.
    assert "还没有接通微信服务号" in page.text
