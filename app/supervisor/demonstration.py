"""What `serve --demo` adds to the settings: a WeChat that is simulated on this machine."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

SERVICE_ACCOUNT, MINI_PROGRAM = "XUNHE_SERVICE_ACCOUNT", "XUNHE_MINI_PROGRAM"


@dataclass(frozen=True, slots=True)
class Registered:
    """A template that the demo's accounts have, as chosen from WeChat's library.

    `setting` is the variable that names it to us, `account` whose it is; `fields` gives for each
    field its label there, and what we put into it. `kind` as the simulator has it.
    """

    setting: str
    account: str
    id: str
    title: str
    fields: Mapping[str, tuple[str, str]]
    kind: str = "subscribe"
    long_term: bool = False


# The libraries of templates know no mercy: each has fields and names of its own.
TEMPLATES = (
    Registered(
        "XUNHE_TEMPLATE_REMINDER",
        SERVICE_ACCOUNT,
        "demo-reminder",
        "巡河任务提醒",
        {
            "thing1": ("任务", "task"),
            "character_string2": ("进度", "done_of_owed"),
            "time3": ("截止时间", "due"),
            "thing4": ("提示", "hint"),
        },
        kind="template",
    ),
    Registered(
        "XUNHE_TEMPLATE_REMINDER_LONG_TERM",
        SERVICE_ACCOUNT,
        "demo-reminder-long-term",
        "履职进度通知",
        {
            "thing2": ("事项", "task"),
            "phrase5": ("状态", "phrase"),
            "character_string6": ("完成情况", "done_of_owed"),
            "time8": ("截止时间", "due"),
        },
        long_term=True,
    ),
    Registered(
        "XUNHE_TEMPLATE_REMINDER_MINI_PROGRAM",
        MINI_PROGRAM,
        "demo-reminder-mini-program",
        "待办事项提醒",
        {
            "thing1": ("事项", "task"),
            "time4": ("截止时间", "due"),
            "thing7": ("备注", "hint"),
        },
    ),
    Registered(
        "XUNHE_TEMPLATE_REMINDER_SERVICE_ACCOUNT",
        SERVICE_ACCOUNT,
        "demo-reminder-service-account",
        "任务到期提醒",
        {
            "thing3": ("任务名称", "task"),
            "character_string1": ("完成进度", "done_of_owed"),
            "time2": ("到期时间", "due"),
        },
    ),
)


def environment(web: str, simulator: str) -> dict[str, str]:
    """The children's further environment; keys and tokens are drawn anew at each start.

    `web` and `simulator` are the two `http://…` addresses.
    """
    made = {
        "XUNHE_DEMO": "true",
        "XUNHE_PUBLIC_URL": web,
        "XUNHE_WECHAT_API_URL": simulator,
    }
    for template in TEMPLATES:
        fields = {name: ours for name, (_, ours) in template.fields.items()}
        made[template.setting] = json.dumps({"id": template.id, **fields})
    for prefix, app_id in (
        (SERVICE_ACCOUNT, "wxdemoservice0001"),
        (MINI_PROGRAM, "wxdemomini0000001"),
    ):
        made |= {
            f"{prefix}_APP_ID": app_id,
            f"{prefix}_SECRET": secrets.token_hex(16),
            f"{prefix}_TOKEN": secrets.token_hex(16),
            f"{prefix}_AES_KEY": secrets.token_hex(22)[:43],
            f"{prefix}_MODE": "safe",
        }
    return made
