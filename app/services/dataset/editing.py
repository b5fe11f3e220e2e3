"""Editing: one row of the dataset, judged by the very rules by which a file's rows are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Enum, Table, Uuid
from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import day_of
from app.errors import Invalid, UnknownCode
from app.models import Base
from app.services.dataset import values
from app.services.dataset.checking import check
from app.services.dataset.columns import Columns, resolved
from app.services.dataset.register import TABLE_OF, Register, load_for
from app.services.dataset.sheets import Raw, Sheet, read_values
from app.services.dataset.tables import BY_STEM
from app.services.dataset.values import Unreadable

Said = Mapping[str, Any]
"""A row by the dataset's columns; a column that is not there is left alone."""


@dataclass(frozen=True)
class Draft:
    """A row that may be written: as the importer sees it, and as attributes of its class."""

    sheet: Sheet
    columns: Columns
    register: Register
    attributes: Mapping[str, Any]


async def draft(session: AsyncSession, stem: str, said: Said, *, id_: UUID, now: datetime) -> Draft:
    """What the row with this id would be.

    Raises `Invalid` with every fault, in the importer's words, a pointer for each; `UnknownCode`
    when all that is wrong are codes that nobody has.
    """
    table = BY_STEM[stem]
    cells, unwritable = _texts(said)
    names = {name: name for name in cells}
    raw = Raw(table, table.file, names, {n: [text] for n, text in cells.items()}, lambda _row: 1)
    sheet, faults = read_values(raw)
    register = await load_for(session, sheet)
    sheet.ids = [str(id_)]
    columns, unknown = resolved(sheet, register)
    wrong = [
        *unwritable,
        *({"pointer": f"/{fault.column}", "detail": fault.what} for fault in faults),
        *(
            {"pointer": f"/{fault.column}", "detail": fault.what}
            for fault in check(sheet, register, day_of(now))
        ),
    ]
    missing = [{"pointer": f"/{fault.column}", "detail": fault.what} for fault in unknown]
    if wrong:
        raise Invalid(errors=wrong + missing)
    if missing:
        raise UnknownCode(errors=missing)
    model = TABLE_OF[stem]
    return Draft(
        sheet,
        columns,
        register,
        {
            name: _attribute(model, name, column.values[0])
            for name, column in columns.items()
            if column.updates
        },
    )


def unknown(stem: str, column: str, code: object) -> UnknownCode:
    """As if nobody had this code: for what the caller may not know of."""
    detail = f"“{code}”不存在，请先在 {stem} 里登记"
    return UnknownCode(errors=[{"pointer": f"/{column}", "detail": detail}])


def _texts(said: Said) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The values as cells of a file, and what could not be one."""
    cells: dict[str, str] = {}
    faults: list[dict[str, str]] = []
    for name, value in said.items():
        try:
            cells[name] = values.as_text(",".join(value) if isinstance(value, list) else value)
        except Unreadable as error:
            faults.append({"pointer": f"/{name}", "detail": str(error)})
            cells[name] = ""
    return cells, faults


def _attribute(model: type[Base], name: str, value: Any) -> Any:
    """A column's value, which the importer copies as text, as the class has it."""
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101  a mapped class has one
    kind = table.c[name].type
    if value is None:
        return None
    if isinstance(kind, Uuid):
        return UUID(value)
    if isinstance(kind, ARRAY):
        return [part for part in value.strip("{}").split(",") if part]
    if isinstance(kind, Enum) and kind.enum_class:
        return kind.enum_class(value)
    return value
