"""What surrounds every request: its id, size, ETag, and its line in log and metrics."""

import asyncio
import hashlib
import re
import time
import uuid

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_LIMIT = 1 << 20
PHOTO_LIMIT = 20 << 20
_MULTIPART_ALLOWANCE = 64 << 10
# 20 MiB at 25 KB a second take as long; whoever sends nothing for a minute is gone.
BODY_SILENCE_S = 60.0
BODY_S = 900.0

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")

requests_total = Counter("xunhe_http_requests_total", "Answers", ["method", "route", "status"])
request_seconds = Histogram("xunhe_http_request_seconds", "Time to answer", ["method", "route"])


class RequestContext:
    """Names each request, logs it once and counts it; paths only, never a query string."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 500

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            # The route's template and not the path: ids and codes belong to people.
            route = getattr(scope.get("route"), "path", "-")
            took = time.perf_counter() - started
            requests_total.labels(scope["method"], route, status).inc()
            request_seconds.labels(scope["method"], route).observe(took)
            if status >= 500 or took > 1:
                log.warning(
                    "request", method=scope["method"], route=route, status=status, seconds=took
                )
            else:
                log.debug("request", method=scope["method"], route=route, status=status)


class BodyLimit:
    """413 as soon as a body is over its limit, announced or not; 408 when it does not come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        photo = scope["path"].endswith(("/photos", "/photo"))
        limit = PHOTO_LIMIT + _MULTIPART_ALLOWANCE if photo else JSON_LIMIT
        announced = Headers(scope=scope).get("content-length", "0")
        seen, whole = 0, False
        loop = asyncio.get_running_loop()
        latest = loop.time() + BODY_S

        async def counted() -> Message:
            nonlocal seen, whole
            if whole:
                # What comes now is that the caller hung up, and may take as long as a download.
                return await receive()
            try:
                async with asyncio.timeout_at(min(latest, loop.time() + BODY_SILENCE_S)):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            whole = not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > limit or (announced.isdigit() and int(announced) > limit):
                # An HTTPException, because FastAPI turns all others into a 400 while it reads.
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)


class ConditionalGet:
    """ETags for JSON answers to GET, and 304 for who has them already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        wanted = Headers(scope=scope).get("if-none-match", "")

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                kind = Headers(scope=message).get("content-type", "")
                if message["status"] == 200 and kind.startswith(
                    ("application/json", "application/geo+json")
                ):
                    start = message
                else:
                    await send(message)
                return
            if start is None:
                await send(message)
                return
            head, start = start, None
            if not message.get("more_body", False):
                headers = MutableHeaders(scope=head)
                if "etag" not in headers:
                    headers["ETag"] = etag_of(message.get("body", b""))
                headers["Cache-Control"] = "private, no-cache"
                headers.add_vary_header("Authorization")
                if matches(wanted, headers["etag"]):
                    for name in ("content-length", "content-type"):
                        del headers[name]
                    await send({**head, "status": 304})
                    await send({"type": "http.response.body", "body": b""})
                    return
            await send(head)
            await send(message)

        await self._app(scope, receive, tagged)


def etag_of(body: bytes) -> str:
    """A strong ETag of these bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches(wanted: str, etag: str) -> bool:
    """Whether an If-None-Match or If-Match header names this ETag (weakly compared)."""
    names = {name.strip().removeprefix("W/") for name in wanted.split(",")}
    return "*" in names or etag in names
