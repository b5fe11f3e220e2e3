"""Who gets past the callback's door, and what our answers look like to WeChat."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import xmltodict
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.errors import Forbidden
from app.models import App
from app.settings import BadSettings, CallbackMode, MiniProgram, ServiceAccount, Settings
from app.wechat import callback
from app.wechat.callback import Unreadable
from app.wechat.doors import Door, open_doors
from app.wechat.envelope import sign
from app.wechat.messages import Text
from app.wechat.simulator.crypto import Sealer
from app.wechat.simulator.xml import document
from tests.wechat.pushes import (
    APP_ID,
    COMPATIBLE,
    KEY,
    MINI,
    NOW,
    OPENID,
    OURS,
    PLAIN,
    SAFE,
    TOKEN,
    Pairs,
    fields,
    message,
    opened,
    plain,
    safe,
    stamp,
)

OFFICIAL = Door(App.service_account, CallbackMode.safe, "wxba5fad812f8e6fb9", "AAAAA", "A" * 43)


def refused(door: Door, query: Pairs, body: bytes) -> None:
    with pytest.raises(Forbidden):
        callback.read(door, query, body, now=NOW)


def replaced(query: Pairs, **given: str) -> Pairs:
    return [(name, given.get(name, value)) for name, value in query]


# -- the address is verified -----------------------------------------------------------------


def test_the_vendors_sample_verifies_an_address() -> None:
    query = [
        ("signature", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        ("timestamp", "1714036504"),
        ("nonce", "1514711492"),
        ("echostr", "4375120948345356249"),
    ]
    assert callback.verify(OFFICIAL, query) == "4375120948345356249"
    with pytest.raises(Forbidden):
        callback.verify(OFFICIAL, replaced(query, nonce="1514711493"))


def test_the_vendors_sample_reply_is_ours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _n: "707722b803182950")
    sealed, signature = OFFICIAL.envelope.seal(
        '{"demo_resp":"good luck"}', "1713424427", "415670741"
    )
    assert (sealed, signature) == (
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
        "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1",
    )
    assert OFFICIAL.envelope.open(sealed) == '{"demo_resp":"good luck"}'


def test_an_encrypted_echo_is_decrypted() -> None:
    sealed = Sealer(KEY, APP_ID).encrypt(b"4375120948345356249")
    query = [
        ("msg_signature", sign(TOKEN, stamp(), "n1", sealed)),
        ("timestamp", stamp()),
        ("nonce", "n1"),
        ("echostr", sealed),
    ]
    assert callback.verify(SAFE, query) == "4375120948345356249"
    with pytest.raises(Forbidden):
        callback.verify(SAFE, replaced(query, msg_signature="0" * 40))
    # Without a key there is nothing to decrypt with, whatever is signed.
    with pytest.raises(Forbidden):
        callback.verify(PLAIN, query)


def test_an_echo_encrypted_for_another_app_is_refused() -> None:
    sealed = Sealer(KEY, "wx00000000000000zz").encrypt(b"1")
    query = [
        ("msg_signature", sign(TOKEN, stamp(), "n1", sealed)),
        ("timestamp", stamp()),
        ("nonce", "n1"),
        ("echostr", sealed),
    ]
    with pytest.raises(Forbidden):
        callback.verify(SAFE, query)


# -- what is believed ------------------------------------------------------------------------

EXPECTED = Text(openid=OPENID, sent_at=NOW, key=f"{OPENID} 24000000000000001", content="进度")


@pytest.mark.parametrize(
    ("door", "push", "sealed"),
    [
        (PLAIN, plain(document(fields())), False),
        (SAFE, safe(document(fields())), True),
        (SAFE, safe(document(fields()), outer={}), True),
        (COMPATIBLE, safe(document(fields()), outer=fields(Content="别的")), True),
        (COMPATIBLE, plain(document(fields())), False),
    ],
)
def test_each_mode_reads_the_same_message(
    door: Door, push: tuple[Pairs, bytes], sealed: bool
) -> None:
    incoming = callback.read(door, *push, now=NOW)
    assert (incoming.message, incoming.sealed, incoming.to_user) == (EXPECTED, sealed, OURS)


def test_json_says_the_same_as_xml() -> None:
    inner = json.dumps(fields(), ensure_ascii=False)
    for push in (safe(inner, as_json=True), safe(inner), safe(document(fields()), as_json=True)):
        assert callback.read(MINI, *push, now=NOW).message == EXPECTED
    assert callback.read(PLAIN, *plain(inner), now=NOW).message == EXPECTED


# -- what is not -----------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-601, 601, -86400, 10**9])
@pytest.mark.parametrize("make", [plain, safe])
def test_what_is_not_of_now_is_refused(
    make: Callable[..., tuple[Pairs, bytes]], seconds: int
) -> None:
    door = PLAIN if make is plain else SAFE
    old = stamp(NOW + timedelta(seconds=min(seconds, 10**9)))
    refused(door, *make(document(fields()), timestamp=old))


@pytest.mark.parametrize("seconds", [-600, 600])
def test_ten_minutes_are_of_now(seconds: int) -> None:
    push = safe(document(fields()), timestamp=stamp(NOW + timedelta(seconds=seconds)))
    assert callback.read(SAFE, *push, now=NOW).message == EXPECTED


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", ["", "0" * 40, "é" * 40, "\x00", "1 OR 1=1", "9" * 500])
def test_a_changed_query_is_refused(name: str, value: str) -> None:
    query, body = message()
    refused(SAFE, replaced(query, **{name: value}), body)
    refused(SAFE, [pair for pair in query if pair[0] != name], body)


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", ["", "0" * 40, "é" * 40])
def test_a_changed_query_is_refused_in_plain_mode(name: str, value: str) -> None:
    query, body = plain(document(fields()))
    refused(PLAIN, replaced(query, **{name: value}), body)


def test_a_parameter_given_twice_is_refused() -> None:
    query, body = message()
    for twice in (("nonce", "n2"), ("nonce", "n1"), ("openid", OPENID)):
        refused(SAFE, [twice, *query], body)
        refused(SAFE, [*query, twice], body)


def test_a_changed_body_is_refused() -> None:
    query, body = message()
    at = body.index(b"CDATA[", body.index(b"<Encrypt>")) + 20
    refused(SAFE, query, body[:at] + (b"A" if body[at : at + 1] != b"A" else b"B") + body[at + 1 :])


def test_a_plain_body_is_refused_in_safe_mode() -> None:
    refused(SAFE, *plain(document(fields())))
    # Nor does a right msg_signature of nothing help.
    query, body = plain(document(fields()))
    refused(SAFE, [*query, ("msg_signature", sign(TOKEN, stamp(), "n1", ""))], body)
    refused(SAFE, [*query, ("msg_signature", sign(TOKEN, stamp(), "n1"))], body)


def test_the_siblings_of_encrypt_are_never_read() -> None:
    push = safe(document(fields()), outer=fields(Content="伪造", FromUserName="o-forger"))
    assert callback.read(SAFE, *push, now=NOW).message == EXPECTED


def test_two_encrypts_are_refused() -> None:
    query, body = message()
    start, end = body.index(b"<Encrypt>"), body.index(b"</xml>")
    refused(SAFE, query, body[:end] + body[start:end] + b"</xml>")
    query, body = safe(document(fields()), as_json=True)
    refused(SAFE, query, b'{"Encrypt": "x", ' + body[1:])


@pytest.mark.parametrize("encrypt", ["", "<a>1</a>", "<![CDATA[AAAA]]>", "是"])
def test_an_encrypt_that_is_none_is_refused(encrypt: str) -> None:
    query, _ = message()
    refused(SAFE, query, f"<xml><Encrypt>{encrypt}</Encrypt></xml>".encode())


def test_what_is_encrypted_for_another_app_is_refused() -> None:
    refused(SAFE, *safe(document(fields()), app_id="wx00000000000000zz"))
    refused(SAFE, *safe(document(fields()), app_id=APP_ID + "x"))


def test_what_another_token_signed_is_refused() -> None:
    refused(SAFE, *safe(document(fields()), token="other"))


def test_inside_and_outside_must_name_the_same_receiver() -> None:
    refused(SAFE, *safe(document(fields()), outer={"ToUserName": "gh_other"}))
    refused(SAFE, *safe(document(fields()), outer={"ToUserName": ""}))


BOMB = (
    '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<xml><ToUserName>&b;</ToUserName></xml>"
)
RUBBISH = [
    b"",
    b"\xff\xfe\x00",
    b"not xml",
    b"<xml>",
    b"<xml></xml>",
    b"<other><Encrypt>a</Encrypt></other>",
    b"<xml>text</xml>",
    b"{",
    b"[]",
    b"{}",
    b"null",
    b'{"a":' * 20_000,
    b'{"Encrypt": "\\ud800"}',
    b"<xml>" + b"<a>" * 10_000 + b"</a>" * 10_000 + b"</xml>",
    BOMB.encode(),
]


@pytest.mark.parametrize("body", RUBBISH)
def test_rubbish_from_nobody_is_refused(body: bytes) -> None:
    query, _ = message()
    refused(SAFE, query, body)
    refused(MINI, query, body)
    refused(PLAIN, replaced(plain(b"")[0], signature="0" * 40), body)


@pytest.mark.parametrize("body", RUBBISH)
def test_rubbish_from_wechat_is_known_for_what_it_is(body: bytes) -> None:
    with pytest.raises(Unreadable):
        callback.read(PLAIN, *plain(body), now=NOW)
    with pytest.raises(Unreadable):
        callback.read(SAFE, *safe(body, outer={}), now=NOW)


@pytest.mark.parametrize("plaintext", [b"", b"A" * 16, b"A" * 32, b"\x00" * 64, b"\xff" * 96])
def test_a_rightly_signed_wrong_cipher_is_no_crash(plaintext: bytes) -> None:
    for sealed in (base64.b64encode(plaintext).decode(), "A", "====", "是是是"):
        query = [
            ("msg_signature", sign(TOKEN, stamp(), "n1", sealed)),
            ("timestamp", stamp()),
            ("nonce", "n1"),
        ]
        with pytest.raises((Unreadable, Forbidden)):
            callback.read(SAFE, query, document({"Encrypt": sealed}).encode(), now=NOW)


WRONG: list[dict[str, Any]] = [
    {"FromUserName": None},
    {"FromUserName": ""},
    {"FromUserName": ["a", "b"]},
    {"FromUserName": "a b"},
    {"FromUserName": {"a": "b"}},
    {"ToUserName": None},
    {"CreateTime": "yesterday"},
    {"CreateTime": -1},
    {"CreateTime": 10**15},
    {"CreateTime": None},
    {"MsgType": None},
    {"MsgType": ["text", "image"]},
    {"MsgId": "x"},
    {"MsgId": ["1", "2"]},
    {"Content": ["a", "b"]},
    {"Content": {"a": "b"}},
    {"MsgType": "image"},
    {"MsgType": "location", "Location_X": "91", "Location_Y": "103"},
    {"MsgType": "location", "Location_X": "24.9", "Location_Y": "nan"},
    {"MsgType": "location", "Location_X": "24.9", "Location_Y": "inf"},
    {"MsgType": "location", "Location_X": "24.9"},
    {"MsgType": "event", "Event": "location_select"},
    {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH"},
    {"MsgType": "event", "Event": "wxa_media_check"},
    {"MsgType": "event", "Event": "subscribe_msg_popup_event", "List": "x"},
]


@pytest.mark.parametrize("given", WRONG)
def test_wrong_fields_are_no_message(given: dict[str, Any]) -> None:
    with pytest.raises(Unreadable) as caught:
        callback.read(SAFE, *safe(document(fields(**given)), outer={}), now=NOW)
    assert OPENID not in str(caught.value)


@hypothesis_settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: f"<xml>{text}</xml>".encode(errors="replace"))
)
def test_no_body_is_a_crash(body: bytes) -> None:
    for door, push in ((PLAIN, plain(body)), (SAFE, safe(body)), (SAFE, plain(body))):
        with pytest.raises((Unreadable, Forbidden)):
            callback.read(door, *push, now=NOW)


def test_text_that_a_database_refuses_is_mended() -> None:
    push = safe(
        '{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1,"MsgType":"text","MsgId":1,"Content":"a\\u0000b\\ud800"}',
        outer={},
    )
    incoming = callback.read(SAFE, *push, now=NOW)
    assert isinstance(incoming.message, Text)
    assert incoming.message.content == "ab"


# -- the same again --------------------------------------------------------------------------


def test_the_nonce_stands_for_exactly_this_request() -> None:
    query, body = message()
    first = callback.read(SAFE, query, body, now=NOW).nonce
    assert callback.read(SAFE, query, body, now=NOW + timedelta(seconds=5)).nonce == first
    query, other = plain(document(fields()))
    same_query, changed = plain(document(fields(Content="别的")))
    assert query == same_query
    assert (
        callback.read(PLAIN, query, other, now=NOW).nonce.digest
        != callback.read(PLAIN, query, changed, now=NOW).nonce.digest
    )


# -- the answer ------------------------------------------------------------------------------


def answered(door: Door, push: tuple[Pairs, bytes], text: str | None) -> tuple[str, str]:
    return callback.write(door, callback.read(door, *push, now=NOW), text, now=NOW)


def test_no_reply_is_success() -> None:
    for door, push in ((SAFE, message()), (PLAIN, plain(document(fields())))):
        assert answered(door, push, None) == ("success", "text/plain")
        assert answered(door, push, "") == ("success", "text/plain")
    assert answered(MINI, message(), "您好") == ("success", "text/plain")


def test_a_reply_goes_back_to_the_sender() -> None:
    expected = {
        "MsgType": "text",
        "FromUserName": OURS,
        "ToUserName": OPENID,
        "CreateTime": stamp(),
        "Content": "已记录 2/6",
    }
    body, media_type = answered(PLAIN, plain(document(fields())), "已记录 2/6")
    assert (xmltodict.parse(body)["xml"], media_type) == (expected, "application/xml")
    body, media_type = answered(SAFE, message(), "已记录 2/6")
    assert (opened(body), media_type) == (expected, "application/xml")
    body, _ = answered(COMPATIBLE, plain(document(fields())), "已记录 2/6")
    assert xmltodict.parse(body)["xml"] == expected


def test_every_reply_is_sealed_anew() -> None:
    once, again = (answered(SAFE, message(), "好")[0] for _ in range(2))
    assert once != again
    assert opened(once) == opened(again)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a]]>b", "a]]>b"),
        ("]]]>", "]]]>"),
        ("]]></Content><MsgType>x</MsgType>", "]]></Content><MsgType>x</MsgType>"),
        ("a\x00\x0b\ud800b", "ab"),
        ("<&>'\"", "<&>'\""),
    ],
)
def test_no_text_breaks_out_of_the_reply(text: str, shown: str) -> None:
    assert opened(answered(SAFE, message(), text)[0])["Content"] == shown
    assert (
        xmltodict.parse(answered(PLAIN, plain(document(fields())), text)[0])["xml"]["Content"]
        == shown
    )


def test_a_long_reply_is_cut_between_characters() -> None:
    assert opened(answered(SAFE, message(), "河" * 1000)[0])["Content"] == "河" * 666


# -- the doors -------------------------------------------------------------------------------


def configured(service: dict[str, Any], mini: dict[str, Any] | None = None) -> Settings:
    return Settings(
        _env_file=None,
        service_account=ServiceAccount(_env_file=None, **service),
        mini_program=MiniProgram(_env_file=None, **(mini or {})),
    )


def test_doors_open_as_configured() -> None:
    whole = {"app_id": APP_ID, "secret": "s", "token": TOKEN, "aes_key": KEY}
    assert open_doors(configured({})) == {}
    assert open_doors(configured(whole)) == {App.service_account: SAFE}
    assert open_doors(configured({**whole, "mode": "compatible"})) == {
        App.service_account: COMPATIBLE
    }
    assert open_doors(configured({}, {"app_id": APP_ID, "secret": "s"})) == {}
    assert open_doors(configured({}, whole)) == {App.mini_program: MINI}
    assert open_doors(configured({"app_id": APP_ID, "token": TOKEN})) == {
        App.service_account: PLAIN
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"app_id": APP_ID, "secret": "s"}, "TOKEN"),
        ({"app_id": APP_ID, "token": "  ", "aes_key": KEY}, "TOKEN"),
        ({"aes_key": KEY}, "TOKEN"),
        ({"token": TOKEN, "aes_key": KEY}, "APP_ID"),
        ({"app_id": APP_ID, "token": TOKEN, "aes_key": "!" * 43}, "AES_KEY"),
    ],
)
def test_half_a_configuration_does_not_start(given: dict[str, Any], name: str) -> None:
    with pytest.raises(BadSettings, match=f"^XUNHE_SERVICE_ACCOUNT_{name}: ") as caught:
        open_doors(configured(given))
    assert "\n" not in str(caught.value)


def test_a_door_keeps_its_secrets() -> None:
    assert TOKEN not in repr(SAFE)
    assert KEY not in repr(SAFE)
