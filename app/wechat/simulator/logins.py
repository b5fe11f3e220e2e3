"""Codes against identities: wx.login, phone numbers, web login."""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from app.wechat.simulator.caller import Caller
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Account, Code
from app.wechat.simulator.refusals import Refused
from app.wechat.simulator.state import stable_id
from app.wechat.simulator.tokens import credentials

SESSIONS_A_MINUTE = 100


def _redeem(platform: Platform, kind: str, account: Account, value: Any, used: int) -> Code:
    """Use up a code. `used` is the errcode for a second use."""
    if not value:
        raise Refused(41008)
    code = platform.codes.get(str(value))
    if code is None or code.kind != kind or code.app_id != account.config.app_id:
        raise Refused(40029)
    if code.used:
        raise Refused(used)
    if code.expires_at <= platform.clock():
        raise Refused(40029)
    code.used = True
    return code


def jscode2session(platform: Platform, query: Mapping[str, str]) -> dict[str, Any]:
    """Exchange a wx.login code: sns/jscode2session (the vendor's code2Session).

    Refuses 40029, 40163 (used), 40226 (a person under risk control), 45011 (100 a minute each).
    """
    account = credentials(platform, dict(query))
    if account is not platform.mini_program:
        raise Refused(48001)
    code = _redeem(platform, "login", account, query.get("js_code"), used=40163)
    if code.user.blocked:
        raise Refused(40226)
    name = f"session:{code.user.key}"
    if not account.within(name, SESSIONS_A_MINUTE, 60, platform.clock()):
        raise Refused(45011)
    session = {
        "session_key": b64encode(secrets.token_bytes(16)).decode(),
        "openid": code.user.contacts[account.config.app_id].openid,
    }
    return session | ({"unionid": code.user.unionid} if platform.unionids else {})


def getuserphonenumber(caller: Caller) -> dict[str, Any]:
    """The phone number of who tapped the button; `openid`, when given, must be theirs."""
    code = _redeem(caller.platform, "phone", caller.account, caller.body.get("code"), used=40029)
    contact = caller.contact(code.user)
    if caller.body.get("openid") not in (None, contact.openid):
        raise Refused(40003)
    phone = code.user.phone or ""
    # WeChat sends the country code as number or as text; here both occur, by the number itself.
    country: int | str = 86 if int(phone[-1:] or 0) % 2 else "86"
    info = {
        "phoneNumber": phone,
        "purePhoneNumber": phone,
        "countryCode": country,
        "watermark": {"timestamp": int(caller.now), "appid": caller.account.config.app_id},
    }
    return {"errcode": 0, "errmsg": "ok", "phone_info": info}


def authorize(platform: Platform, query: Mapping[str, str], key: str) -> str:
    """Where the browser of that person is sent after web login. Refuses as the page would say."""
    account = platform.service_account
    if query.get("appid") != account.config.app_id:
        raise Refused(40013)
    target = query.get("redirect_uri", "")
    parts = urlsplit(target)
    allowed = account.config.oauth_domains
    if parts.scheme not in ("http", "https") or (allowed and parts.hostname not in allowed):
        raise Refused(10003, "redirect_uri 参数错误")
    if query.get("response_type") != "code" or query.get("scope") != "snsapi_base":
        raise Refused(10005, "scope 参数错误")
    phone: Phone = platform.phone(key)
    code = phone.web_code(snapshot=query.get("forceSnapShot") == "true")
    added = urlencode({"code": code, "state": query.get("state", "")})
    joined = f"{parts.query}&{added}" if parts.query else added
    return parts._replace(query=joined, fragment="").geturl()


def oauth_access_token(platform: Platform, query: Mapping[str, str]) -> dict[str, Any]:
    """Web login's second half; a snapshot user is a virtual account with an openid of its own."""
    account = credentials(platform, dict(query))
    if account is not platform.service_account:
        raise Refused(48001)
    code = _redeem(platform, "web", account, query.get("code"), used=40163)
    answer: dict[str, Any] = {
        "access_token": f"1_{secrets.token_urlsafe(64)}",
        "expires_in": 7200,
        "refresh_token": f"1_{secrets.token_urlsafe(64)}",
        "scope": "snsapi_base",
    }
    if code.snapshot:
        virtual = "o" + stable_id("snapshot", account.config.app_id, code.user.key)
        return answer | {"openid": virtual, "is_snapshotuser": 1}
    answer["openid"] = code.user.contacts[account.config.app_id].openid
    return answer | ({"unionid": code.user.unionid} if platform.unionids else {})
