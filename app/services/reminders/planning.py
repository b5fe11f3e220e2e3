"""Planning: what people are told today, decided from how duties stand and from what was sent.

`plan` may run any number of times a day, by any number of workers: who was told is not told again.
A message holds all that one person is to be told; one a person and day.

What its `figures` say without a duty: in a digest `behind` and `people` (duties behind below a
manager, and who holds them), `calls` (people to be telephoned), `reviews` (records that wait) and
`unmet` (week and month windows below that manager that closed in the week before and were not met);
a review message has `reviews` and `received_until`, the last record's instant in microseconds.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock, queue
from app.database import driver_connection
from app.models import Channel, ReminderItem, ReminderKind, ReminderState, uuid7
from app.services import standings
from app.services.alarms import milestones
from app.services.reminders import channels, claiming, needs
from app.services.reminders.needs import Digest, Need, Needs, Waiting
from app.settings import Settings

_ORDER = (
    ReminderKind.behind,
    ReminderKind.due_soon,
    ReminderKind.escalation,
    ReminderKind.review,
    ReminderKind.digest,
)
_FIGURES = {
    "unmet": "上周有{}项未完成",
    "behind": "{}项落后",
    "calls": "{}人待电话",
    "reviews": "{}条待核",
}
_OWN = (ReminderKind.due_soon, ReminderKind.behind)
# When it was last looked for digests: what an outage swallowed is made up for in the same week.
_DIGESTS = "digests"


@dataclass(slots=True)
class Notice:
    """What one person is told on the day; without a channel, `reason` says why not.

    `to_call` is why they are to be telephoned, if they are: instead of the message or besides it.
    """

    person_id: UUID
    code: str
    name: str
    items: list[Need] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    kinds: set[ReminderKind] = field(default_factory=set)
    channel: Channel | None = None
    reason: str = ""
    to_call: str = ""
    id: UUID = field(default_factory=uuid7)

    @property
    def kind(self) -> ReminderKind:
        """The most pressing of its kinds."""
        return min(self.kinds, key=_ORDER.index)

    @property
    def state(self) -> ReminderState:
        """Where its reminder begins."""
        return ReminderState.queued if self.channel else ReminderState.call_list

    @property
    def about(self) -> str:
        """What it is about, in words for the operator."""
        return described([(each.code, each) for each in self.items], self.figures)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was planned for a day, by the codes of the people; nothing on a day off."""

    day: date
    is_workday: bool
    notices: Sequence[Notice] = ()

    @property
    def ids(self) -> list[UUID]:
        """The reminders."""
        return [notice.id for notice in self.notices]


async def plan(
    session: AsyncSession,
    settings: Settings,
    *,
    now: datetime,
    as_of: datetime | None = None,
    dry_run: bool = False,
) -> Plan:
    """Decide what people are told at `now`, and have it delivered when the transaction commits.

    `as_of`: as at that instant instead; the caller then sees to the delivery. `dry_run` writes
    nothing. On a day that is no workday nobody is told anything.
    """
    day = clock.day_of(as_of or now)
    if not clock.is_workday(day):
        return Plan(day, is_workday=False)
    await session.flush()
    connection = await driver_connection(session)
    # Its estimates cost more than what is compiled by them saves.
    await connection.execute("SET LOCAL jit = off")
    if not dry_run:
        # One at a time: each decides from what the one before has written.
        await standings.hold(session)
    table: LiteralString = standings.ELSEWHEN
    if dry_run or day != clock.day_of(now):
        await standings.as_at(session, day)
    else:
        table = standings.TABLE
        await standings.refresh(session, day)
    digests = _starts_week(day) or (as_of is None and await _is_made_up(session, day))
    found = await needs.find(connection, settings.reminders, day, table=table, digests=digests)
    notices = await _reachable(session, _notices(found), settings, now=now)
    if not dry_run:
        await needs.close_calls(connection, day, now=now, table=table)
        await _write(connection, notices, day, now=now, as_of=as_of)
        if as_of is None and digests:
            await milestones.reach(session, _DIGESTS, now)
        if as_of is None and any(notice.channel for notice in notices):
            await queue.defer_once(session, "deliver_reminders", lock="deliver_reminders")
    await needs.forget(connection)
    return Plan(day, is_workday=True, notices=sorted(notices, key=lambda each: each.code))


async def tick(session: AsyncSession, settings: Settings, *, now: datetime) -> None:
    """Plan, if `now` is a time at which people may be disturbed."""
    if claiming.is_sending_time(settings, now):
        await plan(session, settings, now=now)


def _starts_week(day: date) -> bool:
    """Whether no workday of its week comes before."""
    monday = day - timedelta(days=day.weekday())
    return not any(clock.is_workday(monday + timedelta(days=n)) for n in range((day - monday).days))


async def _is_made_up(session: AsyncSession, day: date) -> bool:
    """Whether nobody looked for digests this week before: there was an outage, or no system."""
    looked_at = await milestones.reached_at(session, _DIGESTS)
    if looked_at is None:
        return True
    looked_on = clock.day_of(looked_at)
    return looked_on < day - timedelta(days=day.weekday()) or looked_on == day


def described(items: Iterable[tuple[str, Need | ReminderItem]], figures: Mapping[str, int]) -> str:
    """What a message is about, in words for the operator; each duty with its code."""
    parts = [f"{code} {each.done}/{each.owed} {_how(each)}" for code, each in items]
    parts += [said.format(figures[key]) for key, said in _FIGURES.items() if figures.get(key)]
    return "；".join(parts)


def _how(item: Need | ReminderItem) -> str:
    if item.kind == ReminderKind.due_soon:
        return f"{item.due_on.isoformat()}到期"
    return f"落后{item.behind}次"


def _notices(found: Needs) -> list[Notice]:
    """All that each person is to be told, in one; their own duties not beyond the week's limit."""
    by_person: dict[UUID, Notice] = {}

    def notice_of(need: Need | Waiting | Digest) -> Notice:
        notice = by_person.get(need.person_id)
        if notice is None:
            notice = Notice(need.person_id, need.person_code, need.person_name)
            by_person[need.person_id] = notice
        return notice

    for need in found.duties:
        kind = ReminderKind(need.kind)
        # Who is to be telephoned is listed also when the week has had its messages.
        if kind in _OWN and need.person_id in found.capped and not need.is_exhausted:
            continue
        notice = notice_of(need)
        notice.items.append(need)
        notice.kinds.add(kind)
    for waiting in found.waiting:
        if waiting.person_id not in found.capped:
            notice = notice_of(waiting)
            notice.kinds.add(ReminderKind.review)
            notice.figures |= {"reviews": waiting.reviews, "received_until": waiting.until}
    for digest in found.digests:
        notice = notice_of(digest)
        notice.kinds.add(ReminderKind.digest)
        for key in ("behind", "people", "calls", "reviews", "unmet"):
            notice.figures[key] = getattr(digest, key)
    return list(by_person.values())


async def _reachable(
    session: AsyncSession, notices: list[Notice], settings: Settings, *, now: datetime
) -> list[Notice]:
    """Each with its channel, or why there is none; without those who wait for a call already."""
    people = [notice.person_id for notice in notices]
    by_channel = await channels.channel_of(session, people, settings, now=now)
    kept = []
    for notice in notices:
        notice.channel, why = by_channel[notice.person_id]
        tired = f"本期已提醒{settings.reminders.most_a_slice}次"
        if _settle(notice, why, tired):
            kept.append(notice)
    return kept


def _settle(notice: Notice, why: str, tired: str) -> bool:
    """Take out what they were told often enough; whether anything is left to be told or done."""
    exhausted = [item for item in notice.items if item.is_exhausted]
    fresh = [item for item in notice.items if not item.is_exhausted]
    is_listed = any(item.is_listed for item in notice.items)
    if notice.channel is None:
        # Who is on the list already is not helped by more of the same on it.
        if is_listed:
            notice.items = [item for item in fresh if item.kind == ReminderKind.escalation]
        # A digest or a review alone is nothing to telephone about.
        notice.reason, notice.to_call = why, why if notice.items else ""
    elif exhausted:
        notice.items, notice.to_call = fresh, tired
        if not fresh and not notice.figures:
            notice.items, notice.channel, notice.reason = exhausted, None, tired
    notice.kinds -= {*_OWN, ReminderKind.escalation}
    notice.kinds |= {ReminderKind(item.kind) for item in notice.items}
    return bool(notice.kinds)


async def _write(
    connection: AsyncConnection[Any],
    notices: Sequence[Notice],
    day: date,
    *,
    now: datetime,
    as_of: datetime | None,
) -> None:
    """Reminders with their items, and the call list."""
    await _copy(
        connection,
        "COPY reminders (id, person_id, day, kind, planned_at, as_of, figures, state, reason,"
        " try_at, attempts) FROM STDIN",
        (
            (
                each.id, each.person_id, day, each.kind, now, as_of, Jsonb(each.figures),
                each.state, each.reason or None, now, 0,
            )
            for each in notices
        ),
    )  # fmt: skip
    await _copy(
        connection,
        "COPY reminder_items (reminder_id, obligation_id, kind, window_from, slice, due_on, done,"
        " owed, behind) FROM STDIN",
        (
            (
                each.id, item.obligation_id, item.kind, item.window_from, item.slice, item.due_on,
                item.done, item.owed, item.behind,
            )
            for each in notices
            for item in each.items
        ),
    )  # fmt: skip
    called = [each for each in notices if each.to_call]
    if called:
        await connection.execute(
            _CALL,
            {
                "ids": [uuid7() for _ in called],
                "people": [each.person_id for each in called],
                "reminders": [each.id for each in called],
                "reasons": [each.to_call for each in called],
                "day": day,
                "now": now,
            },
        )


_CALL = """
    INSERT INTO calls (id, person_id, reminder_id, reason, day, opened_at)
    SELECT id, person_id, reminder_id, reason, %(day)s, %(now)s
    FROM unnest(%(ids)s::uuid[], %(people)s::uuid[], %(reminders)s::uuid[], %(reasons)s::text[])
      AS called (id, person_id, reminder_id, reason)
    ON CONFLICT (person_id) WHERE phoned_at IS NULL AND closed_at IS NULL DO NOTHING
"""


async def _copy(
    connection: AsyncConnection[Any], statement: LiteralString, rows: Iterator[tuple[Any, ...]]
) -> None:
    async with connection.cursor().copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
