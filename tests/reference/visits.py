"""Coverage, effort and reminders as one would work them out by hand: record by record.

It imports nothing of the product. Places, people and organisations go by their codes; days are
calendar days in Asia/Shanghai. Nothing here is quick, and nothing is meant to be.
"""

from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any

SHANGHAI = timezone(timedelta(hours=8))
ONE_DAY = timedelta(days=1)
REMINDER_KINDS = ("due_soon", "behind", "escalation", "digest", "review")


@dataclass
class Cell:
    code: str
    organisation: str
    parent: str | None = None
    retired_on: date | None = None


@dataclass
class Fact:
    """Something that was so from when it was written down until it was revoked."""

    value: Any
    recorded_at: datetime
    revoked_at: datetime | None = None


@dataclass
class CheckIn:
    id: str
    at: datetime
    received_at: datetime
    cells: list[str]
    reach: str | None
    stele: str | None
    verdicts: list[Fact]
    withdrawn_at: datetime | None = None


@dataclass
class Walker:
    """Who took part, for which organisation, from when to when that was said."""

    person: str
    organisation: str
    said_at: datetime
    unsaid_at: list[datetime] = field(default_factory=list)


@dataclass
class Stood:
    """How an outing stood until it was changed."""

    is_finished: bool
    retired_on: date | None
    until: datetime


@dataclass
class Patrol:
    id: str
    walkers: list[Walker]
    is_finished: bool
    is_paper: bool
    started_at: datetime
    received_at: datetime
    metres: float
    seconds: int | None
    check_ins: list[CheckIn]
    reach: str | None = None
    cell: str | None = None
    stele: str | None = None
    retired_on: date | None = None
    stood: list[Stood] = field(default_factory=list)


@dataclass
class Item:
    """A duty in a reminder: `missing` days were wanted, in the window that began on a day."""

    obligation: str
    period: str
    window_from: date
    target: int


@dataclass
class Reminder:
    id: str
    organisation: str
    kind: str
    day: date
    planned_at: datetime
    state: str
    reason: str | None
    sent_at: datetime | None
    attempts: list[datetime | None]
    items: list[Item]


@dataclass
class World:
    cells: list[Cell]
    patrols: list[Patrol]
    organisation_of_stele: dict[str, str]
    reminders: list[Reminder] = field(default_factory=list)
    credits: dict[str, list[Fact]] = field(default_factory=dict)


@dataclass
class Question:
    first: date
    last: date
    as_of: date
    known_at: datetime | None = None
    scope: Collection[str] | None = None

    def covers(self, day: date) -> bool:
        return self.first <= day <= self.last and day <= self.as_of

    def knows(self, recorded_at: datetime, *ended: datetime | None) -> bool:
        """Whether something was so, as far as was known."""
        ends = [each for each in ended if each is not None]
        if self.known_at is None:
            return not ends
        return recorded_at <= self.known_at and not any(each <= self.known_at for each in ends)

    def asks_about(self, organisation: str) -> bool:
        return self.scope is None or organisation in self.scope


def day_of(instant: datetime) -> date:
    return instant.astimezone(SHANGHAI).date()


def days(first: date, last: date) -> list[date]:
    return [first + n * ONE_DAY for n in range((last - first).days + 1)]


def is_visit(check_in: CheckIn, asked: Question) -> bool:
    return asked.knows(check_in.received_at, check_in.withdrawn_at) and any(
        str(fact.value) == "accepted" and asked.knows(fact.recorded_at, fact.revoked_at)
        for fact in check_in.verdicts
    )


# -- coverage --------------------------------------------------------------------------------


def coverage(world: World, asked: Question) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    until = min(asked.last, asked.as_of)
    visits = [
        (day_of(check_in.at), check_in)
        for patrol in world.patrols
        for check_in in patrol.check_ins
        if is_visit(check_in, asked)
    ]
    rows: list[dict[str, Any]] = []
    visited = cells = 0
    for cell in sorted(world.cells, key=lambda each: each.code):
        if cell.retired_on is not None and cell.retired_on <= until:
            continue
        if not asked.asks_about(cell.organisation):
            continue
        here = [day for day, check_in in visits if cell.code in check_in.cells]
        cells += 1
        visited += any(asked.covers(day) for day in here)
        months = sorted({(day.year, day.month) for day in days(asked.first, until)})
        for year, month in months:
            end = min(date(year, month, monthrange(year, month)[1]), until)
            inside = [d for d in here if asked.covers(d) and (d.year, d.month) == (year, month)]
            before = [day for day in here if day <= end]
            rows.append(
                {
                    "code": cell.code,
                    "month": f"{year}-{month:02}",
                    "visits": len(inside),
                    "days": len(set(inside)),
                    "last_visit_on": max(before, default=None),
                    "days_since": (end - max(before)).days if before else None,
                }
            )
    totals = {
        "visits": sum(row["visits"] for row in rows),
        "cells": cells,
        "visited": visited,
        "cold": cells - visited,
        "coverage": visited / cells if cells and asked.first <= until else None,
    }
    return rows, totals


# -- effort ----------------------------------------------------------------------------------


def effort(world: World, asked: Question, by: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures by code, and the totals."""
    rows: dict[str, list[Patrol]] = {}
    every: list[Patrol] = []
    for patrol in world.patrols:
        if not is_outing(patrol, asked):
            continue
        subjects = subjects_of(world, patrol, asked, by)
        for subject in subjects:
            rows.setdefault(subject, []).append(patrol)
        if subjects:
            every.append(patrol)
    return {code: figures(patrols) for code, patrols in rows.items()}, figures(every)


def is_outing(patrol: Patrol, asked: Question) -> bool:
    if not asked.covers(day_of(patrol.started_at)) or not asked.knows(patrol.received_at):
        return False
    is_finished, retired_on = patrol.is_finished, patrol.retired_on
    if asked.known_at is not None:
        later = [each for each in patrol.stood if each.until > asked.known_at]
        if later:
            then = min(later, key=lambda each: each.until)
            is_finished, retired_on = then.is_finished, then.retired_on
    if not is_finished or retired_on is not None:
        return False
    return patrol.is_paper or any(is_visit(each, asked) for each in patrol.check_ins)


def subjects_of(world: World, patrol: Patrol, asked: Question, by: str) -> set[str]:
    along = [each for each in patrol.walkers if asked.knows(each.said_at, *each.unsaid_at)]
    ours = [each for each in along if asked.asks_about(each.organisation)]
    if by == "person":
        return {each.person for each in ours}
    if by == "organisation":
        return {each.organisation for each in ours}
    parents = {cell.code: cell.parent for cell in world.cells}
    owners = {cell.code: cell.organisation for cell in world.cells} | world.organisation_of_stele
    places: set[str | None] = set()
    for check_in in patrol.check_ins:
        if is_visit(check_in, asked):
            if by == "grid_cell":
                places.update(check_in.cells)
            else:
                places.add(check_in.reach if by == "reach" else check_in.stele)
    if patrol.is_paper:
        if by == "reach":
            places.add(patrol.reach)
        elif by == "stele":
            places.add(patrol.stele)
        else:
            cell = patrol.cell
            while cell is not None:
                places.add(cell)
                cell = parents[cell]
    found = {place for place in places if place is not None}
    if ours or asked.scope is None:
        return found
    return {place for place in found if by != "reach" and asked.asks_about(owners[place])}


def figures(patrols: list[Patrol]) -> dict[str, Any]:
    return {
        "outings": len(patrols),
        "patrol_days": len({day_of(patrol.started_at) for patrol in patrols}),
        "km": round(sum(patrol.metres for patrol in patrols) / 1000, 3),
        "hours": round(sum(patrol.seconds or 0 for patrol in patrols) / 3600, 2),
    }


# -- reminders -------------------------------------------------------------------------------


def reminders(world: World, asked: Question) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    planned = [
        each
        for each in world.reminders
        if asked.covers(each.day)
        and asked.asks_about(each.organisation)
        and (asked.known_at is None or each.planned_at <= asked.known_at)
    ]
    rows = [
        {"code": kind, **counted(world, [one for one in planned if one.kind == kind], asked)}
        for kind in REMINDER_KINDS
    ]
    return rows, counted(world, planned, asked)


def outcome(reminder: Reminder, asked: Question) -> str:
    if asked.known_at is not None:
        later = [at for at in reminder.attempts if at is not None and at > asked.known_at]
        if reminder.sent_at is not None and reminder.sent_at > asked.known_at:
            return "waiting"
        if reminder.state == "call_list" and later:
            return "waiting"
    if reminder.state == "call_list":
        return "failed" if reminder.attempts else "unreachable"
    return {
        "sent": "sent",
        "confirmed": "sent",
        "unknown": "failed",
        "dropped": "dropped",
        "queued": "waiting",
        "sending": "waiting",
    }[reminder.state]


def window_end(first: date, period: str) -> date:
    if period == "week":
        return first + 6 * ONE_DAY
    day = first
    months = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}[period]
    for _ in range(months):
        day = day.replace(day=monthrange(day.year, day.month)[1]) + ONE_DAY
    return day - ONE_DAY


def counted(world: World, planned: list[Reminder], asked: Question) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(
        ("planned", "sent", "failed", "unreachable", "dropped", "waiting", "measured", "caught_up"),
        0,
    )
    reasons: dict[str, int] = {}
    over_by = asked.as_of
    if asked.known_at is not None:
        over_by = min(over_by, day_of(asked.known_at))
    for each in planned:
        result = outcome(each, asked)
        found["planned"] += 1
        found[result] += 1
        if result in {"failed", "unreachable"}:
            reason = each.reason or "未说明"
            reasons[reason] = reasons.get(reason, 0) + 1
        if result == "sent" and each.items and each.day + 7 * ONE_DAY < over_by:
            found["measured"] += 1
            found["caught_up"] += all(is_caught_up(world, each, item, asked) for item in each.items)
    rate = found["caught_up"] / found["measured"] if found["measured"] else None
    return {**found, "reasons": reasons, "caught_up_rate": rate}


def is_caught_up(world: World, reminder: Reminder, item: Item, asked: Question) -> bool:
    last = min(reminder.day + 7 * ONE_DAY, window_end(item.window_from, item.period))
    walked = {
        fact.value
        for fact in world.credits.get(item.obligation, [])
        if asked.knows(fact.recorded_at, fact.revoked_at)
    }
    return len([day for day in walked if item.window_from <= day <= last]) >= item.target
