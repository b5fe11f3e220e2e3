"""Exemptions: asking for leave from a duty."""

from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Invalid, UnknownCode
from app.models import Exemption, ExemptionKind, ExemptionState, Obligation, Person, uuid7

MOST_DAYS = 366


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
