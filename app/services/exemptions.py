"""Exemptions: leave from a duty, asked for by whoever owes it, granted by a manager.

A wish is its asker's own. When it is about a duty of their organisation, granting it as it is takes
no day off that duty, which colleagues can do; a manager takes the days off by granting it for the
organisation (`holder_kind`, `holder_code`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Forbidden, Invalid, NotFound, UnknownCode
from app.models import (
    Exemption,
    ExemptionKind,
    ExemptionState,
    Obligation,
    Organisation,
    Person,
    Role,
    uuid7,
)
from app.services import access, credits, edits, messages
from app.services.access import Caller
from app.services.dataset import editing, rows
from app.services.dataset.editing import Draft
from app.services.dataset.rows import Row
from app.services.edits import Edit, Wish

MOST_DAYS = 366
_MOST_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exemptions to list; `from_on`, `to_on`: those that take days off between these."""

    state: ExemptionState | None = None
    holder: str | None = None
    organisation: str | None = None
    from_on: date | None = None
    to_on: date | None = None
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
    """One's own and one's organisation's; for managers and programs those of the subtree."""
    conditions = [await _visible(session, caller)]
    if wanted.state is not None:
        conditions.append(Exemption.state == wanted.state)
    if wanted.holder is not None:
        people = select(Person.id).where(Person.code == wanted.holder)
        organisations = select(Organisation.id).where(Organisation.code == wanted.holder)
        conditions.append(
            or_(
                Exemption.holder_person_id.in_(people),
                Exemption.holder_organisation_id.in_(organisations),
            )
        )
    if wanted.organisation is not None:
        conditions.append(
            edits.held_inside(Exemption, await edits.below(session, wanted.organisation))
        )
    if wanted.from_on is not None:
        conditions.append(Exemption.to_on >= wanted.from_on)
    if wanted.to_on is not None:
        conditions.append(Exemption.from_on <= wanted.to_on)
    if not wanted.retired:
        conditions.append(edits.not_retired(Exemption, clock.day_of(now)))
    return await rows.page(session, "exemptions", *conditions, after=after, limit=limit)


async def find(session: AsyncSession, caller: Caller, id_: UUID) -> Row:
    """One that the caller may see. Raises `NotFound`."""
    found = await rows.find(
        session, "exemptions", Exemption.id == id_, await _visible(session, caller)
    )
    if found is None:
        raise NotFound("没有找到这条免巡。")
    return found


async def decide(
    session: AsyncSession,
    caller: Caller,
    id_: UUID,
    wish: Wish,
    state: ExemptionState,
    *,
    now: datetime,
) -> Edit:
    """Grant or decline a wish, take a granted one back, or put one in that nobody asked for.

    What `wish` leaves out stays as it was; the one whose leave it is is told. Raises as
    `edits.current`, `editing.draft`, `edits.require_inside`, `Invalid` for a duty that is not the
    holder's, and `Forbidden` for one's own.
    """
    manager = access.person_of(caller)
    theirs = edits.held_inside(Exemption, await access.scope_of(session, caller))
    there = await edits.current(session, "exemptions", Exemption.id == id_, theirs, wish)
    given = {name: value for name, value in wish.said.items() if value is not None}
    if there is None:
        if state is not ExemptionState.granted:
            raise NotFound("没有找到这条免巡。")
        # As the wishes of members, it is not in the operator's files, nor missing there.
        before: dict[str, Any] = {"code": f"ASK-{id_.hex}", "reason": wish.reason}
    else:
        before = {name: value for name, value in there.said.items() if name != "state"}
    columns = ("holder_kind", "holder_code", "obligation_code", "from", "to", "kind")
    said = dict.fromkeys(columns) | before | given | {"approved_by": manager.code}
    draft = await editing.draft(session, "exemptions", said, id_=id_, now=now)
    granted = state is ExemptionState.granted
    attributes = dict(draft.attributes) | {
        "state": state,
        "approved_by_id": manager.id if granted else None,
        "retired_on": None,
    }
    if there is None:
        attributes["recorded_at"] = now
    asked = await session.get(Exemption, id_)
    people = {attributes["holder_person_id"], asked.holder_person_id if asked else None}
    _require_not_own(manager, people, attributes["holder_organisation_id"])
    await edits.require_inside(session, caller, draft)
    await _require_their_duty(session, caller, draft)
    edit = await edits.write(
        session, caller, "exemptions", there, id_, attributes,
        subject=f"exemption:{before['code']}", reason=wish.reason, now=now,
    )  # fmt: skip
    if edit.changed:
        await credits.judge_obligations(session, await _touched(session, edit), now=now)
        await _tell(session, edit, wish.reason or attributes["reason"], now=now)
    return edit


def _require_not_own(manager: Person, people: set[UUID | None], organisation: UUID | None) -> None:
    """Nobody grants their own leave, nor (but for admins) that of the organisation they are of."""
    if manager.id in people:
        raise Forbidden("不能审批自己的免巡，请由其他管理人员处理。")
    if organisation == manager.organisation_id and manager.role is not Role.admin:
        raise Forbidden("不能审批自己单位的免巡，请由上级管理人员处理。")


async def _require_their_duty(session: AsyncSession, caller: Caller, draft: Draft) -> None:
    """A leave from one duty is its holder's, or that of somebody of the holder.

    Raises `Invalid`, and `UnknownCode` for a duty that the caller may not know of.
    """
    of = draft.attributes
    if of["obligation_id"] is None:
        return
    theirs = edits.held_inside(Obligation, await access.scope_of(session, caller))
    duty = await session.scalar(
        select(Obligation).where(Obligation.id == of["obligation_id"], theirs)
    )
    if duty is None:
        raise editing.unknown("obligations", "obligation_code", draft.sheet["obligation_code"][0])
    if of["holder_person_id"] is None:
        fits = duty.holder_organisation_id == of["holder_organisation_id"]
    else:
        person = await session.get_one(Person, of["holder_person_id"])
        fits = person.id == duty.holder_person_id or (
            person.organisation_id == duty.holder_organisation_id
        )
    if not fits:
        detail = "这项任务不是该责任主体的"
        raise Invalid(errors=[{"pointer": "/obligation_code", "detail": detail}])


async def _touched(session: AsyncSession, edit: Edit) -> Sequence[UUID]:
    """The duties of whoever's leave it is or was."""
    people, organisations = edit.ids("holder_person_id"), edit.ids("holder_organisation_id")
    return (await session.scalars(edits.held_by(people, organisations))).all()


async def _tell(session: AsyncSession, edit: Edit, reason: str, *, now: datetime) -> None:
    """Tell whoever asked, or has leave now, or no longer."""
    was, is_now = edit.was.get("state"), edit.attributes["state"]
    people = edit.ids("holder_person_id")
    first, last = edit.attributes["from_on"], edit.attributes["to_on"]
    days = f"{first.month}月{first.day}日至{last.month}月{last.day}日的免巡"
    if is_now is ExemptionState.declined:
        news = f"您{days}已取消" if was is ExemptionState.granted else f"您{days}没有获准"
    elif was is None:
        news = f"已为您登记{days}"
    else:
        news = f"您{days}已获准"
        if edit.attributes["holder_organisation_id"] is not None:
            news = f"您为单位申请的{days}已获准"
    short = reason if len(reason) <= _MOST_CHARACTERS else f"{reason[: _MOST_CHARACTERS - 1]}…"
    for person_id in sorted(people):
        await messages.tell(
            session,
            person_id=person_id,
            kind="exemption",
            subject=f"exemption:{edit.id}",
            text=f"{news}：{short}",
            now=now,
        )


async def _visible(session: AsyncSession, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller may see it: one's own, one's organisation's, and what one manages."""
    managed = edits.held_inside(Exemption, await access.scope_of(session, caller))
    if caller.person is None or caller.api_key is not None:
        return managed
    return or_(
        managed,
        Exemption.holder_person_id == caller.person.id,
        Exemption.holder_organisation_id == caller.person.organisation_id,
    )


async def ask(
    session: AsyncSession,
    person: Person,
    *,
    from_on: date,
    to_on: date,
    kind: ExemptionKind,
    reason: str,
    obligation_code: str | None,
    now: datetime,
) -> tuple[Exemption, Obligation | None]:
    """A wish for leave from one duty, or from all one owes; it takes effect when granted.

    Both days count. The same wish, while undecided, is kept once. Raises `Invalid` for days that
    run backwards or beyond a year, `UnknownCode` for a duty that is not one's own.
    """
    if to_on < from_on:
        raise Invalid(errors=[{"pointer": "/to", "detail": "结束日期早于开始日期"}])
    if (to_on - from_on).days >= MOST_DAYS:
        raise Invalid(errors=[{"pointer": "/to", "detail": "一次最多申请一年"}])
    obligation = None
    if obligation_code is not None:
        obligation = await session.scalar(
            select(Obligation).where(
                Obligation.code == obligation_code,
                Obligation.retired_on.is_(None),
                or_(
                    Obligation.holder_person_id == person.id,
                    Obligation.holder_organisation_id == person.organisation_id,
                ),
            )
        )
        if obligation is None:
            raise UnknownCode(
                errors=[{"pointer": "/obligation_code", "detail": "您名下没有这项履职任务"}]
            )
    # Two taps take turns, so that the second finds what the first has written.
    await session.get_one(Person, person.id, with_for_update={"key_share": True})
    wish = {
        "holder_person_id": person.id,
        "obligation_id": obligation.id if obligation else None,
        "from_on": from_on,
        "to_on": to_on,
        "kind": kind,
        "reason": reason,
        "state": ExemptionState.asked,
    }
    same = await session.scalar(select(Exemption).filter_by(**wish).limit(1))
    if same is not None:
        return same, obligation
    number = uuid7()
    exemption = Exemption(id=number, code=f"ASK-{number.hex}", recorded_at=now, **wish)
    session.add(exemption)
    await session.flush()
    return exemption, obligation
