"""Roster: what is particular to people: their phones, and which organisation they were in when."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Membership, Person, uuid7
from app.services.dataset.columns import Columns, Values
from app.services.dataset.faults import Fault
from app.services.dataset.register import Register
from app.services.dataset.selecting import among
from app.services.dataset.sheets import Sheet
from app.services.dataset.writing import copy_rows, copy_texts

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Term:
    """A person in an organisation on days; `id` is null where no fact says so yet."""

    organisation_id: str
    from_on: date | None
    to_on: date | None
    id: str | None = None


async def retire_the_departed(session: AsyncSession, today: date) -> Sequence[UUID]:
    """Take off the roster whose last day has passed, so that their phones are free again; who."""
    gone = await session.scalars(
        update(Person)
        .where(Person.to_on < today, Person.retired_on.is_(None))
        .values(retired_on=Person.to_on + 1)
        .returning(Person.id)
        .execution_options(synchronize_session=False)
    )
    return gone.all()


def merge_people(sheet: Sheet, columns: Columns, register: Register, today: date) -> None:
    """Fill what the file does not have from the database, and say who is off the roster."""
    stored = register.stored["people"].rows
    for name in ("from_on", "to_on", "phone"):
        column = columns[name]
        if not column.updates:
            columns[name] = Values(
                [
                    getattr(stored[identity], name) if identity in stored else value
                    for identity, value in zip(sheet.ids, column.values, strict=True)
                ]
            )
    columns["retired_on"] = Values(
        [day + _DAY if day and day < today else None for day in columns["to_on"].values]
    )


def check_phones(
    sheet: Sheet, columns: Columns, register: Register, retiring: Collection[str]
) -> list[Fault]:
    """A phone belongs to one person on the roster, or nobody could be told apart by it."""
    roll = register.stored["people"]
    in_file = set(sheet.ids)
    codes = {identity: code for code, identity in roll.ids.items()}
    holders = {
        row.phone: codes[identity]
        for identity, row in roll.rows.items()
        if row.phone and identity in roll.live and identity not in in_file
        and identity not in retiring
    }  # fmt: skip
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for row, phone in enumerate(columns["phone"].values):
        if type(phone) is not str or columns["retired_on"].values[row] is not None:
            continue
        if phone in first:
            where = sheet.line_of(first[phone])
            faults.append(sheet.fault(row, "phone", f"与第 {where} 行的手机号相同"))
        elif phone in holders:
            faults.append(sheet.fault(row, "phone", f"这个手机号已登记在 {holders[phone]} 名下"))
        first.setdefault(phone, row)
    return faults


async def free_phones(
    session: AsyncSession, sheet: Sheet, columns: Columns, register: Register
) -> None:
    """Empty the phones that are about to change hands, so that two people may swap theirs."""
    roll = register.stored["people"]
    changing = [
        identity
        for identity, phone, retired_on in zip(
            sheet.ids, columns["phone"].values, columns["retired_on"].values, strict=True
        )
        if identity in roll.rows
        and roll.rows[identity].phone
        and (roll.rows[identity].phone, identity in roll.live) != (phone, retired_on is None)
    ]
    if changing:
        await session.execute(
            update(Person)
            .where(among(Person.id, changing))
            .values(phone=null())
            .execution_options(synchronize_session=False)
        )


async def record_terms(
    session: AsyncSession, sheet: Sheet, columns: Columns, register: Register, now: datetime,
    today: date,
) -> Collection[str]:  # fmt: skip
    """Append the memberships that the file makes, close those that it ends; nothing is changed.

    Whose were not what the file says.
    """
    stored = register.stored["people"].rows
    wanted = {
        identity: Term(organisation, start, end)
        for identity, organisation, start, end in zip(
            sheet.ids,
            columns["organisation_id"].values,
            columns["from_on"].values,
            columns["to_on"].values,
            strict=True,
        )
    }
    changed = {
        identity: Term(str(row.organisation_id), row.from_on, row.to_on)
        for identity, row in stored.items()
        if identity in wanted
        and wanted[identity] != Term(str(row.organisation_id), row.from_on, row.to_on)
    }
    facts = await terms_of(session, list(changed))
    revoked: list[str] = []
    appended: list[tuple[str, Term]] = [
        (identity, term) for identity, term in wanted.items() if identity not in stored
    ]
    for identity, before in changed.items():
        ended, made = _succeed(facts[identity] or [before], before, wanted[identity], today)
        revoked += ended
        appended += [(identity, term) for term in made]
    if revoked:
        await session.execute(
            update(Membership)
            .where(among(Membership.id, revoked))
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )
    if appended:
        texts = [
            [str(uuid7()) for _ in appended],
            [identity for identity, _ in appended],
            [term.organisation_id for _, term in appended],
            copy_texts([term.from_on for _, term in appended]),
            copy_texts([term.to_on for _, term in appended]),
            copy_texts([now] * len(appended)),
        ]
        names = ["id", "person_id", "organisation_id", "from_on", "to_on", "recorded_at"]
        await copy_rows(session, "memberships", names, zip(*texts, strict=True), lambda _done: None)
    return changed.keys()


async def terms_of(session: AsyncSession, people: Sequence[str]) -> dict[str, list[Term]]:
    """The memberships in force of each of the people, in order of their days."""
    facts: dict[str, list[Term]] = defaultdict(list)
    query = (
        select(Membership)
        .where(among(Membership.person_id, people), Membership.revoked_at.is_(None))
        .order_by(Membership.from_on.asc().nulls_first(), Membership.recorded_at)
    )
    for fact in await session.scalars(query):
        facts[str(fact.person_id)].append(
            Term(str(fact.organisation_id), fact.from_on, fact.to_on, str(fact.id))
        )
    return facts


async def add_organisations_then(session: AsyncSession, sheet: Sheet, columns: Columns) -> None:
    """Give paper patrols the organisation that the walker was in on that day."""
    walkers: list[Any] = columns["person_id"].values
    people = sorted(set(walkers))
    current = {
        str(identity): str(organisation)
        for identity, organisation in await session.execute(
            select(Person.id, Person.organisation_id).where(among(Person.id, people))
        )
    }
    facts = await terms_of(session, people)
    known: dict[tuple[str, date], str] = {}
    for key in set(zip(walkers, sheet["on"], strict=True)):
        walker, day = key
        known[key] = next(
            (
                term.organisation_id
                for term in reversed(facts[walker])
                if (not term.from_on or term.from_on <= day)
                and (not term.to_on or day <= term.to_on)
            ),
            current[walker],
        )
    columns["organisation_id"] = Values(
        [known[key] for key in zip(walkers, sheet["on"], strict=True)], differs=False
    )


def _succeed(
    facts: list[Term], before: Term, after: Term, today: date
) -> tuple[list[str], list[Term]]:
    """Which facts are revoked and which appended when `after` follows `before`."""
    same_place = before.organisation_id == after.organisation_id
    if same_place and (after.from_on == before.from_on or after.from_on is None):
        # Only the end is new, or the beginning is taken back: the last fact said it wrong.
        last = facts[-1]
        start = last.from_on if after.from_on == before.from_on else None
        return [last.id] if last.id else [], [Term(after.organisation_id, start, after.to_on)]
    # Without a day of its own the new one begins tomorrow: no day belongs to two.
    start = after.from_on or min(today + _DAY, after.to_on or date.max)
    close = start - _DAY
    revoked: list[str] = []
    appended: list[Term] = []
    for fact in facts:
        if fact.to_on is not None and fact.to_on <= close:
            if fact.id is None:
                appended.append(fact)
            continue
        if fact.id is not None:
            revoked.append(fact.id)
        if fact.from_on is None or fact.from_on <= close:
            appended.append(Term(fact.organisation_id, fact.from_on, close))
    return revoked, [*appended, Term(after.organisation_id, start, after.to_on)]
