"""Pushes to a callback: modes, retries, overlap, and what the platform thinks of our answers."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import httpx
import pytest

from app.wechat.simulator.config import PlatformConfig
from app.wechat.simulator.phone import NotFollowing
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.records import Push
from app.wechat.simulator.state import FAULT_NOTICE
from tests.wechat.simulator.conftest import (
    CONFIG,
    MINI,
    SERVICE,
    FakeCallback,
    MakePlatform,
    Received,
    sealed,
    text_reply,
)


def quick(config: PlatformConfig = CONFIG) -> PlatformConfig:
    """A platform that loses its patience at once."""
    return replace(config, push_timeout=0.3)


def told(platform: Platform, key: str = "li") -> list[str]:
    return [item.text for item in platform.users[key].outbox]


async def test_address_is_verified_in_both_forms(platform: Platform) -> None:
    for account in platform.accounts.values():
        assert await platform.push.verify(account) is True
        assert await platform.push.verify(account, sealed=True) is True


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
@pytest.mark.parametrize("push_format", ["xml", "json"])
async def test_every_mode_delivers_the_message(
    make_platform: MakePlatform,
    callback: FakeCallback,
    mode: Literal["plain", "compatible", "safe"],
    push_format: Literal["xml", "json"],
) -> None:
    account = replace(SERVICE, mode=mode, push_format=push_format)
    platform = make_platform(replace(CONFIG, service_account=account))
    push = await platform.phone("li").say("进度 <&> ]]> 完")
    (received,) = callback.received
    message = {key: str(value) for key, value in received.message.items()}
    assert message == {
        "ToUserName": "gh_service",
        "FromUserName": push.openid,
        "CreateTime": "1790000000",
        "MsgType": "text",
        "Content": "进度 <&> ]]> 完",
        "MsgId": str(push.msg_id),
    }
    assert received.query["openid"] == push.openid
    assert received.query.get("encrypt_type") == (None if mode == "plain" else "aes")
    assert (b"Encrypt" in received.body) is (mode != "plain")
    assert (b"MsgType" in received.body) is (mode != "safe")
    assert push.outcome == "success"
    assert told(platform) == []


async def test_message_numbers_do_not_fit_a_double(platform: Platform) -> None:
    first = await platform.phone("li").say("一")
    second = await platform.phone("li").say("二")
    assert first.msg_id is not None
    assert second.msg_id is not None
    assert 2**53 < first.msg_id < second.msg_id < 2**63


async def test_passive_reply_is_shown(platform: Platform, callback: FakeCallback) -> None:
    callback.answer = lambda received: sealed(text_reply(received, "已收到，请发照片。"))
    push = await platform.phone("li").say("你好")
    assert (push.outcome, push.fault) == ("replied", "")
    (item,) = platform.users["li"].outbox
    assert (item.kind, item.type, item.text) == ("reply", "text", "已收到，请发照片。")


async def test_plain_mode_takes_a_plain_reply(
    make_platform: MakePlatform, callback: FakeCallback
) -> None:
    account = replace(SERVICE, mode="plain")
    platform = make_platform(replace(CONFIG, service_account=account))
    callback.answer = lambda received: text_reply(received, "好").encode()
    assert (await platform.phone("li").say("你好")).outcome == "replied"
    callback.answer = lambda received: sealed(text_reply(received, "好"))
    push = await platform.phone("li").say("你好")
    assert (push.outcome, push.fault) == ("failed", "encrypted in plain mode")


def swapped_wrong(received: Received) -> bytes:
    return sealed(text_reply(received, "x", ToUserName="gh_service"))


def other_appid(received: Received) -> bytes:
    return sealed(text_reply(received, "x"), app_id="wx-other")


def tampered(received: Received) -> bytes:
    return sealed(text_reply(received, "x")).replace(b"<Nonce>nonce", b"<Nonce>other")


BAD: list[tuple[Any, str]] = [
    (lambda received: text_reply(received, "x").encode(), "plain text in safe mode"),
    (lambda received: sealed(text_reply(received, "x"), token="no"), "wrong MsgSignature"),
    (tampered, "wrong MsgSignature"),
    (other_appid, "encrypted for another appid"),
    (swapped_wrong, "FromUserName and ToUserName are not the message's, swapped"),
    (lambda received: sealed(text_reply(received, "一" * 683)), "Content is longer than 2048 bytes"),
    (lambda received: sealed(text_reply(received, "")), "Content is empty"),
    (lambda received: sealed(text_reply(received, "x", CreateTime="now")), "CreateTime is not a number"),
    (lambda received: sealed(text_reply(received, "x", MsgType="poem")), "unknown MsgType"),
    (lambda _: b"Internal Server Error", "neither success nor XML"),
    (lambda _: b"<a>1</a>", "no <xml> element"),
    (lambda _: b"<xml><Encrypt>abc</Encrypt></xml>", "TimeStamp, Nonce, Encrypt or MsgSignature is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "fault"), BAD, ids=[str(n) for n in range(len(BAD))])
async def test_bad_reply_shows_the_fault_notice(
    platform: Platform, callback: FakeCallback, answer: Any, fault: str
) -> None:
    callback.answer = answer
    push = await platform.phone("li").say("你好")
    assert (push.outcome, push.fault) == ("failed", fault)
    assert len(push.attempts) == 1
    assert told(platform) == [FAULT_NOTICE]


async def test_longest_reply_is_shown(platform: Platform, callback: FakeCallback) -> None:
    text = "一" * 682 + "ab"
    callback.answer = lambda received: sealed(text_reply(received, text))
    assert (await platform.phone("li").say("你好")).outcome == "replied"
    assert told(platform) == [text]


async def test_refused_push_is_tried_again_with_the_same_number(
    platform: Platform, callback: FakeCallback
) -> None:
    answers: Iterator[bytes | int] = iter([503, 503, b"success"])
    callback.answer = lambda _: next(answers)
    push = await platform.phone("li").say("你好")
    assert [attempt.status for attempt in push.attempts] == [503, 503, 200]
    assert push.outcome == "success"
    assert [message["MsgId"] for message in callback.messages] == [str(push.msg_id)] * 3
    bodies = {(r.body, r.query["nonce"], r.query["msg_signature"]) for r in callback.received}
    assert len(bodies) == 1
    assert told(platform) == []


async def test_after_three_tries_the_fault_notice(
    platform: Platform, callback: FakeCallback
) -> None:
    callback.answer = lambda _: 500
    push = await platform.phone("li").say("你好")
    assert (push.outcome, push.fault, len(callback.received)) == ("failed", "no answer", 3)
    assert told(platform) == [FAULT_NOTICE]


async def test_dead_callback(make_platform: MakePlatform) -> None:
    platform = make_platform(quick())

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        platform.push._http = http
        push = await platform.phone("li").say("你好")
    assert [attempt.error for attempt in push.attempts] == ["connection"] * 3
    assert told(platform) == [FAULT_NOTICE]


async def test_late_answer_is_overlapped_by_the_next_try(
    make_platform: MakePlatform, callback: FakeCallback, gate: asyncio.Event
) -> None:
    platform = make_platform(quick())
    running: list[int] = []
    most = 0

    async def slow(received: Received) -> bytes:
        nonlocal most
        running.append(1)
        most = max(most, len(running))
        if len(callback.received) < 3:
            await gate.wait()
        running.pop()
        return sealed(text_reply(received, f"第{len(callback.received)}次"))

    callback.answer = slow
    push = await platform.phone("li").say("你好")
    assert [attempt.error for attempt in push.attempts] == ["timeout", "timeout", ""]
    assert most == 3
    assert told(platform) == ["第3次"]
    gate.set()


async def test_three_late_answers_show_the_fault_notice(
    make_platform: MakePlatform, callback: FakeCallback, gate: asyncio.Event
) -> None:
    platform = make_platform(quick())

    async def never(received: Received) -> bytes:
        await gate.wait()
        return sealed(text_reply(received, "太晚了"))

    callback.answer = never
    push = await platform.phone("li").say("你好")
    gate.set()
    assert (push.outcome, len(push.attempts)) == ("failed", 3)
    assert told(platform) == [FAULT_NOTICE]


async def test_doubled_delivery_shows_one_reply(platform: Platform, callback: FakeCallback) -> None:
    platform.copies = 3
    callback.answer = lambda received: sealed(text_reply(received, "好"))
    push = await platform.phone("li").say("你好")
    assert [message["MsgId"] for message in callback.messages] == [str(push.msg_id)] * 3
    assert told(platform) == ["好"]


async def test_reporting_events_fail_in_silence(platform: Platform, callback: FakeCallback) -> None:
    callback.answer = lambda _: 500
    phone = platform.phone("li")
    await phone.report_location(102.99, 24.9)
    await phone.view("http://ours/")
    await phone.unfollow()
    assert told(platform) == []
    await phone.follow()
    assert told(platform) == [FAULT_NOTICE]


async def test_without_a_callback_nothing_is_pushed(
    make_platform: MakePlatform, callback: FakeCallback
) -> None:
    account = replace(SERVICE, callback_url="")
    platform = make_platform(replace(CONFIG, service_account=account))
    assert (await platform.phone("li").say("你好")).outcome == "none"
    assert callback.received == []


def only(message: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: message[name] for name in ("MsgType", *names)}


async def test_messages_of_every_kind(platform: Platform, callback: FakeCallback) -> None:
    phone = platform.phone("li")
    await phone.send_location(102.99, 24.9, label="七星河")
    await phone.send_photo(b"jpeg")
    await phone.send_voice()
    await phone.send_video()
    location, image, voice, video = callback.messages
    # What prcoords gives for this place; X is the latitude.
    assert only(location, "Location_X", "Location_Y", "Scale", "Label") == {
        "MsgType": "location",
        "Location_X": "24.897008",
        "Location_Y": "102.991600",
        "Scale": "16",
        "Label": "七星河",
    }
    media_id = image["MediaId"]
    url = f"http://127.0.0.1:8900/simulator/api/media/{media_id}"
    assert only(image, "PicUrl") == {"MsgType": "image", "PicUrl": url}
    assert only(voice, "Format") == {"MsgType": "voice", "Format": "amr"}
    kinds = [platform.media[message["MediaId"]].kind for message in (image, voice, video)]
    assert kinds == ["image", "voice", "video"]
    assert platform.media[video["ThumbMediaId"]].kind == "thumb"


async def test_following_and_scanning(platform: Platform, callback: FakeCallback) -> None:
    phone = platform.phone("zhou")
    with pytest.raises(NotFollowing):
        await phone.say("你好")
    await phone.scan("JB-01")
    await phone.scan("JB-02")
    await phone.unfollow()
    await phone.follow()
    events = [(message["Event"], message["EventKey"]) for message in callback.messages]
    assert events == [
        ("subscribe", "qrscene_JB-01"),
        ("SCAN", "JB-02"),
        ("unsubscribe", None),
        ("subscribe", None),
    ]
    assert await phone.scan("http://ours/s/JB-01") == "http://ours/s/JB-01"


async def test_menu_events(platform: Platform, callback: FakeCallback) -> None:
    phone = platform.phone("li")
    await phone.click("progress")
    await phone.view("http://ours/")
    await phone.choose_location("here", 102.99, 24.9, label="岸边")
    await phone.take_photos("shoot", [b"one", b"two"])
    await phone.scan_and_wait("scan", "http://ours/s/JB-01?t=x")
    await phone.report_location(102.99, 24.9, 35)
    click, view, chosen, place, took, one, two, scan, location = callback.messages
    assert (click["Event"], click["EventKey"]) == ("CLICK", "progress")
    assert (view["Event"], view["EventKey"]) == ("VIEW", "http://ours/")
    assert (chosen["Event"], chosen["EventKey"]) == ("location_select", "here")
    info = chosen["SendLocationInfo"]
    assert (info["Location_X"], info["Location_Y"]) == (place["Location_X"], place["Location_Y"])
    assert (info["Label"], place["MsgType"]) == ("岸边", "location")
    assert (took["Event"], took["SendPicsInfo"]["Count"]) == ("pic_sysphoto", "2")
    assert [row["PicMd5Sum"] for row in took["SendPicsInfo"]["PicList"]["item"]] == [
        "f97c5d29941bfb1b2fdab0874906ab82",
        "b8a9f715dbb64fd5c56e7783c6820a61",
    ]
    contents = {platform.media[message["MediaId"]].content for message in (one, two)}
    assert contents == {b"one", b"two"}
    assert scan["Event"] == "scancode_waitmsg"
    expected = {"ScanType": "qrcode", "ScanResult": "http://ours/s/JB-01?t=x"}
    assert scan["ScanCodeInfo"] == expected
    reported = (location["Event"], location["Latitude"], location["Longitude"])
    assert reported == ("LOCATION", "24.900000", "102.990000")
    assert location["Precision"] == "35.000000"
    assert ["MsgId" in message for message in callback.messages] == [
        *[False] * 3, True, False, True, True, False, False,
    ]  # fmt: skip


async def test_revoking_authorization_goes_to_the_mini_program(
    platform: Platform, callback: FakeCallback
) -> None:
    phone = platform.phone("li")
    await phone.revoke_authorization()
    (message,) = callback.messages
    assert (message["Event"], message["ToUserName"]) == ("user_authorization_revoke", "gh_mini")
    assert (message["OpenID"], message["AppID"]) == (phone.mini_contact.openid, MINI.app_id)


async def test_who_waits_hears_when_something_arrives(
    platform: Platform, callback: FakeCallback
) -> None:
    phone = platform.phone("li")
    callback.answer = lambda received: sealed(text_reply(received, "好"))
    waiting = asyncio.create_task(phone.next_item(0))
    await asyncio.sleep(0)
    push: Push = await phone.say("你好")
    item = await waiting
    assert item is not None
    assert (item.text, push.outcome) == ("好", "replied")
    assert await phone.next_item(len(phone.user.chat), seconds=0.01) is None
