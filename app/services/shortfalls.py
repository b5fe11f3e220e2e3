"""Shortfalls: who is behind, as a list to work through, and whom to contact about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.models import Call, Organisation, Person
from app.services import access, audit
from app.services.access import Caller
from app.services.reminders import channels, lists
from app.services.reports import behind
from app.services.reports.report import Report, ask
from app.settings import Settings

_SEARCHED = (
    "obligation",
    "holder",
    "holder_name",
    "organisation_name",
    "area_name",
    "contact_name",
)
_LATEST = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows of the report to show; `text` in a name or code, `area` by the place's name."""

    organisation: str | None = None
    text: str = ""
    area: str = ""
    reachable: bool | None = None

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is one of them."""
        if self.reachable is not None and row["reachable"] is not self.reachable:
            return False
        if self.area and row["area_name"] != self.area:
            return False
        said = self.text.casefold()
        return not said or any(said in str(row[name] or "").casefold() for name in _SEARCHED)


@dataclass(frozen=True, slots=True)
class Listed:
    """Those that are wanted, all places that occur, and the contacts the caller looks after."""

    report: Report
    rows: Sequence[Mapping[str, Any]]
    areas: Sequence[str]
    contacts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody to speak to: how they are reached, what is behind, what they were told lately."""

    person: Person
    organisation: Organisation
    unreachable: str
    rows: Sequence[Mapping[str, Any]]
    call: Call | None
    phoned_at: datetime | None
    reminders: Sequence[lists.Shown]


async def listed(
    session: AsyncSession, caller: Caller, wanted: Wanted, settings: Settings, *, now: datetime
) -> Listed:
    """What is behind today. Raises `NotFound` for an organisation that the caller does not see."""
    asked = await ask(session, caller, now=now, organisation=wanted.organisation)
    report = await behind.report(session, asked, settings)
    rows = [row for row in report.rows if wanted.holds(row)]
    conditions = await lists.overseen_by(session, caller)
    codes = {row["contact"] for row in rows if row["contact"]}
    theirs = await session.scalars(select(Person.code).where(Person.code.in_(codes), *conditions))
    areas = sorted({row["area_name"] for row in report.rows})
    return Listed(report, rows, areas, frozenset(theirs))


async def contact(
    session: AsyncSession, caller: Caller, code: str, settings: Settings, *, now: datetime
) -> Contact:
    """Somebody whom the caller looks after; that their number was looked at is written down.

    Raises `NotFound`.
    """
    conditions = await lists.overseen_by(session, caller)
    person = await session.scalar(select(Person).where(Person.code == code, *conditions))
    if person is None:
        raise NotFound("没有找到这位人员。")
    await audit.seen(session, caller, f"person:{person.code}", now=now, reason="电话联系")
    asked = await ask(session, caller, now=now)
    rows = (await behind.report(session, asked, settings)).rows
    call = await session.scalar(
        select(Call).where(
            Call.person_id == person.id, Call.phoned_at.is_(None), Call.closed_at.is_(None)
        )
    )
    phoned_at = await session.scalar(
        select(Call.phoned_at)
        .where(Call.person_id == person.id, Call.phoned_at.is_not(None))
        .order_by(Call.phoned_at.desc())
        .limit(1)
    )
    reached = await channels.channel_of(session, [person.id], settings, now=now)
    return Contact(
        person=person,
        organisation=await access.organisation_of(session, person),
        unreachable=reached[person.id][1],
        rows=[row for row in rows if row["contact"] == person.code],
        call=call,
        phoned_at=phoned_at,
        reminders=await lists.page(
            session, caller, lists.Wanted(person=code), after=None, limit=_LATEST
        ),
    )
