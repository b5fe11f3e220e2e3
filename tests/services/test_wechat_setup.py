"""`xunhe wechat menu` and `check`, against the simulated platform."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import App, CallbackReceipt
from app.services import wechat_setup
from app.settings import MessageTemplate, MiniProgram, ServiceAccount, Settings, Templates
from app.wechat.client import WeChat, open_wechat
from app.wechat.errors import CircuitOpen, TryAgain
from app.wechat.simulator.app import create_app
from app.wechat.simulator.config import AccountConfig, PlatformConfig, Template
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.wechat.platforms import Clock

Sessions = async_sessionmaker[AsyncSession]
SERVICE = AccountConfig(
    app_id="wx00000000000000aa",
    secret="service-secret",
    token="t",
    mode="plain",
    templates=(Template("T1", "巡河提醒", (("thing1", "任务"), ("character_string2", "完成"))),),
)
MINI = AccountConfig(app_id="wx00000000000000bb", secret="mini-secret", token="t", mode="plain")
REMINDER = MessageTemplate.model_validate(
    {"id": "T1", "thing1": "task", "character_string2": "done_of_owed"}
)
MENU = [
    "+ 巡河 / 发送位置 [location_select] location",
    "+ 巡河 / 拍照 [pic_sysphoto] photo",
    "+ 巡河 / 扫界碑 [scancode_waitmsg] scan_stele",
    "+ 巡河 / 我的进度 [click] progress",
    "+ 巡河 / 报问题 [click] problem",
    "+ 党建 / 活动 [click] activities",
    "+ 党建 / 签到 [click] sign_in",
    "+ 党建 / 学习 [click] learning",
    "+ 我的 / 我的记录 [click] my_records",
    "+ 我的 / 责任书 [click] letters",
    "+ 我的 / 帮助 [click] help",
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def platform(clock: Clock) -> AsyncIterator[Platform]:
    async with httpx.AsyncClient() as http:
        platform = Platform(
            PlatformConfig(service_account=SERVICE, mini_program=MINI),
            http=http,
            clock=lambda: clock.now.timestamp(),
        )
        yield platform
        await platform.close()


@pytest.fixture
def configured() -> Settings:
    return Settings(
        _env_file=None,
        public_url="https://xunhe.example",
        service_account=ServiceAccount(
            _env_file=None,
            app_id=SERVICE.app_id,
            secret=SecretStr(SERVICE.secret),
            token=SecretStr("t"),
        ),
        mini_program=MiniProgram(
            _env_file=None, app_id=MINI.app_id, secret=SecretStr(MINI.secret), token=SecretStr("t")
        ),
        templates=Templates(_env_file=None, reminder=REMINDER),
    )


@pytest.fixture
async def wechat(
    platform: Platform, configured: Settings, sessions: Sessions, clock: Clock
) -> AsyncIterator[WeChat]:
    transport = httpx.ASGITransport(create_app(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://wechat") as http:
        yield open_wechat(http, configured, sessions, now=clock, sleep=clock.sleep)


Lines = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def lines(wechat: WeChat, configured: Settings, sessions: Sessions, clock: Clock) -> Lines:
    async def check() -> list[str]:
        found = wechat_setup.check(wechat, configured, sessions, now=clock.now)
        return [str(finding) async for finding in found]

    return check


async def heard(session: AsyncSession, app: App, clock: Clock) -> None:
    session.add(CallbackReceipt(app=app, key="k", received_at=clock.now, failures=0))
    await session.commit()


async def test_the_menu_is_shown_and_put(wechat: WeChat) -> None:
    assert await wechat_setup.menu_difference(wechat) == MENU
    await wechat_setup.put_menu(wechat)
    assert await wechat_setup.menu_difference(wechat) == []


async def test_a_menu_changed_by_hand_is_seen(wechat: WeChat, platform: Platform) -> None:
    await wechat_setup.put_menu(wechat)
    assert platform.service_account.menu is not None
    platform.service_account.menu[2]["sub_button"][2]["name"] = "客服"
    assert await wechat_setup.menu_difference(wechat) == [
        "- 我的 / 客服 [click] help",
        "+ 我的 / 帮助 [click] help",
    ]


async def test_all_is_well(
    wechat: WeChat, lines: Lines, session: AsyncSession, clock: Clock
) -> None:
    await wechat_setup.put_menu(wechat)
    await heard(session, App.service_account, clock)
    await heard(session, App.mini_program, clock)
    clock.pass_(days=2)
    assert await lines() == [
        "[正常] 服务号凭据：能取得，IP白名单正确",
        "[正常] 小程序凭据：能取得，IP白名单正确",
        "[正常] 菜单：与本程序一致",
        "[正常] 消息模板 XUNHE_TEMPLATE_REMINDER：“巡河提醒”的 2 个字段都对应上了",
        "[正常] 服务号回调：最近一次推送在 2026-06-01 10:00",
        "[正常] 小程序回调：最近一次推送在 2026-06-01 10:00",
    ]
    clock.pass_(days=2)
    assert (await lines())[4:] == [
        "[异常] 服务号回调：最近一次推送在 2026-06-01 10:00",
        "[异常] 小程序回调：最近一次推送在 2026-06-01 10:00",
    ]


async def test_what_is_wrong_is_said_with_what_to_do(
    configured: Settings, lines: Lines, platform: Platform
) -> None:
    configured.templates.reminder = MessageTemplate.model_validate(
        {"id": "T1", "thing1": "task", "time9": "due"}
    )
    configured.templates.problem = MessageTemplate(id="gone")
    platform.faults.add(Fault("/cgi-bin/stable_token", errcode=40164, nth=2))
    assert await lines() == [
        "[正常] 服务号凭据：能取得，IP白名单正确",
        "[异常] 小程序凭据：本服务器的公网IP不在白名单，请到公众平台“基本配置”里添加（40164）",
        "[异常] 菜单：有 11 处不同，请运行 xunhe wechat menu",
        "[异常] 消息模板 XUNHE_TEMPLATE_REMINDER："
        "没有对应的字段 character_string2；模板里没有字段 time9",
        "[异常] 消息模板 XUNHE_TEMPLATE_PROBLEM：账号里没有这个模板编号",
        "[异常] 服务号回调：还没有收到过推送，请在公众平台填写 "
        "https://xunhe.example/wechat/service-account",
        "[异常] 小程序回调：还没有收到过推送，请在公众平台填写 "
        "https://xunhe.example/wechat/mini-program",
    ]


async def test_a_check_switches_on_again_what_was_mended(
    wechat: WeChat, lines: Lines, platform: Platform
) -> None:
    rule = platform.faults.add(Fault("/cgi-bin/stable_token", errcode=40125))
    with pytest.raises(TryAgain):
        await wechat.service_account.menu()
    with pytest.raises(CircuitOpen):
        await wechat.service_account.menu()
    assert rule.fired == 1
    platform.faults.clear()
    assert (await lines())[0] == "[正常] 服务号凭据：能取得，IP白名单正确"
    assert await wechat.service_account.menu() is None


async def test_nothing_configured_is_no_fault(
    sessions: Sessions, clock: Clock, platform: Platform
) -> None:
    nothing = Settings(_env_file=None)
    transport = httpx.ASGITransport(create_app(platform))
    async with httpx.AsyncClient(transport=transport, base_url="http://wechat") as http:
        wechat = open_wechat(http, nothing, sessions, now=clock)
        found = [
            each async for each in wechat_setup.check(wechat, nothing, sessions, now=clock.now)
        ]
    assert [(each.what, each.well) for each in found] == [
        ("服务号凭据", None),
        ("小程序凭据", None),
        ("消息模板", None),
        ("服务号回调", None),
        ("小程序回调", None),
    ]
    assert list(platform.calls) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TryAgain("p", 40125), "AppSecret不对，请核对 SECRET（40125）"),
        (TryAgain("p", 55555, rid="r-1"), "微信返回错误码 55555（rid r-1）"),
        (
            TryAgain("p", reason="ConnectError"),
            "连不上微信（ConnectError），请检查网络、HTTPS_PROXY 和 WECHAT_API_URL",
        ),
    ],
)
def test_every_failure_has_its_advice(error: TryAgain, words: str) -> None:
    assert wechat_setup.advice(error) == words
