"""What people were told, for those who look after them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app import clock
from app.models import ReminderKind, ReminderState
from app.routers.deps import Cursor, Limit, Overseer, Session
from app.schemas.fields import Code, Day
from app.schemas.pages import Page, page_of, read_cursor
from app.schemas.reminders import Reminder
from app.services.reminders import lists
from app.services.reminders.lists import Wanted

router = APIRouter(prefix="/api/v1/reminders", tags=["management"])


def wanted(
    from_: Annotated[Day | None, Query(alias="from")] = None,
    to: Day | None = None,
    kind: ReminderKind | None = None,
    state: ReminderState | None = None,
    person: Code | None = None,
    organisation: Code | None = None,
) -> Wanted:
    """Filters of the list."""
    return Wanted(from_, to, kind, state, person, organisation)


@router.get("")
async def list_reminders(
    session: Session,
    overseer: Overseer,
    which: Annotated[Wanted, Depends(wanted)],
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Reminder]:
    """Reminders to people of the caller's subtree, the newest first."""
    place = read_cursor(cursor)
    found = await lists.page(
        session,
        overseer,
        which,
        after=(clock.day_of(place[0]), place[1]) if place else None,
        limit=limit + 1,
    )
    return page_of(
        found,
        limit,
        Reminder.of,
        lambda each: (clock.start_of(each.reminder.day), each.reminder.id),
    )
