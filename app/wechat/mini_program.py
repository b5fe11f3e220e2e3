"""The mini-program's calls, each named after what it does for us."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from httpx import Response
from pydantic import BaseModel, ValidationError

from app.errors import RiskControl, TooManyRequests, WeChatUnavailable
from app.wechat.answers import CodeSession, PhoneInfo, Template
from app.wechat.calls import Call, Caller
from app.wechat.errors import CodeInvalid, CodeUsed, Refused, TryAgain, WeChatError

Answered = TypeVar("Answered", bound=BaseModel)
CheckScene = Literal[1, 2, 3, 4]


def understood(kind: type[Answered], path: str, answer: Mapping[str, Any]) -> Answered:
    """The answer as a value of ours.

    Raises `TryAgain` when WeChat left out what it owes.
    """
    try:
        return kind.model_validate(answer)
    except ValidationError:
        # Without the error's text: it quotes the answer.
        raise TryAgain(path, reason="an answer that makes no sense") from None


def for_a_person(error: WeChatError) -> Exception:
    """What to tell somebody who signs in and waits."""
    if isinstance(error, Refused):
        if error.errcode == 40163:
            return CodeUsed()
        if error.errcode == 40226:
            return RiskControl()
        return CodeInvalid()
    if error.errcode == 45011:
        return TooManyRequests(retry_after=60)
    return WeChatUnavailable()


class MiniProgram:
    """小程序."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def code_session(self, code: str) -> CodeSession:
        """Who is behind a `wx.login` code (single use, five minutes).

        Raises `CodeInvalid`, `CodeUsed`, `RiskControl`, `TooManyRequests`, `WeChatUnavailable`.
        Page: "小程序登录".
        """
        path = "sns/jscode2session"
        app = self.caller.app
        params = {
            "appid": app.app_id,
            "secret": app.secret.get_secret_value(),
            "js_code": code,
            "grant_type": "authorization_code",
        }
        try:
            call = Call("GET", path, params=params, with_token=False, waited_for=True)
            return understood(CodeSession, path, await self.caller.json(call))
        except WeChatError as error:
            raise for_a_person(error) from error

    async def phone(self, code: str, openid: str) -> PhoneInfo:
        """The verified telephone number behind a `getPhoneNumber` code of this very user.

        Raises as `code_session` does. Page: "手机号快速验证".
        """
        path = "wxa/business/getuserphonenumber"
        body = {"code": code, "openid": openid}
        try:
            answer = await self.caller.json(Call("POST", path, body=body, waited_for=True))
            found = understood(PhoneInfo, path, answer.get("phone_info") or {})
        except WeChatError as error:
            raise for_a_person(error) from error
        if found.watermark.appid != self.caller.app.app_id:
            raise CodeInvalid
        return found

    async def code_image(
        self, scene: str, page: str, *, check_path: bool = True, env: str = "release", px: int = 430
    ) -> bytes:
        """The picture of a mini-program code, `px` wide (280-1280); `scene` at most 32 characters.

        Page: "获取不限制的小程序码".
        """
        path = "wxa/getwxacodeunlimit"
        body = {
            "scene": scene,
            "page": page.lstrip("/"),
            "check_path": check_path,
            "env_version": env,
            "width": px,
        }
        call = Call("POST", path, body=body, subject=page, binary=True, limit=4 << 20)
        answer = await self.caller.answer(call)
        if not isinstance(answer, Response):
            raise TryAgain(path, reason="an answer without a picture")
        return answer.content

    async def send_subscribed(
        self, openid: str, template_id: str, data: Mapping[str, str], *, page: str = ""
    ) -> None:
        """A one-time message, paid with one accept of the user's.

        Raises `Refused` (43101: no accept left), `TryAgain`, `OutcomeUnknown`.
        Page: "发送订阅消息".
        """
        body = {
            "touser": openid,
            "template_id": template_id,
            "page": page,
            "data": {name: {"value": value} for name, value in data.items()},
            "lang": "zh_CN",
        }
        path = "cgi-bin/message/subscribe/send"
        await self.caller.send(
            openid, Call("POST", path, body=body, repeatable=False, subject=template_id)
        )

    async def text_verdict(self, openid: str, content: str, scene: CheckScene) -> str:
        """pass, review or risky, for a text of somebody active in the last two hours.

        Page: "文本内容安全识别".
        """
        path = "wxa/msg_sec_check"
        body = {"content": content[:2500], "version": 2, "scene": scene, "openid": openid}
        answer = await self.caller.json(Call("POST", path, body=body))
        return _suggestion(path, answer)

    async def check_image(self, openid: str, url: str, scene: CheckScene) -> str:
        """Have a picture checked; the verdict is pushed under the trace id answered here.

        Page: "音视频内容安全识别".
        """
        path = "wxa/media_check_async"
        body = {"media_url": url, "media_type": 2, "version": 2, "scene": scene, "openid": openid}
        answer = await self.caller.json(Call("POST", path, body=body))
        if not isinstance(answer.get("trace_id"), str):
            raise TryAgain(path, reason="an answer without a trace id")
        return str(answer["trace_id"])

    async def templates(self) -> list[Template]:
        """The subscription templates added to this account. Page: "获取个人模板列表"."""
        return await listed_templates(self.caller)


async def listed_templates(caller: Caller) -> list[Template]:
    """The subscription templates of either app, which have the same call."""
    path = "wxaapi/newtmpl/gettemplate"
    answer = await caller.json(Call("GET", path))
    return [
        understood(Template, path, {**each, "template_id": each.get("priTmplId", "")})
        for each in answer.get("data") or []
        if isinstance(each, dict)
    ]


def _suggestion(path: str, answer: Mapping[str, Any]) -> str:
    result = answer.get("result")
    suggest = result.get("suggest") if isinstance(result, dict) else None
    if suggest not in {"pass", "review", "risky"}:
        raise TryAgain(path, reason="an answer without a verdict")
    return str(suggest)
