"""Words: the Chinese for values of enumerations that are no columns of the dataset."""

from collections.abc import Mapping

from app.domain import progress_texts, reminder_texts, replies
from app.models import App
from app.services.dataset import labels

APPS: Mapping[str, str] = {App.mini_program: "小程序", App.service_account: "服务号"}
VERDICTS = replies.VERDICTS
REMINDER_KINDS = reminder_texts.PHRASES
STATES = {str(state): words for state, words in progress_texts.STATES.items()}
PATROL_KINDS = labels.PATROL_KINDS
AREA_KINDS = labels.AREA_KINDS
PATROL_STATES = {"open": "进行中", "finished": "已结束"}
ORIGINS = {"phone": "小程序", "self_made": "自动归并", "paper": "补录"}
SOURCES = {"mini_program": "小程序", "chat": "服务号", "paper": "补录"}
FINDINGS = {"none": "无异常", "some": "有发现"}
REMINDER_STATES = {
    "queued": "待发送",
    "sending": "发送中",
    "sent": "已发送",
    "confirmed": "已送达",
    "unknown": "结果不明",
    "dropped": "已不需要",
    "call_list": "转电话",
}
CHANNELS = {
    "long_term": "长期订阅消息",
    "template": "模板消息",
    "mini_program": "小程序订阅消息",
    "service_account": "服务号订阅通知",
    "customer_service": "客服消息",
}
CALL_STATES = {"open": "待电话", "phoned": "已电话", "closed": "已不需要"}
LATE_ENTRY_STATES = {"entered": "待审核", "accepted": "已通过", "declined": "未通过"}
EXEMPTION_STATES = {"asked": "待批准", "granted": "已批准", "declined": "未批准"}
