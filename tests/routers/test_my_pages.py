"""The pages that our messages link to."""

import hashlib
import re
from urllib.parse import quote

import pytest

from app.settings import MessageTemplate, ServiceAccount
from app.state import State
from tests.conftest import SERVICE_ACCOUNT, Client


@pytest.mark.parametrize(
    "path", ["/my", "/my/obligations", "/my/obligations/RW-1", "/my/letters/2026-01"]
)
async def test_a_linked_page_says_how_to_see_ones_duties(client: Client, path: str) -> None:
    answer = await client(None).get(path)

    assert answer.status_code == 200
    assert "发送「进度」" in answer.text
    assert "<script" not in answer.text


async def test_what_stands_in_the_address_is_not_repeated(client: Client) -> None:
    answer = await client(None).get("/my/obligations/" + quote("<b>x</b>", safe=""))

    assert answer.status_code == 200
    assert "<b>x" not in answer.text


async def test_the_page_for_leave_is_signed_for_wechats_button(
    client: Client, state: State
) -> None:
    settings = state["settings"].model_copy(deep=True)
    settings.templates.reminder_service_account = MessageTemplate(id="TPL-ONCE", thing1="task")
    settings.service_account = ServiceAccount(
        _env_file=None,
        app_id=SERVICE_ACCOUNT.app_id,
        secret=SERVICE_ACCOUNT.secret,
        token=SERVICE_ACCOUNT.token,
    )
    state["settings"] = settings
    in_wechat = {"User-Agent": "Mozilla/5.0 MicroMessenger/8.0.50"}
    answer = await client(None).get("/my/permits", headers=in_wechat)
    elsewhere = await client(None).get("/my/permits")

    assert "<script" not in elsewhere.text
    assert "请在微信里打开本页" in elsewhere.text
    assert answer.status_code == 200
    assert 'template="TPL-ONCE"' in answer.text
    nonce = re.search(r'nonceStr: "([^"]+)"', answer.text)
    timestamp = re.search(r"timestamp: (\d+)", answer.text)
    signature = re.search(r'signature: "([0-9a-f]{40})"', answer.text)
    assert nonce is not None
    assert timestamp is not None
    assert signature is not None
    ticket = await state["wechat"].service_account._ticket.get()
    signed = (
        f"jsapi_ticket={ticket}&noncestr={nonce[1]}&timestamp={timestamp[1]}"
        f"&url={settings.public_url}/my/permits"
    )
    assert signature[1] == hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()
    assert f"'nonce-{nonce[1]}'" in answer.headers["content-security-policy"]


async def test_without_a_template_the_page_for_leave_says_so(client: Client) -> None:
    in_wechat = {"User-Agent": "Mozilla/5.0 MicroMessenger/8.0.50"}
    answer = await client(None).get("/my/permits", headers=in_wechat)

    assert answer.status_code == 200
    assert "现在还不能在这里设置" in answer.text
    assert "<script" not in answer.text
