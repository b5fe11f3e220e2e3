"""Reviews: a manager decides about a doubtful check-in, and its sender may answer once."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.errors import Forbidden, NotFound, WrongState
from app.models import CheckIn, CheckInVerdict, Companion, Patrol, Person, Verdict
from app.services import access, audit, chain, credits, judging, messages, visibility
from app.services.access import Caller

_MOST_CHARACTERS = 50
_WORDS = {Verdict.accepted: "有效", Verdict.flagged: "待核", Verdict.rejected: "无效"}


async def review(
    session: AsyncSession,
    caller: Caller,
    check_in_id: UUID,
    *,
    verdict: Verdict,
    reason: str,
    now: datetime,
) -> None:
    """Set the verdict; it outranks every later recomputation, and may be reviewed again.

    Raises `NotFound` outside of what the caller manages, `Forbidden` for one's own check-in or one
    of a patrol that one took part in.
    """
    reviewer = access.person_of(caller)
    scope = await access.scope_of(session, caller)
    await credits.hold(session, check_ins=[check_in_id])
    statement = select(CheckIn).where(CheckIn.id == check_in_id).with_for_update()
    if scope is not None:
        statement = statement.where(visibility.check_ins_in(scope))
    check_in = await session.scalar(statement)
    if check_in is None:
        raise NotFound
    if reviewer.id in await walkers(session, check_in):
        raise Forbidden("不能审核自己的记录，或自己参加的巡河，请由其他管理人员审核。")
    before = check_in.verdict
    await judging.conclude(
        session, check_in, verdict, now=now, reviewer_id=reviewer.id, reason=reason
    )
    check_in.reviewed_at = now
    await chain.append(session, {chain.CHECK_IN: [check_in.id]}, now=now)
    await credits.judge(session, [check_in.patrol_id], now=now)
    await audit.record(
        session,
        actor=reviewer,
        action="review",
        subject=f"check_in:{check_in.id}",
        before={"verdict": before},
        after={"verdict": verdict},
        reason=reason,
        now=now,
    )
    await messages.tell(
        session,
        person_id=check_in.person_id,
        kind="review",
        subject=f"check_in:{check_in.id}",
        text=f"您{check_in.at.astimezone(clock.LAKE):%m月%d日}的巡河记录审核为{_WORDS[verdict]}：{_short(reason)}",
        now=now,
    )
    await session.flush()


async def answer(
    session: AsyncSession, person: Person, check_in_id: UUID, *, text: str, now: datetime
) -> None:
    """Keep the sender's answer to the review in force; the reviewer is told.

    Raises `NotFound` for a check-in of somebody else, `WrongState` without a review or when it has
    been answered.
    """
    review_ = await session.scalar(
        select(CheckInVerdict)
        .join(CheckIn, CheckIn.id == CheckInVerdict.check_in_id)
        .where(
            CheckIn.id == check_in_id,
            CheckIn.person_id == person.id,
            CheckInVerdict.revoked_at.is_(None),
        )
        .with_for_update(of=CheckInVerdict)
    )
    if review_ is None:
        raise NotFound
    if review_.reviewer_id is None:
        raise WrongState("这条记录还没有人审核。")
    if review_.answered_at is not None:
        raise WrongState("您已经回复过这次审核，如有异议请联系管理员。")
    review_.answer, review_.answered_at = text, now
    await chain.append(session, {chain.VERDICT: [review_.id]}, now=now)
    await messages.tell(
        session,
        person_id=review_.reviewer_id,
        kind="review_answer",
        subject=f"check_in:{check_in_id}",
        text=f"{person.name}回复了您的审核：{_short(text)}",
        now=now,
    )
    await session.flush()


async def walkers(session: AsyncSession, check_in: CheckIn) -> set[UUID]:
    """Everybody who took part: the sender, the patrol's walker and their companions."""
    others = select(Patrol.person_id).where(Patrol.id == check_in.patrol_id)
    along = select(Companion.person_id).where(
        Companion.patrol_id == check_in.patrol_id,
        Companion.removed_at.is_(None),
        Companion.declined_at.is_(None),
    )
    return {check_in.person_id, *await session.scalars(others.union(along))}


def _short(text: str) -> str:
    """As much of it as a message in the chat has room for."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
