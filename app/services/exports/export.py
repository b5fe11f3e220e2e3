"""What every export is made of: its columns, what may be asked of it, its one statement."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Forbidden, Invalid
from app.models import Role
from app.services import access
from app.services.access import Caller
from app.services.reports.report import Kind


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name as in the API (`position.lon` stands inside `position`), its heading.

    `words` is how CSV and XLSX say the values of an enumeration; `several`: its value is an array.
    `private` columns are not for programs. A value of None is filled in by the statement.
    """

    name: str
    title: str
    text: str
    value: Any = None
    kind: Kind = Kind.text
    words: Mapping[str, str] | None = None
    several: bool = False
    private: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; days are inclusive, at the lake. `organisation`: it and all below."""

    from_on: date | None = None
    to_on: date | None = None
    organisation: str | None = None
    person: str | None = None
    area: str | None = None
    verdict: str | None = None
    state: str | None = None
    kind: str | None = None
    retired: bool = False

    def given(self) -> dict[str, str]:
        """What was asked for, by the names of the parameters."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name.removesuffix("_on"): str(value).lower() if value is True else str(value)
            for name, value in values.items()
            if value not in (None, False)
        }


@dataclass(frozen=True, slots=True)
class Asked:
    """What an export is asked for; `scope` are the organisations that it covers, None = all."""

    scope: Collection[UUID] | None
    wanted: Wanted
    now: datetime
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """A table that can be downloaded.

    `filters` are the parameters that it takes beside `organisation`, with the values of those that
    are an enumeration. `rows` makes the statement whose columns are `columns`, in their order.
    """

    name: str
    title: str
    text: str
    columns: Sequence[Column]
    rows: Callable[[Asked], Select[Any]]
    filters: Mapping[str, type[StrEnum] | None] = field(default_factory=dict)
    admin_only: bool = False

    def columns_for(self, asked: Asked) -> list[Column]:
        """Those that the asker is shown."""
        return [each for each in self.columns if not (each.private and asked.is_program)]

    def statement(self, asked: Asked) -> Select[Any]:
        """The rows with the columns that the asker is shown."""
        rows = self.rows(asked)
        shown = [
            value
            for column, value in zip(self.columns, rows.selected_columns, strict=True)
            if not (column.private and asked.is_program)
        ]
        return rows.with_only_columns(*shown)


def selected(columns: Sequence[Column]) -> Select[Any]:
    """A select of the columns' own values."""
    return select(*(column.value.label(f"_{n}") for n, column in enumerate(columns)))


async def ask(
    session: AsyncSession, caller: Caller, export: Export, wanted: Wanted, *, now: datetime
) -> Asked:
    """What the caller gets of it.

    Raises `Invalid` for what this export cannot be asked (a filter that is not heeded would give
    more than was wanted), `NotFound` for an organisation outside, `Forbidden`.
    """
    if export.admin_only and (caller.person is None or caller.person.role is not Role.admin):
        raise Forbidden("这张表只供系统管理员下载。")
    faults = [
        {"pointer": f"/{name}", "detail": detail}
        for name, value in wanted.given().items()
        if (detail := _fault(export, name, value))
    ]
    if wanted.from_on and wanted.to_on and wanted.to_on < wanted.from_on:
        faults.append({"pointer": "/to", "detail": "结束日期不能早于开始日期"})
    if faults:
        raise Invalid(errors=faults)
    scope = await access.within(session, caller, wanted.organisation)
    return Asked(scope, wanted, now, is_program=caller.api_key is not None)


def _fault(export: Export, name: str, value: str) -> str | None:
    if name == "organisation":
        return None
    if name not in export.filters:
        return f"{export.title}不能按这一项筛选"
    values = export.filters[name]
    if values is not None and value not in set(values):
        return f"只能是以下之一：{'、'.join(values)}"
    return None
