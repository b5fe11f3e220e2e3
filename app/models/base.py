"""The base every table stands on, and the column types that are ours."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ARRAY, Date, DateTime, Double, Enum, LargeBinary, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

E = TypeVar("E", bound=StrEnum)


def uuid7() -> UUID:
    """A new id of ours; they sort by time of making."""
    return uuid_utils.compat.uuid7()


class Box(UserDefinedType[str]):
    """PostgreSQL's `box`: a bounding box in degrees, written `(east,north),(west,south)`."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        """The type's name in DDL."""
        return "box"


class Base(DeclarativeBase):
    """Every constraint has a predictable name, every instant a zone, every enum readable text."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        bytes: LargeBinary,
        date: Date,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        float: Double,
        list[UUID]: ARRAY(Uuid),
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(Text),
        str: Text,
        StrEnum: Enum(StrEnum, native_enum=False, create_constraint=True, length=32),
    }


class Identified:
    """A row with an id of ours."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-2)


class Coded(Identified):
    """A row of the dataset: known to operators by its code, retired and never deleted."""

    code: Mapped[str] = mapped_column(unique=True, sort_order=-1)
    retired_on: Mapped[date | None]
