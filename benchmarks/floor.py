"""The application with routes beside its own that do a call's work without a database."""

from datetime import date
from uuid import UUID, uuid4

from fastapi import FastAPI, Request, Response

from app import main
from app.domain import duties
from app.domain.duties import Terms
from app.routers.deps import Now
from app.routers.wechat import AtDoor, Body
from app.schemas.check_ins import NewCheckIn
from app.schemas.duties import Duties
from app.services import my_duties
from app.wechat import callback

TODAY = date(2026, 6, 1)


def _fifty() -> list[my_duties.Duty]:
    """Fifty duties as they are found."""
    terms = Terms(12, "year", date(2025, 1, 1), None, None)
    now = duties.progress(duties.window_of(terms, TODAY), TODAY, done=4)
    return [
        my_duties.Duty(
            id=uuid4(),
            code=f"BENCH-{n}",
            area_kind="any",
            times=12,
            period="year",
            starts_on=terms.starts_on,
            ends_on=None,
            holder_kind="person",
            holder_code="BENCH-1",
            holder_name="示例",
            holder_short_name="示例",
            area_code=None,
            area_name=None,
            area_short_name=None,
            is_own=True,
            progress=now,
        )
        for n in range(50)
    ]


def create_app() -> FastAPI:
    """Xunhe, and the floors that it is measured against."""
    app = main.create_app()

    @app.put("/floor/{id}")
    async def put(id: UUID, body: NewCheckIn) -> dict[str, object]:
        return {"id": id, "at": body.at}

    known = _fifty()

    @app.get("/floor/obligations")
    async def read() -> Duties:
        return Duties.of(known, TODAY)

    @app.post("/floor/service-account")
    async def receive(request: Request, door: AtDoor, body: Body, now: Now) -> Response:
        incoming = callback.read(door, request.query_params.multi_items(), body, now=now)
        content, media_type = callback.write(door, incoming, "已记录，请再发一张照片。", now=now)
        return Response(content, media_type=media_type)

    return app
