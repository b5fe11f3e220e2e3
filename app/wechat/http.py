"""The one HTTP client for calls to WeChat.

aiohttp is a tenth of a start and 10 MB, and many a web process never calls out: it is loaded when
somebody first does, beside the event loop.
"""

import asyncio
import sys
from importlib import import_module
from typing import Any

import httpx

from app.settings import Settings

TIMEOUT = httpx.Timeout(10, connect=3, pool=5)
ANSWER_LIMIT = 1 << 20


class TooMuch(Exception):
    """An answer longer than anybody asked for."""


def open_http(settings: Settings) -> httpx.AsyncClient:
    """A client whose relative URLs are WeChat's; HTTPS_PROXY and NO_PROXY are honoured.

    Over aiohttp, as httpx's own pool collapses beyond some 16 connections.
    """
    return _Client(
        base_url=settings.wechat_api_url,
        timeout=TIMEOUT,
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=100),
        follow_redirects=False,
        headers={"User-Agent": "xunhe"},
    )


class _Client(httpx.AsyncClient):
    """httpx_aiohttp's client, but for when it loads."""

    def _init_transport(  # type: ignore[override]  # what httpx gives is handed on
        self, transport: httpx.AsyncBaseTransport | None = None, **options: Any
    ) -> httpx.AsyncBaseTransport:
        return transport or _Aiohttp(options)

    def _init_proxy_transport(  # type: ignore[override]  # the same
        self, proxy: httpx.Proxy, **options: Any
    ) -> httpx.AsyncBaseTransport:
        return _Aiohttp(options | {"proxy": proxy})


class _Aiohttp(httpx.AsyncBaseTransport):
    """A transport that is made for its first request."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._made: httpx.AsyncBaseTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._made is None:
            loaded = await asyncio.to_thread(import_module, "httpx_aiohttp")
            # Two first requests may both have waited for that.
            self._made = self._made or loaded.AiohttpTransport(**self._options)
        return await self._made.handle_async_request(request)

    async def aclose(self) -> None:
        if self._made is not None:
            await self._made.aclose()


async def fetch(
    http: httpx.AsyncClient, request: httpx.Request, *, limit: int, within_s: float
) -> httpx.Response:
    """The whole answer, of at most `limit` bytes, within a time that trickling cannot stretch.

    Raises `httpx.HTTPError`, `TooMuch`, `TimeoutError`.
    """
    try:
        async with asyncio.timeout(within_s):
            response = await http.send(request, stream=True)
            try:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > limit:
                        raise TooMuch
            finally:
                await response.aclose()
    except Exception as error:
        if not _is_of_aiohttp(error, "ClientError"):
            raise
        # Those that the transport lets through; their texts hold the URL with its token.
        raise httpx.RemoteProtocolError(type(error).__name__) from error
    whole = httpx.Response(response.status_code, content=bytes(content))
    whole.headers["content-type"] = response.headers.get("content-type", "")
    return whole


def was_not_sent(error: Exception) -> bool:
    """Whether the request certainly never reached WeChat.

    aiohttp's transport reports a connection that broke after the request as httpx's
    `ConnectTimeout`; only the cause underneath tells the truth.
    """
    cause = error.__cause__
    if _is_of_aiohttp(cause, "ClientError"):
        return _is_of_aiohttp(
            cause, "ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError"
        )
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _is_of_aiohttp(error: BaseException | None, *names: str) -> bool:
    """Whether it is one of aiohttp's errors; nobody has raised one where aiohttp is not loaded."""
    aiohttp = sys.modules.get("aiohttp")
    return aiohttp is not None and isinstance(error, tuple(getattr(aiohttp, n) for n in names))
