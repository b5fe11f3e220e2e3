"""What the settings and the data folder say by themselves."""

import stat
from collections.abc import Iterator
from datetime import date, datetime
from urllib.parse import urlsplit

from app import clock
from app.keys import SECRET_FILE
from app.services import alarms
from app.services.dataset.area import read_area_of_interest
from app.services.dataset.faults import BadDataset
from app.services.diagnosis.findings import Finding, fail, ok, warn
from app.settings import CallbackMode, Settings

# The State says in autumn how the next year's holidays lie.
_NEXT_YEAR_FROM = 10
_MODES = {
    CallbackMode.plain: "明文模式",
    CallbackMode.compatible: "兼容模式",
    CallbackMode.safe: "安全模式",
}


def of_settings(settings: Settings, *, now: datetime) -> list[Finding]:
    """What can be said without asking anybody."""
    return [
        _of_public_url(settings),
        *_of_wechat_apps(settings),
        *_of_templates(settings),
        _of_secret_key(settings),
        _of_area(settings),
        _of_workdays(settings, now),
        _of_webhook(settings),
        *_of_disk(settings),
    ]


def _of_public_url(settings: Settings) -> Finding:
    what, parts = "对外网址", urlsplit(settings.public_url)
    if parts.hostname in {"localhost", "127.0.0.1", "::1", None}:
        return warn(what, "还是本机地址，请设 XUNHE_PUBLIC_URL 为 https://域名，否则二维码扫不开。")
    if parts.scheme != "https":
        return fail(what, "不是 https，微信不接受，请设 XUNHE_PUBLIC_URL 为 https://域名。")
    return ok(what, "https 域名")


def _of_wechat_apps(settings: Settings) -> Iterator[Finding]:
    for what, prefix, given in (
        ("服务号", "SERVICE_ACCOUNT", settings.service_account),
        ("小程序", "MINI_PROGRAM", settings.mini_program),
    ):
        if not given.app_id and not given.token.get_secret_value():
            yield warn(what, f"没有配置；要用的话请设 XUNHE_{prefix}_APP_ID 等，见微信配置文档。")
        elif not given.is_configured:
            yield fail(what, f"请补齐 XUNHE_{prefix}_APP_ID 和 XUNHE_{prefix}_SECRET。")
        elif not given.token.get_secret_value():
            yield warn(what, f"没有消息推送，收不到回调；请设 XUNHE_{prefix}_TOKEN。")
        elif not given.aes_key.get_secret_value():
            yield warn(what, f"消息没有加密；请设 XUNHE_{prefix}_AES_KEY 并选「安全模式」。")
        else:
            yield ok(what, f"已配置，{_MODES[given.callback_mode]}")


def _of_templates(settings: Settings) -> Iterator[Finding]:
    given = settings.templates
    which = (given.reminder, given.reminder_long_term, given.reminder_service_account)
    if settings.service_account.is_configured and not any(which):
        yield warn(
            "提醒模板",
            "没有设置，关注的人也收不到进度提示；请设 XUNHE_TEMPLATE_REMINDER，见微信配置文档。",
        )


def _of_secret_key(settings: Settings) -> Finding:
    what = "密钥"
    if settings.secret_key is not None:
        if len(settings.secret_key.get_secret_value()) < 16:
            return fail(what, "XUNHE_SECRET_KEY 太短，至少 16 个字符。")
        return ok(what, "由 XUNHE_SECRET_KEY 给出")
    path = settings.data_dir / SECRET_FILE
    if not path.exists():
        return warn(what, "还没有生成，首次启动时会生成。")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(what, f"文件权限是 {mode:o}，别人也能读：请运行 chmod 600 {path}")
    return ok(what, "数据目录里的文件，权限 600")


def _of_area(settings: Settings) -> Finding:
    what = "关注范围"
    if settings.area_of_interest is None:
        return ok(what, "未设置，到处都算在内")
    try:
        read_area_of_interest(settings.area_of_interest)
    except BadDataset:
        return fail(what, "XUNHE_AREA_OF_INTEREST 的文件读不出面，请换成 GeoJSON 面文件。")
    return ok(what, "文件可用")


def _of_workdays(settings: Settings, now: datetime) -> Finding:
    what, today = "工作日历", clock.day_of(now)
    ours: dict[date, bool] = {}
    if settings.workdays_file is not None:
        try:
            ours = clock.read_workdays(settings.workdays_file)
        except (OSError, UnicodeError, clock.BadWorkdays):
            return fail(what, "XUNHE_WORKDAYS_FILE 读不出，请改成 day,workday 两列的 CSV 文件。")

    def knows(year: int) -> bool:
        return date(year, 1, 1) in ours or clock.knows_workdays_of(year)

    mend = "请升级 chinesecalendar，或写进 XUNHE_WORKDAYS_FILE。"
    if not knows(today.year):
        return warn(what, f"没有 {today.year} 年的放假安排，按周一至周五算；{mend}")
    if today.month >= _NEXT_YEAR_FROM and not knows(today.year + 1):
        return warn(what, f"还没有 {today.year + 1} 年的放假安排，元旦前{mend}")
    return ok(what, f"有 {today.year} 年的放假安排")


def _of_webhook(settings: Settings) -> Finding:
    if settings.alert_webhook is None:
        return warn("告警", "没有设 XUNHE_ALERT_WEBHOOK，出了问题没有人会收到通知。")
    if not settings.alert_webhook.get_secret_value().startswith(("https://", "http://")):
        return fail("告警", "XUNHE_ALERT_WEBHOOK 要以 https:// 开头。")
    return ok("告警", "发往企业微信群机器人")


def _of_disk(settings: Settings) -> Iterator[Finding]:
    free = alarms.free_part(settings)
    if free < alarms.DISK_LEAST:
        yield fail("磁盘", f"只剩 {free:.0%}，请清理或扩容，写满后照片存不进来。")
    else:
        yield ok("磁盘", f"剩余 {free:.0%}")
    folder = settings.data_dir
    if folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o007:
        yield warn("数据目录", f"别的用户也能进入：请运行 chmod 700 {folder}")
