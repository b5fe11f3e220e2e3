"""QR codes that the platform draws: scenes of the service account, codes of the mini-program."""

import io
import re
from typing import Any
from urllib.parse import quote

import segno

from app.wechat.simulator import scenes
from app.wechat.simulator.caller import Binary, Caller
from app.wechat.simulator.refusals import Refused

PERMANENT_CODES = 100_000
TEMPORARY_SECONDS = 2_592_000
WXACODES_A_MINUTE = 5000
WXACODE_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}")


def picture(content: str, width: int = 430) -> bytes:
    """A PNG of about that many pixels that decodes to `content`."""
    code = segno.make(content, error="m", micro=False)
    scale = max(1, width // code.symbol_size(border=4)[0])
    out = io.BytesIO()
    code.save(out, kind="png", scale=scale, border=4)
    return out.getvalue()


def getwxacodeunlimit(caller: Caller) -> Binary:
    """A code that opens the mini-program at a page with a scene; 5000 a minute."""
    scene = caller.body.get("scene")
    if not isinstance(scene, str) or not WXACODE_SCENE.fullmatch(scene):
        raise Refused(40169)
    page = caller.body.get("page", "")
    pages = caller.account.config.pages
    if not isinstance(page, str) or page.startswith("/") or "?" in page:
        raise Refused(41030)
    if caller.body.get("check_path", True) and page and pages and page not in pages:
        raise Refused(41030)
    width = caller.body.get("width", 430)
    if type(width) is not int or not 280 <= width <= 1280:
        raise Refused(40097, "width")
    if caller.body.get("env_version", "release") not in ("release", "trial", "develop"):
        raise Refused(40097, "env_version")
    if not caller.account.within("getwxacodeunlimit", WXACODES_A_MINUTE, 60, caller.now):
        raise Refused(45009)
    content = f"wxa://{caller.account.config.app_id}/{page}?scene={quote(scene, safe='')}"
    return Binary(picture(content, width), "image/png", {})


def create(caller: Caller) -> dict[str, Any]:
    """cgi-bin/qrcode/create: temporary and permanent scenes, as numbers or text."""
    action = caller.body.get("action_name")
    info = caller.body.get("action_info")
    scene = info.get("scene") if isinstance(info, dict) else None
    if action not in ("QR_SCENE", "QR_STR_SCENE", "QR_LIMIT_SCENE", "QR_LIMIT_STR_SCENE"):
        raise Refused(40052)
    if not isinstance(scene, dict):
        raise Refused(40053)
    permanent = action.startswith("QR_LIMIT")
    value = _scene(scene, text="STR" in action, permanent=permanent)
    if permanent:
        codes = caller.account.permanent_scenes
        if value not in codes and len(codes) >= PERMANENT_CODES:
            raise Refused(45029)
        codes.add(value)
        ticket = scenes.ticket(str(value))
        return {"ticket": ticket, "url": scenes.address(ticket)}
    seconds = caller.body.get("expire_seconds", 60)
    if type(seconds) is not int or not 1 <= seconds <= TEMPORARY_SECONDS:
        raise Refused(40053, "expire_seconds")
    ticket = scenes.ticket(str(value), int(caller.now) + seconds)
    return {"ticket": ticket, "expire_seconds": seconds, "url": scenes.address(ticket)}


def _scene(scene: dict[str, Any], *, text: bool, permanent: bool) -> str | int:
    if text:
        value = scene.get("scene_str")
        if not isinstance(value, str) or not 1 <= len(value) <= 64:
            raise Refused(40053, "scene_str")
        return value
    number = scene.get("scene_id")
    if type(number) is not int or not 1 <= number <= (100_000 if permanent else 2**32 - 1):
        raise Refused(40053, "scene_id")
    return number


def show(ticket: str) -> bytes | None:
    """cgi-bin/showqrcode: the picture of a ticket, None for one that nobody gave out."""
    return None if scenes.unpack(ticket) is None else picture(scenes.address(ticket))
