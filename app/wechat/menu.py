"""The service account's menu, as data: what stands below the chat, and the key of each entry."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class MenuKey(StrEnum):
    """The entries, by the key that their events carry."""

    location = "location"
    photo = "photo"
    scan_stele = "scan_stele"
    progress = "progress"
    problem = "problem"
    activities = "activities"
    sign_in = "sign_in"
    learning = "learning"
    my_records = "my_records"
    letters = "letters"
    help = "help"


def _entry(name: str, key: MenuKey, kind: str = "click") -> dict[str, Any]:
    return {"name": name, "type": kind, "key": key.value}


# WeChat takes three columns of at most five.
MENU: Mapping[str, Any] = {
    "button": [
        {
            "name": "巡河",
            "sub_button": [
                _entry("发送位置", MenuKey.location, "location_select"),
                _entry("拍照", MenuKey.photo, "pic_sysphoto"),
                _entry("扫界碑", MenuKey.scan_stele, "scancode_waitmsg"),
                _entry("我的进度", MenuKey.progress),
                _entry("报问题", MenuKey.problem),
            ],
        },
        {
            "name": "党建",
            "sub_button": [
                _entry("活动", MenuKey.activities),
                _entry("签到", MenuKey.sign_in),
                _entry("学习", MenuKey.learning),
            ],
        },
        {
            "name": "我的",
            "sub_button": [
                _entry("我的记录", MenuKey.my_records),
                _entry("责任书", MenuKey.letters),
                _entry("帮助", MenuKey.help),
            ],
        },
    ]
}


def lines(menu: Mapping[str, Any] | None) -> list[str]:
    """A menu as one line an entry, in order: what two menus are compared by, and people read.

    WeChat answers with empty `sub_button` lists and members of its own; they do not count.
    """
    found = []
    for column in (menu or {}).get("button") or []:
        below = column.get("sub_button") or []
        # The older answer wraps the entries once more.
        entries = below.get("list") or [] if isinstance(below, dict) else below
        found += [_line(f"{column.get('name')} / {entry.get('name')}", entry) for entry in entries]
        if not entries:
            found.append(_line(str(column.get("name")), column))
    return found


def _line(name: str, entry: Mapping[str, Any]) -> str:
    target = entry.get("key") or entry.get("pagepath") or entry.get("url") or ""
    return f"{name} [{entry.get('type', '')}] {target}"
