"""Choices: the organisations to which somebody may narrow a report."""

from collections.abc import Sequence

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Organisation
from app.services import access
from app.services.access import Caller


async def organisations(session: AsyncSession, caller: Caller) -> Sequence[Row[str, str]]:
    """Code and name of each organisation whose records the caller sees, by code."""
    scope = await access.scope_of(session, caller)
    statement = select(Organisation.code, Organisation.name).where(
        Organisation.retired_on.is_(None)
    )
    if scope is not None:
        statement = statement.where(Organisation.id.in_(scope))
    return (await session.execute(statement.order_by(Organisation.code))).all()
