"""The service account's calls, each named after what it does for us."""

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.wechat.answers import Follower, Media, Template, WebUser, is_menu
from app.wechat.calls import Call, Caller
from app.wechat.errors import Fault, Refused, TryAgain, WeChatError
from app.wechat.mini_program import for_a_person, listed_templates, understood
from app.wechat.tokens import Tokens

MEDIA_WITHIN_S = 60.0
_VIDEO_HOSTS = (".qq.com", ".qpic.cn")


class ServiceAccount:
    """服务号."""

    def __init__(self, caller: Caller, ticket: Tokens) -> None:
        self.caller = caller
        self._ticket = ticket

    async def permanent_code(self, scene: str) -> str:
        """The address that a permanent QR code spells, for a `scene` of 1-64 characters.

        At most 100,000 of them exist for an account. Page: "生成带参数的二维码".
        """
        path = "cgi-bin/qrcode/create"
        body = {
            "action_name": "QR_LIMIT_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        answer = await self.caller.json(Call("POST", path, body=body))
        if not isinstance(answer.get("url"), str):
            raise TryAgain(path, reason="an answer without an address")
        return str(answer["url"])

    async def temporary_code(self, scene: str, seconds: int) -> str:
        """The address that a QR code spells which is good for `seconds`, up to 30 days.

        Page: "生成带参数的二维码".
        """
        path = "cgi-bin/qrcode/create"
        body = {
            "expire_seconds": seconds,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        answer = await self.caller.json(Call("POST", path, body=body, waited_for=True))
        if not isinstance(answer.get("url"), str):
            raise TryAgain(path, reason="an answer without an address")
        return str(answer["url"])

    async def send_text(self, openid: str, text: str) -> None:
        """Speak first, within the window that the user's last act opened.

        Raises `Refused` (45015, 45047: window shut or used up), `TryAgain`, `OutcomeUnknown`.
        Page: "客服接口-发消息".
        """
        body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        path = "cgi-bin/message/custom/send"
        await self.caller.send(openid, Call("POST", path, body=body, repeatable=False))

    async def send_template(
        self,
        openid: str,
        template_id: str,
        data: Mapping[str, str],
        *,
        client_msg_id: str,
        url: str = "",
        mini_program: tuple[str, str] | None = None,
    ) -> str | None:
        """A template message to a follower; its id, by which its result is pushed later.

        None when WeChat has it already: the same `client_msg_id` sends once within ten minutes.
        `mini_program` is an appid and a page. Page: "发送模板消息".
        """
        body: dict[str, Any] = {
            "touser": openid,
            "template_id": template_id,
            "data": {name: {"value": value} for name, value in data.items()},
            "client_msg_id": client_msg_id,
        }
        if url:
            body["url"] = url
        if mini_program:
            body["miniprogram"] = {"appid": mini_program[0], "pagepath": mini_program[1]}
        call = Call("POST", "cgi-bin/message/template/send", body=body, subject=template_id)
        answer = await self.caller.send(openid, call)
        return str(answer["msgid"]) if answer.get("msgid") else None

    async def send_subscribed(
        self, openid: str, template_id: str, data: Mapping[str, str], *, page: str = ""
    ) -> None:
        """A one-time message of the service account; its result comes as an event, without an id.

        Raises as the mini-program's does. Page: "发送订阅通知".
        """
        body: dict[str, Any] = {
            "touser": openid,
            "template_id": template_id,
            "data": {name: {"value": value} for name, value in data.items()},
        }
        if page:
            body["page"] = page
        path = "cgi-bin/message/subscribe/bizsend"
        await self.caller.send(
            openid, Call("POST", path, body=body, repeatable=False, subject=template_id)
        )

    async def media(self, media_id: str, *, limit: int) -> Media:
        """What somebody sent, at most `limit` bytes; WeChat keeps it three days.

        Raises `Refused` with `Fault.gone` when it is no longer there, with field "too large" beyond
        the limit. Page: "获取临时素材".
        """
        path = "cgi-bin/media/get"
        params = {"media_id": media_id}
        call = Call("GET", path, params=params, binary=True, limit=limit, within_s=MEDIA_WITHIN_S)
        answer = await self.caller.answer(call)
        if isinstance(answer, dict):
            # A video is not given but pointed to.
            answer = await self._video(path, answer.get("video_url"), limit)
        return Media(content=answer.content, content_type=answer.headers["content-type"])

    async def follower(self, openid: str) -> Follower:
        """Whether this openid follows us, and its unionid. Page: "获取用户基本信息"."""
        path = "cgi-bin/user/info"
        params = {"openid": openid, "lang": "zh_CN"}
        return understood(Follower, path, await self.caller.json(Call("GET", path, params=params)))

    async def menu(self) -> dict[str, Any] | None:
        """The menu in force; None when there is none. Page: "查询接口"."""
        try:
            answer = await self.caller.json(Call("GET", "cgi-bin/menu/get"))
        except Refused as error:
            if error.errcode == 46003:
                return None
            raise
        found = answer.get("menu")
        return found if is_menu(found) else None

    async def create_menu(self, menu: Mapping[str, Any]) -> None:
        """Replace the menu. Page: "创建接口"."""
        await self.caller.json(Call("POST", "cgi-bin/menu/create", body=menu))

    async def templates(self) -> list[Template]:
        """The message templates of this account, the older kind and the subscription kind."""
        path = "cgi-bin/template/get_all_private_template"
        answer = await self.caller.json(Call("GET", path))
        found = [
            understood(Template, path, each)
            for each in answer.get("template_list") or []
            if isinstance(each, dict)
        ]
        return found + await listed_templates(self.caller)

    async def web_user(self, code: str) -> WebUser:
        """Who is behind a web-login code (`snsapi_base`).

        Raises as the mini-program's `code_session` does. Page: "网页授权".
        """
        path = "sns/oauth2/access_token"
        params = {
            "appid": self.caller.app.app_id,
            "secret": self.caller.app.secret.get_secret_value(),
            "code": code,
            "grant_type": "authorization_code",
        }
        try:
            call = Call("GET", path, params=params, with_token=False, waited_for=True)
            return understood(WebUser, path, await self.caller.json(call))
        except WeChatError as error:
            raise for_a_person(error) from error

    async def page_signature(self, url: str, *, nonce: str, timestamp: int) -> str:
        """The JS-SDK's signature for a page, without what follows `#`. Page: "JS-SDK"."""
        signed = (
            f"jsapi_ticket={await self._ticket.get()}&noncestr={nonce}"
            f"&timestamp={timestamp}&url={url.split('#')[0]}"
        )
        return hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()

    async def _video(self, path: str, url: object, limit: int) -> httpx.Response:
        if not isinstance(url, str) or not self._is_wechats(url):
            raise Refused(path, 0, fault=Fault.unknown, field="video_url")
        return await self.caller.download(path, url, limit=limit, within_s=MEDIA_WITHIN_S)

    def _is_wechats(self, url: str) -> bool:
        """An address we may be sent to: WeChat's own, nothing in anybody's network."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in {"http", "https"} and (
            host.endswith(_VIDEO_HOSTS) or parts.netloc == self.caller.netloc
        )
