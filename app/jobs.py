"""The tasks: three-line functions that call a service."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from procrastinate import JobContext, RetryStrategy

from app import clock, queue
from app.services import (
    alarms,
    callbacks,
    chain,
    conversations,
    credit_months,
    credits,
    media_fetching,
    messages,
    patrols,
    renditions,
    unionids,
    visit_days,
)
from app.services.reminders import delivering, planning

app = queue.app()

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


@app.periodic(cron="23 19 * * *")
@app.task(name="sweep_photos", pass_context=True, queueing_lock="sweep_photos")
async def sweep_photos(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """By night: scraps of killed uploads go, renditions that were given up are tried again."""
    state: Any = context.additional_context["state"]
    before = clock.now() - timedelta(days=1)
    async with state["sessions"]() as session, session.begin():
        await renditions.defer_missing(session, before=before)
    await state["store"].sweep(before)


# WeChat is away for minutes or for hours; after a day the news is old.
_UNTIL_WECHAT_IS_BACK = RetryStrategy(max_attempts=40, linear_wait=60)


@app.task(name="tell", pass_context=True, retry=_UNTIL_WECHAT_IS_BACK)
async def tell(context: JobContext, message_id: str) -> None:
    """Take one message to the chat."""
    state: Any = context.additional_context["state"]
    await messages.deliver(state["sessions"], state["wechat"], UUID(message_id), now=clock.now())


@app.periodic(cron="* * * * *")
@app.task(
    name="deliver_reminders",
    pass_context=True,
    queueing_lock="deliver_reminders",
    lock="deliver_reminders",
)
async def deliver_reminders(context: JobContext, timestamp: int = 0) -> None:  # noqa: ARG001  a tick's
    """Send the reminders whose time has come; planning asks for it at once."""
    state: Any = context.additional_context["state"]
    await delivering.deliver_due(
        state["sessions"], state["wechat"], state["settings"], now=clock.now()
    )


@app.periodic(cron="*/10 * * * *")
@app.task(name="plan_reminders", pass_context=True, queueing_lock="plan_reminders")
async def plan_reminders(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """In the hours in which people may be disturbed: decide what they are told."""
    state: Any = context.additional_context["state"]
    async with state["sessions"]() as session, session.begin():
        await planning.tick(session, state["settings"], now=clock.now())


# Whoever has the books alone is at it for seconds, or for minutes where everything is judged anew.
_UNTIL_THE_BOOKS_ARE_FREE = RetryStrategy(max_attempts=2000, wait=5)


@app.task(name="judge_patrols", pass_context=True, retry=_UNTIL_THE_BOOKS_ARE_FREE)
async def judge_patrols(context: JobContext, patrol_ids: list[str]) -> None:
    """What was recorded while somebody had the books alone counts too."""
    state: Any = context.additional_context["state"]
    async with state["sessions"]() as session, session.begin():
        await credits.judge_later(session, [UUID(id_) for id_ in patrol_ids], now=clock.now())


@app.task(name="look_up_unionid", pass_context=True, retry=_UNTIL_WECHAT_IS_BACK)
async def look_up_unionid(context: JobContext, wechat_user_id: str) -> None:
    """Ask which human being a follower is."""
    state: Any = context.additional_context["state"]
    await unionids.look_up(
        state["sessions"], state["wechat"], UUID(wechat_user_id), now=clock.now()
    )


@app.task(name="fetch_media", pass_context=True)
async def fetch_media(context: JobContext, chat_media_id: str) -> None:
    """Get what was sent in the chat; it tries again by itself while WeChat still has it."""
    state: Any = context.additional_context["state"]
    await media_fetching.fetch(
        state["sessions"],
        state["wechat"],
        state["store"],
        state["settings"],
        UUID(chat_media_id),
        now=clock.now(),
    )


@app.task(name="release_held", pass_context=True, retry=RetryStrategy(max_attempts=10, wait=30))
async def release_held(context: JobContext, wechat_user_id: str) -> None:
    """Let what somebody sent before being bound become records."""
    state: Any = context.additional_context["state"]
    async with state["sessions"]() as session, session.begin():
        await conversations.release_held(
            session, state["settings"], state["keys"], UUID(wechat_user_id), now=clock.now()
        )


@app.periodic(cron="* * * * *")
@app.task(name="sweep_chat", pass_context=True, queueing_lock="sweep_chat")
async def sweep_chat(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Media without a job, photos without a place, what was held too long."""
    state: Any = context.additional_context["state"]
    await conversations.sweep(state["sessions"], state["settings"], state["keys"], now=clock.now())


@app.periodic(cron="*/10 * * * *")
@app.task(name="close_patrols", pass_context=True, queueing_lock="close_patrols")
async def close_patrols(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Finish the patrols that were left open."""
    state: Any = context.additional_context["state"]
    open_for = timedelta(hours=state["settings"].patrol_open_h)
    async with state["sessions"]() as session, session.begin():
        await patrols.close_overdue(session, open_for=open_for, now=clock.now())


@app.periodic(cron="* * * * *")
@app.task(name="watch", pass_context=True, queueing_lock="watch")
async def watch(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Look for alarms; every web process looks too."""
    state: Any = context.additional_context["state"]
    await alarms.watch(state["sessions"], state["settings"], now=clock.now())


@app.periodic(cron="* * * * *")
@app.task(name="seal_records", pass_context=True, queueing_lock="seal_records")
async def seal_records(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Give what was recorded its place in the chain; close the day that is over."""
    state: Any = context.additional_context["state"]
    await chain.take_over(state["sessions"], now=clock.now())
    await chain.seal(state["sessions"], now=clock.now())


@app.periodic(cron="17 * * * *")
@app.task(name="forget_callbacks", pass_context=True, queueing_lock="forget_callbacks")
async def forget_callbacks(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Drop the nonces and receipts that no retry of WeChat's can ask about any more."""
    state: Any = context.additional_context["state"]
    async with state["sessions"]() as session, session.begin():
        await callbacks.forget(session, now=clock.now())


@app.periodic(cron="* * * * *")
@app.task(name="count_visit_days", pass_context=True, queueing_lock="count_visit_days")
async def count_visit_days(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Count again the visits of the days on which a check-in changed."""
    state: Any = context.additional_context["state"]
    await visit_days.refresh(state["sessions"])


@app.periodic(cron="* * * * *")
@app.task(name="count_credit_months", pass_context=True, queueing_lock="count_credit_months")
async def count_credit_months(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  the tick's
    """Count again the days of the months in which a credit changed."""
    state: Any = context.additional_context["state"]
    await credit_months.refresh(state["sessions"])
