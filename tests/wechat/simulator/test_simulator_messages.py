"""Templates, subscriptions, customer service: limits, permits, windows, and what arrives."""

import asyncio
from typing import Any

import httpx
import pytest

from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.fields import LIMITS
from app.wechat.simulator.phone import BadRequest
from app.wechat.simulator.platform import Platform
from tests.wechat.simulator.conftest import MINI, SERVICE, Api, Clock, FakeCallback

BIZSEND = "/cgi-bin/message/subscribe/bizsend"
SEND = "/cgi-bin/message/template/send"
DATA = {"thing1": {"value": "七星河中段巡河"}, "character_string2": {"value": "2/6"}}


@pytest.fixture
def li(platform: Platform) -> str:
    return platform.phone("li").contact.openid


async def send(api: Api, openid: str, **given: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"touser": openid, "template_id": "T-REMIND", "data": DATA}
    return await api.post(SERVICE, SEND, **body | given)


async def custom(api: Api, openid: str, text: str = "你好") -> int:
    answer = await api.post(
        SERVICE,
        "/cgi-bin/message/custom/send",
        touser=openid,
        msgtype="text",
        text={"content": text},
    )
    return int(answer["errcode"])


async def test_template_message_arrives_and_its_result_is_pushed(
    api: Api, platform: Platform, callback: FakeCallback, li: str
) -> None:
    answer = await send(api, li, url="http://ours/duty")
    assert (answer["errcode"], answer["errmsg"]) == (0, "ok")
    await platform.settle()
    (item,) = platform.users["li"].outbox
    assert (item.kind, item.title, item.url) == ("template", "巡河提醒", "http://ours/duty")
    assert item.lines == [("任务", "七星河中段巡河"), ("完成", "2/6")]
    (event,) = callback.messages
    assert event["Event"] == "TEMPLATESENDJOBFINISH"
    assert (event["MsgID"], event["Status"]) == (str(answer["msgid"]), "success")
    assert event["FromUserName"] == li


async def test_template_message_to_somebody_who_blocks(
    api: Api, platform: Platform, callback: FakeCallback, li: str
) -> None:
    platform.users["li"].template_outcome = "failed:user block"
    assert (await send(api, li))["errcode"] == 0
    await platform.settle()
    assert platform.users["li"].outbox == []
    assert callback.messages[0]["Status"] == "failed:user block"


async def test_same_client_msg_id_is_sent_once_in_ten_minutes(
    api: Api, platform: Platform, clock: Clock, li: str
) -> None:
    first = await send(api, li, client_msg_id="r-1")
    clock.pass_(599)
    again = await send(api, li, client_msg_id="r-1")
    assert (again["errcode"], again["msgid"]) == (40241, first["msgid"])
    assert (await send(api, li, client_msg_id="r-2"))["errcode"] == 0
    assert len(platform.users["li"].outbox) == 2
    clock.pass_(1)
    assert (await send(api, li, client_msg_id="r-1"))["errcode"] == 0


async def test_template_message_is_refused(api: Api, platform: Platform, li: str) -> None:
    zhou = platform.phone("zhou").contact.openid
    assert (await send(api, zhou))["errcode"] == 43004
    assert (await send(api, "o-nobody"))["errcode"] == 40003
    mini_openid = platform.phone("li").mini_contact.openid
    assert (await send(api, mini_openid))["errcode"] == 40003
    assert (await send(api, li, template_id="T-OTHER"))["errcode"] == 40037
    assert (await send(api, li, template_id="S-ONCE"))["errcode"] == 40037
    other = {"appid": "wx-other", "pagepath": "pages/index"}
    assert (await send(api, li, miniprogram=other))["errcode"] == 40013
    assert platform.users["li"].outbox == []


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"thing1": {"value": "一" * 21}, "character_string2": {"value": "1"}}, "thing1"),
        ({"thing1": {"value": "巡"}, "character_string2": {"value": "2／6"}}, "character_string2"),
        ({"thing1": {"value": " "}, "character_string2": {"value": "1"}}, "thing1"),
        ({"thing1": {"value": "巡"}}, "character_string2"),
        ({"thing1": {"value": 3}, "character_string2": {"value": "1"}}, "thing1"),
        (DATA | {"thing9": {"value": "多"}}, "thing9"),
    ],
)
async def test_wrong_field_is_named(api: Api, li: str, data: Any, field: str) -> None:
    refused = await send(api, li, data=data)
    assert refused["errcode"] == 47003
    assert f"data.{field}" in refused["errmsg"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("thing", ["一" * 20, "a"], ["一" * 21, ""]),
        ("number", ["9" * 32, "3.5"], ["9" * 33, "3次"]),
        ("letter", ["a" * 32], ["a" * 33, "a1"]),
        ("symbol", ["￥"], ["！！！！！！", "a"]),
        ("character_string", ["A" * 32, "2/6"], ["A" * 33, "二"]),
        ("time", ["2026年10月1日 15:01", "15:01", "2026年10月1日"], ["2026-10-01 15:01", "25:01"]),
        ("date", ["2026年10月1日", "2026年10月1日 15:01"], ["10月1日", "明天"]),
        ("amount", ["￥12.50", "12元"], ["一百", "12345678901"]),
        ("phone_number", ["+86-19900000001"], ["1" * 18, "电话"]),
        ("car_number", ["云A12345"], ["云A1234567"]),
        ("name", ["示例甲", "Li Ming"], ["示" * 11, "示例A"]),
        ("phrase", ["即将到期"], ["已经超过期限", "OK"]),
    ],
)
def test_limits_by_field_type(kind: str, good: list[str], bad: list[str]) -> None:
    assert [bool(LIMITS[kind].fullmatch(value)) for value in good] == [True] * len(good)
    assert [bool(LIMITS[kind].fullmatch(value)) for value in bad] == [False] * len(bad)


async def test_one_accept_is_one_message_of_the_mini_program(
    api: Api, platform: Platform, callback: FakeCallback
) -> None:
    phone = platform.phone("li")
    body = {
        "touser": phone.mini_contact.openid,
        "template_id": "M-ONCE",
        "page": "pages/index?id=1",
        "data": {"thing1": {"value": "巡河"}, "time2": {"value": "2026年10月1日 18:00"}},
    }
    path = "/cgi-bin/message/subscribe/send"
    assert (await api.post(MINI, path, **body))["errcode"] == 43101
    await phone.answer_subscription({"M-ONCE": "accept"}, account=platform.mini_program)
    assert (await api.post(MINI, path, **body | {"page": "pages/no"}))["errcode"] == 41030
    sent = await api.post(MINI, path, **body)
    assert sent["errcode"] == 0
    assert (await api.post(MINI, path, **body))["errcode"] == 43101
    await platform.settle()
    popup, result = callback.messages
    # JSON gives a lone row without its list.
    assert popup["Event"] == "subscribe_msg_popup_event"
    assert popup["List"] == {
        "TemplateId": "M-ONCE",
        "SubscribeStatusString": "accept",
        "PopupScene": "0",
    }
    assert result["Event"] == "subscribe_msg_sent_event"
    assert result["List"] == {
        "TemplateId": "M-ONCE",
        "MsgID": str(sent["msgid"]),
        "ErrorCode": "0",
        "ErrorStatus": "success",
    }


async def test_two_answers_in_one_popup_are_a_list(
    platform: Platform, callback: FakeCallback
) -> None:
    answers = {"M-ONCE": "reject", "M-LONG": "accept"}
    await platform.phone("li").answer_subscription(answers, account=platform.mini_program)
    rows = callback.messages[0]["List"]
    assert {row["TemplateId"]: row["SubscribeStatusString"] for row in rows} == answers
    assert platform.phone("li").mini_contact.permits["M-ONCE"] == 0


async def test_service_account_subscription_answers_without_msgid(
    api: Api, platform: Platform, callback: FakeCallback, li: str
) -> None:
    await platform.phone("li").answer_subscription({"S-ONCE": "accept"})
    body = {"touser": li, "template_id": "S-ONCE", "data": {"thing1": {"value": "巡河"}}}
    path = "/cgi-bin/message/subscribe/bizsend"
    assert await api.post(SERVICE, path, **body) == {"errcode": 0, "errmsg": "ok"}
    assert (await api.post(SERVICE, path, **body))["errcode"] == 43101
    await platform.settle()
    result = callback.messages[-1]["SubscribeMsgSentEvent"]["List"]
    assert (result["TemplateId"], result["ErrorStatus"]) == ("S-ONCE", "success")


async def test_long_term_accept_lasts_until_it_is_cancelled(
    api: Api, platform: Platform, callback: FakeCallback
) -> None:
    phone, mini = platform.phone("li"), platform.mini_program
    await phone.answer_subscription({"M-LONG": "accept"}, account=mini)
    body = {"touser": phone.mini_contact.openid, "template_id": "M-LONG"}
    data = {"thing1": {"value": "巡河"}}
    path = "/cgi-bin/message/subscribe/send"
    got = [(await api.post(MINI, path, **body, data=data))["errcode"] for _ in range(3)]
    assert got == [0, 0, 0]
    await phone.cancel_subscription("M-LONG", account=mini)
    assert (await api.post(MINI, path, **body, data=data))["errcode"] == 43101
    await platform.settle()
    changes = [m for m in callback.messages if m["Event"] == "subscribe_msg_change_event"]
    assert [change["List"]["SubscribeStatusString"] for change in changes] == ["reject"]


async def test_five_customer_messages_in_48_hours_after_a_message(
    api: Api, platform: Platform, clock: Clock, li: str
) -> None:
    assert await custom(api, li) == 45015
    await platform.phone("li").say("你好")
    assert [await custom(api, li) for _ in range(6)] == [0, 0, 0, 0, 0, 45047]
    await platform.phone("li").say("还在吗")
    assert await custom(api, li) == 0
    clock.pass_(48 * 3600)
    assert await custom(api, li) == 45015
    assert [item.text for item in platform.users["li"].outbox] == ["你好"] * 6


async def test_three_customer_messages_in_a_minute_after_a_click_or_scan_or_follow(
    api: Api, platform: Platform, clock: Clock, li: str
) -> None:
    await platform.phone("li").click("help")
    assert [await custom(api, li) for _ in range(4)] == [0, 0, 0, 45047]
    await platform.phone("li").scan("JB-01")
    clock.pass_(59)
    assert await custom(api, li) == 0
    clock.pass_(1)
    assert await custom(api, li) == 45015
    zhou = platform.phone("zhou")
    await zhou.follow()
    assert await custom(api, zhou.contact.openid) == 0
    await zhou.unfollow()
    assert await custom(api, zhou.contact.openid) == 45015


async def test_customer_message_has_2048_bytes(api: Api, platform: Platform, li: str) -> None:
    await platform.phone("li").say("你好")
    assert await custom(api, li, "一" * 683) == 45002
    assert await custom(api, li, "一" * 682) == 0
    path = "/cgi-bin/message/custom/send"
    image = {"touser": li, "msgtype": "image", "image": {"media_id": "none"}}
    assert (await api.post(SERVICE, path, **image))["errcode"] == 40007


async def test_content_check_wants_somebody_active(
    api: Api, platform: Platform, clock: Clock, callback: FakeCallback
) -> None:
    phone = platform.phone("li")
    asked = {"openid": phone.mini_contact.openid, "scene": 2, "version": 2}
    path = "/wxa/msg_sec_check"
    assert (await api.post(MINI, path, **asked, content="垃圾"))["errcode"] == 61010
    phone.login_code()
    got = [
        (await api.post(MINI, path, **asked, content=text))["result"]
        for text in ("岸边有垃圾", "疑似示例", "违禁示例")
    ]
    assert [result["suggest"] for result in got] == ["pass", "review", "risky"]
    assert (await api.post(MINI, path, **asked, content="长" * 2501))["errcode"] == 40097
    clock.pass_(7201)
    assert (await api.post(MINI, path, **asked, content="垃圾"))["errcode"] == 61010
    service_openid = asked | {"openid": phone.contact.openid}
    assert (await api.post(MINI, path, **service_openid, content="a"))["errcode"] == 40003
    assert callback.received == []


@pytest.mark.parametrize(
    ("url", "reachable", "suggest", "errcode"),
    [
        ("http://ours/photo?违禁示例", True, "risky", 0),
        ("http://ours/photo", True, "pass", 0),
        ("http://ours/photo", False, None, -1008),
    ],
)
async def test_media_check_is_answered_later_by_a_push(
    api: Api,
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    callback: FakeCallback,
    url: str,
    reachable: bool,
    suggest: str | None,
    errcode: int,
) -> None:
    async def fetch(_: str, **__: Any) -> httpx.Response:
        return httpx.Response(200 if reachable else 404, content=b"jpeg")

    monkeypatch.setattr(platform.http, "get", fetch)
    phone = platform.phone("li")
    phone.login_code()
    body = {"media_url": url, "media_type": 2, "version": 2, "scene": 2}
    body["openid"] = phone.mini_contact.openid
    answer = await api.post(MINI, "/wxa/media_check_async", **body)
    await platform.settle()
    (event,) = callback.messages
    assert (event["Event"], event["trace_id"]) == ("wxa_media_check", answer["trace_id"])
    assert (event["version"], event["errcode"]) == (2, errcode)
    assert event.get("result", {}).get("suggest") == suggest


async def test_menu_limits(api: Api, platform: Platform) -> None:
    path = "/cgi-bin/menu/create"
    click = {"type": "click", "name": "帮助", "key": "help"}
    assert (await api.get(SERVICE, "/cgi-bin/menu/get"))["errcode"] == 46003
    wrong: list[tuple[list[Any], int]] = [
        ([click] * 4, 40016),
        ([], 40016),
        ([{"name": "巡河", "sub_button": [click] * 6}], 40023),
        ([click | {"name": "一二三四五六"}], 40018),
        ([{"name": "巡河", "sub_button": [click | {"name": "一" * 21}]}], 40025),
        ([click | {"type": "dance"}], 40017),
        ([click | {"key": "k" * 129}], 40019),
        ([{"type": "view", "name": "看", "url": "ftp://x"}], 40020),
    ]
    for buttons, errcode in wrong:
        assert (await api.post(SERVICE, path, button=buttons))["errcode"] == errcode
    escaped = b'{"button":[{"type":"click","name":"\\u5e2e","key":"help"}]}'
    assert (await api.raw_post(SERVICE, path, escaped)).json()["errcode"] == 40033
    assert platform.service_account.menu is None
    buttons = [{"name": "巡河", "sub_button": [click] * 5}, click, click]
    assert (await api.post(SERVICE, path, button=buttons))["errcode"] == 0
    assert (await api.get(SERVICE, "/cgi-bin/menu/get"))["menu"] == {"button": buttons}
    assert (await api.get(SERVICE, "/cgi-bin/menu/delete"))["errcode"] == 0
    assert (await api.get(SERVICE, "/cgi-bin/menu/get"))["errcode"] == 46003


async def test_lists_of_templates(api: Api) -> None:
    listed = await api.get(SERVICE, "/cgi-bin/template/get_all_private_template")
    assert [(one["template_id"], one["content"]) for one in listed["template_list"]] == [
        ("T-REMIND", "任务:{{thing1.DATA}}\n完成:{{character_string2.DATA}}\n")
    ]
    mini = await api.get(MINI, "/wxaapi/newtmpl/gettemplate")
    assert [(one["priTmplId"], one["type"]) for one in mini["data"]] == [
        ("M-ONCE", 2),
        ("M-LONG", 3),
    ]
    service = await api.get(SERVICE, "/wxaapi/newtmpl/gettemplate")
    assert [one["priTmplId"] for one in service["data"]] == ["S-ONCE"]


async def subscribe(api: Api, openid: str) -> int:
    answer = await api.post(
        SERVICE, BIZSEND, touser=openid, template_id="S-ONCE", data={"thing1": DATA["thing1"]}
    )
    return int(answer["errcode"])


async def test_one_message_at_a_time_for_each_person(api: Api, platform: Platform, li: str) -> None:
    people = ("li", "zhou")
    for key in people:
        for _ in range(2):
            await platform.phone(key).answer_subscription({"S-ONCE": "accept"})
    await api.token(SERVICE)
    platform.latency = 0.05
    zhou = platform.phone("zhou").contact.openid
    together = await asyncio.gather(*(subscribe(api, openid) for openid in (li, li, zhou)))
    assert together == [0, 43108, 0]
    assert await subscribe(api, li) == 0


async def test_a_share_of_the_people_are_always_the_same_ones(api: Api, platform: Platform) -> None:
    for number in range(40):
        platform.add_person(PersonConfig(f"p{number}", "示例", follows=True))
    rule = platform.faults.add(Fault("*/template/send", errcode=43101, share=0.5))
    rounds = [
        [
            (await send(api, platform.phone(f"p{number}").contact.openid))["errcode"]
            for number in range(40)
        ]
        for _ in range(2)
    ]
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {0, 43101}
    assert 12 <= rounds[0].count(43101) <= 28
    assert rule.fired == 2 * rounds[0].count(43101)


async def test_a_fault_of_some_people_meets_nobody_else(
    api: Api, platform: Platform, li: str
) -> None:
    platform.faults.add(Fault(errcode=43117, people=["li"]))
    await platform.phone("zhou").follow()
    assert (await send(api, li))["errcode"] == 43117
    assert (await send(api, platform.phone("zhou").contact.openid))["errcode"] == 0


async def test_a_subscription_message_that_fails_afterwards(
    api: Api, platform: Platform, callback: FakeCallback, li: str
) -> None:
    await platform.phone("li").answer_subscription({"S-ONCE": "accept"})
    platform.users["li"].subscription_error = 43101
    assert await subscribe(api, li) == 0
    await platform.settle()
    assert platform.users["li"].outbox == []
    row = callback.messages[-1]["SubscribeMsgSentEvent"]["List"]
    assert (row["ErrorCode"], row["ErrorStatus"]) == ("43101", "user refuse to accept the msg")


async def test_who_refuses_messages_gets_none(
    api: Api, platform: Platform, callback: FakeCallback, li: str
) -> None:
    phone = platform.phone("li")
    phone.refuse_messages(refused=True)
    assert (await send(api, li))["errcode"] == 0
    await platform.settle()
    assert callback.messages[-1]["Status"] == "failed:user block"
    phone.refuse_messages(refused=False)
    await send(api, li)
    assert [item.kind for item in platform.users["li"].outbox] == ["template"]


async def test_a_settled_answer_needs_no_popup(platform: Platform) -> None:
    phone = platform.phone("li")
    assert phone.subscription_popup(["S-ONCE"]) == {"S-ONCE": None}
    await phone.answer_subscription({"S-ONCE": "accept"}, always=True)
    assert phone.subscription_popup(["S-ONCE"]) == {"S-ONCE": "accept"}
    await phone.cancel_subscription("S-ONCE")
    assert phone.subscription_popup(["S-ONCE"]) == {"S-ONCE": None}


@pytest.mark.parametrize("asked", [[], ["M-NONE"], ["M-ONCE", "M-LONG"], ["M-ONCE"] * 4])
def test_popups_that_do_not_open(platform: Platform, asked: list[str]) -> None:
    with pytest.raises(BadRequest):
        platform.phone("li").subscription_popup(asked, account=platform.mini_program)
