"""The tasks: three-line functions that call a service."""

from typing import Any

from procrastinate import JobContext, RetryStrategy

from app import clock
from app.queue import app
from app.services import renditions

# A store that is gone comes back: again after 30, 60, 90 s …, for two days.
_UNTIL_THE_STORE_IS_BACK = RetryStrategy(max_attempts=100, linear_wait=30)


@app.task(name="make_renditions", pass_context=True, retry=_UNTIL_THE_STORE_IS_BACK)
async def make_renditions(context: JobContext, sha256: str) -> None:
    """Large and small of one image, and its perceptual hash."""
    state: Any = context.additional_context["state"]
    async with state["sessions"]() as session, session.begin():
        await renditions.make(
            session,
            state["store"],
            bytes.fromhex(sha256),
            state["settings"],
            now=clock.now(),
        )
