"""The demo on the web's own address: /simulator is asked for next door, /demo/ is its own page."""

from collections.abc import Sequence

import httpx
from httpx_aiohttp import AiohttpTransport
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.demo import pages

PREFIX = "/simulator"
_MOST_BYTES = 200 << 20
_SECONDS = 60.0
# They speak of one connection only, or are reckoned anew.
_OF_A_CONNECTION = {
    b"connection",
    b"content-length",
    b"date",
    b"host",
    b"keep-alive",
    b"server",
    b"transfer-encoding",
}
Headers = Sequence[tuple[bytes, bytes]]


class WithSimulator:
    """The web application, with the simulator's pages and the operator's; for the demo alone."""

    def __init__(self, web: ASGIApp, simulator: str) -> None:
        self._web = web
        self._simulator = simulator
        self._pages = pages.create_app()
        self._http: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or see the application through its life."""
        if scope["type"] == "lifespan":
            async with httpx.AsyncClient(
                # Not decoded here, so that what is said of the coding stays true.
                transport=AiohttpTransport(),
                base_url=self._simulator,
                timeout=_SECONDS,
                trust_env=False,
            ) as self._http:
                await self._web(scope, receive, send)
        elif scope["type"] == "http" and _is_below(PREFIX, scope["path"]):
            await self._pass_on(scope, receive, send)
        elif scope["type"] == "http" and _is_below(pages.PREFIX, scope["path"]):
            await self._pages(scope, receive, send)
        else:
            await self._web(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._http is None:
            raise RuntimeError("asked before the start")
        content = await _read(receive)
        if content is None:
            await _answer(send, 413, [], b"")
            return
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        try:
            answer = await self._http.request(
                scope["method"],
                target.decode("ascii"),
                headers=[*_kept(scope["headers"]), (b"accept-encoding", b"identity")],
                content=content,
            )
        except httpx.HTTPError:
            text = "模拟微信正在启动，请稍后刷新。".encode()
            await _answer(send, 503, [(b"content-type", b"text/plain; charset=utf-8")], text)
            return
        await _answer(send, answer.status_code, _kept(answer.headers.raw), answer.content)


def _is_below(prefix: str, path: str) -> bool:
    return f"{path}/".startswith(f"{prefix}/")


def _kept(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in _OF_A_CONNECTION | {b"accept-encoding"}
    ]


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when there is no end of it."""
    content = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(content)
        content += message.get("body", b"")
        if len(content) > _MOST_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(content)


async def _answer(send: Send, status: int, headers: Headers, content: bytes) -> None:
    length = (b"content-length", str(len(content)).encode())
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [*headers, length],
    }
    await send(start)
    await send({"type": "http.response.body", "body": content})
