"""Messages that an account sends: templates, subscriptions, customer service."""

from typing import Any

from app.wechat.simulator import fields
from app.wechat.simulator.caller import Caller
from app.wechat.simulator.config import Template
from app.wechat.simulator.events import subscription_event
from app.wechat.simulator.records import Contact, User
from app.wechat.simulator.refusals import MESSAGES, Refused

DEDUPE_SECONDS = 600
TEXT_BYTES = 2048


def template_send(caller: Caller) -> dict[str, Any]:
    """cgi-bin/message/template/send: to followers; the result follows as TEMPLATESENDJOBFINISH.

    The same `client_msg_id` to the same person within ten minutes is not sent again: 40241 with
    the first one's msgid.
    """
    body, account = caller.body, caller.account
    user = caller.user(body.get("touser"))
    contact = caller.contact(user)
    if not contact.follows:
        raise Refused(43004)
    template = _template(caller, "template")
    lines = fields.check(template, body.get("data"))
    mini = body.get("miniprogram") or {}
    if mini and mini.get("appid") != caller.platform.mini_program.config.app_id:
        raise Refused(40013, "miniprogram.appid")
    msgid = caller.platform.number()
    once = body.get("client_msg_id")
    if once is not None:
        key = (contact.openid, str(once))
        sent_at, sent_id = account.sent.get(key, (-DEDUPE_SECONDS, 0))
        if caller.now - sent_at < DEDUPE_SECONDS:
            refused = Refused(40241)
            refused.body["msgid"] = sent_id
            raise refused
        account.sent[key] = (caller.now, msgid)
    outcome = user.template_outcome
    if outcome == "success":
        _card(caller, user, "template", template, lines, mini.get("pagepath", ""))
    event = {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH"}
    event_fields = {**event, "MsgID": msgid, "Status": outcome}
    caller.platform.push.later(account, user, event_fields)
    return {"errcode": 0, "errmsg": "ok", "msgid": msgid}


def subscribe_send(caller: Caller) -> dict[str, Any]:
    """cgi-bin/message/subscribe/send: one accept, one message of the mini-program."""
    return {"errcode": 0, "errmsg": "ok", "msgid": _subscription(caller)}


def bizsend(caller: Caller) -> dict[str, Any]:
    """cgi-bin/message/subscribe/bizsend: the same of the service account, answered without id."""
    _subscription(caller)
    return {"errcode": 0, "errmsg": "ok"}


def _subscription(caller: Caller) -> int:
    user = caller.user(caller.body.get("touser"))
    contact = caller.contact(user)
    template = _template(caller, "subscribe")
    lines = fields.check(template, caller.body.get("data"))
    page = caller.body.get("page") or ""
    pages = caller.account.config.pages
    if page and pages and page.split("?")[0] not in pages:
        raise Refused(41030)
    _spend(contact, template)
    msgid = caller.platform.number()
    error = user.subscription_error
    if not error:
        _card(caller, user, "subscribe", template, lines, page)
    row = {
        "TemplateId": template.id,
        "MsgID": str(msgid),
        "ErrorCode": str(error),
        "ErrorStatus": MESSAGES.get(error, "error") if error else "success",
    }
    event = subscription_event(caller.account, "sent", [row])
    caller.platform.push.later(caller.account, user, event)
    return msgid


def _spend(contact: Contact, template: Template) -> None:
    if template.long_term:
        if template.id not in contact.standing:
            raise Refused(43101)
        return
    if contact.permits[template.id] < 1:
        raise Refused(43101)
    contact.permits[template.id] -= 1


def custom_send(caller: Caller) -> dict[str, Any]:
    """cgi-bin/message/custom/send: only for a while after the person did something.

    Three within a minute of a click, a follow or a scan, five within 48 hours of a message.
    Refuses 45015 outside every window (also to who unfollowed), 45047 when they are used up.
    """
    body = caller.body
    user = caller.user(body.get("touser"))
    given = _custom(caller, body)
    _use_window(caller.contact(user), caller.now)
    type_ = str(body["msgtype"])
    caller.platform.bubble(user, "customer", type_, caller.account.config.app_id, **given)
    return {"errcode": 0, "errmsg": "ok"}


def _custom(caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    type_ = body.get("msgtype")
    part = body.get(str(type_))
    if not isinstance(part, dict):
        raise Refused(40008 if type_ is None else 44004)
    given: dict[str, Any] = {"raw": part}
    if type_ == "text":
        text = part.get("content")
        if not isinstance(text, str) or not text:
            raise Refused(44004)
        if len(text.encode()) > TEXT_BYTES:
            raise Refused(45002)
        given["text"] = text
    elif type_ in ("image", "voice", "video"):
        media = caller.platform.media.get(str(part.get("media_id")))
        if media is None or media.expires_at <= caller.now:
            raise Refused(40007)
        given["media_id"] = part["media_id"]
    elif type_ == "news":
        articles = part.get("articles")
        if not isinstance(articles, list) or len(articles) != 1:
            raise Refused(45008)
        article = articles[0]
        given |= {"title": article.get("title", ""), "url": article.get("url", "")}
        given["text"] = article.get("description", "")
    elif type_ == "miniprogrampage":
        given |= {"title": part.get("title", ""), "page": part.get("pagepath", "")}
    elif type_ == "msgmenu":
        rows = part.get("list") or []
        given["text"] = "\n".join(
            [part.get("head_content", ""), *(str(row.get("content")) for row in rows)]
        )
    else:
        raise Refused(40008)
    return given


def _use_window(contact: Contact, now: float) -> None:
    windows = [contact.action_window, contact.message_window]
    live = [window for window in windows if window is not None and window.until > now]
    if not contact.follows or not live:
        raise Refused(45015)
    for window in live:
        if window.left:
            window.left -= 1
            return
    raise Refused(45047)


def _template(caller: Caller, kind: str) -> Template:
    template = caller.account.template(str(caller.body.get("template_id")), kind)
    if template is None:
        raise Refused(40037)
    return template


def _card(
    caller: Caller,
    user: User,
    kind: str,
    template: Template,
    lines: list[tuple[str, str]],
    page: str,
) -> None:
    caller.platform.bubble(
        user,
        kind,
        "card",
        caller.account.config.app_id,
        title=template.title,
        lines=lines,
        page=page,
        url=caller.body.get("url") or "",
        template_id=template.id,
        raw=caller.body,
    )
