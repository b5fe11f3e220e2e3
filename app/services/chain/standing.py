"""How the chain stands: for the operator's pages, the metrics and the alarms."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ChainClosing, ChainEvent, ChainHead, ChainOrigin, UnsealedEvent

SEAL_LATE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when there is a chain, when it was last sealed, and what waits for the next seal."""

    opened_at: datetime | None
    taken_over_at: datetime | None
    sealed_at: datetime | None
    position: int
    unsealed: int
    closing: ChainClosing | None

    def is_late(self, now: datetime) -> bool:
        """Whether something waits although there was time enough."""
        sealed_at = self.sealed_at
        return bool(self.unsealed) and (sealed_at is None or now - sealed_at > SEAL_LATE)


async def standing(session: AsyncSession) -> Standing:
    """How the chain stands now."""
    head = await session.scalar(select(ChainHead))
    unsealed = await session.scalar(select(func.count()).select_from(UnsealedEvent))
    closing = await session.scalar(select(ChainClosing).order_by(ChainClosing.day.desc()).limit(1))
    return Standing(
        opened_at=head.opened_at if head else None,
        taken_over_at=head.taken_over_at if head else None,
        sealed_at=head.sealed_at if head else None,
        position=head.position if head else 0,
        unsealed=unsealed or 0,
        closing=closing,
    )


async def remarks(session: AsyncSession) -> list[str]:
    """What whoever verifies should know and is no fault."""
    found = await standing(session)
    said = []
    if found.opened_at is None:
        if await session.scalar(select(ChainEvent.id).limit(1)):
            said.append("存证链还没有开始，服务启动时开始。")
    elif found.taken_over_at is None:
        said.append("存证链启用以前的记录还没有接管完，后台程序会继续；接管以前无法核对。")
    if found.unsealed:
        said.append(f"还有 {found.unsealed} 条存证没有封存（后台程序每分钟封存一次）。")
    for day, count in await _taken_over(session):
        said.append(f"{count} 条是存证链启用以前的记录，{day} 接管，此前的改动无法核对。")
    if late := await session.scalar(select(func.sum(ChainClosing.late))):
        said.append(f"{late} 条存证在当日封账以后才到，计入了以后的封账。")
    return said


async def _taken_over(session: AsyncSession) -> list[tuple[date, int]]:
    rows = await session.execute(
        select(ChainEvent.day, func.count())
        .where(ChainEvent.origin == ChainOrigin.taken_over)
        .group_by(ChainEvent.day)
        .order_by(ChainEvent.day)
    )
    return [(row[0], row[1]) for row in rows]
