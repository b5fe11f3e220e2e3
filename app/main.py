"""The web application: create_app() puts the rooms together."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.routers import middleware, problems, rooms
from app.settings import get_settings
from app.state import State, open_state

_STATIC = Path(__file__).parent / "web" / "static"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
    """Open the state, and keep the collector away from what never becomes garbage."""
    async with open_state(get_settings()) as state:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        yield state


def create_app() -> FastAPI:
    """Put the rooms together."""
    app = FastAPI(
        title="巡河 Xunhe",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(middleware.BodyLimit)
    app.add_middleware(middleware.ConditionalGet)
    app.add_middleware(middleware.RequestContext)
    for router in rooms.ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app
