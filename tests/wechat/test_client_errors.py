"""What follows from each way in which a call may go wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import LoginCodeInvalid, RiskControl, TooManyRequests, WeChatUnavailable, XunheError
from app.models import WechatCircuit
from app.settings import Settings
from app.wechat.calls import Call
from app.wechat.client import WeChat, open_wechat
from app.wechat.errors import (
    CircuitOpen,
    CodeInvalid,
    CodeUsed,
    Fault,
    OutcomeUnknown,
    Refused,
    TryAgain,
)
from app.wechat.policies import POLICIES
from tests.wechat.platforms import RID, Answer, Clock, Script, client_of, refusal

Sessions = async_sessionmaker[AsyncSession]
CUSTOM = "cgi-bin/message/custom/send"
TEMPLATE = "cgi-bin/message/template/send"
SUBSCRIBE = "cgi-bin/message/subscribe/send"
BIZSEND = "cgi-bin/message/subscribe/bizsend"
TOKEN = "cgi-bin/stable_token"
INFO = "cgi-bin/user/info"
SIGN_IN = "sns/jscode2session"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def wechat(script: Script, real_sessions: Sessions, clock: Clock) -> WeChat:
    return client_of(script, real_sessions, clock)


async def send(wechat: WeChat, template_id: str = "T1") -> str | None:
    return await wechat.service_account.send_template(
        "o-1", template_id, {"thing1": "七星河中段巡河"}, client_msg_id="m-1"
    )


async def say(wechat: WeChat) -> None:
    await wechat.service_account.send_text("o-1", "您好")


async def remind(wechat: WeChat) -> None:
    await wechat.mini_program.send_subscribed("o-1", "M1", {"thing1": "巡河"})


async def notify(wechat: WeChat) -> None:
    await wechat.service_account.send_subscribed("o-1", "S1", {"thing1": "巡河"})


async def circuits(sessions: Sessions) -> list[tuple[str, str, int, datetime]]:
    async with sessions() as session:
        rows = await session.scalars(select(WechatCircuit).order_by(WechatCircuit.path))
        return [(row.app_id, row.path, row.errcode, row.closes_at) for row in rows]


# -- the table of error codes ----------------------------------------------------------------


def test_the_table_is_the_designs() -> None:
    """Every code of wechat.md's table has its consequence."""
    assert {code: policy.act for code, policy in POLICIES.items()} == {
        -1: "retry",
        **dict.fromkeys((40001, 40014, 42001), "refresh"),
        **dict.fromkeys((40013, 40125, 40164, 40243, 40037, 41030, 48001, 45103, 45109), "stop"),
        45009: "until_tomorrow",
        **dict.fromkeys((45011, 43108, 43117), "wait"),
        **dict.fromkeys((40241, 45065), "done"),
        **dict.fromkeys(
            (43101, 43004, 43019, 45015, 45047, 50005, 61010, 47003, 47001, 45168, 40003), "refuse"
        ),
        **dict.fromkeys((40007, 40029, 40163, 46003), "refuse"),
    }


@pytest.mark.parametrize(
    ("errcode", "fault"),
    [
        *((code, Fault.channel) for code in (43101, 43004, 43019, 45015, 45047, 50005)),
        *((code, Fault.content) for code in (47003, 47001, 45168)),
        (40003, Fault.address),
        (40007, Fault.gone),
        (99999, Fault.unknown),
    ],
)
async def test_what_is_refused_is_never_tried_again(
    wechat: WeChat, script: Script, real_sessions: Sessions, errcode: int, fault: Fault
) -> None:
    script.on(TEMPLATE, refusal(errcode))
    with pytest.raises(Refused) as caught:
        await send(wechat)
    error = caught.value
    assert (error.errcode, error.fault, error.rid, error.path) == (errcode, fault, RID, TEMPLATE)
    assert script.count(TEMPLATE) == 1
    assert await circuits(real_sessions) == []


async def test_a_refused_field_is_named(wechat: WeChat, script: Script) -> None:
    script.on(TEMPLATE, refusal(47003, "argument invalid! data.thing4.value is empty"))
    with pytest.raises(Refused) as caught:
        await send(wechat)
    assert caught.value.field == "thing4"


@pytest.mark.parametrize(
    ("errcode", "after"),
    [
        (45011, timedelta(minutes=1)),
        (43108, timedelta(minutes=1)),
        (43117, timedelta(hours=6)),
    ],
)
async def test_what_must_wait_is_not_tried_at_once(
    wechat: WeChat, script: Script, errcode: int, after: timedelta
) -> None:
    script.on(TEMPLATE, refusal(errcode), {"errcode": 0, "msgid": 7})
    with pytest.raises(TryAgain) as caught:
        await send(wechat)
    assert (caught.value.errcode, caught.value.after, caught.value.rid) == (errcode, after, RID)
    assert script.count(TEMPLATE) == 1
    assert await send(wechat) == "7"


@pytest.mark.parametrize("errcode", [40241, 45065])
async def test_what_was_delivered_before_is_delivered(
    wechat: WeChat, script: Script, errcode: int
) -> None:
    script.on(TEMPLATE, refusal(errcode))
    assert await send(wechat) is None
    assert script.count(TEMPLATE) == 1


async def test_an_exhausted_quota_stops_this_call_until_midnight_at_the_lake(
    wechat: WeChat, script: Script, clock: Clock, real_sessions: Sessions
) -> None:
    midnight = datetime(2026, 6, 1, 16, 0, tzinfo=UTC)
    script.on(TEMPLATE, refusal(45009), {"errcode": 0, "msgid": 7})
    with pytest.raises(TryAgain) as caught:
        await send(wechat)
    assert caught.value.after == timedelta(hours=14)
    assert await circuits(real_sessions) == [("wx00000000000000aa", TEMPLATE, 45009, midnight)]
    clock.now = midnight - timedelta(seconds=1)
    with pytest.raises(CircuitOpen) as open_:
        await send(wechat, "T2")
    assert open_.value.after == timedelta(seconds=1)
    assert script.count(TEMPLATE) == 1
    await say(wechat)
    clock.now = midnight
    assert await send(wechat) == "7"


@pytest.mark.parametrize("errcode", [40037, 45103, 45109])
async def test_a_wrong_template_stops_itself_and_no_other(
    wechat: WeChat, script: Script, clock: Clock, errcode: int
) -> None:
    script.on(TEMPLATE, refusal(errcode), {"errcode": 0, "msgid": 7})
    with pytest.raises(TryAgain):
        await send(wechat)
    with pytest.raises(CircuitOpen):
        await send(wechat)
    assert script.count(TEMPLATE) == 1
    assert await send(wechat, "T2") == "7"
    clock.pass_(minutes=61)
    assert await send(wechat) == "7"


async def test_a_missing_right_stops_the_whole_call(
    wechat: WeChat, script: Script, real_sessions: Sessions, clock: Clock
) -> None:
    script.on(TEMPLATE, refusal(48001))
    for template_id in ("T1", "T2"):
        with pytest.raises(TryAgain):
            await send(wechat, template_id)
    assert script.count(TEMPLATE) == 1
    # Another process knows it too.
    other = client_of(script, real_sessions, clock)
    with pytest.raises(CircuitOpen):
        await send(other)
    assert script.count(TEMPLATE) == 1


async def test_another_process_is_noticed_within_a_second(
    wechat: WeChat, script: Script, real_sessions: Sessions, clock: Clock
) -> None:
    other = client_of(script, real_sessions, clock)
    assert await send(other) is None
    script.on(TEMPLATE, refusal(48001))
    with pytest.raises(TryAgain):
        await send(wechat)
    clock.pass_(seconds=1)
    with pytest.raises(CircuitOpen):
        await send(other)
    await wechat.service_account.caller.circuits.close()
    assert await circuits(real_sessions) == []


@pytest.mark.parametrize("errcode", [40013, 40125, 40164, 40243])
async def test_a_refused_token_is_never_asked_for_again(
    wechat: WeChat, script: Script, real_sessions: Sessions, errcode: int
) -> None:
    script.on(TOKEN, refusal(errcode), {"access_token": "new", "expires_in": 7200})
    for call in (send, say, notify):
        with pytest.raises(TryAgain) as caught:
            await call(wechat)
        assert caught.value.errcode == errcode
    assert [request.url.path for request in script.asked] == [f"/{TOKEN}"]
    assert [row[1:3] for row in await circuits(real_sessions)] == [(TOKEN, errcode)]
    # The other app is not concerned.
    script.on(TOKEN, {"access_token": "mini", "expires_in": 7200})
    await remind(wechat)
    # An operator mended it and said so.
    await wechat.service_account.caller.circuits.close()
    await say(wechat)
    assert script.count(CUSTOM) == 1


# -- WeChat is ill ---------------------------------------------------------------------------

SLOW = httpx.ReadTimeout("slow")
GONE = httpx.ConnectError("gone")
CUT = httpx.RemoteProtocolError("cut")
Send = Callable[[WeChat], Awaitable[object]]


@pytest.mark.parametrize(
    "trouble", [refusal(-1), 500, 502, SLOW, GONE, CUT, b"", b"<html>", {"errcode": "x"}]
)
async def test_a_repeatable_call_is_tried_three_times(
    wechat: WeChat, script: Script, clock: Clock, trouble: Answer
) -> None:
    script.on(TEMPLATE, trouble, trouble, {"errcode": 0, "msgid": 9})
    assert await send(wechat) == "9"
    assert script.count(TEMPLATE) == 3
    bodies = {request.content for request in script.asked if request.url.path == f"/{TEMPLATE}"}
    assert len(bodies) == 1
    assert b'"client_msg_id":"m-1"' in bodies.pop()
    first, second = clock.pauses
    assert 0.4 <= first <= 0.8 <= second <= 1.6


@pytest.mark.parametrize("trouble", [refusal(-1), 500, SLOW, GONE, CUT])
async def test_after_three_tries_it_is_for_later(
    wechat: WeChat, script: Script, trouble: Answer
) -> None:
    script.on(TEMPLATE, trouble)
    with pytest.raises(TryAgain) as caught:
        await send(wechat)
    assert script.count(TEMPLATE) == 3
    assert caught.value.after == timedelta(minutes=1)
    assert caught.value.errcode == (-1 if isinstance(trouble, dict) else 0)


@pytest.mark.parametrize("trouble", [SLOW, CUT, 500])
@pytest.mark.parametrize(("call", "path"), [(say, CUSTOM), (remind, SUBSCRIBE), (notify, BIZSEND)])
async def test_what_may_have_been_sent_is_sent_once_more_at_most(
    wechat: WeChat, script: Script, call: Send, path: str, trouble: Answer
) -> None:
    script.on(path, trouble)
    with pytest.raises(OutcomeUnknown):
        await call(wechat)
    assert script.count(path) == 2
    script.on(path, trouble, {"errcode": 0})
    await call(wechat)
    assert script.count(path) == 4
    # The accept is used up: by the first try, most likely.
    script.on(path, trouble, refusal(43101))
    with pytest.raises(OutcomeUnknown):
        await call(wechat)


@pytest.mark.parametrize("trouble", [GONE, httpx.ConnectTimeout("gone"), refusal(-1)])
async def test_what_was_surely_not_sent_is_for_later(
    wechat: WeChat, script: Script, trouble: Answer
) -> None:
    script.on(CUSTOM, trouble)
    with pytest.raises(TryAgain):
        await say(wechat)
    script.on(CUSTOM, trouble, refusal(45015))
    with pytest.raises(Refused):
        await say(wechat)


async def test_a_wechat_that_is_gone_is_left_alone_for_a_moment(
    wechat: WeChat, script: Script, clock: Clock
) -> None:
    script.on(INFO, 502)
    for _ in range(8):
        with pytest.raises(TryAgain):
            await wechat.service_account.follower("o-1")
    asked = script.count(INFO)
    with pytest.raises(CircuitOpen):
        await wechat.service_account.follower("o-1")
    assert script.count(INFO) == asked
    clock.pass_(seconds=15)
    script.on(INFO, {"subscribe": 1, "openid": "o-1"})
    assert (await wechat.service_account.follower("o-1")).subscribe is True


async def test_an_answer_that_trickles_is_not_waited_for(
    script: Script, real_sessions: Sessions, clock: Clock
) -> None:
    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b'{"errcode":'
            await asyncio.Event().wait()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/{INFO}":
            script.asked.append(request)
            return httpx.Response(200, stream=Trickle())
        return script(request)

    wechat = client_of(answer, real_sessions, clock)
    with pytest.raises(TryAgain, match="TimeoutError"):
        await wechat.service_account.caller.json(Call("GET", INFO, within_s=0.01))
    assert script.count(INFO) == 3


async def test_an_endless_answer_is_cut(wechat: WeChat, script: Script) -> None:
    script.on(INFO, b" " * (1 << 20) + b"{}")
    with pytest.raises(Refused) as caught:
        await wechat.service_account.follower("o-1")
    assert caught.value.field == "too large"


# -- somebody signs in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "raised", "tries"),
    [
        (refusal(40029), CodeInvalid, 1),
        (refusal(40163), CodeUsed, 1),
        (refusal(40226), RiskControl, 1),
        (refusal(45011), TooManyRequests, 1),
        (refusal(-1), WeChatUnavailable, 2),
        (refusal(40125), WeChatUnavailable, 1),
        (500, WeChatUnavailable, 2),
        (SLOW, WeChatUnavailable, 2),
        (GONE, WeChatUnavailable, 2),
        ({"errcode": 0}, WeChatUnavailable, 1),
        ({"openid": "a b", "session_key": "k"}, WeChatUnavailable, 1),
    ],
)
async def test_signing_in_says_what_is_wrong(
    wechat: WeChat, script: Script, trouble: Answer, raised: type[XunheError], tries: int
) -> None:
    script.on(SIGN_IN, trouble)
    with pytest.raises(raised) as caught:
        await wechat.mini_program.code_session("code-1")
    assert type(caught.value) is raised
    assert script.count(SIGN_IN) == tries
    assert script.count(TOKEN) == 0


def test_a_used_code_reads_as_an_invalid_one_to_whoever_does_not_care() -> None:
    assert issubclass(CodeUsed, LoginCodeInvalid)
    assert issubclass(CodeInvalid, LoginCodeInvalid)
    assert (CodeUsed.status, CodeUsed.code) == (401, "login-code-invalid")


PHONE = "wxa/business/getuserphonenumber"


@pytest.mark.parametrize("country", [86, "086", "+86"])
async def test_a_phone_is_for_our_app_only(wechat: WeChat, script: Script, country: object) -> None:
    info = {
        "phoneNumber": "+8619900000001",
        "purePhoneNumber": "19900000001",
        "countryCode": country,
        "watermark": {"timestamp": 1, "appid": "wx00000000000000bb"},
    }
    script.on(PHONE, {"errcode": 0, "phone_info": info})
    found = await wechat.mini_program.phone("code-1", "o-1")
    assert (found.number, found.country_code) == ("19900000001", str(country))
    assert script.body(PHONE) == {"code": "code-1", "openid": "o-1"}
    script.on(PHONE, {"errcode": 0, "phone_info": info | {"watermark": {"appid": "wx-other"}}})
    with pytest.raises(CodeInvalid):
        await wechat.mini_program.phone("code-1", "o-1")


async def test_an_app_that_is_not_configured_is_not_called(
    script: Script, real_sessions: Sessions, clock: Clock
) -> None:
    http = httpx.AsyncClient(transport=httpx.MockTransport(script), base_url="http://wechat")
    wechat = open_wechat(http, Settings(_env_file=None), real_sessions, now=clock)
    with pytest.raises(WeChatUnavailable):
        await wechat.mini_program.code_session("c")
    with pytest.raises(TryAgain):
        await say(wechat)
    assert script.asked == []


# -- what others see -------------------------------------------------------------------------


async def test_no_secret_and_no_person_is_logged(
    wechat: WeChat,
    script: Script,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.WARNING)
    script.on(SIGN_IN, SLOW, refusal(40029, "invalid code, hints: [o-1 code-1]"))
    script.on(TEMPLATE, 500, refusal(47003, "data.thing1.value o-1"))
    raised = []
    for call in (send, lambda each: each.mini_program.code_session("code-1")):
        with pytest.raises(Exception) as caught:  # noqa: PT011  both, and what they say
            await call(wechat)
        raised += [str(caught.value), repr(caught.value), str(caught.value.__cause__)]
    said = caplog.text + "".join(capsys.readouterr()) + "".join(raised)
    assert RID in said
    for secret in (
        "mini-secret",
        "service-secret",
        "token-1",
        "code-1",
        "o-1",
        "access_token",
        "七星河",
    ):
        assert secret not in said


async def test_calls_are_counted(wechat: WeChat, script: Script) -> None:
    def counted(outcome: str) -> float:
        labels = {"path": TEMPLATE, "outcome": outcome}
        return REGISTRY.get_sample_value("xunhe_wechat_calls_total", labels) or 0

    before = [counted("ok"), counted("43101"), counted("HTTP 500")]
    script.on(TEMPLATE, 500, {"errcode": 0, "msgid": 1})
    await send(wechat)
    script.on(TEMPLATE, refusal(43101))
    with pytest.raises(Refused):
        await send(wechat)
    assert [counted("ok"), counted("43101"), counted("HTTP 500")] == [each + 1 for each in before]


async def test_one_send_at_a_time_for_each_person(
    real_sessions: Sessions, clock: Clock, script: Script
) -> None:
    running: dict[str, int] = {}
    most: dict[str, int] = {}
    everybody = asyncio.Barrier(2)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != f"/{CUSTOM}":
            return script(request)
        who = "o-1" if b"o-1" in request.content else "o-2"
        running[who] = running.get(who, 0) + 1
        most[who] = max(most.get(who, 0), running[who])
        await everybody.wait()
        running[who] -= 1
        return httpx.Response(200, json={"errcode": 0})

    http = httpx.MockTransport(answer)
    wechat = client_of(http, real_sessions, clock)
    await asyncio.gather(
        *(wechat.service_account.send_text(who, "您好") for who in ("o-1", "o-2") * 3)
    )
    assert most == {"o-1": 1, "o-2": 1}
