"""Milestones: when something last happened that the operator counts on."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import Milestone


async def reach(session: AsyncSession, name: str, at: datetime) -> None:
    """Note that something happened at `at`, if that is the latest time it did."""
    statement = insert(Milestone).values(name=name, at=at)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"at": func.greatest(Milestone.at, at)}
        )
    )


async def reached_at(session: AsyncSession, name: str) -> datetime | None:
    """When it last happened, None if never."""
    found: datetime | None = await session.scalar(
        select(Milestone.at).where(Milestone.name == name)
    )
    return found


def said(instant: datetime) -> str:
    """The minute at the lake, as it is read."""
    return f"{instant.astimezone(clock.LAKE):%Y年%m月%d日 %H:%M}"
