"""QR codes of the service account: what a ticket and its address say, without any memory.

A code that was printed once must still be read after the simulator was restarted, so the scene
stands in the address itself.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

ADDRESS = "http://weixin.qq.com/q/"


def ticket(scene: str, expires_at: int | None = None) -> str:
    """The ticket of a scene; `expires_at` (epoch seconds) for temporary codes."""
    packed = json.dumps([scene, expires_at], ensure_ascii=False, separators=(",", ":"))
    return "g" + urlsafe_b64encode(packed.encode()).decode()


def address(ticket: str) -> str:
    """What the printed code holds."""
    return ADDRESS + ticket.removeprefix("g").rstrip("=")


def unpack(ticket: str) -> tuple[str, int | None] | None:
    """Scene and expiry of a ticket, None for one of somebody else's."""
    packed = ticket.removeprefix("g").rstrip("=")
    try:
        scene, expires_at = json.loads(urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    except (binascii.Error, ValueError, TypeError):
        return None
    return str(scene), expires_at


def scene_of(content: str, now: float) -> str | None:
    """The scene in what a QR code says; None when it is no code of an account, or too old."""
    if not content.startswith(("http://weixin.qq.com/q/", "https://weixin.qq.com/q/")):
        return None
    found = unpack(content.split("/q/", 1)[1])
    if found is None or (found[1] is not None and found[1] <= now):
        return None
    return found[0]
