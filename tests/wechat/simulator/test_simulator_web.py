"""The web phone's endpoints, and the page's own files."""

import asyncio
import io
import json
import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from PIL import Image

from app.wechat.simulator.app import create_app
from app.wechat.simulator.platform import Platform
from tests.wechat.simulator.conftest import (
    CONFIG,
    Api,
    Clock,
    FakeCallback,
    MakePlatform,
    sealed,
    text_reply,
)

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
STELE = {
    "type": "Feature",
    "properties": {"code": "JB-01", "name": "一号界碑"},
    "geometry": {"type": "Point", "coordinates": [102.99, 24.9]},
}
UNNAMED = {
    "type": "Feature",
    "properties": {"code": "JB-02"},
    "geometry": {"type": "Point", "coordinates": [103.0, 24.91]},
}
MAP: dict[str, Any] = {
    "steles": {"type": "FeatureCollection", "features": [STELE, UNNAMED]},
    "reaches": "/nowhere.geojson",
}


async def act(api: Api, person: str, **given: Any) -> httpx.Response:
    return await api.http.post(f"/simulator/api/people/{person}/acts?settle=1", json=given)


async def chat(api: Api, key: str, **query: Any) -> dict[str, Any]:
    answer = await api.http.get(f"/simulator/api/people/{key}/chat", params=query)
    return dict(answer.json())


async def test_chat_shows_both_sides(api: Api, callback: FakeCallback) -> None:
    callback.answer = lambda received: sealed(text_reply(received, "好"))
    await act(api, "li", act="say", text="你好")
    body = await chat(api, "li")
    assert [(i["seq"], i["mine"], i["kind"], i["text"]) for i in body["items"]] == [
        (1, True, "own", "你好"),
        (2, False, "reply", "好"),
    ]
    assert (await chat(api, "li", after=1))["items"] == body["items"][1:]
    assert (await chat(api, "zhou"))["items"] == []


async def test_long_poll_ends_when_something_arrives(api: Api, platform: Platform) -> None:
    waiting = asyncio.create_task(chat(api, "li", wait=20))
    await asyncio.sleep(0)
    await platform.phone("li").say("你好")
    assert [item["text"] for item in (await waiting)["items"]] == ["你好"]


async def test_page_that_outlived_a_reset_starts_again(api: Api) -> None:
    await act(api, "li", act="say", text="你好")
    body = await chat(api, "li", after=9)
    assert (body["from"], len(body["items"])) == (0, 1)


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ({"act": "location", "lon": 102.99, "lat": 24.9, "label": "岸边"}, ["location"]),
        ({"act": "location", "lon": 102.99, "lat": 24.9, "key": "k"}, ["event", "location"]),
        ({"act": "click", "key": "k"}, ["event"]),
        ({"act": "scan", "content": "JB-01"}, ["event"]),
        ({"act": "scan_and_wait", "key": "k", "content": "x"}, ["event"]),
        ({"act": "view", "url": "http://ours/"}, ["event"]),
        ({"act": "report_location", "lon": 102.99, "lat": 24.9}, ["event"]),
        ({"act": "subscription", "answers": {"S-ONCE": "accept"}}, ["event"]),
        ({"act": "cancel_subscription", "template_id": "S-ONCE"}, ["event"]),
        ({"act": "revoke"}, ["event"]),
        ({"act": "voice"}, ["voice"]),
        ({"act": "video"}, ["video"]),
        ({"act": "unfollow"}, ["event"]),
    ],
)
async def test_every_act_is_pushed(
    api: Api, callback: FakeCallback, given: dict[str, Any], kinds: list[str]
) -> None:
    assert (await act(api, "li", **given)).status_code == 200
    assert [message["MsgType"] for message in callback.messages] == kinds


async def test_who_does_not_follow_cannot_write(api: Api, callback: FakeCallback) -> None:
    answer = await act(api, "zhou", act="say", text="你好")
    assert (answer.status_code, answer.json()) == (409, {"error": "先关注公众号"})
    assert callback.received == []
    await act(api, "zhou", act="follow")
    assert (await chat(api, "zhou"))["follows"] is True
    assert (await act(api, "zhou", act="say", text="你好")).status_code == 200


async def test_strange_acts_are_refused(api: Api) -> None:
    assert (await act(api, "li", act="dance")).status_code == 409
    assert (await act(api, "li", act="say")).status_code == 409
    assert (await act(api, "li", act="location", lon="east", lat=1)).status_code == 409
    assert (await act(api, "nobody", act="say", text="x")).status_code == 404
    assert (await act(api, "guest", act="phone_code")).json()["error"] == "这个微信没有绑定手机号"


async def test_scanned_address_is_opened(api: Api, callback: FakeCallback) -> None:
    answer = await act(api, "li", act="scan", content="http://ours/s/JB-01?t=x")
    assert answer.json() == {"open": "http://ours/s/JB-01?t=x"}
    assert callback.received == []


async def test_codes_for_a_developer(api: Api, platform: Platform) -> None:
    code = (await act(api, "li", act="login_code")).json()["code"]
    session = await api.session(code)
    assert session["openid"] == platform.phone("li").mini_contact.openid


async def test_photos_of_ones_own_and_drawn_ones(
    api: Api, platform: Platform, callback: FakeCallback
) -> None:
    path = "/simulator/api/people/li/photos?settle=1"
    files = [("files", ("a.jpg", b"mine", "image/jpeg"))]
    answer = await api.http.post(path, files=files, data={"samples": "2"})
    assert answer.json() == {"sent": 3}
    contents = [platform.media[message["MediaId"]].content for message in callback.messages]
    assert b"mine" in contents
    assert len(set(contents)) == 3
    drawn = [content for content in contents if content != b"mine"]
    for content in drawn:
        with Image.open(io.BytesIO(content)) as image:
            assert (image.format, image.size) == ("JPEG", (1280, 960))
    await api.http.post(path, data={"samples": "2", "key": "shoot"})
    kinds = [message["MsgType"] for message in callback.messages[3:]]
    assert kinds == ["event", "image", "image"]
    answer = await api.http.post("/simulator/api/people/zhou/photos", data={"samples": "1"})
    assert answer.status_code == 409


async def test_drawn_photos_differ_as_pictures_too(api: Api) -> None:
    def fingerprint(content: bytes) -> int:
        with Image.open(io.BytesIO(content)) as image:
            grey = image.convert("L").resize((9, 8)).tobytes()
        bits = [grey[r * 9 + c] < grey[r * 9 + c + 1] for r in range(8) for c in range(8)]
        return sum(bit << place for place, bit in enumerate(bits))

    prints = [
        fingerprint((await api.http.get(f"/simulator/api/samples/{number}.jpg")).content)
        for number in range(1, 13)
    ]
    distances = [(a ^ b).bit_count() for i, a in enumerate(prints) for b in prints[:i]]
    assert min(distances) > 3


async def test_setup_lists_people_steles_and_templates(make_platform: MakePlatform) -> None:
    signed = {"JB-02": "http://ours/s/JB-02?t=signed"}
    config = replace(CONFIG, map_layers=MAP, stele_url="http://ours/s/{code}", stele_urls=signed)
    api = Api(make_platform(config))
    async with api.http:
        setup = (await api.http.get("/simulator/api/setup")).json()
        layers = (await api.http.get("/simulator/api/map")).json()
    assert setup["people"][0] == {
        "key": "li",
        "name": "示例甲",
        "phone": "19900000001",
        "follows": True,
    }
    assert setup["steles"] == [
        {
            "code": "JB-01",
            "name": "一号界碑",
            "lon": 102.99,
            "lat": 24.9,
            "url": "http://ours/s/JB-01",
            "scene": "JB-01",
        },
        {
            "code": "JB-02",
            "name": "JB-02",
            "lon": 103.0,
            "lat": 24.91,
            "url": "http://ours/s/JB-02?t=signed",
            "scene": "JB-02",
        },
    ]
    assert [template["id"] for template in setup["templates"]] == ["S-ONCE", "M-ONCE", "M-LONG"]
    # A layer that cannot be read is left out, the others are there.
    assert set(layers) == {"steles"}


async def test_pushes_and_calls_can_be_read(api: Api) -> None:
    await act(api, "li", act="say", text="你好")
    (push,) = (await api.http.get("/simulator/api/pushes")).json()
    assert (push["kind"], push["outcome"], len(push["attempts"])) == ("text", "success", 1)
    await api.token(CONFIG.service_account)
    (call,) = (await api.http.get("/simulator/api/calls")).json()
    assert call["path"] == "/cgi-bin/stable_token"


async def test_page_needs_nothing_from_elsewhere(api: Api) -> None:
    assert (await api.http.get("/simulator")).headers["location"].endswith("simulator/")
    page = await api.http.get("/simulator/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("phone.css", "phone.js"):
        assert f"static/{name}" in page.text
        text = (await api.http.get(f"/simulator/static/{name}")).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text


async def test_mini_program_walks_through_a_backend() -> None:
    seen: list[str] = []

    def backend(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        seen.append(f"{request.method} {re.sub(UUID, '{id}', path)}")
        return httpx.Response(200, json={"token": "t", "person": None, "verdict": "accepted"})

    transport = httpx.MockTransport(backend)
    async with httpx.AsyncClient(transport=transport) as http:
        platform = Platform(replace(CONFIG, backend_url="http://ours"), http=http)
        app = httpx.ASGITransport(create_app(platform))
        async with httpx.AsyncClient(transport=app, base_url="http://api") as client:
            path = "/simulator/api/people/li/journey"
            steps = (await client.post(path, json={"lon": 102.99, "lat": 24.9})).json()["steps"]
    names = ["登录", "手机号绑定", "同意使用位置", "巡河记录", "照片", "结果", "我的", "我的任务"]
    assert [step["step"] for step in steps] == names
    assert {step["status"] for step in steps} == {200}
    assert not any("token" in step["answer"] for step in steps)
    assert seen == [
        "POST /api/v1/sessions",
        "POST /api/v1/sessions/phone",
        "POST /api/v1/me/consents",
        "PUT /api/v1/check-ins/{id}",
        "POST /api/v1/check-ins/{id}/photos",
        "GET /api/v1/check-ins/{id}",
        "GET /api/v1/me",
        "GET /api/v1/me/obligations",
    ]


async def test_the_mini_program_tells_what_was_answered() -> None:
    told: list[tuple[str, Any]] = []

    def backend(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/me/subscriptions":
            told.append((request.headers["authorization"], json.loads(request.content)))
        return httpx.Response(200, json={"token": "t", "person": {}})

    answers = {"act": "subscription", "account": "mini_program", "answers": {"M-ONCE": "reject"}}
    transport = httpx.MockTransport(backend)
    async with httpx.AsyncClient(transport=transport) as http:
        platform = Platform(replace(CONFIG, backend_url="http://ours"), http=http)
        app = httpx.ASGITransport(create_app(platform))
        async with httpx.AsyncClient(transport=app, base_url="http://api") as client:
            people = "/simulator/api/people/li"
            await client.post(f"{people}/acts?settle=1", json=answers)
            await client.post(f"{people}/journey", json={"lon": 102.99, "lat": 24.9})
            await client.post(f"{people}/acts?settle=1", json=answers)
    # Without a session there is nobody to tell it.
    assert told == [("Bearer t", {"template_id": "M-ONCE", "result": "reject"})]


async def test_people_and_switches_are_set_from_another_process(
    api: Api, platform: Platform, callback: FakeCallback
) -> None:
    path = "/simulator/api/people"
    joined = await api.http.post(path, json={"key": "new", "name": "示例丁", "follows": True})
    assert (joined.status_code, joined.json()) == (201, {"key": "new"})
    assert (await api.http.post(path, json={"name": "示例丁"})).status_code == 422
    traits = {"template_outcome": "failed:user block", "blocked": True}
    body = (await api.http.patch(f"{path}/new", json=traits)).json()
    assert (body["template_outcome"], body["blocked"], body["snapshot"]) == (
        "failed:user block",
        True,
        False,
    )
    openid = platform.phone("new").contact.openid
    assert body["openids"]["service_account"] == openid
    switches = (await api.http.post("/simulator/api/switches", json={"copies": 2})).json()
    assert switches == {"latency": 0.0, "unionids": True, "copies": 2}
    await act(api, "new", act="say", text="你好")
    assert [message["FromUserName"] for message in callback.messages] == [openid, openid]


async def unread(api: Api) -> dict[str, int]:
    return dict((await api.http.get("/simulator/api/unread")).json())


async def test_what_nobody_saw_is_unread(api: Api, platform: Platform, clock: Clock) -> None:
    def show(key: str) -> None:
        clock.pass_(1)
        platform.bubble(platform.users[key], "template", "card", CONFIG.service_account.app_id)

    for key in ("li", "zhou", "li", "guest"):
        show(key)
    await act(api, "li", act="say", text="你好")
    assert list((await unread(api)).items()) == [("li", 2), ("guest", 1), ("zhou", 1)]
    assert (await chat(api, "li"))["read"] == 0
    assert (await chat(api, "li", after=1, read=1))["read"] == 1
    assert (await unread(api))["li"] == 1
    # Beyond what there is nothing was seen, and what was seen stays seen.
    await chat(api, "li", read=99)
    await chat(api, "li", read=0)
    assert "li" not in await unread(api)
    show("li")
    assert (await unread(api))["li"] == 1


async def test_leave_is_asked_for_given_and_taken_back(api: Api, callback: FakeCallback) -> None:
    async def permits() -> dict[str, tuple[int, bool, str | None]]:
        listed = (await api.http.get("/simulator/api/people/li/permits")).json()
        return {one["id"]: (one["left"], one["standing"], one["settled"]) for one in listed}

    mini = {"account": "mini_program"}
    asked = {"act": "subscription_popup", "template_ids": ["M-ONCE"], **mini}
    assert (await act(api, "li", **asked)).json() == {"popup": {"M-ONCE": None}}
    assert callback.messages == []
    answers = {"act": "subscription", "answers": {"M-ONCE": "accept"}, "always": True, **mini}
    await act(api, "li", **answers)
    assert await permits() == {
        "S-ONCE": (0, False, None),
        "M-ONCE": (1, False, "accept"),
        "M-LONG": (0, False, None),
    }
    # Settled: no popup any more, and still one more leave, with its event.
    assert (await act(api, "li", **asked)).json() == {"popup": {"M-ONCE": "accept"}}
    await act(api, "li", act="subscription", answers={"M-LONG": "accept"}, **mini)
    given = await permits()
    assert (given["M-ONCE"], given["M-LONG"]) == ((2, False, "accept"), (0, True, None))
    await act(api, "li", act="cancel_subscription", template_id="M-ONCE", **mini)
    assert (await permits())["M-ONCE"] == (0, False, None)
    events = [message["Event"] for message in callback.messages]
    assert events == ["subscribe_msg_popup_event"] * 3 + ["subscribe_msg_change_event"]
    too_many = {"act": "subscription_popup", "template_ids": ["M-ONCE", "M-LONG"], **mini}
    assert (await act(api, "li", **too_many)).status_code == 409


async def test_the_chat_says_whether_messages_are_refused(api: Api) -> None:
    assert (await chat(api, "li"))["refuses"] is False
    await act(api, "li", act="refuse_messages", refused=True)
    assert (await chat(api, "li"))["refuses"] is True
