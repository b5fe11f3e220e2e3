"""The mini-program's whole way through our API, as its own phone would go it."""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from app.wechat.simulator.photos import sample
from app.wechat.simulator.platform import Platform


async def walk(
    platform: Platform, key: str, lon: float, lat: float, number: int
) -> list[dict[str, Any]]:
    """Sign in, bind by phone, consent, check in at (lon, lat) in WGS-84, add a photo, read `me`.

    Returns a line per call: step, status, answer. It stops at the first refusal that matters.
    The session is kept for `tell_subscription`.
    """
    steps: list[dict[str, Any]] = []
    phone = platform.phone(key)
    base = platform.config.backend_url.rstrip("/") + "/api/v1"
    headers: dict[str, str] = {}

    async def call(step: str, method: str, path: str, **given: Any) -> dict[str, Any] | None:
        try:
            answer = await platform.http.request(
                method, base + path, headers=headers, timeout=30, **given
            )
        except httpx.HTTPError as error:
            steps.append({"step": step, "status": 0, "answer": type(error).__name__})
            return None
        try:
            body = answer.json()
        except ValueError:
            body = {}
        shown = {name: value for name, value in body.items() if name != "token"}
        steps.append({"step": step, "status": answer.status_code, "answer": shown})
        return body if answer.is_success else None

    session = await call("登录", "POST", "/sessions", json={"code": phone.login_code()})
    if session is None:
        return steps
    headers["Authorization"] = f"Bearer {session['token']}"
    if session.get("person") is None and phone.user.phone:
        code = {"code": phone.phone_code()}
        session = await call("手机号绑定", "POST", "/sessions/phone", json=code)
        if session is None:
            return steps
        headers["Authorization"] = f"Bearer {session['token']}"
    platform.sessions[key] = session["token"]
    consent = {"notice": "position", "agreed": True}
    await call("同意使用位置", "POST", "/me/consents", json=consent)
    check_in = {
        "at": datetime.fromtimestamp(platform.clock(), UTC).isoformat(timespec="seconds"),
        "position": {"lon": lon, "lat": lat, "accuracy_m": 15, "datum": "wgs84"},
        "photos_expected": 1,
    }
    path = f"/check-ins/{uuid4()}"
    if await call("巡河记录", "PUT", path, json=check_in) is not None:
        await call(
            "照片",
            "POST",
            f"{path}/photos",
            data={"id": str(uuid4())},
            files={"file": ("photo.jpg", sample(number), "image/jpeg")},
        )
        await call("结果", "GET", path)
    await call("我的", "GET", "/me")
    await call("我的任务", "GET", "/me/obligations")
    return steps


async def tell_subscription(platform: Platform, key: str, answers: Mapping[str, str]) -> None:
    """Tell our API what wx.requestSubscribeMessage answered, as the mini-program does: a hint.

    Nothing without a session of the mini-program; what is lost on the way is lost.
    """
    token = platform.sessions.get(key)
    if token is None:
        return
    url = platform.config.backend_url.rstrip("/") + "/api/v1/me/subscriptions"
    for template_id, result in answers.items():
        with contextlib.suppress(httpx.HTTPError):
            await platform.http.post(
                url,
                headers={"Authorization": f"Bearer {token}"},
                json={"template_id": template_id, "result": result},
                timeout=30,
            )
