"""People: who of the roster is whose to manage, and how managers change it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import CommandFailed, Forbidden, Invalid, NotFound, WrongState
from app.keys import Keys
from app.models import App, Person, Role, WechatUser, on_roster, uuid7
from app.services import access, audit, bindings, credits, edits, invitations
from app.services.access import Caller
from app.services.dataset import editing, roster, rows, values
from app.services.dataset.columns import Values
from app.services.dataset.editing import Draft
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish

_TERMS = ("organisation_id", "from_on", "to_on", "retired_on")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which people to list; those who have left the roster only with `retired`."""

    organisation: str | None = None
    role: Role | None = None
    q: str | None = None
    retired: bool = False


async def listed(
    session: AsyncSession,
    caller: Caller,
    wanted: Wanted,
    *,
    after: UUID | None,
    limit: int,
    now: datetime,
) -> Sequence[Row]:
    """People of the caller's subtree, whoever was entered last first."""
    conditions = [edits.inside(await access.scope_of(session, caller), Person.organisation_id)]
    if wanted.organisation is not None:
        conditions.append(
            Person.organisation_id.in_(await edits.below(session, wanted.organisation))
        )
    if wanted.role is not None:
        conditions.append(Person.role == wanted.role)
    if wanted.q is not None:
        conditions.append(_is_called(caller, wanted.q))
    if not wanted.retired:
        conditions.append(edits.not_over(Person, clock.day_of(now)))
    return await rows.page(session, "people", *conditions, after=after, limit=limit)


def _is_called(caller: Caller, q: str) -> ColumnElement[bool]:
    """Whether name or code have this in them, or it is the phone, which no program may guess at."""
    named = or_(
        Person.name.icontains(q, autoescape=True), Person.code.icontains(q, autoescape=True)
    )
    return named if caller.api_key is not None else or_(named, Person.phone == q)


async def find(session: AsyncSession, caller: Caller, code: str) -> Row:
    """Somebody of the caller's subtree. Raises `NotFound`."""
    theirs = edits.inside(await access.scope_of(session, caller), Person.organisation_id)
    found = await rows.find(session, "people", Person.code == code, theirs)
    if found is None:
        raise NotFound("没有找到这位人员。")
    return found


async def put(
    session: AsyncSession,
    caller: Caller,
    code: str,
    wish: Wish,
    *,
    now: datetime,
) -> Edit:
    """Make or change somebody; another organisation or first day is another membership.

    Raises as `edits.current`, `editing.draft`, `edits.require_inside`, `edits.write`, and
    `Forbidden` where a manager reaches for an admin, or would make one, and `WrongState` where
    nobody would be left who may administer.
    """
    code = values.plain(code)
    theirs = edits.inside(await access.scope_of(session, caller), Person.organisation_id)
    there = await edits.current(session, "people", Person.code == code, theirs, wish)
    id_, today = there.id if there else uuid7(), clock.day_of(now)
    draft = await editing.draft(session, "people", {**wish.said, "code": code}, id_=id_, now=now)
    roles = {draft.attributes["role"], there.said["role"] if there else None}
    if Role.admin in roles and access.person_of(caller).role is not Role.admin:
        raise Forbidden("系统管理员只能由系统管理员设置和修改。")
    await edits.require_inside(session, caller, draft)
    retired_on = _retired_on(draft, there, wish, today)
    if draft.attributes["role"] != Role.admin or retired_on is not None:
        await _require_another_admin(session, id_, today)
    if retired_on is None:
        await _require_own_phone(session, caller, draft, id_, today)
    edit = await edits.write(
        session, caller, "people", there, id_, {**draft.attributes, "retired_on": retired_on},
        subject=f"person:{code}", reason=wish.reason, now=now,
    )  # fmt: skip
    draft.columns["retired_on"] = Values([retired_on])
    await roster.record_terms(session, draft.sheet, draft.columns, draft.register, now, today)
    if edit.is_new or any(edit.was[name] != edit.attributes[name] for name in _TERMS):
        await credits.judge_people(session, [id_], now=now)
    return edit


def _retired_on(draft: Draft, there: Row | None, wish: Wish, today: date) -> date | None:
    """From which day on somebody is off the roster, as an import would have it."""
    last: date | None = draft.attributes["to_on"]
    if last is not None and last < today:
        return date.fromordinal(last.toordinal() + 1)
    return edits.retired_on(there, wish, today)


async def _require_another_admin(session: AsyncSession, id_: UUID, today: date) -> None:
    """Somebody is left who may administer. Raises `WrongState`."""
    admins = (
        await session.scalars(
            select(Person.id).where(Person.role == Role.admin, on_roster(today)).with_for_update()
        )
    ).all()
    if list(admins) == [id_]:
        raise WrongState("这是最后一位系统管理员，请先设置另一位，再修改这一位。")


async def _require_own_phone(
    session: AsyncSession, caller: Caller, draft: Draft, id_: UUID, today: date
) -> None:
    """A phone belongs to one person on the roster. Raises `Invalid`."""
    phone = draft.attributes["phone"]
    if phone is None:
        return
    # Theirs whose last day has passed is free again.
    await session.execute(
        update(Person)
        .where(Person.phone == phone, Person.to_on < today, Person.retired_on.is_(None))
        .values(retired_on=Person.to_on + 1)
        .execution_options(synchronize_session=False)
    )
    holder: Any = await session.scalar(
        select(Person).where(Person.phone == phone, Person.retired_on.is_(None), Person.id != id_)
    )
    if holder is not None:
        managed = await access.manages(session, caller, holder.organisation_id)
        name = holder.code if managed else "其他人员"
        detail = f"这个手机号已登记在 {name} 名下"
        raise Invalid(errors=[{"pointer": "/phone", "detail": detail}])


async def managed_by(session: AsyncSession, caller: Caller, code: str) -> Person:
    """The person of this code, for a manager to act upon.

    Raises `NotFound` outside what the caller manages, and `Forbidden` where a manager reaches for
    an admin: that would make everybody an admin who can have one's WeChat replaced.
    """
    person = await session.scalar(select(Person).where(Person.code == code))
    if person is None or not await access.manages(session, caller, person.organisation_id):
        raise NotFound("没有找到这位人员。")
    if person.role is Role.admin and access.person_of(caller).role is not Role.admin:
        raise Forbidden("系统管理员的绑定只能由系统管理员处理。")
    return person


async def named(session: AsyncSession, code: str) -> Person:
    """The person of this code, for the operator's shell. Raises `CommandFailed`."""
    person = await session.scalar(select(Person).where(Person.code == code))
    if person is None:
        raise CommandFailed(f"没有这位人员：{code}")
    return person


async def bound(
    session: AsyncSession, ids: Collection[UUID]
) -> Mapping[UUID, Sequence[tuple[App, datetime | None]]]:
    """In which apps these people are, and since when; who is in none is left out."""
    found: dict[UUID, list[tuple[App, datetime | None]]] = {}
    query = (
        select(WechatUser.person_id, WechatUser.app, WechatUser.bound_at)
        .where(WechatUser.person_id.in_(ids))
        .order_by(WechatUser.app)
    )
    for person_id, app, bound_at in await session.execute(query):
        if person_id is not None:
            found.setdefault(person_id, []).append((app, bound_at))
    return found


async def invite(
    session: AsyncSession,
    caller: Caller,
    keys: Keys,
    code: str,
    *,
    reason: str,
    now: datetime,
    days: int,
) -> str:
    """A new invitation code for somebody of the caller's; it is told once and never stored.

    Raises as `managed_by`, and `WrongState` for who is off the roster.
    """
    person = await managed_by(session, caller, code)
    if not person.is_on_roster(clock.day_of(now)):
        raise WrongState("这位人员已不在名册上，不能邀请。")
    by = access.person_of(caller)
    invitation, _ = await invitations.create(session, keys, person, by=by, now=now, days=days)
    await audit.record(
        session, by, "invite", f"person:{person.code}", via=audit.door_of(caller),
        reason=reason, now=now,
    )  # fmt: skip
    return invitation


async def unbind(
    session: AsyncSession,
    caller: Caller,
    code: str,
    *,
    app: App | None,
    reason: str,
    now: datetime,
) -> list[App]:
    """Part a person of the caller's from their WeChat, in one app or in both; which it was.

    Raises as `managed_by`.
    """
    person = await managed_by(session, caller, code)
    by = access.person_of(caller)
    via = audit.door_of(caller)
    return await part(session, person, app=app, by=by, reason=reason, now=now, via=via)


async def part(
    session: AsyncSession,
    person: Person,
    *,
    app: App | None,
    by: Person | None,
    reason: str,
    now: datetime,
    via: str = "cli",
) -> list[App]:
    """The same without asking who may; without `by` it was the operator's shell."""
    users = (
        await session.scalars(
            select(WechatUser)
            .where(WechatUser.person_id == person.id)
            .order_by(WechatUser.id)
            .with_for_update(key_share=True)
        )
    ).all()
    for user in users:
        if app is None or user.app is app:
            await bindings.unbind(session, user, now=now)
    parted = sorted(user.app for user in users if user.person_id is None)
    await audit.record(
        session,
        by,
        "unbind",
        f"person:{person.code}",
        now=now,
        via=via,
        before={"apps": sorted(user.app for user in users)},
        after={"apps": sorted(user.app for user in users if user.person_id is not None)},
        reason=reason,
    )
    return parted
