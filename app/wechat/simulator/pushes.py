"""Delivering messages and events to a callback: signed, sealed, tried three times, judged."""

import asyncio
import json
import secrets
from typing import Any

import httpx

from app.wechat.simulator import replies
from app.wechat.simulator.crypto import sign
from app.wechat.simulator.records import (
    Account,
    Attempt,
    Push,
    User,
)
from app.wechat.simulator.state import FAULT_NOTICE, World
from app.wechat.simulator.xml import document

# What somebody did in the chat and waits for: only then do they see that the service is broken.
# Events that merely report (LOCATION, unsubscribe, results of messages) fail in silence.
AWAITED_EVENTS = {"subscribe", "SCAN", "CLICK", "scancode_waitmsg"}


class Pushes:
    """The platform's side of the callback."""

    def __init__(self, world: World, http: httpx.AsyncClient) -> None:
        self._world = world
        self._http = http
        self._strays: set[asyncio.Task[httpx.Response]] = set()

    async def verify(self, account: Account, *, sealed: bool = False) -> bool:
        """Check the callback's address as the console does when an operator saves it."""
        echo = str(self._world.number())
        timestamp, nonce = self._stamp()
        token = account.config.token
        query = {"timestamp": timestamp, "nonce": nonce, "echostr": echo}
        query["signature"] = sign(token, timestamp, nonce)
        if sealed and account.sealer:
            query["echostr"] = account.sealer.encrypt(echo.encode())
            query["msg_signature"] = sign(token, timestamp, nonce, query["echostr"])
        answer = await self._http.get(account.config.callback_url, params=query)
        return answer.status_code == 200 and answer.text == echo

    async def send(
        self, account: Account, user: User, fields: dict[str, Any], *, numbered: bool = False
    ) -> Push:
        """Push to the account's callback and show its reply on the phone; ends when it is settled.

        `fields` are those after ToUserName, FromUserName and CreateTime. `numbered` messages get a
        MsgId, the same on every try.
        """
        openid = user.contacts[account.config.app_id].openid
        msg_id = self._world.number() if numbered else None
        message: dict[str, Any] = {
            "ToUserName": account.config.original_id,
            "FromUserName": openid,
            "CreateTime": int(self._world.clock()),
            **fields,
        }
        if msg_id is not None:
            message["MsgId"] = msg_id
        kind = f"event:{fields['Event']}" if fields["MsgType"] == "event" else fields["MsgType"]
        push = Push(account.config.app_id, openid, kind, msg_id, message)
        self._world.pushes.append(push)
        if not account.config.callback_url:
            push.outcome = "none"
            return push
        copies = [self._deliver(account, push) for _ in range(self._world.copies)]
        await asyncio.gather(*copies)
        self._show(account, user, push)
        return push

    def later(self, account: Account, user: User, fields: dict[str, Any]) -> None:
        """Push in the background: the platform's own events."""
        self._world.later(self.send(account, user, fields))

    def close(self) -> None:
        """Give up on answers that nobody waits for any more."""
        for stray in self._strays:
            stray.cancel()

    def _stamp(self) -> tuple[str, str]:
        return str(int(self._world.clock())), str(secrets.randbelow(10**10))

    async def _deliver(self, account: Account, push: Push) -> None:
        body, content_type = self._body(account, push.fields)
        # WeChat's retries repeat the whole request: address, signature and body.
        query, content = self._signed(account, push.openid, body)
        for number in range(self._world.config.push_tries):
            if number:
                await asyncio.sleep(self._world.config.push_pause)
            attempt = Attempt(self._world.clock())
            push.attempts.append(attempt)
            response = await self._try(account, query, content, content_type, attempt)
            if response is None:
                continue
            attempt.status = response.status_code
            if response.status_code != 200:
                attempt.error = "status"
                continue
            self._judge(account, push, response.content)
            return
        push.outcome = push.outcome or "failed"
        push.fault = push.fault or "no answer"

    async def _try(
        self,
        account: Account,
        query: dict[str, str],
        content: bytes,
        content_type: str,
        attempt: Attempt,
    ) -> httpx.Response | None:
        """One request. One that is late goes on by itself: the next may overlap with it."""
        request = asyncio.create_task(
            self._http.post(
                account.config.callback_url,
                params=query,
                content=content,
                headers={"Content-Type": content_type},
                timeout=60,
            )
        )
        self._strays.add(request)
        request.add_done_callback(self._forget)
        done, _ = await asyncio.wait({request}, timeout=self._world.config.push_timeout)
        if not done:
            attempt.error = "timeout"
            return None
        if request.cancelled() or request.exception() is not None:
            attempt.error = "connection"
            return None
        return request.result()

    def _forget(self, request: asyncio.Task[httpx.Response]) -> None:
        self._strays.discard(request)
        if not request.cancelled():
            request.exception()

    def _body(self, account: Account, fields: dict[str, Any]) -> tuple[str, str]:
        if account.config.push_format == "json":
            return json.dumps(fields, ensure_ascii=False), "application/json"
        return document(fields), "text/xml"

    def _signed(self, account: Account, openid: str, body: str) -> tuple[dict[str, str], bytes]:
        timestamp, nonce = self._stamp()
        token, mode = account.config.token, account.config.mode
        query = {
            "signature": sign(token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "openid": openid,
        }
        if mode == "plain" or account.sealer is None:
            return query, body.encode()
        sealed = account.sealer.encrypt(body.encode())
        query["encrypt_type"] = "aes"
        query["msg_signature"] = sign(token, timestamp, nonce, sealed)
        outer: dict[str, Any] = {"ToUserName": account.config.original_id, "Encrypt": sealed}
        if account.config.push_format == "json":
            outer = {**json.loads(body), **outer} if mode == "compatible" else outer
            return query, json.dumps(outer, ensure_ascii=False).encode()
        if mode == "compatible":
            inner = body.removeprefix("<xml>").removesuffix("</xml>")
            extra = document({"Encrypt": sealed}).removeprefix("<xml>")
            return query, f"<xml>{inner}{extra}".encode()
        return query, document(outer).encode()

    def _judge(self, account: Account, push: Push, body: bytes) -> None:
        try:
            reply = replies.read(account, push, body)
        except replies.BadReply as error:
            push.outcome, push.fault = "failed", str(error)
            return
        if push.outcome in ("", "success"):
            push.outcome, push.reply = ("replied", reply) if reply else ("success", None)

    def _show(self, account: Account, user: User, push: Push) -> None:
        app_id = account.config.app_id
        if push.outcome == "failed":
            event = push.fields.get("Event")
            if event is None or event in AWAITED_EVENTS:
                self._world.bubble(user, "notice", "text", app_id, text=FAULT_NOTICE)
        elif push.reply is not None:
            self._show_reply(user, app_id, push.reply)

    def _show_reply(self, user: User, app_id: str, reply: dict[str, Any]) -> None:
        kind = reply["MsgType"]
        given: dict[str, Any] = {"raw": reply}
        if kind == "text":
            given["text"] = reply["Content"]
        elif kind in ("image", "voice", "video"):
            given["media_id"] = (reply.get(kind.capitalize()) or {}).get("MediaId", "")
        elif kind == "news":
            article = (reply.get("Articles") or {}).get("item") or {}
            article = article[0] if isinstance(article, list) else article
            given["title"] = article.get("Title") or ""
            given["text"] = article.get("Description") or ""
            given["url"] = article.get("Url") or ""
        self._world.bubble(user, "reply", kind, app_id, **given)
