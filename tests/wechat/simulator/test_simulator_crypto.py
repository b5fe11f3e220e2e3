"""The platform's cryptography against WeChat's published sample and against wechatpy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prcoords import wgs_gcj
from wechatpy.crypto import WeChatCrypto

from app.wechat.simulator.crypto import Sealer, Unreadable, matches, sign
from app.wechat.simulator.datum import to_gcj02

SAMPLE = Sealer("A" * 43, "wxba5fad812f8e6fb9")
SAMPLE_ENCRYPTED = (
    "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
)


def test_signature_of_the_address_is_that_of_the_published_sample() -> None:
    signature = sign("AAAAA", "1714036504", "1514711492")
    assert signature == "f464b24fc39322e44b38aa78f5edd27bd1441696"
    assert matches(signature, "1514711492", "AAAAA", "1714036504")
    assert not matches(signature, "1514711492", "AAAAB", "1714036504")


def test_reply_of_the_published_sample() -> None:
    message = b'{"demo_resp":"good luck"}'
    encrypted = SAMPLE.encrypt(message, random=b"707722b803182950")
    assert encrypted == SAMPLE_ENCRYPTED
    signature = sign("AAAAA", "1713424427", "415670741", encrypted)
    assert signature == "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"
    assert SAMPLE.decrypt(encrypted) == message


@given(st.text(max_size=400))
def test_wechatpy_reads_what_the_platform_encrypts(text: str) -> None:
    key, app_id = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx1"
    encrypted = Sealer(key, app_id).encrypt(f"<xml>{text}</xml>".encode())
    signature = sign("token", "1", "2", encrypted)
    crypto = WeChatCrypto("token", key, app_id)
    body = f"<xml><Encrypt>{encrypted}</Encrypt></xml>"
    plain = crypto.decrypt_message(body, signature, "1", "2")
    assert plain == f"<xml>{text}</xml>"


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "not base64!",
        "AAAA",
        SAMPLE_ENCRYPTED[:-24],
        pytest.param(Sealer("B" * 43, "wx1").encrypt(b"x"), id="by another key"),
    ],
)
def test_rubbish_is_unreadable(rubbish: str) -> None:
    with pytest.raises(Unreadable):
        SAMPLE.decrypt(rubbish)


def test_message_for_another_appid_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="another appid"):
        SAMPLE.decrypt(Sealer("A" * 43, "wx-other").encrypt(b"hello"))


@given(st.floats(74, 134), st.floats(4, 53))
def test_positions_are_shifted_as_prcoords_shifts_them(lon: float, lat: float) -> None:
    theirs = wgs_gcj((lat, lon))
    assert to_gcj02(lon, lat) == pytest.approx((theirs[1], theirs[0]), abs=1e-9)


def test_outside_china_nothing_is_shifted() -> None:
    assert to_gcj02(2.35, 48.85) == (2.35, 48.85)
