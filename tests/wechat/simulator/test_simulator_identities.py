"""Codes, unionids, phone numbers, web login, QR codes, media."""

import io
from collections import deque
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import zxingcpp
from PIL import Image

from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.platform import Platform
from app.wechat.simulator.state import stable_id
from tests.wechat.simulator.conftest import CONFIG, MINI, SERVICE, Api, Clock, MakePlatform


def decoded(content: bytes) -> list[str]:
    with Image.open(io.BytesIO(content)) as image:
        return [found.text for found in zxingcpp.read_barcodes(image.convert("L"))]


async def test_login_code_is_used_once_within_five_minutes(
    api: Api, platform: Platform, clock: Clock
) -> None:
    phone = platform.phone("li")
    code = phone.login_code()
    session = await api.session(code)
    assert session["openid"] == phone.mini_contact.openid
    assert session["unionid"] == phone.user.unionid
    assert set(session) == {"openid", "unionid", "session_key"}
    assert (await api.session(code))["errcode"] == 40163
    assert (await api.session("nonsense"))["errcode"] == 40029
    assert (await api.session(""))["errcode"] == 41008
    late = phone.login_code()
    clock.pass_(300)
    assert (await api.session(late))["errcode"] == 40029
    assert (await api.session(phone.phone_code()))["errcode"] == 40029


async def test_people_at_risk_and_people_in_a_hurry_are_refused(
    api: Api, platform: Platform, clock: Clock
) -> None:
    platform.users["zhou"].blocked = True
    assert (await api.session(platform.phone("zhou").login_code()))["errcode"] == 40226
    phone = platform.phone("li")
    got = [(await api.session(phone.login_code())).get("errcode", 0) for _ in range(101)]
    assert got == [0] * 100 + [45011]
    clock.pass_(60)
    assert "openid" in await api.session(phone.login_code())


async def test_without_an_open_platform_there_are_no_unionids(make_platform: MakePlatform) -> None:
    platform = make_platform(replace(CONFIG, unionids=False))
    api = Api(platform)
    async with api.http:
        assert "unionid" not in await api.session(platform.phone("li").login_code())
        openid = platform.phone("li").contact.openid
        assert "unionid" not in await api.get(SERVICE, "/cgi-bin/user/info", openid=openid)


async def test_openids_differ_by_account_and_survive_a_restart(
    platform: Platform, make_platform: MakePlatform
) -> None:
    li = platform.phone("li")
    assert li.contact.openid != li.mini_contact.openid
    assert len(li.contact.openid) == 28
    again = make_platform(CONFIG).phone("li")
    assert (again.contact.openid, again.user.unionid) == (li.contact.openid, li.user.unionid)


async def test_phone_number(api: Api, platform: Platform, clock: Clock) -> None:
    path = "/wxa/business/getuserphonenumber"
    seen = []
    for key in ("li", "zhou"):
        phone = platform.phone(key)
        openid = phone.mini_contact.openid
        answer = await api.post(MINI, path, code=phone.phone_code(), openid=openid)
        info = answer["phone_info"]
        assert (info["phoneNumber"], info["purePhoneNumber"]) == (phone.user.phone,) * 2
        assert info["watermark"] == {"timestamp": int(clock.now), "appid": MINI.app_id}
        seen.append(info["countryCode"])
    assert seen == [86, "86"]
    phone = platform.phone("li")
    code = phone.phone_code()
    other = platform.phone("zhou").mini_contact.openid
    assert (await api.post(MINI, path, code=code, openid=other))["errcode"] == 40003
    assert (await api.post(MINI, path, code=code))["errcode"] == 40029
    with pytest.raises(ValueError, match="没有绑定手机号"):
        platform.phone("guest").phone_code()


async def web_login(api: Api, **given: str) -> httpx.Response:
    query = {
        "appid": SERVICE.app_id,
        "redirect_uri": "http://ours/s/JB-01?t=x",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "s1",
    }
    return await api.http.get("/connect/oauth2/authorize", params=query | given)


async def web_session(api: Api, code: str) -> dict[str, Any]:
    query = {"appid": SERVICE.app_id, "secret": SERVICE.secret, "code": code}
    answer = await api.http.get(
        "/sns/oauth2/access_token", params=query | {"grant_type": "authorization_code"}
    )
    return dict(answer.json())


async def test_web_login_of_the_person_picked_in_the_browser(api: Api, platform: Platform) -> None:
    assert (await web_login(api)).status_code == 403
    await api.http.post("/simulator/api/people/li/pick")
    sent_to = urlsplit((await web_login(api)).headers["location"])
    query = parse_qs(sent_to.query)
    assert (sent_to.path, query["t"], query["state"]) == ("/s/JB-01", ["x"], ["s1"])
    session = await web_session(api, query["code"][0])
    assert session["openid"] == platform.phone("li").contact.openid
    assert session["unionid"] == platform.phone("li").user.unionid
    assert "is_snapshotuser" not in session
    assert (await web_session(api, query["code"][0]))["errcode"] == 40163
    assert (await web_session(api, "nonsense"))["errcode"] == 40029
    assert "10005" not in (await web_login(api, scope="snsapi_base")).text
    assert "scope 参数错误" in (await web_login(api, scope="snsapi_userinfo")).text
    assert "redirect_uri 参数错误" in (await web_login(api, redirect_uri="javascript:x")).text


async def test_snapshot_user_is_a_virtual_account(api: Api, platform: Platform) -> None:
    session = await web_session(api, platform.phone("li").web_code(snapshot=True))
    assert session["is_snapshotuser"] == 1
    assert session["openid"] == "o" + stable_id("snapshot", SERVICE.app_id, "li")
    assert "unionid" not in session


async def test_user_info(api: Api, platform: Platform, clock: Clock) -> None:
    path = "/cgi-bin/user/info"
    li, zhou = platform.phone("li"), platform.phone("zhou")
    info = await api.get(SERVICE, path, openid=li.contact.openid)
    assert (info["subscribe"], info["unionid"]) == (1, li.user.unionid)
    assert (info["nickname"], info["headimgurl"]) == ("", "")
    info = await api.get(SERVICE, path, openid=zhou.contact.openid)
    assert (info["subscribe"], info.get("nickname")) == (0, None)
    await zhou.follow("JB-01")
    info = await api.get(SERVICE, path, openid=zhou.contact.openid)
    assert (info["qr_scene_str"], info["subscribe_time"]) == ("JB-01", int(clock.now))
    assert (await api.get(SERVICE, path, openid="o-x"))["errcode"] == 40003
    assert (await api.get(SERVICE, "/cgi-bin/user/get"))["total"] == 2


async def test_people_may_join_later(api: Api, platform: Platform) -> None:
    platform.add_person(PersonConfig("new", "示例丁", "19900000004"))
    session = await api.session(platform.phone("new").login_code())
    assert session["openid"] == platform.phone("new").mini_contact.openid


async def test_permanent_scene_code_decodes_and_scans(api: Api, platform: Platform) -> None:
    scene = {"scene": {"scene_str": "JB-01"}}
    path = "/cgi-bin/qrcode/create"
    made = await api.post(SERVICE, path, action_name="QR_LIMIT_STR_SCENE", action_info=scene)
    assert set(made) == {"ticket", "url"}
    picture = await api.http.get("/cgi-bin/showqrcode", params={"ticket": made["ticket"]})
    assert decoded(picture.content) == [made["url"]]
    push = await platform.phone("li").scan(made["url"])
    assert not isinstance(push, str)
    assert (push.fields["Event"], push.fields["EventKey"]) == ("SCAN", "JB-01")
    assert push.fields["Ticket"] == made["ticket"]
    assert (await api.http.get("/cgi-bin/showqrcode?ticket=x")).status_code == 404


@pytest.mark.parametrize(
    ("given", "errcode"),
    [
        ({"action_name": "QR_LIMIT_STR_SCENE", "scene_str": "x" * 65}, 40053),
        ({"action_name": "QR_LIMIT_STR_SCENE", "scene_str": ""}, 40053),
        ({"action_name": "QR_LIMIT_SCENE", "scene_id": 100_001}, 40053),
        ({"action_name": "QR_SCENE", "scene_id": 1, "expire_seconds": 2_592_001}, 40053),
        ({"action_name": "QR_ELSE", "scene_id": 1}, 40052),
    ],
)
async def test_scene_limits(api: Api, given: dict[str, Any], errcode: int) -> None:
    scene = {key: given.pop(key) for key in ("scene_str", "scene_id") if key in given}
    answer = await api.post(
        SERVICE, "/cgi-bin/qrcode/create", **given, action_info={"scene": scene}
    )
    assert answer["errcode"] == errcode


async def test_permanent_codes_run_out(api: Api, platform: Platform) -> None:
    platform.service_account.permanent_scenes.update(range(100_000))
    path = "/cgi-bin/qrcode/create"
    body = {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "new"}}}
    assert (await api.post(SERVICE, path, **body))["errcode"] == 45029
    body = {"action_name": "QR_LIMIT_SCENE", "action_info": {"scene": {"scene_id": 7}}}
    assert "ticket" in await api.post(SERVICE, path, **body)


async def test_temporary_code_ends(api: Api, platform: Platform, clock: Clock) -> None:
    body = {"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "join-1"}}}
    made = await api.post(SERVICE, "/cgi-bin/qrcode/create", expire_seconds=100, **body)
    assert made["expire_seconds"] == 100
    assert not isinstance(await platform.phone("li").scan(made["url"]), str)
    clock.pass_(100)
    assert await platform.phone("li").scan(made["url"]) == made["url"]


async def test_mini_program_code_decodes(api: Api) -> None:
    body = {"scene": "JB-01", "page": "pages/index", "width": 300}
    token = (await api.token(MINI))["access_token"]
    path = f"/wxa/getwxacodeunlimit?access_token={token}"
    answer = await api.http.post(path, json=body)
    assert answer.headers["content-type"] == "image/png"
    assert decoded(answer.content) == [f"wxa://{MINI.app_id}/pages/index?scene=JB-01"]


@pytest.mark.parametrize(
    ("given", "errcode"),
    [
        ({"scene": "x" * 33}, 40169),
        ({"scene": ""}, 40169),
        ({"scene": "界碑"}, 40169),
        ({"scene": "a%b"}, 40169),
        ({"page": "/pages/index"}, 41030),
        ({"page": "pages/none"}, 41030),
        ({"width": 279}, 40097),
        ({"width": 1281}, 40097),
        ({"env_version": "beta"}, 40097),
    ],
)
async def test_mini_program_code_limits(api: Api, given: dict[str, Any], errcode: int) -> None:
    body = {"scene": "JB-01"} | given
    assert (await api.post(MINI, "/wxa/getwxacodeunlimit", **body))["errcode"] == errcode


async def test_mini_program_codes_are_given_5000_times_a_minute(
    api: Api, platform: Platform, clock: Clock
) -> None:
    used = platform.mini_program.recent.setdefault("getwxacodeunlimit", deque())
    used.extend([clock.now] * 5000)
    path = "/wxa/getwxacodeunlimit"
    assert (await api.post(MINI, path, scene="1"))["errcode"] == 45009
    clock.pass_(60)
    answer = await api.raw_post(MINI, path, b'{"scene":"1"}')
    assert answer.headers["content-type"] == "image/png"


async def test_unpublished_page_without_check_path(api: Api) -> None:
    body = b'{"scene":"1","page":"pages/none","check_path":false}'
    answer = await api.raw_post(MINI, "/wxa/getwxacodeunlimit", body)
    assert answer.headers["content-type"] == "image/png"


async def test_media_lives_three_days(api: Api, platform: Platform, clock: Clock) -> None:
    content = bytes(range(256)) * 40 + b"\r\n\r"
    push = await platform.phone("li").send_photo(content)
    media_id = push.fields["MediaId"]
    token = (await api.token(SERVICE))["access_token"]
    path = "/cgi-bin/media/get"
    answer = await api.http.get(path, params={"access_token": token, "media_id": media_id})
    assert answer.content == content
    assert answer.headers["content-type"] == "image/jpeg"
    expected = f'attachment; filename="{media_id}.jpg"'
    assert answer.headers["content-disposition"] == expected
    assert (await api.get(SERVICE, path, media_id="none"))["errcode"] == 40007
    assert (await api.get(MINI, path, media_id=media_id))["errcode"] == 40007
    picture = urlsplit(push.fields["PicUrl"]).path
    assert (await api.http.get(picture)).content == content
    clock.pass_(3 * 86400 - 1)
    assert (await api.http.get(path, params={"access_token": token})).json()["errcode"] == 42001
    token = (await api.token(SERVICE))["access_token"]
    query = {"access_token": token, "media_id": media_id}
    assert (await api.http.get(path, params=query)).content == content
    clock.pass_(1)
    assert (await api.http.get(path, params=query)).json()["errcode"] == 40007


async def test_video_is_answered_with_an_address(api: Api, platform: Platform) -> None:
    push = await platform.phone("li").send_video(b"moving")
    path = "/cgi-bin/media/get"
    answer = await api.get(SERVICE, path, media_id=push.fields["MediaId"])
    assert (await api.http.get(urlsplit(answer["video_url"]).path)).content == b"moving"


async def test_upload_is_what_is_fetched(api: Api) -> None:
    token = (await api.token(SERVICE))["access_token"]
    content = bytes(range(256)) + b"\n"
    query = {"access_token": token, "type": "image"}
    files = {"media": ("a.png", content, "image/png")}
    made = (await api.http.post("/cgi-bin/media/upload", params=query, files=files)).json()
    query = {"access_token": token, "media_id": made["media_id"]}
    fetched = await api.http.get("/cgi-bin/media/get", params=query)
    assert (fetched.content, fetched.headers["content-type"]) == (content, "image/png")
    too_big = {"media": ("a.jpg", b"x" * ((64 << 10) + 1), "image/jpeg")}
    query = {"access_token": token, "type": "thumb"}
    answer = await api.http.post("/cgi-bin/media/upload", params=query, files=too_big)
    assert answer.json()["errcode"] == 40009
    query["type"] = "poem"
    answer = await api.http.post("/cgi-bin/media/upload", params=query, files=files)
    assert answer.json()["errcode"] == 40004
