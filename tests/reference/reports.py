"""The reports about duties as one would work them out by hand: slice by slice, day by day.

It imports nothing of the product. Rows go by codes; `homes` says where people belong who are
nowhere on the day that is asked about.
"""

from dataclasses import dataclass, field
from datetime import date

from tests.reference import duties
from tests.reference.duties import ONE_DAY, Obligation, World

ANYWHERE, ELSEWHERE = "anywhere", "elsewhere"


@dataclass
class Row:
    """The figures of one row; holders by code."""

    duties: int = 0
    owed: int = 0
    due: int = 0
    done: int = 0
    met: int = 0
    pending: int = 0
    missing: int = 0
    owing: set[str] = field(default_factory=set)
    short: set[str] = field(default_factory=set)
    behind: set[str] = field(default_factory=set)

    def figures(self) -> dict[str, float | int | None]:
        return {
            "duties": self.duties,
            "holders": len(self.owing),
            "owed": self.owed,
            "due": self.due,
            "done": self.done,
            "met": self.met,
            "pending": self.pending,
            "rate": self.met / self.owed if self.owed else None,
            "on_target": len(self.owing - self.short),
            "behind": len(self.behind),
            "missing": self.missing,
        }


@dataclass
class Late:
    """A duty that is behind."""

    owed: int
    due: int
    done: int
    pending: int
    since: date
    last_patrol_on: date | None


def home_of(world: World, duty: Obligation, day: date, homes: dict[str, str]) -> str:
    """The organisation that a duty is of: the holder, or where the person is on the day."""
    if duty.holder_kind == "organisation":
        return duty.holder
    there = [
        membership
        for membership in duties.the_person(world, duty.holder).memberships
        if duties.within(day, membership.first, membership.last)
    ]
    if not there:
        return homes[duty.holder]
    return max(there, key=lambda each: each.first or date.min).organisation


def is_open(world: World, duty: Obligation, day: date) -> bool:
    """Whether the duty asks for anything about that day at all, whoever is on leave."""
    if duty.holder_kind == "person":
        holder_gone = duties.the_person(world, duty.holder).retired_on
    else:
        holder_gone = duties.the_organisation(world, duty.holder).retired_on
    return (
        duties.within(day, duty.starts_on, duty.ends_on)
        and not duties.is_gone(duty.retired_on, day)
        and not duties.is_gone(holder_gone, day)
        and not duties.area_is_gone(world, duty, day)
        and not duties.letter_is_gone(world, duty, day)
    )


def counted(world: World, duty: Obligation, verdicts: list[str]) -> set[date]:
    return {
        day
        for day in duties.days_that_count(world, duty, verdicts)
        if duties.is_active(world, duty, day)
    }


def progress(
    world: World, by: str, first: date, last: date, as_of: date, homes: dict[str, str]
) -> dict[str, Row]:
    """By row: of the slices that end in the range, how many there are, are due, and are met."""
    rows: dict[str, Row] = {}
    for duty in world.obligations:
        asked = duties.days_between(first, last)
        if not any(duties.is_active(world, duty, day) for day in asked):
            continue
        if by == "person" and duty.holder_kind != "person":
            continue
        key = {
            "organisation": home_of(world, duty, as_of, homes),
            "person": duty.holder,
            duty.area_kind: duty.area or "",
        }.get(by, ANYWHERE if duty.area_kind in {"any", "paired"} else ELSEWHERE)
        row = rows.setdefault(key, Row())
        row.duties += 1
        walked = counted(world, duty, ["accepted"])
        owed = due = met = 0
        for window in sorted({duties.calendar_period(duty.period, day) for day in asked}):
            so_far = [day for day in walked if window[0] <= day <= window[1] and day <= as_of]
            ends = duties.answer(world, duty, as_of, window[0]).slices
            for number, end in enumerate(ends, start=1):
                if first <= end <= last:
                    owed += 1
                    due += end < as_of
                    met += len(so_far) >= number
        row.owed += owed
        row.due += due
        row.met += met
        row.missing += max(0, due - met)
        here = {day for day in walked if first <= day <= last and day <= as_of}
        row.done += len(here)
        hoped = counted(world, duty, ["accepted", "flagged"])
        row.pending += len({d for d in hoped if first <= d <= last and d <= as_of} - walked)
        if owed:
            row.owing.add(duty.holder)
            if met < owed:
                row.short.add(duty.holder)
        if is_open(world, duty, as_of) and duties.answer(world, duty, as_of).behind:
            row.behind.add(duty.holder)
    return rows


def behind(world: World, as_of: date) -> dict[str, Late]:
    """By duty, those that are behind on the day."""
    found = {}
    for duty in world.obligations:
        answer = duties.answer(world, duty, as_of)
        if not answer.behind or not is_open(world, duty, as_of):
            continue
        walked = [day for day in counted(world, duty, ["accepted"]) if day <= as_of]
        found[duty.code] = Late(
            owed=answer.owed,
            due=answer.due_by,
            done=answer.done,
            pending=answer.pending,
            since=answer.slices[answer.done] + ONE_DAY,
            last_patrol_on=max(walked, default=None),
        )
    return found
