"""People with a telephone on the simulated WeChat, and what the mini-program does for them."""

from dataclasses import dataclass
from itertools import count

import httpx

from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.platform import Platform
from tests.conftest import Client

_numbers = count(1)


@dataclass
class Tapper:
    """Somebody in the mini-program, signed in."""

    phone: Phone
    token: str
    client: httpx.AsyncClient


async def sign_in(
    client: Client, platform: Platform, *, phone: str | None = None, follows: bool = False
) -> Tapper:
    """A new human being opens the mini-program."""
    n = next(_numbers)
    key = f"human-{n}"
    platform.add_person(PersonConfig(key, f"示例微信{n}", phone, follows=follows))
    return await sign_in_again(client, platform, key)


async def sign_in_again(client: Client, platform: Platform, key: str) -> Tapper:
    """The same human opens it once more."""
    owner = platform.phone(key)
    response = await client(None).post("/api/v1/sessions", json={"code": owner.login_code()})
    assert response.status_code == 200, response.text
    token = response.json()["token"]
    return Tapper(owner, token, client(token))
