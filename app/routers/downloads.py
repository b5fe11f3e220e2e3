"""Downloads: bodies that are made while they are sent, and what becomes of them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast
from urllib.parse import quote

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from app.services.exports.downloads import Downloads


def get_downloads(request: Request) -> Downloads:
    """How many run, and where they read from."""
    return cast("Downloads", request.state.downloads)


class Download(Response):
    """A file in pieces.

    What goes wrong before the first piece is an error answer; later the connection is broken off,
    so that nobody takes a part for the whole. Whoever hangs up ends the work at once.
    """

    def __init__(self, pieces: AsyncGenerator[bytes], *, name: str, media_type: str) -> None:
        self._pieces = pieces
        plain = "download" + name[name.rfind(".") :]
        self.status_code, self.background, self.body = 200, None, b""
        self.media_type = media_type
        self.init_headers(
            {
                "Content-Disposition": f'attachment; filename="{plain}"; '
                f"filename*=UTF-8''{quote(name, safe='')}",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            }
        )
        del self.headers["content-length"]

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until all is sent or nobody listens."""
        sending = asyncio.ensure_future(self._send(send))
        listening = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
        finally:
            for task in (sending, listening):
                task.cancel()
            await asyncio.gather(sending, listening, return_exceptions=True)
            await self._pieces.aclose()

    async def _send(self, send: Send) -> None:
        first = await anext(self._pieces, b"")
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # others have their turn, however fast the rows come
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
