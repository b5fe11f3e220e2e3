"""What each kind of push becomes, in XML and in JSON, and by what it is known again."""

import json
from typing import Any

import pytest

from app.wechat import callback, messages
from app.wechat.messages import Message, SubscriptionItem
from app.wechat.simulator.xml import document
from tests.wechat.pushes import MINI, NOW, OPENID, SAFE, event, fields, safe, stamp

COMMON: dict[str, Any] = {"openid": OPENID, "sent_at": NOW}
MSG = f"{OPENID} 24000000000000001"


def key(name: str, event_key: str = "", more: str = "") -> str:
    return f"{OPENID} {stamp()} {name} {event_key}{more}"


def read(given: dict[str, Any], *, as_json: bool = False) -> Message:
    inner = json.dumps(given) if as_json else document(given)
    return callback.read(MINI if as_json else SAFE, *safe(inner, as_json=as_json), now=NOW).message


SCAN_INFO = {"ScanType": "qrcode", "ScanResult": "http://xunhe/s/JB-01?t=x"}
PLACE = {"Location_X": "24.900100", "Location_Y": "103.010200", "Scale": "16", "Label": "示例村"}

CASES: list[tuple[dict[str, Any], Message]] = [
    (fields(Content="  进度  "), messages.Text(**COMMON, key=MSG, content="进度")),
    (fields(Content=""), messages.Text(**COMMON, key=MSG, content="")),
    (
        fields(MsgType="image", MediaId="m-1", PicUrl="http://x/"),
        messages.Image(**COMMON, key=MSG, media_id="m-1"),
    ),
    (
        fields(MsgType="voice", MediaId="m-1", Format="amr"),
        messages.Voice(**COMMON, key=MSG, media_id="m-1"),
    ),
    (
        fields(MsgType="video", MediaId="m-1", ThumbMediaId="t"),
        messages.Video(**COMMON, key=MSG, media_id="m-1"),
    ),
    (
        fields(MsgType="shortvideo", MediaId="m-1", ThumbMediaId="t"),
        messages.Video(**COMMON, key=MSG, media_id="m-1"),
    ),
    # X is the latitude.
    (
        fields(MsgType="location", **PLACE),
        messages.Location(**COMMON, key=MSG, lon=103.0102, lat=24.9001, label="示例村"),
    ),
    (
        fields(MsgType="link", Title="t", Url="http://x"),
        messages.Other(**COMMON, key=MSG, kind="link"),
    ),
    (
        event("subscribe", EventKey=""),
        messages.Subscribe(**COMMON, key=key("subscribe"), scene=None),
    ),
    (
        event("subscribe", EventKey="qrscene_s:JB-01", Ticket="t"),
        messages.Subscribe(**COMMON, key=key("subscribe", "qrscene_s:JB-01"), scene="s:JB-01"),
    ),
    (event("unsubscribe", EventKey=""), messages.Unsubscribe(**COMMON, key=key("unsubscribe"))),
    (
        event("SCAN", EventKey="s:JB-01", Ticket="t"),
        messages.Scan(**COMMON, key=key("scan", "s:JB-01"), scene="s:JB-01"),
    ),
    (
        event("CLICK", EventKey="progress"),
        messages.Click(**COMMON, key=key("click", "progress"), menu_key="progress"),
    ),
    (
        event("VIEW", EventKey="http://x/"),
        messages.View(**COMMON, key=key("view", "http://x/"), target="http://x/"),
    ),
    (
        event("view_miniprogram", EventKey="pages/index", MenuId="1"),
        messages.View(**COMMON, key=key("view_miniprogram", "pages/index"), target="pages/index"),
    ),
    (
        event("LOCATION", Latitude="24.9", Longitude="103.01", Precision="65.0"),
        messages.LocationEvent(**COMMON, key=key("location"), lon=103.01, lat=24.9, accuracy_m=65),
    ),
    (
        event("location_select", EventKey="location", SendLocationInfo={**PLACE, "Poiname": ""}),
        messages.LocationSelect(
            **COMMON,
            key=key("location_select", "location"),
            menu_key="location",
            lon=103.0102,
            lat=24.9001,
            label="示例村",
        ),
    ),
    *(
        (
            event(
                name,
                EventKey="photo",
                SendPicsInfo={
                    "Count": 2,
                    "PicList": {"item": [{"PicMd5Sum": "a"}, {"PicMd5Sum": "b"}]},
                },
            ),
            messages.PicPhoto(**COMMON, key=key(name, "photo"), menu_key="photo", count=2),
        )
        for name in ("pic_sysphoto", "pic_photo_or_album", "pic_weixin")
    ),
    (
        event("scancode_waitmsg", EventKey="scan_stele", ScanCodeInfo=SCAN_INFO),
        messages.ScanWait(
            **COMMON,
            key=key("scancode_waitmsg", "scan_stele"),
            menu_key="scan_stele",
            result="http://xunhe/s/JB-01?t=x",
        ),
    ),
    (
        event("scancode_push", EventKey="k", ScanCodeInfo=SCAN_INFO),
        messages.OtherEvent(**COMMON, key=key("scancode_push", "k"), event="scancode_push"),
    ),
    (
        event("TEMPLATESENDJOBFINISH", MsgID=200163836, Status="failed:user block"),
        messages.TemplateSent(
            **COMMON,
            key=key("templatesendjobfinish", more=" 200163836"),
            msg_id="200163836",
            status="failed:user block",
        ),
    ),
    # Version 1 and version 2 of the same news.
    *(
        (
            event("wxa_media_check", trace_id="t-1", **given),
            messages.MediaCheck(
                **COMMON, key=key("wxa_media_check", more=" t-1"), trace_id="t-1", suggest=suggest
            ),
        )
        for given, suggest in (
            ({"isrisky": 0, "extra_info_json": "", "appid": "wx", "status_code": 0}, "pass"),
            ({"isrisky": 1, "extra_info_json": "", "appid": "wx", "status_code": 0}, "risky"),
            ({"isrisky": 0, "appid": "wx", "status_code": 4294966288}, None),
            (
                {"version": 2, "errcode": 0, "result": {"suggest": "review", "label": 20001}},
                "review",
            ),
            ({"version": 2, "errcode": 0, "result": {"suggest": "pass", "label": 100}}, "pass"),
            ({"version": 2, "errcode": -1008, "result": {"suggest": "pass", "label": 100}}, None),
            ({"version": 2, "errcode": 0, "result": {"suggest": "whatever"}}, None),
        )
    ),
    (
        event("user_authorization_revoke", OpenID="o-other", RevokeInfo="301"),
        messages.AuthorizationRevoked(
            **COMMON | {"openid": "o-other"},
            key=key("user_authorization_revoke", more=" o-other"),
            info="301",
        ),
    ),
    (
        event("some_new_event", Novelty="x"),
        messages.OtherEvent(**COMMON, key=key("some_new_event"), event="some_new_event"),
    ),
]


@pytest.mark.parametrize(("given", "expected"), CASES)
@pytest.mark.parametrize("as_json", [False, True])
def test_each_push_becomes_its_message(
    given: dict[str, Any], expected: Message, as_json: bool
) -> None:
    assert read(given, as_json=as_json) == expected


ONE = {"TemplateId": "T1", "SubscribeStatusString": "accept", "PopupScene": 2}
TWO = {"TemplateId": "T2", "SubscribeStatusString": "reject", "PopupScene": 2}
SENT = {"TemplateId": "T1", "MsgID": "17008", "ErrorCode": "0", "ErrorStatus": "success"}


@pytest.mark.parametrize(
    ("name", "element", "kind", "listed", "items"),
    [
        (
            "subscribe_msg_popup_event",
            "SubscribeMsgPopupEvent",
            messages.SubscribePopup,
            [ONE],
            (SubscriptionItem(template_id="T1", status="accept"),),
        ),
        (
            "subscribe_msg_popup_event",
            "SubscribeMsgPopupEvent",
            messages.SubscribePopup,
            [ONE, TWO],
            (
                SubscriptionItem(template_id="T1", status="accept"),
                SubscriptionItem(template_id="T2", status="reject"),
            ),
        ),
        (
            "subscribe_msg_change_event",
            "SubscribeMsgChangeEvent",
            messages.SubscribeChange,
            [TWO],
            (SubscriptionItem(template_id="T2", status="reject"),),
        ),
        (
            "subscribe_msg_sent_event",
            "SubscribeMsgSentEvent",
            messages.SubscribeSent,
            [SENT],
            (
                SubscriptionItem(
                    template_id="T1", msg_id="17008", error_code="0", error_status="success"
                ),
            ),
        ),
    ],
)
def test_subscriptions_come_as_one_or_as_many(
    name: str,
    element: str,
    kind: type[messages.SubscribePopup],
    listed: list[dict[str, Any]],
    items: tuple[SubscriptionItem, ...],
) -> None:
    given = listed[0] if len(listed) == 1 else listed
    nested = event(name, **{element: {"List": given}})
    flat = event(name, List=given)
    for message in (
        read(nested),
        read(nested, as_json=True),
        read(flat, as_json=True),
        read(event(name, List=listed), as_json=True),
    ):
        assert isinstance(message, kind)
        assert message.items == items


def test_what_differs_is_not_taken_for_a_retry() -> None:
    """WeChat's rule (sender, time, event, key) would take two results of one second for one."""

    def keys(*pushes: dict[str, Any]) -> int:
        return len({read(push).key for push in pushes})

    assert keys(fields(), fields()) == 1
    assert keys(fields(), fields(CreateTime=5, Content="another retry's clock")) == 1
    assert keys(fields(), fields(MsgId=24000000000000002)) == 2
    assert keys(fields(), fields(FromUserName="o-2")) == 2
    assert keys(event("CLICK", EventKey="help"), event("CLICK", EventKey="help")) == 1
    assert keys(event("CLICK", EventKey="help"), event("CLICK", EventKey="progress")) == 2
    assert keys(event("CLICK", EventKey="help"), event("VIEW", EventKey="help")) == 2
    assert keys(event("CLICK", EventKey="help"), event("CLICK", EventKey="help", CreateTime=5)) == 2
    done = "TEMPLATESENDJOBFINISH"
    assert keys(event(done, MsgID=1, Status="success"), event(done, MsgID=2, Status="success")) == 2
    sent = "subscribe_msg_sent_event"
    other = {**SENT, "MsgID": "17009"}
    assert (
        keys(
            event(sent, SubscribeMsgSentEvent={"List": SENT}),
            event(sent, SubscribeMsgSentEvent={"List": other}),
            event(sent, SubscribeMsgSentEvent={"List": SENT}),
        )
        == 2
    )


def test_a_message_id_of_64_bits_survives() -> None:
    assert read(fields(MsgId=2**63 + 1), as_json=True).key == f"{OPENID} 9223372036854775809"
