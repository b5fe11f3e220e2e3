"""Wording: from reminders and what still stands of them to the notices that people read."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app import clock
from app.domain import duties
from app.domain.reminder_texts import FIGURES, Item, Notice
from app.models import (
    AreaKind,
    GridCell,
    Obligation,
    Organisation,
    Person,
    Reach,
    Reminder,
    ReminderKind,
    Stele,
)

_OWN = frozenset({ReminderKind.due_soon, ReminderKind.behind})
_AREAS: Mapping[AreaKind, str] = {AreaKind.any: "巡河", AreaKind.paired: "挂钩河段巡河"}
_SHORT = frozenset({"week", "month"})


class Standing(Protocol):
    """An item of a reminder as it stands at this moment."""

    @property
    def obligation_id(self) -> UUID:
        """Which duty."""
        ...

    @property
    def kind(self) -> ReminderKind:
        """Why it is in the reminder."""
        ...

    @property
    def window_from(self) -> date:
        """The first day of the window it is about."""
        ...

    @property
    def slice(self) -> int:
        """The number of the slice that is not met."""
        ...

    @property
    def due_on(self) -> date:
        """The last day of that slice."""
        ...

    @property
    def done(self) -> int:
        """Days that count so far."""
        ...

    @property
    def owed(self) -> int:
        """Days that are owed in the window."""
        ...

    @property
    def behind(self) -> int:
        """How many are missing by now."""
        ...


@dataclass(frozen=True, slots=True)
class Worded:
    """What a reminder says, and the name of whom it is for."""

    notice: Notice
    name: str


@dataclass(frozen=True, slots=True)
class _Task:
    code: str
    name: str
    holder: str
    holder_id: UUID
    period: str


async def of(
    session: AsyncSession,
    reminders: Collection[Reminder],
    standing: Mapping[UUID, Sequence[Standing]],
) -> Mapping[UUID, Worded]:
    """By reminder: what it says about the items that still stand, and its figures."""
    tasks = await _tasks(
        session,
        {each.obligation_id for reminder in reminders for each in standing.get(reminder.id, ())},
    )
    rows = await session.execute(
        select(
            Person.id,
            Person.name,
            func.coalesce(Organisation.short_name, Organisation.name),
            Organisation.id,
        )
        .join(Organisation, Organisation.id == Person.organisation_id)
        .where(Person.id.in_({reminder.person_id for reminder in reminders}))
    )
    people = {id_: (name, office, home) for id_, name, office, home in rows}
    up = await _up(session, {home for _, _, home in people.values()})
    worded = {}
    for reminder in reminders:
        name, organisation, home = people.get(reminder.person_id, ("", "", None))
        theirs = {reminder.person_id, *up.get(home, ())}
        present = clock.day_of(reminder.as_of) if reminder.as_of else reminder.day
        items = [
            _item(each, tasks[each.obligation_id], theirs, present)
            for each in standing.get(reminder.id, ())
            if each.obligation_id in tasks
        ]
        figures = {key: int(reminder.figures[key]) for key in FIGURES if reminder.figures.get(key)}
        notice = Notice(reminder.kind.value, present, items, figures, organisation)
        worded[reminder.id] = Worded(notice, name)
    return worded


async def _up(session: AsyncSession, homes: Collection[UUID]) -> Mapping[UUID | None, set[UUID]]:
    """By organisation: itself and all above it."""
    tree = (
        select(Organisation.id.label("home"), Organisation.id, Organisation.parent_id)
        .where(Organisation.id.in_(list(homes)))
        .cte("up", recursive=True)
    )
    above = aliased(Organisation)
    tree = tree.union(
        select(tree.c.home, above.id, above.parent_id).where(above.id == tree.c.parent_id)
    )
    found: dict[UUID | None, set[UUID]] = defaultdict(set)
    for home, organisation in await session.execute(select(tree.c.home, tree.c.id)):
        found[home].add(organisation)
    return found


def _item(each: Standing, task: _Task, theirs: Collection[UUID], present: date) -> Item:
    """`theirs`: the reader and the organisations they are of, who need no name for themselves."""
    _, ends_on = duties.period_of(task.period, each.window_from)
    missing = each.behind or max(1, each.slice - each.done)
    return Item(
        kind=each.kind.value,
        code=task.code,
        name=task.name,
        done=each.done,
        owed=each.owed,
        due_on=each.due_on,
        missing=missing,
        behind=each.behind,
        holder="" if each.kind in _OWN and task.holder_id in theirs else task.holder,
        closed=task.period in _SHORT and ends_on < present,
    )


async def _tasks(session: AsyncSession, obligation_ids: Collection[UUID]) -> Mapping[UUID, _Task]:
    if not obligation_ids:
        return {}
    rows = await session.execute(
        select(
            Obligation.id,
            Obligation.code,
            Obligation.period,
            Obligation.area_kind,
            func.coalesce(
                Reach.short_name, Stele.short_name, Reach.name, Stele.name, GridCell.name
            ),
            func.coalesce(Organisation.short_name, Organisation.name, Person.name),
            func.coalesce(Obligation.holder_organisation_id, Obligation.holder_person_id),
        )
        .outerjoin(Reach, Reach.id == Obligation.reach_id)
        .outerjoin(Stele, Stele.id == Obligation.stele_id)
        .outerjoin(GridCell, GridCell.id == Obligation.grid_cell_id)
        .outerjoin(Organisation, Organisation.id == Obligation.holder_organisation_id)
        .outerjoin(Person, Person.id == Obligation.holder_person_id)
        .where(Obligation.id.in_(obligation_ids))
    )
    return {
        id_: _Task(code, f"{area}巡河" if area else _AREAS.get(kind, "巡河"), holder, whose, period)
        for id_, code, period, kind, area, holder, whose in rows
    }
