"""The callback: from WeChat's request to a message of ours that can be believed, and back.

Vendor's pages: "接收消息与事件推送", "消息加解密说明", "被动回复用户消息".
wechatpy gives the cipher and the reply; its parser is not used, as JSON must be read as well.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from wechatpy.replies import TextReply

from app.errors import Forbidden
from app.models import App
from app.settings import CallbackMode
from app.wechat.doors import Door
from app.wechat.envelope import ForAnotherApp, NotReadable, is_signed
from app.wechat.messages import Message
from app.wechat.pushes import recognise

BODY_LIMIT = 64 << 10
FRESH_FOR_S = 600
SUCCESS = "success"
_REPLY_BYTES = 2000
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Unreadable(Exception):
    """It comes from WeChat and makes no sense: asking for it again would not help."""


@dataclass(frozen=True)
class Nonce:
    """What must be remembered, so that nobody can use this request's signature a second time."""

    timestamp: str
    nonce: str
    digest: bytes


@dataclass(frozen=True)
class Incoming:
    """A believed push: the message, and what is needed to answer and to know it again."""

    app: App
    message: Message
    to_user: str
    sealed: bool
    nonce: Nonce
    received_at: datetime


class _Query(BaseModel):
    model_config = ConfigDict(extra="ignore")

    timestamp: str = Field(pattern=r"^[0-9]{1,12}$")
    nonce: str = Field(min_length=1, max_length=128)
    signature: str = Field("", max_length=128)
    msg_signature: str = Field("", max_length=128)
    echostr: str = Field("", max_length=2048)


def verify(door: Door, query: Sequence[tuple[str, str]]) -> str:
    """The `echostr` to answer when an operator registers this address, plain or encrypted.

    Not bound to the present time: it changes nothing. Raises `Forbidden`.
    """
    asked = _query(query)
    if not asked.msg_signature:
        _require(is_signed(asked.signature, door.token, asked.timestamp, asked.nonce))
        return asked.echostr
    _require(
        bool(door.aes_key)
        and is_signed(asked.msg_signature, door.token, asked.timestamp, asked.nonce, asked.echostr)
    )
    try:
        return door.envelope.open(asked.echostr)
    except (ForAnotherApp, NotReadable) as error:
        raise Forbidden from error


def read(door: Door, query: Sequence[tuple[str, str]], body: bytes, *, now: datetime) -> Incoming:
    """The message in `body` (XML or JSON, at most `BODY_LIMIT` bytes), once it can be believed.

    `query` holds the pairs as they came. Raises `Forbidden` for whatever is not proven to be
    WeChat's, and fresh, and ours; `Unreadable` for what is proven and is still no message.
    """
    asked = _query(query)
    _require(abs(now.timestamp() - int(asked.timestamp)) <= FRESH_FOR_S)
    if door.mode is CallbackMode.plain:
        fields, sealed = _plain(door, asked, body), False
    else:
        fields, sealed = _unsealed(door, asked, body)
    try:
        to_user, message = recognise(fields)
    except ValidationError as error:
        # Not the error's text, which would carry what the user wrote.
        raise Unreadable(
            ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
        ) from None
    signature = asked.msg_signature if sealed else asked.signature
    digest = hashlib.sha256(signature.lower().encode() + b"\n" + body).digest()
    return Incoming(
        app=door.app,
        message=message,
        to_user=to_user,
        sealed=sealed,
        nonce=Nonce(asked.timestamp, asked.nonce, digest),
        received_at=now,
    )


def write(door: Door, incoming: Incoming, text: str | None, *, now: datetime) -> tuple[str, str]:
    """The answer's body and media type: `success`, or the text as a passive reply.

    Sealed when the push was. A mini-program takes no passive replies.
    """
    words = _NOT_XML.sub("", text or "")
    if not words or incoming.app is App.mini_program:
        return SUCCESS, "text/plain"
    # WeChat drops a reply of 2048 bytes or more.
    words = words.encode()[:_REPLY_BYTES].decode(errors="ignore")
    timestamp = str(int(now.timestamp()))
    reply: str = TextReply(
        source=incoming.to_user,
        target=incoming.message.openid,
        time=int(timestamp),
        content=words.replace("]]>", "]]]]><![CDATA[>"),
    ).render()
    if not incoming.sealed:
        return reply, "application/xml"
    nonce = secrets.token_hex(8)
    encrypted, signature = door.envelope.seal(reply, timestamp, nonce)
    return (
        f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt>"
        f"<MsgSignature><![CDATA[{signature}]]></MsgSignature>"
        f"<TimeStamp>{timestamp}</TimeStamp><Nonce><![CDATA[{nonce}]]></Nonce></xml>"
    ), "application/xml"


def _require(proven: bool) -> None:
    if not proven:
        raise Forbidden


def _query(pairs: Sequence[tuple[str, str]]) -> _Query:
    """The parameters, each at most once: of two, it would be anybody's guess which was signed."""
    named = dict(pairs)
    _require(len(named) == len(pairs))
    try:
        return _Query.model_validate(named)
    except ValidationError as error:
        raise Forbidden from error


def _plain(door: Door, asked: _Query, body: bytes) -> dict[str, Any]:
    _require(is_signed(asked.signature, door.token, asked.timestamp, asked.nonce))
    try:
        return _elements(body)
    except ValueError as error:
        raise Unreadable(type(error).__name__) from None


def _unsealed(door: Door, asked: _Query, body: bytes) -> tuple[dict[str, Any], bool]:
    """What is inside the one `Encrypt`; its plaintext siblings are never looked at."""
    try:
        outer = _elements(body)
    except ValueError as error:
        raise Forbidden from error
    encrypted = outer.get("Encrypt")
    if "Encrypt" not in outer and door.mode is CallbackMode.compatible:
        return _plain(door, asked, body), False
    _require(
        isinstance(encrypted, str)
        and bool(encrypted)
        and is_signed(asked.msg_signature, door.token, asked.timestamp, asked.nonce, encrypted)
    )
    try:
        fields = _elements(door.envelope.open(str(encrypted)).encode())
    except ForAnotherApp as error:
        raise Forbidden from error
    except (NotReadable, ValueError) as error:
        raise Unreadable(type(error).__name__) from None
    if "ToUserName" in outer:
        _require(outer["ToUserName"] == fields.get("ToUserName"))
    return fields, True


def _elements(body: bytes) -> dict[str, Any]:
    """The children of `<xml>`, or the members of a JSON object, by name.

    Raises `ValueError`: not well-formed, entities declared, nested too deep, not an object.
    """
    try:
        text = body.decode()
        if text.lstrip().startswith("{"):
            found = json.loads(text, object_pairs_hook=_unrepeated)
        else:
            found = (xmltodict.parse(text) or {}).get("xml")
    except (ExpatError, RecursionError) as error:
        raise ValueError(type(error).__name__) from error
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated name")
    return found
