"""Attempts: one send of a reminder, and the call list for whoever no send reaches."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Call, Reminder, uuid7
from app.services.reminders.channels import Rung
from app.services.reminders.wording import Worded

FREQUENCY_LIMIT = 43117
NO_ANSWER = "微信没有回音，不知道是否送达"


@dataclass(frozen=True, slots=True)
class Send:
    """One call to make, for a delivery that is committed.

    `doubtful`: the very same call was made before and its answer never came.
    """

    reminder_id: UUID
    delivery_id: UUID
    rung: Rung
    client_msg_id: str
    worded: Worded
    doubtful: bool


async def list_for_call(
    session: AsyncSession, reminders: Collection[tuple[Reminder, str]], *, now: datetime
) -> None:
    """Have these people telephoned, each with the reason; whoever is on the list stays as is."""
    if reminders:
        await session.execute(
            insert(Call)
            .values(
                [
                    {
                        "id": uuid7(),
                        "person_id": reminder.person_id,
                        "reminder_id": reminder.id,
                        "reason": reason,
                        "day": reminder.day,
                        "opened_at": now,
                    }
                    for reminder, reason in reminders
                ]
            )
            .on_conflict_do_nothing(
                index_elements=["person_id"],
                index_where=and_(Call.phoned_at.is_(None), Call.closed_at.is_(None)),
            )
        )
