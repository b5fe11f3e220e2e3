"""Our client and our callback against the simulated platform, both ways over HTTP."""

import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import httpx
import pytest
import zxingcpp
from fastapi import FastAPI
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.types import Receive, Scope, Send

from app.models import App
from app.routers import problems
from app.routers import wechat as wechat_router
from app.services.callback_queue import CallbackQueue
from app.settings import CallbackMode
from app.wechat import menu
from app.wechat.callback import Incoming
from app.wechat.client import WeChat
from app.wechat.doors import Door
from app.wechat.errors import CodeInvalid, CodeUsed, Fault, OutcomeUnknown, Refused, TryAgain
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, Mode, PersonConfig, PlatformConfig, Template
from app.wechat.simulator.faults import Fault as Rule
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Push
from app.wechat.simulator.tokens import revoke
from tests.wechat.platforms import Clock, client_of

Sessions = async_sessionmaker[AsyncSession]
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
SERVICE = AccountConfig(
    app_id="wx00000000000000aa",
    secret="service-secret",
    token="service-token",
    aes_key=KEY,
    callback_url="http://ours/wechat/service-account",
    original_id="gh_service",
    templates=(
        Template("T1", "巡河提醒", (("thing1", "任务"), ("character_string2", "完成"))),
        Template("S1", "巡河提醒", (("thing1", "任务"),), "subscribe"),
    ),
)
MINI = AccountConfig(
    app_id="wx00000000000000bb",
    secret="mini-secret",
    token="mini-token",
    aes_key=KEY[::-1],
    callback_url="http://ours/wechat/mini-program",
    original_id="gh_mini",
    push_format="json",
    pages=("pages/index",),
    templates=(Template("M1", "任务提醒", (("thing1", "任务"),), "subscribe"),),
)
CONFIG = PlatformConfig(
    service_account=SERVICE,
    mini_program=MINI,
    people=(
        PersonConfig("li", "示例甲", "19900000001", follows=True),
        PersonConfig("zhou", "示例乙", "19900000002"),
    ),
    push_pause=0,
)
MODES: dict[CallbackMode, Mode] = {
    CallbackMode.plain: "plain",
    CallbackMode.compatible: "compatible",
    CallbackMode.safe: "safe",
}
DATA = {"thing1": "七星河中段巡河", "character_string2": "2/6"}


class Heard:
    """Remembers every message and echoes texts."""

    def __init__(self) -> None:
        self.messages: list[tuple[App, str]] = []

    async def __call__(self, session: AsyncSession, pushes: Sequence[Incoming]) -> list[str | None]:
        del session
        self.messages += [(push.app, type(push.message).__name__) for push in pushes]
        return [getattr(push.message, "content", None) for push in pushes]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.clock.now", clock)
    return clock


@pytest.fixture
async def platform(
    heard: Heard, clock: Clock, real_sessions: Sessions, request: pytest.FixtureRequest
) -> AsyncIterator[Platform]:
    """The platform, its pushes going to our router; in safe mode unless a test says otherwise."""
    mode = getattr(request, "param", CallbackMode.safe)
    ours = FastAPI()
    problems.install(ours)
    ours.include_router(wechat_router.router)
    doors = {
        app: Door(app, mode, account.app_id, account.token, account.aes_key)
        for app, account in ((App.service_account, SERVICE), (App.mini_program, MINI))
    }

    callbacks = CallbackQueue(real_sessions, heard)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"doors": doors, "callbacks": callbacks}
        await ours(scope, receive, send)

    config = replace(
        CONFIG,
        service_account=replace(SERVICE, mode=MODES[mode]),
        mini_program=replace(MINI, mode=MODES[mode]),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_state)) as http:
        platform = Platform(config, http=http, clock=lambda: clock.now.timestamp())
        yield platform
        await platform.close()


@pytest.fixture
def wechat(platform: Platform, real_sessions: Sessions, clock: Clock) -> WeChat:
    return client_of(httpx.ASGITransport(create_app(platform)), real_sessions, clock)


@pytest.fixture
def li(platform: Platform) -> Phone:
    return platform.phone("li")


# -- the callback ----------------------------------------------------------------------------


@pytest.mark.parametrize("platform", list(CallbackMode), indirect=True)
async def test_the_platform_is_content_with_us(platform: Platform, li: Phone, heard: Heard) -> None:
    sealed = platform.service_account.config.mode != "plain"
    assert await platform.push.verify(platform.service_account)
    assert await platform.push.verify(platform.mini_program)
    if sealed:
        assert await platform.push.verify(platform.service_account, sealed=True)
    said = await li.say("进度 ]]> <b>")
    assert (said.outcome, said.fault, said.reply and said.reply["Content"]) == (
        "replied",
        "",
        "进度 ]]> <b>",
    )
    pushes: list[Push] = [
        await li.send_location(103.01, 24.9, label="示例村"),
        await li.send_photo(b"\xff\xd8\xff"),
        await li.send_voice(),
        await li.send_video(),
        await li.click("help"),
        await li.view("http://xunhe/"),
        *await li.choose_location("location", 103.01, 24.9),
        *await li.take_photos("photo", [b"\xff\xd8\xff", b"\xff\xd8\xfe"]),
        await li.scan_and_wait("scan_stele", "http://xunhe/s/JB-01"),
        await li.report_location(103.01, 24.9),
    ]
    scanned = await li.scan("JB-01")
    assert isinstance(scanned, Push)
    pushes += [
        scanned,
        await li.revoke_authorization(),
        await li.unfollow(),
        await li.follow("JB-02"),
    ]
    assert {(push.outcome, push.fault, len(push.attempts)) for push in pushes} == {
        ("success", "", 1)
    }
    service, mini = App.service_account, App.mini_program
    assert heard.messages == [
        (service, "Text"),
        (service, "Location"),
        (service, "Image"),
        (service, "Voice"),
        (service, "Video"),
        (service, "Click"),
        (service, "View"),
        (service, "LocationSelect"),
        (service, "Location"),
        (service, "PicPhoto"),
        (service, "Image"),
        (service, "Image"),
        (service, "ScanWait"),
        (service, "LocationEvent"),
        (service, "Scan"),
        (mini, "AuthorizationRevoked"),
        (service, "Unsubscribe"),
        (service, "Subscribe"),
    ]


async def test_copies_have_one_effect(platform: Platform, li: Phone, heard: Heard) -> None:
    platform.copies = 3
    said = await li.say("你好")
    assert (said.outcome, [each.status for each in said.attempts]) == ("replied", [200] * 3)
    assert heard.messages == [(App.service_account, "Text")]


# -- the calls -------------------------------------------------------------------------------


async def test_signing_in(platform: Platform, wechat: WeChat, li: Phone) -> None:
    code = li.login_code()
    session = await wechat.mini_program.code_session(code)
    assert (session.openid, session.unionid) == (li.mini_contact.openid, li.user.unionid)
    with pytest.raises(CodeUsed):
        await wechat.mini_program.code_session(code)
    with pytest.raises(CodeInvalid):
        await wechat.mini_program.code_session("nonsense")
    phone = await wechat.mini_program.phone(li.phone_code(), session.openid)
    assert (phone.number, phone.country_code) == ("19900000001", "86")
    with pytest.raises(CodeInvalid):
        await wechat.mini_program.phone(li.phone_code(), "o-somebody-else")
    platform.unionids = False
    session = await wechat.mini_program.code_session(li.login_code())
    assert session.unionid is None


async def test_web_login_tells_virtual_accounts(wechat: WeChat, li: Phone) -> None:
    real = await wechat.service_account.web_user(li.web_code())
    assert (real.openid, real.is_snapshotuser) == (li.contact.openid, False)
    virtual = await wechat.service_account.web_user(li.web_code(snapshot=True))
    assert virtual.is_snapshotuser is True
    assert virtual.openid != li.contact.openid


async def test_followers(platform: Platform, wechat: WeChat, li: Phone) -> None:
    found = await wechat.service_account.follower(li.contact.openid)
    assert (found.subscribe, found.unionid) == (True, li.user.unionid)
    zhou = platform.phone("zhou").contact.openid
    assert (await wechat.service_account.follower(zhou)).subscribe is False
    with pytest.raises(Refused) as caught:
        await wechat.service_account.follower("o-nobody")
    assert caught.value.fault is Fault.address


async def test_a_template_message_is_sent_once(
    platform: Platform, wechat: WeChat, li: Phone, heard: Heard
) -> None:
    account = wechat.service_account
    openid = li.contact.openid
    platform.faults.add(Rule("/cgi-bin/message/template/send", status=500, after=True, nth=1))
    first = await account.send_template(
        openid, "T1", DATA, client_msg_id="m-1", mini_program=(MINI.app_id, "pages/index")
    )
    again = await account.send_template(openid, "T1", DATA, client_msg_id="m-1")
    assert first == again
    assert first is not None
    cards = [item for item in li.user.chat if item.kind == "template"]
    assert [(card.page, card.title) for card in cards] == [("pages/index", "巡河提醒")]
    await platform.settle()
    assert heard.messages == [(App.service_account, "TemplateSent")]
    with pytest.raises(Refused) as caught:
        await account.send_template(openid, "T1", {"thing1": "长" * 21}, client_msg_id="m-2")
    assert (caught.value.fault, caught.value.field) == (Fault.content, "thing1")
    zhou = platform.phone("zhou").contact.openid
    with pytest.raises(Refused) as caught:
        await account.send_template(zhou, "T1", DATA, client_msg_id="m-3")
    assert caught.value.fault is Fault.channel


async def test_a_permit_is_spent_once(platform: Platform, wechat: WeChat, li: Phone) -> None:
    await li.answer_subscription({"M1": "accept"}, account=platform.mini_program)
    openid = li.mini_contact.openid
    send = wechat.mini_program.send_subscribed
    platform.faults.add(Rule("/cgi-bin/message/subscribe/send", drop=True, after=True, nth=1))
    with pytest.raises(OutcomeUnknown):
        await send(openid, "M1", {"thing1": "巡河"}, page="pages/index")
    cards = [item for item in li.user.chat if item.kind == "subscribe"]
    assert [card.page for card in cards] == ["pages/index"]
    with pytest.raises(Refused) as caught:
        await send(openid, "M1", {"thing1": "巡河"})
    assert (caught.value.errcode, caught.value.fault) == (43101, Fault.channel)
    await li.answer_subscription({"S1": "accept"})
    await wechat.service_account.send_subscribed(li.contact.openid, "S1", {"thing1": "巡河"})


async def test_speaking_first_needs_a_window(wechat: WeChat, li: Phone, clock: Clock) -> None:
    openid = li.contact.openid
    with pytest.raises(Refused) as caught:
        await wechat.service_account.send_text(openid, "您好")
    assert caught.value.errcode == 45015
    await li.say("你好")
    for _ in range(5):
        await wechat.service_account.send_text(openid, "照片没有收到，请再发一次。")
    with pytest.raises(Refused) as caught:
        await wechat.service_account.send_text(openid, "您好")
    assert caught.value.errcode == 45047
    clock.pass_(hours=49)
    with pytest.raises(Refused):
        await wechat.service_account.send_text(openid, "您好")


async def test_media_are_fetched_within_bounds(wechat: WeChat, li: Phone, clock: Clock) -> None:
    content = bytes(range(256)) * 400
    push = await li.send_photo(content)
    media_id = push.fields["MediaId"]
    found = await wechat.service_account.media(media_id, limit=len(content))
    assert (found.content == content, found.content_type) == (True, "image/jpeg")
    with pytest.raises(Refused) as caught:
        await wechat.service_account.media(media_id, limit=len(content) - 1)
    assert caught.value.field == "too large"
    clock.pass_(days=3)
    with pytest.raises(Refused) as caught:
        await wechat.service_account.media(media_id, limit=len(content))
    assert caught.value.fault is Fault.gone


async def test_a_video_is_fetched_from_wechat_only(
    platform: Platform, wechat: WeChat, li: Phone
) -> None:
    push = await li.send_video(b"\0\0\0\x18ftypmp42")
    media_id = push.fields["MediaId"]
    # The simulator says that it lives elsewhere: an address in somebody's network.
    with pytest.raises(Refused) as caught:
        await wechat.service_account.media(media_id, limit=1000)
    assert caught.value.field == "video_url"
    http = wechat.service_account.caller._http
    http.base_url = httpx.URL(platform.config.base_url)
    found = await wechat.service_account.media(media_id, limit=1000)
    assert found.content == b"\0\0\0\x18ftypmp42"
    with pytest.raises(Refused):
        await wechat.service_account.media(media_id, limit=3)


async def test_codes_can_be_printed(wechat: WeChat, li: Phone, heard: Heard) -> None:
    address = await wechat.service_account.permanent_code("s:JB-01")
    await li.scan(address)
    assert heard.messages == [(App.service_account, "Scan")]
    picture = await wechat.mini_program.code_image("c=JB-01", "/pages/index")
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert code.text == f"wxa://{MINI.app_id}/pages/index?scene=c%3DJB-01"
    with pytest.raises(TryAgain) as caught:
        await wechat.mini_program.code_image("c=JB-01", "pages/gone")
    assert caught.value.errcode == 41030
    await wechat.mini_program.code_image("c=JB-02", "pages/index")


async def test_contents_are_checked(wechat: WeChat, li: Phone) -> None:
    await wechat.mini_program.code_session(li.login_code())
    openid = li.mini_contact.openid
    check = wechat.mini_program.text_verdict
    assert [await check(openid, words, 1) for words in ("河边有垃圾", "疑似示例", "违禁示例")] == [
        "pass",
        "review",
        "risky",
    ]
    assert await wechat.mini_program.check_image(openid, "http://ours/photo.jpg", 1) != ""


async def test_the_menu_is_made(wechat: WeChat) -> None:
    assert await wechat.service_account.menu() is None
    await wechat.service_account.create_menu(menu.MENU)
    found = await wechat.service_account.menu()
    assert menu.lines(found) == menu.lines(menu.MENU)
    assert menu.lines(menu.MENU) == [
        "巡河 / 发送位置 [location_select] location",
        "巡河 / 拍照 [pic_sysphoto] photo",
        "巡河 / 扫界碑 [scancode_waitmsg] scan_stele",
        "巡河 / 我的进度 [click] progress",
        "巡河 / 报问题 [click] problem",
        "党建 / 活动 [click] activities",
        "党建 / 签到 [click] sign_in",
        "党建 / 学习 [click] learning",
        "我的 / 我的记录 [click] my_records",
        "我的 / 责任书 [click] letters",
        "我的 / 帮助 [click] help",
    ]


async def test_templates_are_listed(wechat: WeChat) -> None:
    found = await wechat.service_account.templates()
    assert [(each.template_id, each.title) for each in found] == [
        ("T1", "巡河提醒"),
        ("S1", "巡河提醒"),
    ]
    assert "{{thing1.DATA}}" in found[0].content
    assert [each.template_id for each in await wechat.mini_program.templates()] == ["M1"]


async def test_a_page_is_signed(wechat: WeChat, platform: Platform) -> None:
    signature = await wechat.service_account.page_signature(
        "http://xunhe/s/JB-01?t=x#top", nonce="n", timestamp=5
    )
    held = platform.service_account.ticket
    assert held is not None
    signed = f"jsapi_ticket={held.value}&noncestr=n&timestamp=5&url=http://xunhe/s/JB-01?t=x"
    assert signature == hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()


async def test_a_token_revoked_in_mid_flight_is_replaced(
    platform: Platform, wechat: WeChat, li: Phone
) -> None:
    openid = li.contact.openid
    await wechat.service_account.follower(openid)
    revoke(platform.service_account)
    assert (await wechat.service_account.follower(openid)).subscribe is True
    platform.faults.add(Rule("/cgi-bin/user/info", errcode=40001, nth=1))
    assert (await wechat.service_account.follower(openid)).subscribe is True
    asked = [call.errcode for call in platform.calls if call.path == "/cgi-bin/user/info"]
    assert asked == [0, 40001, 0, 40001, 0]
