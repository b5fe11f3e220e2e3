"""What an account may ask about itself and its followers."""

from typing import Any

from app.wechat.simulator import fields
from app.wechat.simulator.caller import Caller


def user_info(caller: Caller) -> dict[str, Any]:
    """cgi-bin/user/info: follows or not, and the unionid.

    Names and pictures have been empty since 2021.
    """
    user = caller.user(caller.query.get("openid"))
    contact = caller.contact(user)
    union = {"unionid": user.unionid} if caller.platform.unionids else {}
    if not contact.follows:
        return {"subscribe": 0, "openid": contact.openid, "tagid_list": [], **union}
    return {
        "subscribe": 1,
        "openid": contact.openid,
        "nickname": "",
        "sex": 0,
        "language": "zh_CN",
        "city": "",
        "province": "",
        "country": "",
        "headimgurl": "",
        "subscribe_time": int(contact.followed_at),
        "remark": "",
        "groupid": 0,
        "tagid_list": [],
        "subscribe_scene": "ADD_SCENE_QR_CODE" if contact.scene else "ADD_SCENE_SEARCH",
        "qr_scene": 0,
        "qr_scene_str": contact.scene,
        **union,
    }


def followers(caller: Caller) -> dict[str, Any]:
    """cgi-bin/user/get: the openids of those who follow."""
    openids = [
        caller.contact(user).openid
        for user in caller.platform.users.values()
        if caller.contact(user).follows
    ]
    count = {"total": len(openids), "count": len(openids)}
    return {**count, "data": {"openid": openids}, "next_openid": openids[-1] if openids else ""}


def addresses(caller: Caller) -> dict[str, Any]:
    """cgi-bin/getcallbackip and get_api_domain_ip: harmless, good for checking a token."""
    del caller
    return {"ip_list": ["127.0.0.1"]}


def private_templates(caller: Caller) -> dict[str, Any]:
    """cgi-bin/template/get_all_private_template: the message templates of the account."""
    listed = [
        {
            "template_id": template.id,
            "title": template.title,
            "primary_industry": "政府与公共事业",
            "deputy_industry": "政府",
            "content": fields.content(template),
            "example": "",
        }
        for template in caller.account.config.templates
        if template.kind == "template"
    ]
    return {"template_list": listed}


def subscription_templates(caller: Caller) -> dict[str, Any]:
    """wxaapi/newtmpl/gettemplate: those for subscriptions; type 2 once, 3 for the long term."""
    listed: list[dict[str, Any]] = [
        {
            "priTmplId": template.id,
            "title": template.title,
            "content": fields.content(template),
            "example": "",
            "type": 3 if template.long_term else 2,
            "keywordEnumValueList": [],
        }
        for template in caller.account.config.templates
        if template.kind == "subscribe"
    ]
    return {"errcode": 0, "errmsg": "ok", "data": listed}
