"""The application with routes beside its own that do a call's work without a database."""

from uuid import UUID

from fastapi import FastAPI, Request, Response

from app import main
from app.routers.deps import Now
from app.routers.wechat import AtDoor, Body
from app.schemas.check_ins import NewCheckIn
from app.wechat import callback


def create_app() -> FastAPI:
    """Xunhe, and the floors that it is measured against."""
    app = main.create_app()

    @app.put("/floor/{id}")
    async def put(id: UUID, body: NewCheckIn) -> dict[str, object]:
        return {"id": id, "at": body.at}

    @app.post("/floor/service-account")
    async def receive(request: Request, door: AtDoor, body: Body, now: Now) -> Response:
        incoming = callback.read(door, request.query_params.multi_items(), body, now=now)
        content, media_type = callback.write(door, incoming, "已记录，请再发一张照片。", now=now)
        return Response(content, media_type=media_type)

    return app
