"""Pushes as WeChat makes them, built with the simulator's own signing and sealing."""

import json
from datetime import UTC, datetime
from typing import Any

import xmltodict

from app.models import App
from app.settings import CallbackMode
from app.wechat.doors import Door
from app.wechat.simulator.crypto import Sealer, matches, sign
from app.wechat.simulator.xml import document

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
TOKEN = "river-token"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP_ID = "wx00000000000000aa"
OURS = "gh_000000000001"
OPENID = "o-example_1"

SAFE = Door(App.service_account, CallbackMode.safe, APP_ID, TOKEN, KEY)
COMPATIBLE = Door(App.service_account, CallbackMode.compatible, APP_ID, TOKEN, KEY)
PLAIN = Door(App.service_account, CallbackMode.plain, APP_ID, TOKEN)
MINI = Door(App.mini_program, CallbackMode.safe, APP_ID, TOKEN, KEY)

Pairs = list[tuple[str, str]]


def stamp(now: datetime = NOW) -> str:
    return str(int(now.timestamp()))


def fields(**given: Any) -> dict[str, Any]:
    """A text message, unless `given` says otherwise; None leaves a field out."""
    whole = {
        "ToUserName": OURS,
        "FromUserName": OPENID,
        "CreateTime": int(NOW.timestamp()),
        "MsgType": "text",
        "Content": "进度",
        "MsgId": 24000000000000001,
    } | given
    return {name: value for name, value in whole.items() if value is not None}


def event(name: str, **given: Any) -> dict[str, Any]:
    return fields(MsgType="event", Event=name, Content=None, MsgId=None, **given)


def plain(
    body: bytes | str, *, nonce: str = "n1", timestamp: str | None = None
) -> tuple[Pairs, bytes]:
    """A request of plain mode: the signature says nothing of the body."""
    timestamp = timestamp or stamp()
    query = [
        ("signature", sign(TOKEN, timestamp, nonce)),
        ("timestamp", timestamp),
        ("nonce", nonce),
        ("openid", OPENID),
    ]
    return query, body.encode() if isinstance(body, str) else body


def safe(
    inner: bytes | str,
    *,
    nonce: str = "n1",
    timestamp: str | None = None,
    app_id: str = APP_ID,
    token: str = TOKEN,
    outer: dict[str, Any] | None = None,
    as_json: bool = False,
) -> tuple[Pairs, bytes]:
    """A request of safe mode; `outer` are the siblings of `Encrypt`."""
    timestamp = timestamp or stamp()
    sealed = Sealer(KEY, app_id).encrypt(inner.encode() if isinstance(inner, str) else inner)
    siblings = {"ToUserName": OURS} if outer is None else outer
    query = [
        ("signature", sign(token, timestamp, nonce)),
        ("timestamp", timestamp),
        ("nonce", nonce),
        ("openid", OPENID),
        ("encrypt_type", "aes"),
        ("msg_signature", sign(token, timestamp, nonce, sealed)),
    ]
    whole = {**siblings, "Encrypt": sealed}
    return query, (json.dumps(whole) if as_json else document(whole)).encode()


def message(**given: Any) -> tuple[Pairs, bytes]:
    """A text message in safe mode."""
    return safe(document(fields(**given)))


def opened(answer: str) -> dict[str, Any]:
    """A sealed reply, its signature checked, decrypted and parsed."""
    outer = xmltodict.parse(answer)["xml"]
    assert matches(
        outer["MsgSignature"], TOKEN, outer["TimeStamp"], outer["Nonce"], outer["Encrypt"]
    )
    found: dict[str, Any] = xmltodict.parse(Sealer(KEY, APP_ID).decrypt(outer["Encrypt"]))["xml"]
    return found
