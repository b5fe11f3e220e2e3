"""The platform's API over HTTP: which call is whose, faults, quotas, the request log."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from app.wechat.simulator import (
    accounts,
    logins,
    media,
    menus,
    messages,
    qr,
    safety,
    tokens,
)
from app.wechat.simulator.caller import Binary, Caller
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Account, Call
from app.wechat.simulator.refusals import Refused, refusal

SECRETS = {"access_token", "secret", "session_key", "js_code"}
# Messages that need a user's accept: WeChat takes one at a time for each of them.
ONE_AT_A_TIME = {"/cgi-bin/message/subscribe/bizsend", "/cgi-bin/message/subscribe/send"}
DAY = 86400
SHANGHAI = 8 * 3600

Answer = dict[str, Any] | Binary


@dataclass(frozen=True)
class Api:
    """One call: its HTTP method, who may make it (s: service account, m: mini-program)."""

    method: str
    who: str
    handler: Callable[[Caller], Answer]


CALLS: dict[str, Api] = {
    "/wxa/business/getuserphonenumber": Api("POST", "m", logins.getuserphonenumber),
    "/wxa/getwxacodeunlimit": Api("POST", "m", qr.getwxacodeunlimit),
    "/wxa/msg_sec_check": Api("POST", "m", safety.msg_sec_check),
    "/wxa/media_check_async": Api("POST", "m", safety.media_check_async),
    "/wxaapi/newtmpl/gettemplate": Api("GET", "sm", accounts.subscription_templates),
    "/cgi-bin/getcallbackip": Api("GET", "sm", accounts.addresses),
    "/cgi-bin/get_api_domain_ip": Api("GET", "sm", accounts.addresses),
    "/cgi-bin/media/get": Api("GET", "sm", media.get),
    "/cgi-bin/media/upload": Api("POST", "sm", media.upload),
    "/cgi-bin/menu/create": Api("POST", "s", menus.create),
    "/cgi-bin/menu/delete": Api("GET", "s", menus.delete),
    "/cgi-bin/menu/get": Api("GET", "s", menus.get),
    "/cgi-bin/message/custom/send": Api("POST", "sm", messages.custom_send),
    "/cgi-bin/message/subscribe/bizsend": Api("POST", "s", messages.bizsend),
    "/cgi-bin/message/subscribe/send": Api("POST", "m", messages.subscribe_send),
    "/cgi-bin/message/template/send": Api("POST", "s", messages.template_send),
    "/cgi-bin/qrcode/create": Api("POST", "s", qr.create),
    "/cgi-bin/template/get_all_private_template": Api("GET", "s", accounts.private_templates),
    "/cgi-bin/ticket/getticket": Api("GET", "s", tokens.ticket),
    "/cgi-bin/user/get": Api("GET", "s", accounts.followers),
    "/cgi-bin/user/info": Api("GET", "s", accounts.user_info),
}
# These three come with appid and secret instead of a token.
OPEN_CALLS: dict[str, str] = {
    "/cgi-bin/stable_token": "POST",
    "/sns/jscode2session": "GET",
    "/sns/oauth2/access_token": "GET",
}


class Dropped(httpx.RemoteProtocolError):
    """A connection cut in the middle, for a client that calls the platform in process."""


class PlatformApi:
    """An ASGI app for one path of the API."""

    def __init__(self, platform: Platform, path: str) -> None:
        self._platform = platform
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call as the script of faults lets it."""
        platform, path = self._platform, self._path
        request = Request(scope, receive)
        raw = await request.body()
        query = dict(request.query_params)
        call = Call(platform.clock(), request.method, path, _elided(query), _logged(raw))
        platform.calls.append(call)
        openid = _addressee(raw) if path in ONE_AT_A_TIME else None
        if openid in platform.being_sent_to:
            call.errcode = 43108
            await JSONResponse(refusal(43108))(scope, receive, send)
            return
        if openid is not None:
            platform.being_sent_to.add(openid)
        try:
            response = await self._respond(request, raw, query, call)
        finally:
            platform.being_sent_to.discard(openid)
        if response is None:
            await _drop(scope, send)
        else:
            await response(scope, receive, send)

    async def _respond(
        self, request: Request, raw: bytes, query: dict[str, str], call: Call
    ) -> Response | None:
        """The answer as latency and faults let it be; None when the connection is to be cut."""
        platform = self._platform
        if platform.latency:
            await asyncio.sleep(platform.latency)
        fault = platform.faults.strike(self._path, self._person(raw))
        if fault is None:
            return await self._answer(request, raw, query, call)
        call.fault = True
        response: Response | None = None
        if fault.after:
            response = await self._answer(request, raw, query, call)
        await asyncio.sleep(fault.stall)
        if fault.drop:
            return None
        if not fault.after and fault.status is None and fault.errcode is None:
            response = await self._answer(request, raw, query, call)
        return _broken(fault, call) or response

    def _person(self, raw: bytes) -> str | None:
        """The key of whom a message is for; looked up only where a rule asks for it."""
        if not self._platform.faults.personal:
            return None
        openid = _addressee(raw)
        for app_id in self._platform.accounts:
            user = self._platform.by_openid(app_id, openid)
            if user is not None:
                return user.key
        return None

    async def _answer(
        self, request: Request, raw: bytes, query: dict[str, str], call: Call
    ) -> Response:
        try:
            answer = await self._dispatch(request, raw, query)
        except Refused as refused:
            call.errcode = refused.errcode
            return JSONResponse(refused.body)
        if isinstance(answer, Binary):
            return Response(
                answer.content, media_type=answer.content_type, headers=dict(answer.headers)
            )
        return JSONResponse(answer)

    async def _dispatch(self, request: Request, raw: bytes, query: dict[str, str]) -> Answer:
        platform, path = self._platform, self._path
        method = OPEN_CALLS.get(path) or CALLS[path].method
        if request.method != method:
            raise Refused(43001 if method == "GET" else 43002)
        if path == "/cgi-bin/stable_token":
            return tokens.stable_token(platform, _json(raw))
        if path == "/sns/jscode2session":
            return logins.jscode2session(platform, query)
        if path == "/sns/oauth2/access_token":
            return logins.oauth_access_token(platform, query)
        api = CALLS[path]
        account = tokens.account_of(platform, query.get("access_token"))
        if ("s" if account is platform.service_account else "m") not in api.who:
            raise Refused(48001)
        _count(platform, account, path)
        is_form = "multipart/form-data" in request.headers.get("content-type", "")
        upload = await _file(request) if is_form else None
        body = _json(raw) if api.method == "POST" and not is_form else {}
        return api.handler(Caller(platform, account, query, body, raw, upload))


def _count(platform: Platform, account: Account, path: str) -> None:
    """A day's quota ends at midnight in Shanghai."""
    quota = platform.config.daily_quota.get(path)
    day = int(platform.clock() + SHANGHAI) // DAY
    account.calls_today[path, day] += 1
    if quota is not None and account.calls_today[path, day] > quota:
        raise Refused(45009)


def _json(raw: bytes) -> dict[str, Any]:
    if not raw:
        raise Refused(44002)
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(47001) from error
    if not isinstance(body, dict):
        raise Refused(47001)
    return body


async def _file(request: Request) -> tuple[bytes, str] | None:
    async with request.form() as form:
        file = form.get("media")
        if not isinstance(file, UploadFile):
            return None
        return await file.read(), file.content_type or "application/octet-stream"


def _broken(fault: Fault, call: Call) -> Response | None:
    if fault.status is not None:
        call.status = fault.status
        return Response("error", status_code=fault.status)
    if fault.errcode is not None:
        call.errcode = fault.errcode
        return JSONResponse(refusal(fault.errcode))
    return None


async def _drop(scope: Scope, send: Send) -> None:
    """Cut the connection: over a socket by an answer that ends too early."""
    # A real server tells which revision of ASGI's HTTP part it speaks; httpx's transport does not.
    if "spec_version" not in scope["asgi"]:
        raise Dropped("Server disconnected without sending a response.")
    headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _addressee(raw: bytes) -> str | None:
    try:
        openid = json.loads(raw).get("touser")
    except (ValueError, AttributeError):
        return None
    return openid if isinstance(openid, str) else None


def _elided(given: dict[str, Any]) -> dict[str, Any]:
    return {key: "…" if key in SECRETS else value for key, value in given.items()}


def _logged(raw: bytes) -> Any:
    try:
        body = json.loads(raw)
    except ValueError:
        return f"{len(raw)} bytes" if raw else None
    return _elided(body) if isinstance(body, dict) else body
