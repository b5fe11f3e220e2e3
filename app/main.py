"""The web application: create_app() puts the rooms together."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import embedded_postgres
from app.database import connect
from app.keys import Keys, open_keys
from app.routers import middleware, problems, rooms
from app.services.rate_limits import RateLimiter
from app.settings import Settings, get_settings


class State(TypedDict):
    """What a request finds on `request.state`."""

    settings: Settings
    keys: Keys
    sessions: async_sessionmaker[AsyncSession]
    limiter: RateLimiter


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncGenerator[State]:
    """Everything that lives as long as the process; the database must be up and migrated."""
    url = settings.database.url or embedded_postgres.url_of(settings.data_dir)
    engine, sessions = connect(url, settings.database)
    # The limiter waits for nobody while it holds a connection, so its own two are enough.
    limits_engine, limits_sessions = connect(
        url, settings.database.model_copy(update={"pool_size": 2})
    )
    try:
        yield State(
            settings=settings,
            keys=open_keys(settings),
            sessions=sessions,
            limiter=RateLimiter(limits_sessions),
        )
    finally:
        await limits_engine.dispose()
        await engine.dispose()


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
    return app
