"""What the platform thinks of a callback's answer: is it one, and what does it say."""

from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from app.wechat.simulator.crypto import Unreadable, matches
from app.wechat.simulator.records import Account, Push

LIMIT = 2048
KINDS = {"text", "image", "voice", "video", "music", "news", "transfer_customer_service"}


class BadReply(Exception):
    """The answer is none that a user could be shown; the message says why."""


def read(account: Account, push: Push, body: bytes) -> dict[str, Any] | None:
    """The passive reply in an answer, None for `success` or nothing. Raises BadReply."""
    if body.strip() in (b"", b"success"):
        return None
    reply = _parsed(body)
    if "Encrypt" in reply:
        reply = _parsed(_opened(account, reply))
    elif account.config.mode == "safe":
        raise BadReply("plain text in safe mode")
    _check(account, push, reply)
    return reply


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = xmltodict.parse(body)
    except (ExpatError, ValueError) as error:
        raise BadReply("neither success nor XML") from error
    reply = parsed.get("xml")
    if not isinstance(reply, dict):
        raise BadReply("no <xml> element")
    return reply


def _opened(account: Account, reply: dict[str, Any]) -> bytes:
    if account.sealer is None or account.config.mode == "plain":
        raise BadReply("encrypted in plain mode")
    parts = [reply.get(name) for name in ("TimeStamp", "Nonce", "Encrypt")]
    signature = reply.get("MsgSignature")
    if not all(isinstance(part, str) for part in (*parts, signature)):
        raise BadReply("TimeStamp, Nonce, Encrypt or MsgSignature is missing")
    if not matches(str(signature), account.config.token, *map(str, parts)):
        raise BadReply("wrong MsgSignature")
    try:
        return account.sealer.decrypt(str(parts[2]))
    except Unreadable as error:
        raise BadReply(str(error)) from error


def _check(account: Account, push: Push, reply: dict[str, Any]) -> None:
    sender, receiver = reply.get("FromUserName"), reply.get("ToUserName")
    if (sender, receiver) != (account.config.original_id, push.openid):
        raise BadReply("FromUserName and ToUserName are not the message's, swapped")
    if not str(reply.get("CreateTime", "")).isdigit():
        raise BadReply("CreateTime is not a number")
    kind = reply.get("MsgType")
    if kind not in KINDS:
        raise BadReply("unknown MsgType")
    if kind == "text":
        content = reply.get("Content")
        if not isinstance(content, str) or not content:
            raise BadReply("Content is empty")
        if len(content.encode()) > LIMIT:
            raise BadReply(f"Content is longer than {LIMIT} bytes")
    if kind == "image" and not isinstance(_within(reply, "Image", "MediaId"), str):
        raise BadReply("Image without MediaId")


def _within(reply: dict[str, Any], *path: str) -> Any:
    found: Any = reply
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
