"""The job queue: procrastinate on our own database, so that a job commits with its data.

Services defer by name inside the caller's transaction::

    await queue.defer(session, "render_photo", photo_id=str(photo.id))

Tasks live in `app/jobs.py`, registered with `@app.task(name=…, pass_context=True)` of the `app()`
here. The worker hands them its `State` as `context.additional_context["state"]`. Cron lines are in
UTC. procrastinate is loaded by the first who asks for it: in a web process that is beside its first
requests.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import driver_connection

if TYPE_CHECKING:
    from procrastinate import App


@cache
def app() -> "App":
    """The one App. Opened by the worker only: all others defer on their session's connection."""
    from procrastinate import App, PsycopgConnector  # noqa: PLC0415 - see the module's docstring

    return App(connector=PsycopgConnector())


async def defer(session: AsyncSession, task: str, /, **arguments: Any) -> None:
    """Add a job that exists if, and only if, the session's transaction commits."""
    await (
        app()
        .configure_task(task, connection=await driver_connection(session))
        .defer_async(**arguments)
    )


async def defer_once(
    session: AsyncSession,
    task: str,
    /,
    *,
    lock: str,
    at: datetime | None = None,
    **arguments: Any,
) -> bool:
    """Add a job unless one with this `lock` waits already; whether it was added.

    `at`: not before this instant. The attempt has a savepoint of its own, because a refusal by
    the database's unique index would end the whole transaction.
    """
    from procrastinate.exceptions import AlreadyEnqueued  # noqa: PLC0415 - as above

    try:
        async with session.begin_nested():
            # Asked for inside: the session sets its savepoint when it hands out a connection.
            connection = await driver_connection(session)
            await (
                app()
                .configure_task(task, queueing_lock=lock, schedule_at=at, connection=connection)
                .defer_async(**arguments)
            )
    except AlreadyEnqueued:
        return False
    return True


@dataclass(frozen=True)
class Health:
    """How the queue stands."""

    due: int
    oldest_due_at: datetime | None
    failed: int
    worker_seen_at: datetime | None


async def health(session: AsyncSession, *, now: datetime) -> Health:
    """Jobs that could run at `now`, since when the oldest waits, jobs given up, the last heartbeat.

    A running worker gives a sign every 5 seconds.
    """
    row = (await session.execute(_HEALTH, {"now": now})).one()
    return Health(row.due, row.oldest_due_at, row.failed, row.worker_seen_at)


_HEALTH = text(
    """
    SELECT
        (SELECT count(*) FROM procrastinate_jobs
            WHERE status = 'todo' AND coalesce(scheduled_at, :now) <= :now) AS due,
        (SELECT min(coalesce(job.scheduled_at, event.at)) FROM procrastinate_jobs AS job
            JOIN procrastinate_events AS event
                ON event.job_id = job.id AND event.type = 'deferred'
            WHERE job.status = 'todo' AND coalesce(job.scheduled_at, :now) <= :now
        ) AS oldest_due_at,
        (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed') AS failed,
        (SELECT max(last_heartbeat) FROM procrastinate_workers) AS worker_seen_at
    """
)
