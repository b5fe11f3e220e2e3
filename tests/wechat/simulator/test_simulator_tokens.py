"""Tokens, tickets, quotas, faults and the request log."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.wechat.simulator import tokens
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.wechat.simulator.conftest import CONFIG, MINI, SERVICE, Api, Clock, MakePlatform

IPS = "/cgi-bin/getcallbackip"


async def ask(api: Api, token: str) -> Any:
    answer = await api.http.get(IPS, params={"access_token": token})
    return answer.json().get("errcode", 0)


async def test_token_stays_the_same_until_five_minutes_before_its_end(
    api: Api, clock: Clock
) -> None:
    first = await api.token(SERVICE)
    assert first["expires_in"] == 7200
    clock.pass_(6899)
    assert await api.token(SERVICE) == first | {"expires_in": 301}
    clock.pass_(1)
    second = await api.token(SERVICE)
    assert second["access_token"] != first["access_token"]
    assert second["expires_in"] == 7200
    assert await ask(api, first["access_token"]) == 0
    assert await ask(api, second["access_token"]) == 0
    clock.pass_(300)
    assert await ask(api, first["access_token"]) == 42001
    assert await ask(api, second["access_token"]) == 0


async def test_forced_refresh_ends_the_old_token_but_not_within_30_seconds(
    api: Api, clock: Clock
) -> None:
    first = await api.token(SERVICE)
    second = await api.token(SERVICE, force_refresh=True)
    assert second["access_token"] != first["access_token"]
    assert await ask(api, first["access_token"]) == 42001
    clock.pass_(29)
    again = await api.token(SERVICE, force_refresh=True)
    assert again["access_token"] == second["access_token"]
    clock.pass_(1)
    third = await api.token(SERVICE, force_refresh=True)
    assert third["access_token"] != second["access_token"]


async def test_forced_refresh_is_given_twenty_times_a_day(api: Api, clock: Clock) -> None:
    for _ in range(20):
        assert "access_token" in await api.token(SERVICE, force_refresh=True)
        clock.pass_(30)
    refused = await api.token(SERVICE, force_refresh=True)
    assert refused["errcode"] == 45009
    assert "access_token" in await api.token(SERVICE)
    clock.pass_(86400)
    assert "access_token" in await api.token(SERVICE, force_refresh=True)


@pytest.mark.parametrize(
    ("given", "errcode"),
    [
        ({"appid": "wx-nobody"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"grant_type": "x"}, 40097),
    ],
)
async def test_token_call_refuses(api: Api, given: dict[str, str], errcode: int) -> None:
    refused = await api.token(SERVICE, **given)
    assert refused["errcode"] == errcode
    assert " rid: " in refused["errmsg"]


@pytest.mark.parametrize("errcode", [40164, 40243])
async def test_token_call_refuses_by_script(api: Api, platform: Platform, errcode: int) -> None:
    platform.faults.add(Fault("/cgi-bin/stable_token", errcode=errcode))
    assert (await api.token(SERVICE))["errcode"] == errcode


async def test_bad_tokens(api: Api, platform: Platform) -> None:
    assert await ask(api, "") == 41001
    assert await ask(api, "rubbish") == 40014
    assert await ask(api, "61_" + "x" * 100) == 40001
    token = (await api.token(SERVICE))["access_token"]
    tokens.revoke(platform.service_account)
    assert await ask(api, token) == 40001


async def test_token_of_the_other_account_is_not_allowed(api: Api) -> None:
    assert (await api.get(MINI, "/cgi-bin/user/info", openid="o"))["errcode"] == 48001
    assert (await api.post(SERVICE, "/wxa/getwxacodeunlimit", scene="1"))["errcode"] == 48001


async def test_wrong_method_and_wrong_bodies(api: Api) -> None:
    assert (await api.get(SERVICE, "/cgi-bin/qrcode/create"))["errcode"] == 43002
    assert (await api.post(SERVICE, IPS))["errcode"] == 43001
    path = "/cgi-bin/qrcode/create"
    assert (await api.raw_post(SERVICE, path, b"")).json()["errcode"] == 44002
    assert (await api.raw_post(SERVICE, path, b"{")).json()["errcode"] == 47001
    assert (await api.raw_post(SERVICE, path, b"[]")).json()["errcode"] == 47001


async def test_ticket_is_cached_for_two_hours(api: Api, clock: Clock) -> None:
    path = "/cgi-bin/ticket/getticket"
    first = await api.get(SERVICE, path, type="jsapi")
    assert (first["errcode"], first["expires_in"]) == (0, 7200)
    clock.pass_(7199)
    assert (await api.get(SERVICE, path, type="jsapi"))["ticket"] == first["ticket"]
    clock.pass_(1)
    assert (await api.get(SERVICE, path, type="jsapi"))["ticket"] != first["ticket"]
    assert (await api.get(SERVICE, path, type="wx_card"))["errcode"] == 40097


async def test_daily_quota_ends_at_midnight_in_shanghai(
    make_platform: MakePlatform, clock: Clock
) -> None:
    api = Api(make_platform(replace(CONFIG, daily_quota={IPS: 2})))
    async with api.http:
        clock.now = 1_790_000_000 // 86400 * 86400 + 16 * 3600 - 1  # a second before midnight
        got = [(await api.get(SERVICE, IPS)).get("errcode", 0) for _ in range(3)]
        assert got == [0, 0, 45009]
        clock.pass_(1)
        assert (await api.get(SERVICE, IPS)).get("errcode", 0) == 0


async def test_nth_call_fails_with_http_500(api: Api, platform: Platform) -> None:
    token = (await api.token(SERVICE))["access_token"]
    rule = platform.faults.add(Fault("/cgi-bin/get*", status=500, nth=2))
    answers = [
        (await api.http.get(IPS, params={"access_token": token})).status_code for _ in range(3)
    ]
    assert answers == [200, 500, 200]
    assert (rule.seen, rule.fired) == (3, 1)


async def test_rate_of_faults_is_repeatable(api: Api, platform: Platform) -> None:
    token = (await api.token(SERVICE))["access_token"]
    rule = platform.faults.add(Fault(IPS, errcode=-1, rate=0.3, times=20))
    errcodes = [await ask(api, token) for _ in range(100)]
    assert errcodes.count(-1) == rule.fired == 20
    assert set(errcodes) == {0, -1}


async def test_dropped_connection_before_and_after_the_effect(api: Api, platform: Platform) -> None:
    path = "/cgi-bin/menu/create"
    button = {"type": "click", "name": "帮助", "key": "help"}
    for after, menu in ((False, None), (True, [button])):
        platform.faults.add(Fault(path, drop=True, after=after, times=1))
        with pytest.raises(httpx.RemoteProtocolError):
            await api.post(SERVICE, path, button=[button])
        assert platform.service_account.menu == menu


async def test_answer_lost_after_the_effect(api: Api, platform: Platform) -> None:
    platform.phone("li")
    platform.faults.add(Fault("/cgi-bin/menu/create", status=502, after=True))
    button = {"type": "click", "name": "帮助", "key": "help"}
    answer = await api.raw_post(SERVICE, "/cgi-bin/menu/create", b'{"button":[]}')
    assert answer.status_code == 502
    platform.faults.clear()
    assert (await api.post(SERVICE, "/cgi-bin/menu/create", button=[button]))["errcode"] == 0


async def test_stall_alone_delays_and_then_works(api: Api, platform: Platform) -> None:
    token = (await api.token(SERVICE))["access_token"]
    rule = platform.faults.add(Fault(IPS, stall=0.01))
    assert await ask(api, token) == 0
    assert rule.fired == 1


async def test_request_log_keeps_everything_but_secrets(
    api: Api, platform: Platform, clock: Clock
) -> None:
    await api.get(SERVICE, "/cgi-bin/user/info", openid="o-nobody")
    token_call, info_call = platform.calls
    assert token_call.body == {
        "grant_type": "client_credential",
        "appid": SERVICE.app_id,
        "secret": "…",
    }
    assert (token_call.method, token_call.path, token_call.at) == (
        "POST",
        "/cgi-bin/stable_token",
        clock.now,
    )
    assert info_call.query == {"access_token": "…", "openid": "o-nobody"}
    assert info_call.errcode == 40003


async def test_faults_are_scripted_over_http_too(api: Api) -> None:
    path = "/simulator/api/faults"
    await api.http.post(path, json={"path": "/cgi-bin/*", "errcode": 45009, "times": 1})
    assert (await api.token(SERVICE))["errcode"] == 45009
    assert "access_token" in await api.token(SERVICE)
    assert [rule["fired"] for rule in (await api.http.get(path)).json()] == [1]
    assert (await api.http.delete(path)).json() == []
    assert (await api.http.post(path, json={"nonsense": 1})).status_code == 422


async def test_reset_forgets(api: Api, platform: Platform) -> None:
    token = (await api.token(SERVICE))["access_token"]
    before = platform.phone("li").contact.openid
    await platform.phone("li").say("你好")
    await api.http.post("/simulator/api/reset")
    assert await ask(api, token) == 40001
    assert platform.phone("li").user.chat == []
    assert platform.phone("li").contact.openid == before
