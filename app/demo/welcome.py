"""What stands ready before the demo's doors open, and the words that say where to click."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.database import connect
from app.demo.dataset import FOLDER, rows
from app.errors import CommandFailed
from app.keys import Keys, open_keys
from app.models import ApiKey, Organisation, Stele, StelePrint
from app.services import api_keys, login_links, printing, stele_codes
from app.services.dataset.importing import import_folder
from app.settings import Settings

KEY_NAME = "演示"
KEY_FILE = "demo-api-key"
# Whose old print somebody scans (see tricks), and since when it is called in.
CALLED_IN, CALLED_IN_DAYS = "YZH-E06", 15
_GUESTS = (("P077", "示例甲"), ("P139", "示例庚申二"))
_MANAGER = "P003"


async def prepare(settings: Settings, url: str, web: str) -> list[str]:
    """Import the dataset, have keys and codes ready; the lines to print below the addresses.

    `url` is the database's, `web` the web's own address. Doing it again changes nothing, except
    that new invitation codes and a new login link are made: only their digests are kept. Raises
    `CommandFailed` where others' data is: the made-up year must not get among real records.
    """
    engine, sessions = connect(url, settings.database)
    keys = open_keys(settings)
    now = clock.now()
    try:
        async with sessions.begin() as session:
            await _refuse_others(session)
            await import_folder(
                session, FOLDER, settings, documents_dir=settings.data_dir / "documents", now=now
            )
        async with sessions.begin() as session:
            await _call_in(session)
            key = await _api_key(session, settings.data_dir / KEY_FILE)
            codes = {
                person: await printing.invitation_code(
                    session, keys, person, now=now, days=settings.invitation_days
                )
                for person, _ in _GUESTS
            }
            link = await login_links.create(session, _MANAGER, now=now)
    finally:
        await engine.dispose()
    return _lines(web, codes, key, f"{web}{login_links.PATH}/{link}")


async def stele_urls(session: AsyncSession, keys: Keys, web: str) -> Mapping[str, str]:
    """What the QR code on each stele says, by the stele's code."""
    steles = (await session.scalars(select(Stele).where(Stele.retired_on.is_(None)))).all()
    tokens = await stele_codes.tokens(session, keys, steles, now=clock.now())
    return {stele.code: f"{web}/s/{stele.code}?t={tokens[stele.id]}" for stele in steles}


async def _refuse_others(session: AsyncSession) -> None:
    ours = [row["code"] for row in rows("organisations")]
    others = await session.scalar(
        select(Organisation.id).where(Organisation.code.not_in(ours)).limit(1)
    )
    begun = await session.scalar(select(ApiKey.id).where(ApiKey.name == KEY_NAME).limit(1))
    if others is not None and begun is None:
        raise CommandFailed(
            "这里已有别的单位的数据，演示会混进去。请用 XUNHE_DATA_DIR 给演示另一个文件夹。"
        )


async def _call_in(session: AsyncSession) -> None:
    """Let one stele have a second print, and its first be no longer good."""
    stele = await session.scalar(select(Stele).where(Stele.code == CALLED_IN))
    if stele is None:
        return
    prints = select(func.count()).where(StelePrint.stele_id == stele.id)
    if (await session.scalar(prints) or 0) < 2:
        await stele_codes.new_print(
            session,
            stele,
            by=None,
            reason="界碑翻新（示例）",
            now=clock.now() - timedelta(days=CALLED_IN_DAYS),
        )


async def _api_key(session: AsyncSession, file: Path) -> str:
    """The demo's key: made at the first start and kept beside the database, for nobody else."""
    if there := _read(file):
        return there
    organisation = await printing.organisation_named(session, "GWH")
    key = await api_keys.create(session, organisation, name=KEY_NAME, now=clock.now())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(key)
    return key


def _read(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""


async def first_day(session: AsyncSession) -> int:
    """The day of the demo's first start, as an ordinal: tricks count back from it for ever."""
    made_at = await session.scalar(
        select(func.min(ApiKey.created_at)).where(ApiKey.name == KEY_NAME)
    )
    return clock.day_of(made_at or clock.now()).toordinal()


def _lines(web: str, codes: Mapping[str, str], key: str, link: str) -> list[str]:
    """Where to click, in the order in which a visitor would."""
    (first, first_name), (second, second_name) = _GUESTS
    return [
        "",
        "演示已启动：数据是示意的，微信是模拟的，按 Ctrl-C 结束。可以这样看：",
        f"1. 打开上面的 /simulator/，选“{first_name}”（{first}），点“关注”，",
        f"   发送“绑定 {codes[first]}”，回复“同意”，再发位置和照片，最后发“进度”。",
        f"2. 选“{second_name}”（{second}），先发位置和照片，再发送“绑定 {codes[second]}”，",
        "   回复“同意”：先前发的会自动计入。",
        "3. 选“示例丁酉二”（P116，企业河长），扫界碑 YZH-E01，再发位置。",
        f"4. 界碑上的二维码打开的页面：{web}/s/YZH-E01",
        f"5. 提醒：打开 {web}/demo/ 按“发…的提醒”，看下一个工作日谁收到什么、谁要打电话。",
        f"6. 管理页面：{web}/dashboard，十分钟内打开下面的链接，点“登录”（只能用一次）：",
        f"   {link}",
        f"   之后请用 /simulator/ 用{_MANAGER}的手机扫登录码，或运行 xunhe login-link {_MANAGER}。",
        f"7. 接口文档：{web}/docs",
        f"8. 管理用的数据：curl -H 'Authorization: Bearer {key}' {web}/api/v1/check-ins",
        "",
    ]
