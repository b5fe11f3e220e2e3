"""Diagnosis: how everything stands that an operator can put right, line by line."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from app.database import connect
from app.errors import CommandFailed, StorageUnavailable
from app.opening import held
from app.services.diagnosis.databases import of_database
from app.services.diagnosis.findings import Finding, Level, fail, ok
from app.services.diagnosis.records import of_records
from app.services.diagnosis.setup import of_settings
from app.services.diagnosis.variables import of_variables
from app.settings import BadSettings, Settings
from app.storage import open_store
from app.wechat.client import WeChat, open_wechat
from app.wechat.errors import WeChatError
from app.wechat.http import open_http

__all__ = ["Finding", "Level", "look", "of_python", "of_records", "of_settings", "of_variables"]


async def of_storage(settings: Settings) -> Finding:
    """Whether the photo store takes bytes and gives them back."""
    try:
        await asyncio.wait_for(open_store(settings.media, settings.s3).check(), 20)
    except (StorageUnavailable, BadSettings, TimeoutError):
        return fail("照片库", "写不进去，请检查 XUNHE_MEDIA_URL、磁盘空间、目录权限或存储桶密钥。")
    return ok("照片库", "可读可写")


async def of_tokens(wechat: WeChat, settings: Settings) -> AsyncIterator[Finding]:
    """Whether WeChat gives each configured app a token: this asks WeChat."""
    for what, app, given in (
        ("服务号凭据", wechat.service_account, settings.service_account),
        ("小程序凭据", wechat.mini_program, settings.mini_program),
    ):
        if not given.is_configured:
            continue
        try:
            # Not the token that is kept: that may come from an older secret.
            await app.caller.fetch_token(False)
        except WeChatError as error:
            code = getattr(error, "errcode", 0) or "连不上"
            yield fail(what, f"拿不到（{code}），请核对 AppID、AppSecret、IP 白名单和网络。")
        else:
            yield ok(what, "拿到了")


def of_python() -> Finding:
    """Which interpreter runs us, and where `.env` is looked for."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    return ok("程序", f"Python {version}，运行目录 {Path.cwd()}")


async def look(
    settings: Settings, tell: Callable[[Finding], None], *, online: bool, now: datetime
) -> None:
    """Everything that needs good settings, told as it is found; nothing is changed.

    `online` also asks WeChat for a token of each app.
    """
    for finding in of_settings(settings, now=now):
        tell(finding)
    with ExitStack() as stack:
        try:
            url = stack.enter_context(held(settings))
        except CommandFailed as error:
            tell(fail("数据库", str(error)))
            tell(await of_storage(settings))
            return
        tell(await of_storage(settings))
        found = of_database(url, settings, now=now)
        for finding in found:
            tell(finding)
        if ok("数据库结构", "最新") not in found:
            return
        engine, sessions = connect(url, settings.database)
        try:
            async with sessions() as session:
                async for finding in of_records(session, settings, now=now):
                    tell(finding)
            if online:
                async with open_http(settings) as http:
                    async for finding in of_tokens(open_wechat(http, settings, sessions), settings):
                        tell(finding)
        finally:
            await engine.dispose()
