"""The rulebook: keeping the book of duties by the settings of today."""

from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.models import Rulebook
from app.services import audit, credits, pairing_duties, turns
from app.settings import Settings

log = structlog.get_logger(__name__)


async def keep(session: AsyncSession, settings: Settings, *, now: datetime) -> bool:
    """Judge everything anew if the book was kept by other settings, or not at all; whether it was.

    Cheap when nothing changed: one question. Of several processes that ask at once one does it,
    and the others wait for that. The caller commits.
    """
    if not differs(await read(session), settings):
        return False
    await turns.take(session)
    await credits.hold_alone(session)
    book = await read(session)
    if not differs(book, settings):
        return False
    before = _said(book) if book else None
    if book is None:
        book = Rulebook(id=1, opened_on=clock.day_of(now))
        session.add(book)
    book.count_from, book.judged_at = settings.count_from, now
    book.pairing_duty, book.pairing_times = settings.pairing_duty.value, settings.pairing_times
    # Before anything is judged: the day from which on duties count is read from there.
    await session.flush()
    await pairing_duties.settle(session, settings, now=now)
    await credits.judge_everything(session, now=now)
    if before is not None:
        await audit.record(
            session, None, "rulebook.change", "rulebook", now=now, via="settings",
            before=before, after=_said(book),
        )  # fmt: skip
        log.info("everything_judged_anew", **_said(book))
    return True


async def keep_apart(
    sessions: async_sessionmaker[AsyncSession], settings: Settings, *, now: datetime
) -> bool:
    """The same in a transaction of its own."""
    async with sessions.begin() as session:
        return await keep(session, settings, now=now)


async def read(session: AsyncSession) -> Rulebook | None:
    """The book as it is now, if it was ever opened."""
    query = select(Rulebook).execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


def differs(book: Rulebook | None, settings: Settings) -> bool:
    """Whether the settings say otherwise than the book."""
    return book is None or (book.count_from, book.pairing_duty, book.pairing_times) != (
        settings.count_from,
        settings.pairing_duty.value,
        settings.pairing_times,
    )


def _said(book: Rulebook) -> dict[str, str | int | None]:
    return {
        "count_from": book.count_from.isoformat() if book.count_from else None,
        "pairing_duty": book.pairing_duty,
        "pairing_times": book.pairing_times,
    }
