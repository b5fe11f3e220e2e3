"""Labels: how the dashboard's pages write days, instants, figures and the contract's words."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from app import clock
from app.domain.progress_texts import STATES
from app.services.dataset import labels as said

# Title, address, and whether only admins see it.
NAV: Sequence[tuple[str, str, bool]] = (
    ("总览", "/dashboard", False),
    ("地图", "/dashboard/map", False),
    ("落后", "/dashboard/behind", False),
    ("审核", "/dashboard/reviews", False),
    ("报表", "/dashboard/reports", False),
    ("通报", "/dashboard/bulletins", False),
    ("名册", "/dashboard/roster", False),
    ("系统", "/dashboard/system", True),
)


def _day(value: date | None) -> str:
    return f"{value.year}年{value.month}月{value.day}日" if value else "—"


def _instant(value: datetime | None) -> str:
    return f"{value.astimezone(clock.LAKE):%Y-%m-%d %H:%M}" if value else "—"


def _rate(value: float | None) -> str:
    return "—" if value is None else f"{value * 100:.1f}%"


def _number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


# The contract's words in Chinese, by what they are about: `{{ post.kind | word("post") }}`.
WORDS: Mapping[str, Mapping[str, str]] = {
    "organisation": said.ORGANISATION_KINDS,
    "role": said.ROLES,
    "post": said.POST_KINDS,
    "area": said.AREA_KINDS,
    "period": said.PERIODS,
    "patrol": said.PATROL_KINDS,
    "stele": said.STELE_KINDS,
    "cell": said.GRID_CELL_KINDS,
    "waterbody": said.WATERBODY_KINDS,
    "exemption": said.EXEMPTION_KINDS,
    "exemption_state": {"asked": "待批", "granted": "已准", "declined": "未准"},
    "duty": {str(state): word for state, word in STATES.items()},
    "verdict": {"accepted": "有效", "flagged": "待核", "rejected": "无效"},
    "patrol_state": {"open": "进行中", "finished": "已结束"},
    "findings": {"none": "没有发现问题", "some": "发现了问题"},
    "source": {"mini_program": "小程序", "chat": "服务号聊天", "paper": "纸质补录"},
    "origin": {"phone": "小程序", "self_made": "现场记录汇成", "paper": "纸质补录"},
    "app": {"mini_program": "小程序", "service_account": "服务号"},
    "channel": {
        "long_term": "长期订阅消息",
        "template": "模板消息",
        "mini_program": "小程序订阅消息",
        "service_account": "服务号订阅消息",
        "customer_service": "客服消息",
    },
    "reminder": {
        "due_soon": "即将到期",
        "behind": "进度落后",
        "escalation": "上级知悉",
        "digest": "每周汇总",
        "review": "待核超期",
    },
    "reminder_state": {
        "queued": "待发",
        "sending": "发送中",
        "sent": "已发",
        "confirmed": "已送达",
        "unknown": "结果不明",
        "dropped": "不必再发",
        "call_list": "转电话",
    },
}


def _word(value: str | None, about: str) -> str:
    """The Chinese for a value of an enumeration; what is not known stands as it is."""
    return WORDS[about].get(value, value) if value else "—"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "day": _day,
    "instant": _instant,
    "rate": _rate,
    "number": _number,
    "word": _word,
}
