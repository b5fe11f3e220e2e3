"""What the records say of how the system runs."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.models import App, WechatCircuit
from app.services import alarms, callbacks, chain
from app.services.diagnosis.findings import Finding, fail, ok, warn
from app.settings import Settings


async def of_records(
    session: AsyncSession, settings: Settings, *, now: datetime
) -> AsyncIterator[Finding]:
    """What the database knows of how the system runs; its schema must be current."""
    yield await _of_queue(session, now)
    health = await queue.health(session, now=now)
    if health.failed:
        yield warn("失败的任务", f"{health.failed} 件已放弃，请查日志里的 job_failed。")
    yield await _of_backup(session, now)
    yield await _of_chain(session, now)
    for app, what, given in (
        (App.service_account, "服务号回调", settings.service_account),
        (App.mini_program, "小程序回调", settings.mini_program),
    ):
        if given.token.get_secret_value():
            heard_at = await callbacks.last_heard_at(session, app)
            if heard_at is None:
                yield warn(what, "近一个月没有收到过，请在公众平台启用服务器配置后发一条消息试试。")
            else:
                yield ok(what, f"最近一次 {_said(heard_at)}")
    for circuit in await session.scalars(
        select(WechatCircuit).where(WechatCircuit.closes_at > now).order_by(WechatCircuit.path)
    ):
        path = circuit.path.partition("#")[0]
        said = f"{path} 已暂停（错误码 {circuit.errcode}），请运行 xunhe wechat check。"
        yield fail("微信接口", said)
    failed, late = await alarms.failed_media(session, now=now)
    if failed or late:
        yield warn("聊天照片", f"近四天 {failed} 张取不到，{late} 张还在等，请看微信接口和磁盘。")
    else:
        yield ok("聊天照片", "都已取到")


async def _of_queue(session: AsyncSession, now: datetime) -> Finding:
    what, health = "后台任务", await queue.health(session, now=now)
    waited = now - health.oldest_due_at if health.oldest_due_at else timedelta(0)
    alive = health.worker_seen_at is not None and now - health.worker_seen_at < alarms.WORKER_SILENT
    if waited > alarms.QUEUE_LATE:
        minutes = int(waited.total_seconds() // 60)
        said = f"{health.due} 件积压，最久 {minutes} 分钟；请启动或重启 xunhe worker。"
        return fail(what, said)
    if not alive:
        return warn(what, "后台程序没有运行，请启动 xunhe worker 或 serve --with-worker。")
    return ok(what, f"后台程序在运行，{health.due} 件待做")


async def _of_backup(session: AsyncSession, now: datetime) -> Finding:
    at = await alarms.reached_at(session, "backup")
    if at is None:
        return warn("备份", "还没有备份过，请运行 xunhe backup 文件名，并设成每天自动运行。")
    if now - at > alarms.BACKUP_OLD:
        return fail("备份", f"最近一次是 {_said(at)}，请检查每天的定时备份。")
    return ok("备份", f"最近一次 {_said(at)}")


async def _of_chain(session: AsyncSession, now: datetime) -> Finding:
    what, found = "存证链", await chain.standing(session)
    if found.sealed_at is None:
        return warn(what, "还没有开始，启动服务后开始；一直没有的话请查日志里的 chain_broken。")
    if found.is_late(now):
        said = f"{found.unsealed} 条没有封存，最近一次 {_said(found.sealed_at)}；请检查后台程序。"
        return fail(what, said)
    if found.taken_over_at is None:
        return warn(what, "正在接管以前的记录，请让后台程序继续运行。")
    return ok(what, f"共 {found.position} 环，最近一次封存 {_said(found.sealed_at)}")


def _said(instant: datetime) -> str:
    return f"{instant.astimezone(clock.LAKE):%Y-%m-%d %H:%M}"
