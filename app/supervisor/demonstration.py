"""What `serve --demo` adds to the settings: a WeChat that is simulated on this machine."""

import json
import secrets
from collections.abc import Mapping

SERVICE_ACCOUNT, MINI_PROGRAM = "XUNHE_SERVICE_ACCOUNT", "XUNHE_MINI_PROGRAM"

# The account's template for reminders: field → its label there, and what we put into it.
REMINDER = "demo-reminder"
REMINDER_FIELDS: Mapping[str, tuple[str, str]] = {
    "thing1": ("任务", "task"),
    "character_string2": ("进度", "done_of_owed"),
    "time3": ("截止时间", "due"),
    "thing4": ("提示", "hint"),
}


def environment(web: str, simulator: str) -> dict[str, str]:
    """The children's further environment; keys and tokens are drawn anew at each start.

    `web` and `simulator` are the two `http://…` addresses.
    """
    made = {
        "XUNHE_DEMO": "true",
        "XUNHE_PUBLIC_URL": web,
        "XUNHE_WECHAT_API_URL": simulator,
        "XUNHE_TEMPLATE_REMINDER": json.dumps(
            {"id": REMINDER, **{name: ours for name, (_, ours) in REMINDER_FIELDS.items()}}
        ),
    }
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
