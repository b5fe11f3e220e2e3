"""A web child like ours around an application that answers in two parts, minutes apart if asked."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from starlette.types import Receive, Scope, Send

from app import parent
from app.supervisor.web import serve


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """The first part at once, the second when the file `SECOND_PART` is there."""
    if scope["type"] == "lifespan":
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first ", "more_body": True})
    while not Path(os.environ["SECOND_PART"]).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body", "body": b"second"})


if __name__ == "__main__":
    parent.wait_for_go()
    serve(lambda: slow, socket.socket(fileno=int(sys.argv[1])))
