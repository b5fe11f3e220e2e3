"""Connections that stall or break while a body is on its way, and crashes behind whole ones."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope

from app.main import create_app
from app.models import App
from app.routers import middleware
from app.services import readiness
from app.state import State
from tests.conftest import Client
from tests.wechat.pushes import PLAIN

SECRET = "what nobody may read"


async def answers(state: State, path: str, receive: Receive) -> list[Message]:
    """What a POST to `path` is answered, its body coming out of `receive`."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"x-request-id", b"abc")],
        "state": dict(state),
    }
    await create_app()(scope, receive, send)
    return sent


def stalling(*messages: Message) -> Receive:
    """Gives these, and then nothing any more."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


PART: Message = {"type": "http.request", "body": b'{"code": "', "more_body": True}
GONE: Message = {"type": "http.disconnect"}


@pytest.fixture
def door(state: State) -> State:
    """With a door for the service account."""
    state["doors"] = {App.service_account: PLAIN}
    return state


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/wechat/service-account"])
@pytest.mark.parametrize("limit", ["BODY_SILENCE_S", "BODY_S"])
async def test_a_body_that_stops_coming_is_not_waited_for(
    door: State, monkeypatch: pytest.MonkeyPatch, path: str, limit: str
) -> None:
    monkeypatch.setattr(middleware, limit, 0.01)

    start, *_ = await answers(door, path, stalling(PART))

    assert start["status"] == 408
    headers = dict(start["headers"])
    assert headers[b"connection"] == b"close"
    assert headers[b"x-request-id"] == b"abc"


async def test_a_push_whose_sender_hangs_up_leaves_no_stack_trace(door: State) -> None:
    start, *_ = await answers(door, "/wechat/service-account", stalling(PART, GONE))

    assert start["status"] == 400


async def test_a_crash_is_named_and_tells_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_given: object, **_named: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(readiness, "check", crash)

    response = await client(None).get("/readyz", headers={"X-Request-Id": "abc"})

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == "abc"
    assert response.json() == {
        "type": "urn:xunhe:problem:unexpected",
        "title": "系统出了点问题，我们会尽快处理，请稍后再试。",
        "status": 500,
        "code": "unexpected",
    }
