"""The state: everything that lives as long as a process, web or worker."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock, embedded_postgres
from app.database import connect, snapshots
from app.keys import Keys, open_keys
from app.models import App
from app.services import chain, conversations, facts
from app.services.callback_queue import CallbackQueue
from app.services.check_in_queue import CheckInQueue
from app.services.exports.downloads import Downloads
from app.services.rate_limits import RateLimiter
from app.settings import BadSettings, Settings
from app.storage import Store, open_store
from app.wechat.client import WeChat, open_wechat
from app.wechat.doors import Door, open_doors
from app.wechat.http import open_http


class State(TypedDict):
    """What a request finds on `request.state`."""

    settings: Settings
    keys: Keys
    sessions: async_sessionmaker[AsyncSession]
    limiter: RateLimiter
    store: Store
    recorder: CheckInQueue
    wechat: WeChat
    doors: Mapping[App, Door]
    callbacks: CallbackQueue
    downloads: Downloads


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncGenerator[State]:
    """Everything that lives as long as the process; the database must be up and migrated."""
    if settings.area_of_interest is not None:
        facts.area_of_interest(settings.area_of_interest)
    use_workdays(settings)
    doors = open_doors(settings)
    url = settings.database.url or embedded_postgres.url_of(settings.data_dir)
    engine, sessions = connect(url, settings.database)
    # The limiter waits for nobody while it holds a connection, so its own two are enough.
    limits_engine, limits_sessions = connect(
        url, settings.database.model_copy(update={"pool_size": 2})
    )
    # One connection of an app's may wait for WeChat while it renews a token.
    wechat_engine, wechat_sessions = connect(
        url, settings.database.model_copy(update={"pool_size": 5})
    )
    snapshots_engine, snapshot_sessions = snapshots(url)
    try:
        async with open_http(settings) as http:
            keys, limiter = open_keys(settings), RateLimiter(limits_sessions)
            chain.use(keys)
            yield State(
                settings=settings,
                keys=keys,
                sessions=sessions,
                limiter=limiter,
                recorder=CheckInQueue(sessions, limiter, settings, keys),
                store=open_store(settings.media, settings.s3),
                wechat=open_wechat(http, settings, wechat_sessions),
                doors=doors,
                callbacks=CallbackQueue(sessions, conversations.answering(settings, keys)),
                downloads=Downloads(snapshot_sessions),
            )
    finally:
        await snapshots_engine.dispose()
        await wechat_engine.dispose()
        await limits_engine.dispose()
        await engine.dispose()


def use_workdays(settings: Settings) -> None:
    """Have the operator's workdays in this process. Raises `BadSettings` that names the line."""
    if settings.workdays_file is None:
        return
    try:
        clock.use_workdays(clock.read_workdays(settings.workdays_file))
    except (OSError, UnicodeError, clock.BadWorkdays) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadSettings(f"XUNHE_WORKDAYS_FILE: {why}") from None
