"""Access tokens and tickets: given, rolled over, refused."""

import re
import secrets
from typing import Any

from app.wechat.simulator.caller import Caller
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import AccessToken, Account
from app.wechat.simulator.refusals import Refused

LIFETIME = 7200
ROLL_OVER = 300
FORCED_A_DAY = 20
FORCED_APART = 30
WELL_FORMED = re.compile(r"\d{1,4}_[\w-]{40,512}")


def credentials(platform: Platform, given: dict[str, Any]) -> Account:
    """The account whose appid and secret were given. Refuses 41002, 40013, 41004, 40125."""
    if not given.get("appid"):
        raise Refused(41002)
    account = platform.accounts.get(str(given["appid"]))
    if account is None:
        raise Refused(40013)
    if not given.get("secret"):
        raise Refused(41004)
    if not secrets.compare_digest(str(given["secret"]).encode(), account.config.secret.encode()):
        raise Refused(40125)
    return account


def stable_token(platform: Platform, given: dict[str, Any]) -> dict[str, Any]:
    """Give the account's token: cgi-bin/stable_token (the vendor's getStableAccessToken).

    The same token while it lives; in its last five minutes a new one, and both work until the old
    one ends. A forced refresh ends the old ones at once; it is given 20 times a day, and within 30
    seconds of the last one nothing is refreshed.
    """
    if given.get("grant_type") != "client_credential":
        raise Refused(40097, "grant_type")
    account = credentials(platform, given)
    now = platform.clock()
    account.tokens = [token for token in account.tokens if token.expires_at > now - 86400]
    current = account.tokens[-1] if account.tokens else None
    if given.get("force_refresh") is True and _may_force(account, now):
        for token in account.tokens:
            token.expires_at = min(token.expires_at, now)
        current = None
    if current is None or current.expires_at - now <= ROLL_OVER:
        generation = str(60 + len(account.tokens))
        current = AccessToken(f"{generation}_{secrets.token_urlsafe(96)}", now + LIFETIME)
        account.tokens.append(current)
    return {"access_token": current.value, "expires_in": int(current.expires_at - now)}


def _may_force(account: Account, now: float) -> bool:
    while account.refreshes and account.refreshes[0] <= now - 86400:
        account.refreshes.popleft()
    if account.refreshes and now - account.refreshes[-1] < FORCED_APART:
        return False
    if len(account.refreshes) >= FORCED_A_DAY:
        raise Refused(45009)
    account.refreshes.append(now)
    return True


def account_of(platform: Platform, value: str | None) -> Account:
    """Whose token this is. Refuses 41001, 40014 (malformed), 42001 (expired), 40001."""
    if not value:
        raise Refused(41001)
    if not WELL_FORMED.fullmatch(value):
        raise Refused(40014)
    for account in platform.accounts.values():
        for token in account.tokens:
            if token.value == value:
                if token.expires_at <= platform.clock():
                    raise Refused(42001)
                return account
    raise Refused(40001)


def revoke(account: Account) -> None:
    """Make the platform forget every token of an account: the next calls get 40001."""
    account.tokens.clear()


def ticket(caller: Caller) -> dict[str, Any]:
    """The ticket that signs pages (JS-SDK): cgi-bin/ticket/getticket."""
    if caller.query.get("type") != "jsapi":
        raise Refused(40097, "type")
    held = caller.account.ticket
    if held is None or held.expires_at <= caller.now:
        held = AccessToken(secrets.token_urlsafe(64)[:86], caller.now + LIFETIME)
        caller.account.ticket = held
    expires_in = int(held.expires_at - caller.now)
    return {"errcode": 0, "errmsg": "ok", "ticket": held.value, "expires_in": expires_in}
