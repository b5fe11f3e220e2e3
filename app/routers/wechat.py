"""Where WeChat calls: a door for the service account, one for the mini-program."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import ClientDisconnect

from app.errors import BadRequest, Forbidden, TooLarge
from app.models import App
from app.routers.deps import Now
from app.wechat import callback
from app.wechat.doors import Door

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/wechat", tags=["微信回调"], include_in_schema=False)

_PATHS = {"service-account": App.service_account, "mini-program": App.mini_program}


async def get_door(request: Request) -> Door:
    """The door of the app in the path, when this deployment has it."""
    app = _PATHS[request.url.path.rsplit("/", 1)[-1]]
    door: Door | None = request.state.doors.get(app)
    if door is None:
        raise Forbidden
    return door


async def get_body(request: Request) -> bytes:
    """The body, of which no more is read than a push may have."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > callback.BODY_LIMIT:
                raise TooLarge
    except ClientDisconnect:
        # Nobody hears this answer; without it the log would hold a stack trace for each.
        raise BadRequest from None
    return bytes(body)


AtDoor = Annotated[Door, Depends(get_door)]
Body = Annotated[bytes, Depends(get_body)]


@router.get("/service-account")
@router.get("/mini-program")
async def verify(request: Request, door: AtDoor) -> Response:
    """WeChat asks whether this address is ours."""
    echo = callback.verify(door, request.query_params.multi_items())
    return Response(echo, media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


@router.post("/service-account")
@router.post("/mini-program")
async def receive(request: Request, door: AtDoor, body: Body, now: Now) -> Response:
    """A message or event, and our answer to it."""
    try:
        incoming = callback.read(door, request.query_params.multi_items(), body, now=now)
    except callback.Unreadable as error:
        log.warning("callback not understood", app=door.app, what=str(error))
        return Response(callback.SUCCESS, media_type="text/plain")
    reply = await request.state.callbacks.receive(incoming)
    content, media_type = callback.write(door, incoming, reply, now=now)
    return Response(content, media_type=media_type)
