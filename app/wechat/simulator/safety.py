"""Content checks: text at once, pictures later by a push."""

import secrets
from typing import Any

import httpx

from app.wechat.simulator.caller import Caller
from app.wechat.simulator.records import User
from app.wechat.simulator.refusals import Refused

ACTIVE_SECONDS = 7200
TEXT_LENGTH = 2500
MEDIA_BYTES = 10 << 20
RISKY_LABEL, NORMAL_LABEL = 20006, 100


def msg_sec_check(caller: Caller) -> dict[str, Any]:
    """wxa/msg_sec_check (v2): pass, review or risky, by the configuration's words."""
    _asked_by(caller)
    text = caller.body.get("content")
    if not isinstance(text, str) or not 1 <= len(text) <= TEXT_LENGTH:
        raise Refused(40097, "content")
    config = caller.platform.config
    suggest = "pass"
    if any(word in text for word in config.review_words):
        suggest = "review"
    if any(word in text for word in config.risky_words):
        suggest = "risky"
    result = _result(suggest)
    detail = [{"strategy": "content_model", "errcode": 0, **result, "prob": 90}]
    answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "result": result, "detail": detail}
    return answer | {"trace_id": _trace_id()}


def media_check_async(caller: Caller) -> dict[str, Any]:
    """wxa/media_check_async (v2): the result comes later as the event wxa_media_check.

    A picture whose address contains one of the configuration's risky words is risky.
    """
    user = _asked_by(caller)
    url = caller.body.get("media_url")
    if caller.body.get("media_type") not in (1, 2):
        raise Refused(40097, "media_type")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise Refused(40097, "media_url")
    trace_id = _trace_id()
    caller.platform.later(_judge(caller, user, url, trace_id))
    return {"errcode": 0, "errmsg": "ok", "trace_id": trace_id}


async def _judge(caller: Caller, user: User, url: str, trace_id: str) -> None:
    errcode = 0
    try:
        answer = await caller.platform.http.get(url, timeout=10)
        if answer.status_code != 200 or len(answer.content) > MEDIA_BYTES:
            errcode = -1008
    except httpx.HTTPError:
        errcode = -1008
    risky = any(word in url for word in caller.platform.config.risky_words)
    result = _result("risky" if risky else "pass")
    event: dict[str, Any] = {
        "MsgType": "event",
        "Event": "wxa_media_check",
        "appid": caller.account.config.app_id,
        "trace_id": trace_id,
        "version": 2,
        "errcode": errcode,
        "errmsg": "ok" if errcode == 0 else "media download failed",
    }
    if errcode == 0:
        event["detail"] = [{"strategy": "content_model", "errcode": 0, **result, "prob": 90}]
        event["result"] = result
    await caller.platform.push.send(caller.account, user, event)


def _asked_by(caller: Caller) -> User:
    """Who wrote it: somebody who used the mini-program in the last two hours (else 61010)."""
    if caller.body.get("version") != 2 or caller.body.get("scene") not in (1, 2, 3, 4):
        raise Refused(40097, "version or scene")
    user = caller.user(caller.body.get("openid"))
    active_at = caller.contact(user).last_interaction
    if active_at is None or caller.now - active_at > ACTIVE_SECONDS:
        raise Refused(61010)
    return user


def _result(suggest: str) -> dict[str, Any]:
    return {"suggest": suggest, "label": NORMAL_LABEL if suggest == "pass" else RISKY_LABEL}


def _trace_id() -> str:
    return f"{secrets.token_hex(4)}-{secrets.token_hex(4)}"
