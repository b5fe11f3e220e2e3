"""The one HTTP client for calls to WeChat."""

import asyncio

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from app.settings import Settings

TIMEOUT = httpx.Timeout(10, connect=3, pool=5)
ANSWER_LIMIT = 1 << 20


class TooMuch(Exception):
    """An answer longer than anybody asked for."""


def open_http(settings: Settings) -> httpx.AsyncClient:
    """A client whose relative URLs are WeChat's; HTTPS_PROXY and NO_PROXY are honoured.

    Over aiohttp, as httpx's own pool collapses beyond some 16 connections.
    """
    return HttpxAiohttpClient(
        base_url=settings.wechat_api_url,
        timeout=TIMEOUT,
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=100),
        follow_redirects=False,
        headers={"User-Agent": "xunhe"},
    )


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
    except aiohttp.ClientError as error:
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
    if isinstance(cause, aiohttp.ClientError):
        return isinstance(
            cause,
            aiohttp.ClientConnectorError
            | aiohttp.ConnectionTimeoutError
            | aiohttp.ClientHttpProxyError,
        )
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
