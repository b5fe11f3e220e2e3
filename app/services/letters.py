"""Letters: target responsibility agreements; who reads one, and the chief saying that they did."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import Letter, Person
from app.services import audit


async def confirm(
    session: AsyncSession, person: Person, number: str | None, *, now: datetime
) -> Letter:
    """The chief has read the letter that names them; saying it again changes nothing.

    Without a number: the one that has waited longest, else the latest. Raises `NotFound` when no
    letter (of that number) names this person.
    """
    named = select(Letter).where(Letter.person_id == person.id, Letter.retired_on.is_(None))
    if number is not None:
        named = named.where(Letter.number == number)
    letters = (
        await session.scalars(
            named.order_by(Letter.signed_on, Letter.number)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).all()
    if not letters:
        raise NotFound("您名下没有这份责任书。" if number else "您名下没有责任书。")
    waiting = [letter for letter in letters if letter.confirmed_at is None]
    if not waiting:
        return letters[-1]
    letter = waiting[0]
    letter.confirmed_at = now
    await audit.record(
        session,
        person,
        "confirm",
        f"letter:{letter.number}",
        now=now,
        before={"confirmed_at": None},
        after={"confirmed_at": now.isoformat()},
    )
    return letter
