"""From WeChat's elements to our messages: every field is checked here, whichever way it came.

Parsed XML makes lists of repeated elements, None of empty ones and dicts of nested ones; JSON
brings numbers where XML has text. Therefore nothing is taken from a push but through `_Raw`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.wechat import messages
from app.wechat.messages import Message, SubscriptionItem

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _text(value: Any) -> Any:
    """Text that a database takes; an empty element is an empty text."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return _UNSTORABLE.sub("", value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """One item is an object, several are a list; none is nothing."""
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


Words = Annotated[str, BeforeValidator(_text), Field(max_length=20_000)]
Name = Annotated[str, BeforeValidator(_text), Field(max_length=1_000)]
OpenId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_@.-]{1,128}$")]
Digits = Annotated[str, BeforeValidator(_text), Field(pattern=r"^[0-9]{1,20}$")]
Lon = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Lat = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Head(_Raw):
    """What every push has."""

    to_user: Annotated[OpenId, Field(alias="ToUserName")]
    from_user: Annotated[OpenId, Field(alias="FromUserName")]
    # Until 2100: a bigger number is no time, and would not become one.
    created: Annotated[int, Field(alias="CreateTime", ge=0, lt=4_102_444_800)]
    kind: Annotated[Name, Field(alias="MsgType", min_length=1)]
    event: Annotated[Name, Field(alias="Event")] = ""
    event_key: Annotated[Name, Field(alias="EventKey")] = ""
    msg_id: Annotated[Digits | None, Field(alias="MsgId")] = None


class _Content(_Raw):
    content: Annotated[Words, Field(alias="Content")] = ""


class _Media(_Raw):
    media_id: Annotated[str, Field(alias="MediaId", min_length=1, max_length=500)]


class _Place(_Raw):
    # WeChat's X is the latitude.
    lat: Annotated[Lat, Field(alias="Location_X")]
    lon: Annotated[Lon, Field(alias="Location_Y")]
    label: Annotated[Name, Field(alias="Label")] = ""


class _Picked(_Raw):
    place: Annotated[_Place, Field(alias="SendLocationInfo")]


class _Whereabouts(_Raw):
    lat: Annotated[Lat, Field(alias="Latitude")]
    lon: Annotated[Lon, Field(alias="Longitude")]
    accuracy_m: Annotated[float, Field(alias="Precision", ge=0, allow_inf_nan=False)] = 0


class _PhotoCount(_Raw):
    count: Annotated[int, Field(alias="Count", ge=0, le=100)] = 1


class _Photos(_Raw):
    photos: Annotated[_PhotoCount, Field(alias="SendPicsInfo")] = _PhotoCount()


class _ScanResult(_Raw):
    result: Annotated[Name, Field(alias="ScanResult")] = ""


class _Scanned(_Raw):
    scan: Annotated[_ScanResult, Field(alias="ScanCodeInfo")] = _ScanResult()


class _TemplateResult(_Raw):
    msg_id: Annotated[Digits, Field(alias="MsgID")]
    status: Annotated[Name, Field(alias="Status")] = ""


class _Subscription(_Raw):
    template_id: Annotated[Name, Field(alias="TemplateId", min_length=1)]
    status: Annotated[Name, Field(alias="SubscribeStatusString")] = ""
    msg_id: Annotated[Name, Field(alias="MsgID")] = ""
    error_code: Annotated[Name, Field(alias="ErrorCode")] = ""
    error_status: Annotated[Name, Field(alias="ErrorStatus")] = ""


class _Subscriptions(_Raw):
    items: Annotated[
        list[_Subscription], BeforeValidator(_listed), Field(alias="List", max_length=100)
    ] = []


class _Verdict(_Raw):
    suggest: Annotated[Name, Field(alias="suggest")] = ""


class _Checked(_Raw):
    """Version 1 says `isrisky` and `status_code`, version 2 `result.suggest` and `errcode`."""

    trace_id: Annotated[Name, Field(min_length=1)]
    isrisky: Annotated[Name, Field()] = ""
    status_code: Annotated[Name, Field()] = ""
    errcode: Annotated[Name, Field()] = ""
    result: _Verdict | None = None


class _Revocation(_Raw):
    openid: Annotated[OpenId | None, Field(alias="OpenID")] = None
    info: Annotated[Name, Field(alias="RevokeInfo")] = ""


_Fields = Mapping[str, Any]
_Common = dict[str, Any]
_Maker = Callable[[_Head, _Fields, _Common], Message]


def _location(_head: _Head, fields: _Fields, common: _Common) -> Message:
    place = _Place.model_validate(fields)
    return messages.Location(**common, lon=place.lon, lat=place.lat, label=place.label)


def _location_select(head: _Head, fields: _Fields, common: _Common) -> Message:
    place = _Picked.model_validate(fields).place
    return messages.LocationSelect(
        **common, menu_key=head.event_key, lon=place.lon, lat=place.lat, label=place.label
    )


def _whereabouts(_head: _Head, fields: _Fields, common: _Common) -> Message:
    return messages.LocationEvent(**common, **_Whereabouts.model_validate(fields).model_dump())


def _subscribe(head: _Head, _fields: _Fields, common: _Common) -> Message:
    scene = head.event_key.removeprefix("qrscene_")
    return messages.Subscribe(**common, scene=scene or None)


def _photos(head: _Head, fields: _Fields, common: _Common) -> Message:
    count = _Photos.model_validate(fields).photos.count
    return messages.PicPhoto(**common, menu_key=head.event_key, count=count)


def _scan_wait(head: _Head, fields: _Fields, common: _Common) -> Message:
    result = _Scanned.model_validate(fields).scan.result
    return messages.ScanWait(**common, menu_key=head.event_key, result=result)


def _template_sent(_head: _Head, fields: _Fields, common: _Common) -> Message:
    sent = _TemplateResult.model_validate(fields)
    common["key"] += f" {sent.msg_id}"
    return messages.TemplateSent(**common, msg_id=sent.msg_id, status=sent.status)


def _subscriptions(element: str, make: Callable[..., Message]) -> _Maker:
    def maker(_head: _Head, fields: _Fields, common: _Common) -> Message:
        nested = fields.get(element)
        found = _Subscriptions.model_validate(nested if isinstance(nested, Mapping) else fields)
        items = tuple(SubscriptionItem(**item.model_dump()) for item in found.items)
        # Two of these may fall into one second; what they say tells them apart.
        told = "\n".join(item.model_dump_json() for item in items).encode()
        common["key"] += f" {hashlib.sha256(told).hexdigest()[:16]}"
        return make(**common, items=items)

    return maker


def _media_check(_head: _Head, fields: _Fields, common: _Common) -> Message:
    checked = _Checked.model_validate(fields)
    common["key"] += f" {checked.trace_id}"
    suggest: str | None = None
    if checked.result is not None:
        suggest = checked.result.suggest if checked.errcode in {"", "0"} else None
    elif checked.status_code in {"", "0"}:
        suggest = {"0": "pass", "1": "risky"}.get(checked.isrisky)
    if suggest not in {"pass", "review", "risky"}:
        suggest = None
    return messages.MediaCheck.model_validate(
        {**common, "trace_id": checked.trace_id, "suggest": suggest}
    )


def _revoked(_head: _Head, fields: _Fields, common: _Common) -> Message:
    revocation = _Revocation.model_validate(fields)
    common["openid"] = revocation.openid or common["openid"]
    common["key"] += f" {common['openid']}"
    return messages.AuthorizationRevoked(**common, info=revocation.info)


def _of_media(make: Callable[..., Message]) -> _Maker:
    return lambda _head, fields, common: make(
        **common, media_id=_Media.model_validate(fields).media_id
    )


_MESSAGES: Mapping[str, _Maker] = {
    "text": lambda _head, fields, common: messages.Text(
        **common, content=_Content.model_validate(fields).content.strip()
    ),
    "image": _of_media(messages.Image),
    "voice": _of_media(messages.Voice),
    "video": _of_media(messages.Video),
    "shortvideo": _of_media(messages.Video),
    "location": _location,
}

_EVENTS: Mapping[str, _Maker] = {
    "subscribe": _subscribe,
    "unsubscribe": lambda _head, _fields, common: messages.Unsubscribe(**common),
    "scan": lambda head, _fields, common: messages.Scan(**common, scene=head.event_key),
    "click": lambda head, _fields, common: messages.Click(**common, menu_key=head.event_key),
    "view": lambda head, _fields, common: messages.View(**common, target=head.event_key),
    "view_miniprogram": lambda head, _fields, common: messages.View(
        **common, target=head.event_key
    ),
    "location": _whereabouts,
    "location_select": _location_select,
    "pic_sysphoto": _photos,
    "pic_photo_or_album": _photos,
    "pic_weixin": _photos,
    "scancode_waitmsg": _scan_wait,
    "templatesendjobfinish": _template_sent,
    "subscribe_msg_popup_event": _subscriptions("SubscribeMsgPopupEvent", messages.SubscribePopup),
    "subscribe_msg_change_event": _subscriptions(
        "SubscribeMsgChangeEvent", messages.SubscribeChange
    ),
    "subscribe_msg_sent_event": _subscriptions("SubscribeMsgSentEvent", messages.SubscribeSent),
    "wxa_media_check": _media_check,
    "user_authorization_revoke": _revoked,
    "user_authorization_cancellation": _revoked,
}


def recognise(fields: Mapping[str, Any]) -> tuple[str, Message]:
    """Our name at WeChat (`ToUserName`), and the message that `fields` spell.

    Raises pydantic's `ValidationError` for what is no message.
    """
    head = _Head.model_validate(fields)
    kind = head.kind.lower()
    common: _Common = {
        "openid": head.from_user,
        "sent_at": datetime.fromtimestamp(head.created, UTC),
    }
    if kind == "event":
        event = head.event.lower()
        common["key"] = f"{head.from_user} {head.created} {event} {head.event_key}"
        if event in _EVENTS:
            return head.to_user, _EVENTS[event](head, fields, common)
        return head.to_user, messages.OtherEvent(**common, event=event)
    common["key"] = f"{head.from_user} {head.msg_id or f'{head.created} {kind}'}"
    if kind in _MESSAGES:
        return head.to_user, _MESSAGES[kind](head, fields, common)
    return head.to_user, messages.Other(**common, kind=kind)
