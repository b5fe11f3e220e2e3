"""The web application: create_app() puts the rooms together."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import structlog
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app import clock, queue
from app.domain import geometry
from app.routers import middleware, problems, rooms
from app.services import alarms, chain, rulebook
from app.settings import get_settings
from app.state import State, open_state

log = structlog.get_logger(__name__)

_KEEPING_WAIT_S, _AGAIN_S = 2, 5
_STATIC = Path(__file__).parent / "web" / "static"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
    """Open the state, and keep the collector away from what never becomes garbage."""
    async with open_state(get_settings()) as state:
        # Without a last look: that takes a tenth of a start, and finds 1 % of what was loaded.
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)
        gc.enable()  # off while a process of `serve` loads
        keeping = asyncio.create_task(_keep_rules(state))
        beside = [asyncio.create_task(_watch(state)), asyncio.create_task(_load()), keeping]
        # As a rule it is one question; a whole book that is judged anew is not waited for.
        await asyncio.wait([keeping], timeout=_KEEPING_WAIT_S)
        try:
            yield state
        finally:
            for task in beside:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _load() -> None:
    """Load what the first record will need, beside the loop: it is a third of a second."""
    await asyncio.to_thread(geometry.load)
    await asyncio.to_thread(queue.app)
    gc.freeze()


async def _keep_rules(state: State) -> None:
    """See that duties are counted by the settings of today, and that the chain has begun."""
    while True:
        try:
            await rulebook.keep_apart(state["sessions"], state["settings"], now=clock.now())
            async with state["sessions"].begin() as session:
                await chain.begin(session, now=clock.now())
        except (DBAPIError, PoolTimeoutError, psycopg.Error) as error:
            log.warning("rules_not_kept", error=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def _watch(state: State) -> None:
    """Look for alarms here too, and not only in the worker: it may be the worker that is dead."""
    while True:
        await asyncio.sleep(alarms.EVERY_S)
        try:
            await alarms.watch(state["sessions"], state["settings"], now=clock.now())
        except Exception as error:  # noqa: BLE001  whatever it was, the next look may succeed
            log.warning("alarms not looked at", error=type(error).__name__)


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
