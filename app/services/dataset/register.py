"""Register: which codes exist, in the database and in the files, and the ids behind them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import String, Table, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import models
from app.models import Base, uuid7
from app.services.dataset.faults import Fault
from app.services.dataset.selecting import among
from app.services.dataset.sheets import Sheet, Wrong

TABLE_OF: dict[str, type[Base]] = {
    "organisations": models.Organisation,
    "people": models.Person,
    "posts": models.Post,
    "waterbodies": models.Waterbody,
    "reaches": models.Reach,
    "grid_cells": models.GridCell,
    "steles": models.Stele,
    "pairings": models.Pairing,
    "letters": models.Letter,
    "obligations": models.Obligation,
    "exemptions": models.Exemption,
    "patrols": models.Patrol,
}

# Small beside their use: read whole, since almost every file refers to them.
_WHOLE = ("organisations", "people", "waterbodies", "reaches", "grid_cells", "steles", "letters")
_AREAS = {
    "waterbody": "waterbodies",
    "reach": "reaches",
    "grid_cell": "grid_cells",
    "stele": "steles",
}

# What else of a row is needed to judge others by.
_MORE = {
    "organisations": ("kind", "parent_id"),
    "people": ("phone", "organisation_id", "from_on", "to_on"),
    "grid_cells": ("parent_id", "lineage"),
}


@dataclass
class Roll:
    """One table's rows that may be referred to: ids by code, and more by id."""

    ids: dict[Any, str] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    rows: dict[str, Any] = field(default_factory=dict)
    """By id, for the tables of which more is needed: the database's row."""


class Register:
    """All the codes that rows may refer to."""

    def __init__(self) -> None:
        self.stored: dict[str, Roll] = {}
        self.ids: dict[str, dict[str, str]] = {}
        """By stem: the ids by code once the import is done."""
        self.unread: set[str] = set()
        """Stems of files that could not be read, of whose codes nothing can be said."""
        self.kinds: dict[Any, str] = {}
        """By code: the kinds of all organisations once the import is done."""

    def resolve(
        self, sheet: Sheet, column: str, stem: str, rows: Iterable[int] | None = None
    ) -> tuple[list[str | None], list[Fault]]:
        """The ids behind a column of codes (of those rows only), and the codes that nobody has."""
        ids = self.ids.get(stem, {})
        codes = sheet[column]
        found: list[str | None]
        if rows is None:
            rows = range(sheet.size)
            found = [ids.get(code) for code in codes]
        else:
            rows = list(rows)
            found = [None] * sheet.size
            for row in rows:
                found[row] = ids.get(codes[row])
        faults: list[Fault] = []
        if stem not in self.unread:
            faults = [
                sheet.fault(row, column, _nobody(codes[row], stem))
                for row in rows
                if found[row] is None and codes[row] is not None and type(codes[row]) is not Wrong
            ]
        return found, faults

    def add(self, sheet: Sheet) -> list[Fault]:
        """Take up the rows of a file that has codes; a code that stands twice is a fault."""
        stem = sheet.table.stem
        stored = self.stored[stem].ids
        own: dict[str, str] = {}
        first: dict[str, int] = {}
        faults: list[Fault] = []
        key = sheet.table.key[0]
        for row, code in enumerate(sheet[key]):
            if type(code) is Wrong or code is None:
                sheet.ids.append("")
            elif code in own:
                where = sheet.line_of(first[code])
                faults.append(sheet.fault(row, key, f"“{code}”与第 {where} 行重复"))
                sheet.ids.append("")
            else:
                own[code] = stored.get(code) or str(uuid7())
                first[code] = row
                sheet.ids.append(own[code])
        self.ids[stem] = {**stored, **own}
        if stem == "organisations":
            self.kinds.update(zip(sheet["code"], sheet["kind"], strict=True))
        return faults


async def load(session: AsyncSession, sheets: Collection[Sheet]) -> Register:
    """Read from the database what the sheets may refer to and may change."""
    register = Register()
    present = {sheet.table.stem: sheet for sheet in sheets}
    for stem in TABLE_OF:
        if stem in present or stem in _WHOLE:
            register.stored[stem] = await _roll(session, stem)
        else:
            codes = {
                code
                for sheet in sheets
                for column in sheet.table.columns
                if column.refers_to == stem
                for code in sheet[column.name]
                if type(code) is str
            }
            register.stored[stem] = await _roll(session, stem, codes) if codes else Roll()
        register.ids[stem] = register.stored[stem].ids
    stored = register.stored["organisations"]
    register.kinds = {code: stored.rows[identity].kind for code, identity in stored.ids.items()}
    return register


def _nobody(code: str, stem: str) -> str:
    if stem == "obligations" and code.startswith("PAIR-"):
        return f"“{code}”还没有，由挂钩联系产生：先导入 pairings.csv，再导入这一行"
    return f"“{code}”不存在，请先在 {stem} 里登记"


def area_stem(area_kind: str) -> str | None:
    """The file in which areas of a kind stand; none for `any` and `paired`."""
    return _AREAS.get(area_kind)


async def _roll(session: AsyncSession, stem: str, codes: Collection[str] | None = None) -> Roll:
    table = TABLE_OF[stem].__table__
    assert isinstance(table, Table)  # noqa: S101  a mapped class has one
    if stem == "pairings":
        keys = [table.c.department_id, table.c.reach_id, table.c.village_id]
    else:
        keys = [table.c["number" if stem == "letters" else "code"]]
    more = [table.c[name] for name in _MORE.get(stem, ())]
    live = table.c.retired_on.is_(None)
    # What the system or a member made is not in the operator's file, and not missing there.
    if stem == "obligations":
        live &= table.c.code.not_like("PAIR-%")
    if stem == "exemptions":
        live &= (table.c.state == "granted") & table.c.code.not_like("ASK-%")
    if stem == "patrols":
        live &= table.c.code.not_like("LATE-%")
    query = select(cast(table.c.id, String), live, *keys, *more)
    if stem == "patrols":
        query = query.where(table.c.code.is_not(None))
    if codes is not None:
        query = query.where(among(keys[0], codes))
    roll = Roll()
    for row in await session.execute(query):
        identity = row[0]
        key = row[2] if len(keys) == 1 else tuple(str(part) if part else None for part in row[2:5])
        roll.ids[key] = identity
        if row[1]:
            roll.live.add(identity)
        if more:
            roll.rows[identity] = row
    return roll


async def load_for(session: AsyncSession, sheet: Sheet) -> Register:
    """Read what the rows of one sheet name, and no more: for the edit of a row."""
    register = Register()
    wanted: dict[str, set[str]] = {stem: set() for stem in TABLE_OF}
    for column in sheet.table.columns:
        if column.refers_to:
            wanted[column.refers_to].update(filter(_is_code, sheet[column.name]))
    if sheet.table.key != ("department_code", "reach_code", "village_code"):
        wanted[sheet.table.stem].update(filter(_is_code, sheet[sheet.table.key[0]]))
    for kinds, codes, stems in (
        ("area_kind", "area_code", _AREAS),
        ("holder_kind", "holder_code", {"person": "people", "organisation": "organisations"}),
    ):
        if codes in sheet.values:
            for kind, code in zip(sheet[kinds], sheet[codes], strict=True):
                if kind in stems and _is_code(code):
                    wanted[stems[kind]].add(code)
    for stem, named in wanted.items():
        register.stored[stem] = await _roll(session, stem, named) if named else Roll()
        register.ids[stem] = register.stored[stem].ids
    stored = register.stored["organisations"]
    register.kinds = {code: stored.rows[identity].kind for code, identity in stored.ids.items()}
    return register


def _is_code(value: object) -> bool:
    return type(value) is str
