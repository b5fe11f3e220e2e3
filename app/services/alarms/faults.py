"""Faults: what is wrong now, computed from facts, and what an operator can do about it."""

import asyncio
import shutil
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.models import Alarm, App, ChatMedia, Delivery, MediaState, Milestone, WechatCircuit
from app.services import callbacks, chain
from app.services.alarms.milestones import reach, reached_at, said
from app.services.words import APPS
from app.settings import Settings

QUEUE_LATE = timedelta(minutes=5)
WORKER_SILENT = timedelta(minutes=2)
DISK_LEAST, DISK_WELL_AGAIN = 0.15, 0.17
BACKUP_OLD = timedelta(days=2)
# A call that is switched off is tried again when its time is over, and may soon be off again.
_CIRCUIT_OVER = timedelta(hours=2)
MALFORMED = (45168, 47001, 47003)
_TEMPLATE_OVER = timedelta(days=1)
_MEDIA_WITHIN = timedelta(days=4)  # WeChat keeps them for three, and a day to notice
_MEDIA_LATE = timedelta(hours=12)
_CURES: Mapping[int, str] = {
    40013: "AppID 不对：请核对设置里的 APP_ID 与公众平台是否一致。",
    40125: "AppSecret 不对：请在公众平台查看或重置 AppSecret，改好设置后重启。",
    40164: "本机出口 IP 不在白名单：请在公众平台「基本配置」把服务器出口 IP 加入 IP 白名单。",
    40243: "AppSecret 被冻结：请在公众平台解冻或重置 AppSecret，改好设置后重启。",
    45009: "今日调用次数已用完：零点后自动恢复；若天天如此，请在公众平台查看是谁在大量调用。",
    48001: "接口没有权限：请在公众平台确认账号已认证并已开通该接口。",
    40037: "模板编号不对：请运行 xunhe wechat check 核对模板设置。",
}


async def standing(session: AsyncSession, settings: Settings, *, now: datetime) -> dict[str, str]:
    """Every fault that stands now, by name (`kind` or `kind:which`), as the operator reads it."""
    await session.execute(
        insert(Milestone).values(name="installed", at=now).on_conflict_do_nothing()
    )
    found: dict[str, str] = {}
    if late := await _queue_fault(session, now):
        found["queue"] = late
    if broken := await _chain_fault(session, now):
        found["chain"] = broken
    found |= await _circuit_faults(session, settings, now)
    found |= await _callback_faults(session, settings, now)
    found |= await _template_faults(session, settings, now)
    free = await asyncio.to_thread(free_part, settings)
    known = await session.scalar(select(Alarm.name).where(Alarm.name == "disk"))
    if free < (DISK_LEAST if known is None else DISK_WELL_AGAIN):
        found["disk"] = (
            f"磁盘只剩 {free:.0%} 的空间。\n怎么办：删除旧的备份文件和日志，或给数据目录换更大的"
            "磁盘；写满后照片将存不进来。"
        )
    if not settings.demo and (old := await _backup_fault(session, now)):
        found["backup"] = old
    if lost := await _media_fault(session, now):
        found["media"] = lost
    return found


async def _queue_fault(session: AsyncSession, now: datetime) -> str | None:
    health = await queue.health(session, now=now)
    if health.worker_seen_at is not None:
        await reach(session, "worker", health.worker_seen_at)
    seen_at = await reached_at(session, "worker")
    cure = "\n怎么办：查看 xunhe worker 的日志并重启它；用 xunhe doctor 看是否恢复。"
    if health.oldest_due_at is not None and now - health.oldest_due_at > QUEUE_LATE:
        minutes = int((now - health.oldest_due_at).total_seconds() // 60)
        return f"后台任务积压：{health.due} 件到期未做，最早的已等 {minutes} 分钟。{cure}"
    if seen_at is not None and now - seen_at > WORKER_SILENT:
        return f"后台程序（worker）没有动静，最后一次是 {said(seen_at)}。{cure}"
    return None


async def _chain_fault(session: AsyncSession, now: datetime) -> str | None:
    found = await chain.standing(session)
    if not found.is_late(now) or found.sealed_at is None:
        return None
    return (
        f"存证链停了：{found.unsealed} 条没有封存，最近一次封存是 {said(found.sealed_at)}。\n"
        "怎么办：先看后台程序是否在运行；在运行的话运行 xunhe verify，按操作手册处理。"
    )


async def _circuit_faults(
    session: AsyncSession, settings: Settings, now: datetime
) -> dict[str, str]:
    found = {}
    for circuit in await session.scalars(
        select(WechatCircuit).where(WechatCircuit.closes_at > now - _CIRCUIT_OVER)
    ):
        app = app_of(circuit.app_id, settings)
        if app is None:  # of an app that is no longer ours
            continue
        path = circuit.path.partition("#")[0]
        cure = _CURES.get(circuit.errcode, "请运行 xunhe wechat check，并在公众平台核对配置。")
        what = "微信拒绝发放凭据" if path.endswith("stable_token") else f"微信停用了接口 {path}"
        found[f"circuit:{app}:{circuit.path}"] = (
            f"{APPS[app]}：{what}（错误码 {circuit.errcode}），相关功能已暂停。\n怎么办：{cure}"
        )
    return found


def app_of(app_id: str, settings: Settings) -> App | None:
    """Which of our apps has this appid."""
    if app_id and app_id == settings.service_account.app_id:
        return App.service_account
    if app_id and app_id == settings.mini_program.app_id:
        return App.mini_program
    return None


async def _template_faults(
    session: AsyncSession, settings: Settings, now: datetime
) -> dict[str, str]:
    """Templates whose fields WeChat refused within a day, however many messages that hit."""
    rows = await session.execute(
        select(Delivery.template_id, func.max(Delivery.reason))
        .where(
            Delivery.errcode.in_(MALFORMED),
            Delivery.answered_at > now - _TEMPLATE_OVER,
            Delivery.template_id.is_not(None),
        )
        .group_by(Delivery.template_id)
    )
    names = {
        template.id: f"XUNHE_TEMPLATE_{name.upper()}"
        for name, template in settings.templates
        if template is not None
    }
    return {
        f"template:{names[template_id]}": (
            f"微信不接受提醒的内容（{names[template_id]}）：{reason}，这些提醒没有发出。\n"
            "怎么办：请运行 xunhe wechat check，按提示改好该设置里的字段对应，然后重启。"
        )
        for template_id, reason in rows
        if template_id in names
    }


async def _callback_faults(
    session: AsyncSession, settings: Settings, now: datetime
) -> dict[str, str]:
    """Silence is counted on workdays only: a quiet holiday is no fault."""
    found: dict[str, str] = {}
    limit = timedelta(hours=settings.callback_silent_h)
    if not limit:
        return found
    for app, given in (
        (App.service_account, settings.service_account),
        (App.mini_program, settings.mini_program),
    ):
        if not given.token.get_secret_value():
            continue
        heard_at = await callbacks.last_heard_at(session, app)
        if heard_at is not None:
            # Kept here, because receipts are forgotten after a month.
            await reach(session, f"callback:{app}", heard_at)
        heard_at = await reached_at(session, f"callback:{app}")
        if heard_at is not None and _on_workdays(heard_at, now) > limit:
            found[f"callback:{app}"] = (
                f"{APPS[app]}：{said(heard_at)} 以后没有收到微信的任何推送。\n"
                "怎么办：在公众平台看「服务器配置」是否仍启用、地址和 Token 是否没变；"
                "从外网打开本系统网址，确认域名、证书和反向代理正常。"
            )
    return found


def _on_workdays(since: datetime, until: datetime) -> timedelta:
    """How much of the time between lies on workdays; zero on a day off, as nobody is there."""
    if not clock.is_workday(clock.day_of(until)):
        return timedelta(0)
    total, day = timedelta(0), clock.day_of(max(since, until - timedelta(days=60)))
    while day <= clock.day_of(until):
        if clock.is_workday(day):
            total += min(until, clock.end_of(day)) - max(since, clock.start_of(day))
        day = date.fromordinal(day.toordinal() + 1)
    return total


def free_part(settings: Settings) -> float:
    """The free part (0-1) of the fullest disk that we write to."""
    places = [settings.data_dir]
    media = urlsplit(settings.media)
    if media.scheme == "file":
        places.append(Path(url2pathname(media.path)))
    parts = []
    for place in places:
        there = next((path for path in (place, *place.absolute().parents) if path.exists()), None)
        if there is not None:
            usage = shutil.disk_usage(there)
            parts.append(usage.free / usage.total if usage.total else 1.0)
    return min(parts, default=1.0)


async def _backup_fault(session: AsyncSession, now: datetime) -> str | None:
    at = await reached_at(session, "backup")
    cure = "\n怎么办：运行 xunhe backup 文件名，并检查每天的定时备份是否还在运行。"
    if at is not None:
        return f"最近一次备份是 {said(at)}。{cure}" if now - at > BACKUP_OLD else None
    installed = await reached_at(session, "installed")
    if installed is not None and now - installed > BACKUP_OLD:
        return f"系统运行以来还没有备份过。{cure}"
    return None


async def _media_fault(session: AsyncSession, now: datetime) -> str | None:
    failed, late = await failed_media(session, now=now)
    if not failed and not late:
        return None
    return (
        f"聊天里发来的照片：近四天有 {failed} 张没有取到，{late} 张等了半天还没取到。\n"
        "怎么办：微信只保存三天。先处理其他告警（凭据、磁盘），再用 xunhe doctor 查看；"
        "取不到的已请发送人重发。"
    )


async def failed_media(session: AsyncSession, *, now: datetime) -> tuple[int, int]:
    """Chat media of the last four days: given up, and still waiting after half a day."""
    row = (
        await session.execute(
            select(
                func.count().filter(ChatMedia.state == MediaState.failed),
                func.count().filter(
                    ChatMedia.state == MediaState.waiting,
                    ChatMedia.received_at < now - _MEDIA_LATE,
                ),
                # Ids sort by time: the last days' rows by the primary key, not all there are.
            ).where(ChatMedia.id >= _first_id_at(now - _MEDIA_WITHIN))
        )
    ).one()
    return row[0], row[1]


def _first_id_at(instant: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)
