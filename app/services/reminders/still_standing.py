"""Still standing: what of a reminder is still true just before it is sent, by the facts."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain.duties import Progress
from app.models import Person, Reminder, ReminderItem, ReminderKind
from app.services import progress
from app.services.reminders.needs import GRAVE_BEHIND, GRAVE_DAYS
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Item:
    """A duty in a reminder with its figures of now; `slice` is the first that is not met."""

    obligation_id: UUID
    kind: ReminderKind
    window_from: date
    slice: int
    due_on: date
    done: int
    owed: int
    behind: int


async def of(
    session: AsyncSession,
    reminders: Collection[Reminder],
    settings: Settings,  # noqa: ARG001  what is asked of every step of a delivery
    *,
    now: datetime,
) -> dict[UUID, list[Item]]:
    """By reminder: those of its duties that its reader still is to be told of, as they stand now.

    What awaits a review counts as done. A reminder that was planned as at another time is looked at
    as at that time. None are left for whoever is off the roster by now.
    """
    if not reminders:
        return {}
    days = {each.id: clock.day_of(each.as_of or now) for each in reminders}
    readers = {each.id: each.person_id for each in reminders}
    people = {
        person.id: person
        for person in await session.scalars(
            select(Person).where(Person.id.in_(set(readers.values())))
        )
    }
    found: dict[UUID, list[Item]] = defaultdict(list)
    rows = await session.scalars(
        select(ReminderItem)
        .where(ReminderItem.reminder_id.in_(list(days)))
        .order_by(ReminderItem.due_on, ReminderItem.obligation_id)
    )
    items = [
        item
        for item in rows
        if people[readers[item.reminder_id]].is_on_roster(days[item.reminder_id])
    ]
    asked = {(item.obligation_id, days[item.reminder_id]) for item in items}
    standing = await progress.of(session, asked)
    facts = await progress.facts_of(session, {obligation_id for obligation_id, _ in asked})
    for item in items:
        day = days[item.reminder_id]
        now_stands = standing[item.obligation_id, day]
        terms = facts[item.obligation_id].terms
        is_open = terms.starts_on <= day and (terms.ends_on is None or day <= terms.ends_on)
        if is_open and _stands(item, now_stands, day) and now_stands.next_due_on is not None:
            found[item.reminder_id].append(
                Item(
                    item.obligation_id,
                    item.kind,
                    item.window_from,
                    now_stands.done + 1,
                    now_stands.next_due_on,
                    now_stands.done,
                    now_stands.window.owed,
                    now_stands.behind,
                )
            )
    return dict(found)


def _stands(item: ReminderItem, found: Progress, day: date) -> bool:
    """Whether the item would be told again, pending days taken as done."""
    if found.window.from_on != item.window_from:
        return False
    counted = found.done + found.pending
    if item.kind is ReminderKind.due_soon:
        # Past its slice's end it is news of another kind, which planning will bring.
        return counted < item.slice <= found.window.owed and day <= found.window.slice_end(
            item.slice
        )
    missing = found.due_by_now - counted
    if item.kind is ReminderKind.escalation and missing > 0:
        since = found.window.slice_end(counted + 1)
        return missing >= GRAVE_BEHIND or day - since >= timedelta(days=GRAVE_DAYS)
    return missing > 0
