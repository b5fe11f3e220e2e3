"""What several collections say of their features, and how they are chosen by it."""

from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Organisation
from app.models.base import Coded
from app.services.access import Caller
from app.services.features.collection import Condition, Property, Visible

CODE, NAME = Property("code", "编码"), Property("name", "名称")
ORGANISATION = (
    Property("organisation", "责任单位编码"),
    Property("organisation_name", "责任单位"),
)


def in_use(model: type[Coded]) -> Visible:
    """Everybody sees what is not retired."""

    async def visible(_session: AsyncSession, _caller: Caller | None) -> ColumnElement[bool]:
        return model.retired_on.is_(None)

    return visible


def is_(column: SQLColumnExpression[Any]) -> Condition:
    return lambda value: column == value


def of_organisation(column: SQLColumnExpression[Any]) -> Condition:
    return lambda code: column.in_(select(Organisation.id).where(Organisation.code == code))
