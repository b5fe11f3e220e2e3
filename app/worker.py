"""The other process: it runs the jobs of the queue and the periodic tasks."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
import structlog
from procrastinate import JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from app import clock, jobs, logs, parent, queue
from app.errors import CommandFailed
from app.opening import opened
from app.services import chain, rulebook
from app.settings import BadSettings, Settings, get_settings
from app.state import State, open_state

log = structlog.get_logger(__name__)

CONCURRENCY = 8
POLL_S = 2  # a new job is announced at once; this is for those put back or due by now
HEARTBEAT_S = 5
STALLED_S = 20
DRAIN_S = 25
_TASKS = jobs  # importing it has registered them


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then let running jobs end.

    Raises `CommandFailed` when the database cannot be opened.
    """
    # Its notes hold the arguments of jobs; what matters is noted by `_note_failures`.
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    with opened(settings) as url:
        asyncio.run(_work(settings, url))


async def _work(settings: Settings, url: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    database = settings.database.model_copy(update={"url": url})
    async with open_state(settings.model_copy(update={"database": database})) as state:
        await rulebook.keep_apart(state["sessions"], settings, now=clock.now())
        async with state["sessions"].begin() as session:
            await chain.begin(session, now=clock.now())
        while not stopping.is_set():
            # It returns of itself only when the database has gone away under it.
            working = asyncio.create_task(_work_while_connected(url, state))
            told = asyncio.create_task(stopping.wait())
            await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                working.cancel()  # which lets running jobs end
            with contextlib.suppress(asyncio.CancelledError, ConnectorException, psycopg.Error):
                await working
            if not stopping.is_set():
                log.warning("worker_lost_database")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(told, timeout=1)
            told.cancel()


async def _work_while_connected(url: str, state: State) -> None:
    # A connector of its own each time: the pool of one that lost its database stays closed.
    connector = PsycopgConnector(
        conninfo=url,
        min_size=1,
        max_size=CONCURRENCY + 4,
        timeout=10,
        kwargs={"application_name": "xunhe worker"},
    )
    with queue.app().replace_connector(connector):
        async with queue.app().open_async():
            rescuing = asyncio.create_task(_rescue())
            try:
                await queue.app().run_worker_async(
                    name="worker",
                    concurrency=CONCURRENCY,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=POLL_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=STALLED_S,
                    shutdown_graceful_timeout=DRAIN_S,
                    delete_jobs="successful",
                    additional_context={"state": state},
                    worker_middleware=[_note_failures],
                )
            finally:
                rescuing.cancel()


async def _note_failures(
    run_job: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker
) -> Any:
    """Say which job failed and why, without its arguments."""
    try:
        return await run_job()
    except Exception as error:
        log.warning(
            "job_failed",
            task=context.job.task_name,
            job=context.job.id,
            attempts=context.job.attempts + 1,
            error=type(error).__name__,
        )
        raise


async def _rescue() -> None:
    """Put jobs back whose worker was killed (every task may run twice without harm).

    A loop and not a job: it must not wait for a free place behind those very jobs.
    """
    manager = queue.app().job_manager
    while True:
        with contextlib.suppress(ConnectorException):  # without database the worker ends itself
            for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
                # Another worker may have been quicker: then it is no longer ours to put back.
                with contextlib.suppress(ConnectorException):
                    await manager.retry_job(job)
                    log.warning("job_rescued", task=job.task_name, job=job.id)
        await asyncio.sleep(HEARTBEAT_S)


def main() -> None:
    """Be the supervisor's child."""
    parent.wait_for_go()
    try:
        settings = get_settings()
        logs.configure(settings.log_level)
        run(settings)
    except (BadSettings, CommandFailed) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
