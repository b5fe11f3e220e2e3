"""The child that writes the demo's year while everything else is running already."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from datetime import date, timedelta

import structlog
from sqlalchemy import select

from app import clock, logs, parent
from app.demo import duties, leave, people, photographs, plan, told, tricks, welcome
from app.demo.history import Writer
from app.demo.plan import Outing
from app.demo.tricks import Trick
from app.models import CheckIn, Person
from app.opening import opened
from app.services import messages, reviews, wechat_setup
from app.services.access import Caller
from app.settings import Settings, get_settings
from app.state import State, open_state
from app.wechat.errors import WeChatError

log = structlog.get_logger(__name__)

_NICENESS = 5
_PAUSE_S, _TRIES = 1, 20


def main() -> None:
    """Be the supervisor's child: write what is missing, say so, and wait to be ended."""
    parent.wait_for_go()
    # Visitors come first.
    os.nice(_NICENESS)
    settings = get_settings()
    logs.configure(settings.log_level)
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    with opened(settings) as url:
        asyncio.run(_write(settings, url))
    parent.say_ready()
    signal.pause()


async def _write(settings: Settings, url: str) -> None:
    database = settings.database.model_copy(update={"url": url})
    async with open_state(settings.model_copy(update={"database": database})) as state:
        await _put_menu(state)
        await write_year(state, today=clock.day_of(clock.now()))
        async with state["sessions"]() as session:
            first_day = date.fromordinal(await welcome.first_day(session))
        await told.before(state, first_day)
        # Only now: what was told in the past must not have used it up.
        await leave.give(state)


async def _put_menu(state: State) -> None:
    """The simulated WeChat forgets its menus when it ends; and it may be just beginning."""
    for _ in range(_TRIES):
        try:
            await wechat_setup.put_menu(state["wechat"])
        except WeChatError:
            await asyncio.sleep(_PAUSE_S)
        else:
            return
    log.warning("demo without a menu")


async def write_year(state: State, *, today: date) -> None:
    """Everything that the plan has until the day before `today`; what is there stays as it is."""
    async with state["sessions"]() as session:
        first_day = date.fromordinal(await welcome.first_day(session))
    tricked = tricks.every(first_day)
    year = [
        outing
        for month in plan.outings(today, kept_free=tricks.kept_free(tricked))
        for outing in month
    ]
    staged = [outing for trick in tricked for outing in trick.outings]
    first = _first_days([*year, *staged])
    async with state["sessions"].begin() as session:
        await people.bind(session, state["settings"], duties.walkers(), first)
        await people.agree(session, first, _first_days([o for o in year if o.track]))
    writer = await Writer.open(state)
    for trick in tricked:
        await writer.write(trick.outings, together=1)
        await photographs.add(state, trick.outings, at_once=1)
        await _compare(state, trick)
        await _review(state, trick, first_day)
    await writer.write(year)
    await photographs.add(state, year)


def _first_days(outings: list[Outing]) -> Mapping[str, date]:
    """The day of everybody's first outing, of those whose phone it was."""
    first: dict[str, date] = {}
    for outing in outings:
        for person in {outing.person, *(visit.person for visit in outing.visits)}:
            first[person] = min(outing.on, first.get(person, outing.on))
    return first


async def _compare(state: State, trick: Trick) -> None:
    """Say so where the evidence does not see through a trick, or suspects somebody honest."""
    keys = {visit.id: visit.key for outing in trick.outings for visit in outing.visits}
    async with state["sessions"]() as session:
        for check_in in await session.scalars(select(CheckIn).where(CheckIn.id.in_(keys))):
            failed = {each["check"] for each in check_in.evidence if each["passed"] is False}
            key = keys[check_in.id]
            if failed != trick.failed.get(key, frozenset()):
                log.error("demo trick came out otherwise", trick=key, failed=sorted(failed))


async def _review(state: State, trick: Trick, first_day: date) -> None:
    """Let the managers say what they have to say, once, in one transaction."""
    if not trick.reviews:
        return
    id_ = plan.id_of("check-in", trick.reviewed)
    async with state["sessions"].begin() as session:
        check_in = await session.get_one(CheckIn, id_, with_for_update=True)
        if check_in.reviewed_at is not None:
            return
        for said in trick.reviews:
            person = await session.scalar(select(Person).where(Person.code == said.person))
            if person is None:
                continue
            now = tricks.moment_of(first_day, said)
            if said.verdict is None:
                await reviews.answer(session, person, id_, text=said.words, now=now)
            else:
                await reviews.review(
                    session,
                    Caller(person=person),
                    id_,
                    verdict=said.verdict,
                    reason=said.words,
                    now=now,
                )
        await messages.note_told(session, before=clock.now() - timedelta(hours=1))


if __name__ == "__main__":
    main()
