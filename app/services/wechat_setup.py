"""WeChat's setup: the menu put in place, and everything that an operator configures, tried."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import ndiff

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.clock import LAKE
from app.domain.reminder_texts import misfits
from app.models import App
from app.services import callbacks
from app.services.words import APPS
from app.settings import MessageTemplate, Settings
from app.wechat import menu
from app.wechat.answers import Template
from app.wechat.calls import Caller
from app.wechat.client import WeChat
from app.wechat.errors import WeChatError

_QUIET_FOR = timedelta(days=3)
_FIELD = re.compile(r"\{\{(\w+)\.DATA\}\}")
_ADVICE = {
    40013: "AppID不对，请核对 APP_ID",
    40125: "AppSecret不对，请核对 SECRET",
    40164: "本服务器的公网IP不在白名单，请到公众平台“基本配置”里添加",
    40243: "AppSecret已被冻结，请到公众平台解冻",
    45009: "今天的调用次数已用完，零点以后恢复",
    48001: "账号没有这个接口的权限，请确认已认证",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `well` None = not configured, which may be intended."""

    what: str
    well: bool | None
    words: str

    def __str__(self) -> str:
        """The line an operator reads."""
        mark = {True: "正常", False: "异常", None: "未配置"}[self.well]
        return f"[{mark}] {self.what}：{self.words}"


async def menu_difference(wechat: WeChat) -> list[str]:
    """What would change in the menu in force, a line each with `+ ` or `- `; empty = nothing.

    Raises `WeChatError`.
    """
    there = menu.lines(await wechat.service_account.menu())
    return [line for line in ndiff(there, menu.lines(menu.MENU)) if line[:2] in {"+ ", "- "}]


async def put_menu(wechat: WeChat) -> None:
    """Make the menu what it should be. Raises `WeChatError`."""
    await wechat.service_account.create_menu(menu.MENU)


def advice(error: WeChatError) -> str:
    """What an operator can do about it, in one sentence."""
    if error.errcode in _ADVICE:
        return f"{_ADVICE[error.errcode]}（{error.errcode}）"
    if error.errcode > 0:
        return f"微信返回错误码 {error.errcode}" + (f"（rid {error.rid}）" if error.rid else "")
    return f"连不上微信（{error.reason}），请检查网络、HTTPS_PROXY 和 WECHAT_API_URL"


async def check(
    wechat: WeChat,
    settings: Settings,
    sessions: async_sessionmaker[AsyncSession],
    *,
    now: datetime,
) -> AsyncIterator[Finding]:
    """Try everything, one finding after the other; what works again is switched on again."""
    callers = {
        App.service_account: wechat.service_account.caller,
        App.mini_program: wechat.mini_program.caller,
    }
    ready = {}
    for app, caller in callers.items():
        finding = await _credentials(app, caller)
        ready[app] = bool(finding.well)
        yield finding
    if ready[App.service_account]:
        yield await _menu(wechat)
    for finding in await _templates(wechat, settings, ready):
        yield finding
    async with sessions() as session:
        for app in callers:
            yield await _callback(session, app, settings, now)


async def _credentials(app: App, caller: Caller) -> Finding:
    what = f"{APPS[app]}凭据"
    if not caller.app.is_configured:
        return Finding(what, None, f"缺少 XUNHE_{app.upper()}_APP_ID 或 _SECRET")
    # Whoever asks for a check has put something right: let the call be made.
    await caller.circuits.close()
    try:
        await caller.fetch_token(False)
    except WeChatError as error:
        return Finding(what, well=False, words=advice(error))
    return Finding(what, well=True, words="能取得，IP白名单正确")


async def _menu(wechat: WeChat) -> Finding:
    try:
        difference = await menu_difference(wechat)
    except WeChatError as error:
        return Finding("菜单", well=False, words=advice(error))
    if difference:
        return Finding(
            "菜单", well=False, words=f"有 {len(difference)} 处不同，请运行 xunhe wechat menu"
        )
    return Finding("菜单", well=True, words="与本程序一致")


async def _templates(
    wechat: WeChat, settings: Settings, ready: dict[App, bool]
) -> Sequence[Finding]:
    wanted: dict[str, MessageTemplate] = {
        name: template for name, template in settings.templates if template is not None
    }
    if not wanted or not any(ready.values()):
        return [] if wanted else [Finding("消息模板", None, "没有设置 XUNHE_TEMPLATE_…")]
    there: dict[str, Template] = {}
    try:
        if ready[App.service_account]:
            there |= {each.template_id: each for each in await wechat.service_account.templates()}
        if ready[App.mini_program]:
            there |= {each.template_id: each for each in await wechat.mini_program.templates()}
    except WeChatError as error:
        return [Finding("消息模板", well=False, words=advice(error))]
    return [_template(name, wanted[name], there) for name in wanted]


def _template(name: str, wanted: MessageTemplate, there: dict[str, Template]) -> Finding:
    what = f"消息模板 XUNHE_TEMPLATE_{name.upper()}"
    found = there.get(wanted.id)
    if found is None:
        return Finding(what, well=False, words="账号里没有这个模板编号")
    fields = _FIELD.findall(found.content)
    missing = [field for field in fields if field not in wanted.fields]
    unknown = [field for field in wanted.fields if field not in fields]
    unfit = misfits(wanted.fields) if name.startswith("reminder") else []
    if missing or unknown or unfit:
        words = "；".join(
            part
            for part in (
                f"没有对应的字段 {'、'.join(missing)}" if missing else "",
                f"模板里没有字段 {'、'.join(unknown)}" if unknown else "",
                f"填不进这些字段的内容 {'、'.join(unfit)}" if unfit else "",
            )
            if part
        )
        return Finding(what, well=False, words=words)
    return Finding(what, well=True, words=f"“{found.title}”的 {len(fields)} 个字段都对应上了")


async def _callback(session: AsyncSession, app: App, settings: Settings, now: datetime) -> Finding:
    what = f"{APPS[app]}回调"
    given = settings.service_account if app is App.service_account else settings.mini_program
    if not given.token.get_secret_value():
        return Finding(what, None, f"没有设置 XUNHE_{app.upper()}_TOKEN")
    heard_at = await callbacks.last_heard_at(session, app)
    if heard_at is None:
        path = app.replace("_", "-")
        words = f"还没有收到过推送，请在公众平台填写 {settings.public_url}/wechat/{path}"
        return Finding(what, well=False, words=words)
    words = f"最近一次推送在 {heard_at.astimezone(LAKE):%Y-%m-%d %H:%M}"
    return Finding(what, well=now - heard_at < _QUIET_FOR, words=words)
