"""The menu under the service account's chat."""

import re
from typing import Any

from app.wechat.simulator.caller import Caller
from app.wechat.simulator.refusals import Refused

ESCAPED = re.compile(rb"\\u[0-9a-fA-F]{4}")
KEYED = {
    "click",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
}


def create(caller: Caller) -> dict[str, Any]:
    """cgi-bin/menu/create: up to three entries, each with up to five below it.

    Refuses \\u escapes (40033), counts (40016, 40023), names of more than 16 or 60 bytes (40018,
    40025), unknown types (40017), keys over 128 bytes (40019), addresses over 1024 (40020).
    """
    if ESCAPED.search(caller.raw):
        raise Refused(40033)
    buttons = caller.body.get("button")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise Refused(40016)
    for button in buttons:
        _name(button, 16, 40018)
        below = button.get("sub_button")
        if not below:
            _action(button)
            continue
        if not isinstance(below, list) or len(below) > 5:
            raise Refused(40023)
        for entry in below:
            _name(entry, 60, 40025)
            if entry.get("sub_button"):
                raise Refused(40023)
            _action(entry)
    caller.account.menu = buttons
    return {"errcode": 0, "errmsg": "ok"}


def get(caller: Caller) -> dict[str, Any]:
    """cgi-bin/menu/get: the menu, or 46003 where there is none."""
    if caller.account.menu is None:
        raise Refused(46003)
    return {"menu": {"button": caller.account.menu}}


def delete(caller: Caller) -> dict[str, Any]:
    """cgi-bin/menu/delete."""
    caller.account.menu = None
    return {"errcode": 0, "errmsg": "ok"}


def _name(button: Any, limit: int, errcode: int) -> None:
    name = button.get("name") if isinstance(button, dict) else None
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= limit:
        raise Refused(errcode)


def _action(button: dict[str, Any]) -> None:
    type_ = button.get("type")
    if type_ in KEYED:
        if not 1 <= len(str(button.get("key", "")).encode()) <= 128:
            raise Refused(40019)
    elif type_ == "view":
        _address(button)
    elif type_ == "miniprogram":
        _address(button)
        if not button.get("appid") or not button.get("pagepath"):
            raise Refused(40017, "miniprogram")
    else:
        raise Refused(40017)


def _address(button: dict[str, Any]) -> None:
    url = str(button.get("url", ""))
    if not url.startswith(("http://", "https://")) or len(url.encode()) > 1024:
        raise Refused(40020)
