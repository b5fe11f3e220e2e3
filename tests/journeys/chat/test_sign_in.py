"""Signing in to the dashboard: a QR code scanned, the number sent; and nobody else let in."""

import re
from base64 import b64decode
from datetime import UTC, datetime
from html import unescape
from urllib.parse import unquote

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from app.domain import replies
from app.models import AuditEntry, Person, Role, SignInTicket, WebSession
from app.routers.deps import WEB_COOKIE
from app.services import conversations, sign_in
from app.services.callback_queue import CallbackQueue
from app.settings import ServiceAccount
from app.state import State
from app.wechat.simulator import scenes
from app.wechat.simulator.faults import Fault
from tests.conftest import SERVICE_ACCOUNT, Client, Lake, Member
from tests.journeys.chat.conftest import Chat, heard

HTMX = {"HX-Request": "true"}
ASKS = (
    "有电脑（127.0.0.1）要用您的身份登录管理页面 xunhe.example。"
    "是您本人，请发送电脑上显示的4位数字；不是请回复“否”。"
)


@pytest.fixture
def state(state: State) -> State:
    """With a service account of our own, and the demo's line for phones without a camera."""
    account = ServiceAccount(
        _env_file=None,
        app_id=SERVICE_ACCOUNT.app_id,
        secret=SecretStr(SERVICE_ACCOUNT.secret),
        token=SERVICE_ACCOUNT.token,
    )
    changed = {"service_account": account, "demo": True, "public_url": "https://xunhe.example"}
    settings = state["settings"].model_copy(update=changed)
    answering = conversations.answering(settings, state["keys"])
    return {
        **state,
        "settings": settings,
        "callbacks": CallbackQueue(state["sessions"], answering),
    }


@pytest.fixture
async def boss(chat: Chat, wang: Member) -> Member:
    """Wang, who manages both banks, with the phone called `li`."""
    await chat.bind("li", wang.person)
    return wang


class Browser:
    """Somebody's browser before the sign-in page; asks as htmx does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.http = client
        self.number = self.scanned = ""

    async def draw(self) -> None:
        page = await self.http.post(
            "/dashboard/sign-in/code", data={"next": "/dashboard/behind"}, headers=HTMX
        )
        assert page.status_code == 200, page.text
        (self.number,) = re.findall(r'class="number">(\d{4})<', page.text)
        (scanned,) = re.findall(r'readonly aria-label="二维码的内容" value="([^"]+)"', page.text)
        self.scanned = unescape(scanned)

    async def ask(self, seen: str = "") -> httpx.Response:
        return await self.http.post(
            "/dashboard/sign-in/enter",
            data={"next": "/dashboard/behind", "seen": seen},
            headers=HTMX,
        )

    async def is_in(self) -> bool:
        return (await self.http.get("/api/v1/people")).status_code == 200


@pytest.fixture
async def browser(client: Client) -> Browser:
    return Browser(_https(client))


def _https(client: Client) -> httpx.AsyncClient:
    """The cookies are for https alone."""
    opened = client(None)
    opened.base_url = httpx.URL("https://xunhe")
    return opened


async def scan(chat: Chat, key: str, browser: Browser) -> str | None:
    return heard(await chat.phone(key).scan(browser.scanned))


async def test_a_manager_scans_sends_the_number_and_is_in(
    chat: Chat, boss: Member, browser: Browser
) -> None:
    await browser.draw()
    assert (await browser.ask("waiting")).status_code == 204
    assert await scan(chat, "li", browser) == ASKS
    told = await browser.ask("waiting")
    assert "已扫码" in told.text
    assert (await browser.ask("scanned")).status_code == 204
    assert not await browser.is_in()

    assert await chat.say("li", f"确认登录 {browser.number}") == replies.SIGNED_IN
    answer = await browser.ask("scanned")

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/dashboard/behind")
    cookie = next(each for each in answer.headers.get_list("set-cookie") if WEB_COOKIE in each)
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert await browser.is_in()
    (session,) = await chat.rows(WebSession)
    assert (session.person_id, session.via) == (boss.person.id, "scan")
    (entry,) = await chat.rows(AuditEntry)
    assert (entry.actor_id, entry.action, entry.subject) == (
        boss.person.id,
        "sign-in",
        "person:WANG",
    )


async def test_a_scan_alone_lets_nobody_in(chat: Chat, boss: Member, browser: Browser) -> None:  # noqa: ARG001  bound
    await browser.draw()
    assert await scan(chat, "li", browser) == ASKS
    for words in ("好", "是", "确认登录", "进度"):
        await chat.say("li", words)
        assert "HX-Redirect" not in (await browser.ask("scanned")).headers
    assert await chat.rows(WebSession) == []


async def test_the_number_is_that_of_the_browser_whose_code_was_scanned(
    chat: Chat,
    boss: Member,  # noqa: ARG001  bound
    browser: Browser,
    client: Client,
) -> None:
    other = Browser(_https(client))
    await browser.draw()
    await other.draw()
    while other.number == browser.number:
        await other.draw()
    await scan(chat, "li", browser)
    assert await chat.say("li", other.number) == replies.SIGN_IN_WRONG
    assert await chat.say("li", browser.number) == replies.SIGNED_IN
    assert "HX-Redirect" not in (await other.ask()).headers
    assert (await browser.ask()).headers["HX-Redirect"] == "/dashboard/behind"
    # Used up: whoever has a copy of the ticket's cookie comes too late.
    assert "已失效" in (await browser.ask("scanned")).text


async def test_guessing_ends_after_three_numbers(
    chat: Chat,
    boss: Member,  # noqa: ARG001  bound
    browser: Browser,
) -> None:
    await browser.draw()
    await scan(chat, "li", browser)
    wrong = "1000" if browser.number != "1000" else "1001"
    assert [await chat.say("li", wrong) for _ in range(sign_in.MOST_WRONG)] == [
        replies.SIGN_IN_WRONG,
        replies.SIGN_IN_WRONG,
        replies.SIGN_IN_OVER,
    ]
    chat.wait(seconds=1)  # else it would be WeChat's retry of the first scan
    assert await scan(chat, "li", browser) == replies.SIGN_IN_OVER
    assert "换一个二维码" in (await browser.ask("scanned")).text


async def test_a_no_ends_it(chat: Chat, boss: Member, browser: Browser) -> None:  # noqa: ARG001  bound
    await browser.draw()
    await scan(chat, "li", browser)
    assert await chat.say("li", "不是我") == replies.SIGN_IN_REFUSED
    assert "不是本人" in (await browser.ask("scanned")).text
    await chat.say("li", browser.number)
    assert not await browser.is_in()


async def test_it_lives_three_minutes(chat: Chat, boss: Member, browser: Browser) -> None:  # noqa: ARG001  bound
    await browser.draw()
    chat.wait(minutes=2, seconds=59)
    assert await scan(chat, "li", browser) == ASKS
    chat.wait(seconds=1)
    assert await chat.say("li", browser.number) == replies.SIGN_IN_OVER
    assert "已失效" in (await browser.ask("scanned")).text


async def test_who_vouched_at_the_last_second_still_comes_in(
    chat: Chat,
    boss: Member,  # noqa: ARG001  bound
    browser: Browser,
) -> None:
    await browser.draw()
    await scan(chat, "li", browser)
    chat.wait(minutes=2, seconds=59)
    assert await chat.say("li", browser.number) == replies.SIGNED_IN
    chat.wait(seconds=59)
    assert (await browser.ask("scanned")).headers["HX-Redirect"] == "/dashboard/behind"


async def test_members_and_strangers_are_told_and_stay_out(
    chat: Chat, boss: Member, zhou: Member, browser: Browser
) -> None:
    await chat.bind("zhou", zhou.person)
    await browser.draw()
    assert await scan(chat, "zhou", browser) == replies.SIGN_IN_MEMBER
    assert await scan(chat, "guest", browser) == replies.SIGN_IN_UNBOUND
    for key in ("zhou", "guest"):
        await chat.say(key, browser.number)
    assert (await browser.ask("waiting")).status_code == 204
    # Nor does a member who could answer for somebody that was a manager when they scanned.
    await scan(chat, "li", browser)
    async with chat.sessions.begin() as session:
        await session.execute(
            update(Person).where(Person.id == boss.person.id).values(role=Role.member)
        )
    await chat.say("li", browser.number)
    assert (await browser.ask("scanned")).status_code == 204


async def test_an_unknown_or_forged_scene_is_over(chat: Chat, boss: Member) -> None:  # noqa: ARG001  bound
    forged = scenes.address(scenes.ticket(f"{sign_in.SCENE_PREFIX}forged"))
    assert heard(await chat.phone("li").scan(forged)) == replies.SIGN_IN_OVER


async def test_who_follows_by_the_code_is_asked_as_well(
    chat: Chat, boss: Member, browser: Browser
) -> None:
    await chat.phone("li").unfollow()
    await browser.draw()
    assert await scan(chat, "li", browser) == replies.SIGN_IN_UNBOUND
    assert boss.person.role is Role.manager


async def test_what_is_kept_opens_nothing(chat: Chat, lake: Lake, browser: Browser) -> None:  # noqa: ARG001
    await browser.draw()
    (ticket,) = await chat.rows(SignInTicket)
    scene = scenes.scene_of(browser.scanned, datetime.now(UTC).timestamp())
    kept = " ".join(str(getattr(ticket, column.name)) for column in ticket.__table__.columns)
    assert scene is not None
    assert scene.startswith(sign_in.SCENE_PREFIX)
    for secret in (scene, browser.number, browser.http.cookies["xunhe_sign_in"]):
        assert secret not in kept


async def test_the_picture_says_what_wechat_gave_and_old_tickets_go(
    chat: Chat, browser: Browser
) -> None:
    await browser.draw()
    chat.wait(days=2)
    page = await browser.http.post("/dashboard/sign-in/code")
    # Without htmx, the whole page with a button.
    assert "<html" in page.text
    assert "我已发送数字" in page.text or "已发送数字，进入" in page.text
    (picture,) = re.findall(r'src="(data:image/svg\+xml[^"]+)"', page.text)
    assert "<svg" in unquote(unescape(picture)) or b64decode(picture.split(",")[1])
    assert len(await chat.rows(SignInTicket)) == 1


async def test_without_script_a_button_asks(chat: Chat, boss: Member, browser: Browser) -> None:  # noqa: ARG001  bound
    await browser.draw()
    waiting = await browser.http.post("/dashboard/sign-in/enter", data={"next": "/dashboard/map"})
    assert (waiting.status_code, browser.number in waiting.text) == (200, True)
    await scan(chat, "li", browser)
    await chat.say("li", browser.number)
    done = await browser.http.post("/dashboard/sign-in/enter", data={"next": "//evil.example"})
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
    assert await browser.is_in()


async def test_while_wechat_is_away_the_page_says_so(chat: Chat, browser: Browser) -> None:
    chat.platform.faults.add(Fault("/cgi-bin/qrcode/create", status=500, times=99))
    page = await browser.http.post("/dashboard/sign-in/code", headers=HTMX)
    assert (page.status_code, "微信暂时连不上" in page.text) == (200, True)
    assert await chat.rows(SignInTicket) == []


async def test_a_form_on_another_page_signs_nobody_in(
    chat: Chat,
    boss: Member,  # noqa: ARG001  bound
    browser: Browser,
) -> None:
    await browser.draw()
    await scan(chat, "li", browser)
    await chat.say("li", browser.number)
    for path in ("code", "enter"):
        answer = await browser.http.post(
            f"/dashboard/sign-in/{path}", headers={"Sec-Fetch-Site": "cross-site"}
        )
        assert answer.status_code == 403
    assert not await browser.is_in()
