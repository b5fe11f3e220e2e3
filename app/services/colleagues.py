"""Colleagues: finding by name who came along on a patrol."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.models import Organisation, Person, on_roster

MOST = 20


async def named(
    session: AsyncSession, person: Person, q: str, *, now: datetime
) -> Sequence[tuple[Person, Organisation]]:
    """At most 20 people of the same committee, on the roster today, whose name contains `q`.

    One's own organisation comes first; oneself is left out.
    """
    up = (
        select(Organisation.id, Organisation.parent_id)
        .where(Organisation.id == person.organisation_id)
        .cte("up", recursive=True)
    )
    above = aliased(Organisation)
    up = up.union(select(above.id, above.parent_id).where(above.id == up.c.parent_id))
    below = (
        select(up.c.id.label("id")).where(up.c.parent_id.is_(None)).cte("committee", recursive=True)
    )
    child = aliased(Organisation)
    below = below.union(select(child.id).where(child.parent_id == below.c.id))
    rows = await session.execute(
        select(Person, Organisation)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(
            Person.organisation_id.in_(select(below.c.id)),
            Person.id != person.id,
            Person.name.icontains(q, autoescape=True),
            on_roster(clock.day_of(now)),
        )
        .order_by(
            (Person.organisation_id == person.organisation_id).desc(), Person.name, Person.code
        )
        .limit(MOST)
    )
    return [(colleague, organisation) for colleague, organisation in rows]
