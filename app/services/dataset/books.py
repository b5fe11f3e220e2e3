"""Books: which credits an import may have made wrong, and judging those again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.database import at_once
from app.services import credits
from app.services.dataset.columns import Columns
from app.services.dataset.register import Register
from app.services.dataset.sheets import Sheet

# What of a row decides about duties. New rows of the second group decide nothing by themselves:
# whatever is about them is new too.
DECISIVE: Mapping[str, Collection[str]] = {
    "posts": (
        "person_id", "area_kind", "waterbody_id", "reach_id", "grid_cell_id", "stele_id",
        "deputy_id", "from_on", "to_on", "retired_on",
    ),
    "pairings": ("from_on", "to_on", "retired_on"),
    "obligations": (
        "holder_person_id", "holder_organisation_id", "area_kind", "reach_id", "grid_cell_id",
        "stele_id", "times", "period", "starts_on", "ends_on", "months", "min_minutes",
        "min_metres", "kinds", "photo", "letter_id", "retired_on",
    ),
    "exemptions": (
        "holder_person_id", "holder_organisation_id", "obligation_id", "from_on", "to_on",
        "state", "retired_on",
    ),
    "patrols": (
        "person_id", "started_on", "area_kind", "reach_id", "grid_cell_id", "stele_id", "kind",
        "retired_on",
    ),
    "organisations": ("retired_on",),
    "people": ("retired_on",),
    "reaches": ("waterbody_id", "retired_on"),
    "grid_cells": ("retired_on",),
    "steles": ("reach_id", "retired_on"),
    "letters": ("retired_on",),
}  # fmt: skip
_NEW_DECIDE = frozenset(("posts", "pairings", "obligations", "exemptions", "patrols"))
# Whom rows were about before they changed.
WATCHED: Mapping[str, Collection[str]] = {
    "posts": ("person_id",),
    "exemptions": ("holder_person_id", "holder_organisation_id"),
}
# Beyond so many rows, looking for what each of them touches takes longer than judging everything.
_MANY = 20_000

_OBLIGATIONS: LiteralString = """
    WITH leaves AS (
      SELECT holder_person_id, holder_organisation_id FROM exemptions
      WHERE id = ANY(%(exemptions)s)
    ), departments AS (
      SELECT department_id AS id FROM pairings WHERE id = ANY(%(pairings)s)
    )
    SELECT id FROM obligations WHERE id = ANY(%(obligations)s)
    UNION
    SELECT id FROM obligations WHERE holder_organisation_id = ANY(%(organisations)s)
    UNION
    SELECT id FROM obligations WHERE holder_person_id = ANY(%(holders)s)
    UNION
    SELECT b.id FROM leaves x JOIN obligations b ON b.holder_person_id = x.holder_person_id
    UNION
    SELECT b.id FROM leaves x
    JOIN obligations b ON b.holder_organisation_id = x.holder_organisation_id
    UNION
    SELECT id FROM obligations WHERE letter_id = ANY(%(letters)s)
    UNION
    SELECT id FROM obligations WHERE reach_id = ANY(%(reaches)s)
    UNION
    SELECT id FROM obligations WHERE grid_cell_id = ANY(%(grid_cells)s)
    UNION
    SELECT id FROM obligations WHERE stele_id = ANY(%(steles)s)
    UNION
    SELECT b.id FROM steles s JOIN obligations b ON b.stele_id = s.id
    WHERE s.reach_id = ANY(%(reaches)s)
    UNION
    SELECT b.id FROM departments d JOIN obligations b ON b.holder_organisation_id = d.id
    WHERE b.area_kind = 'paired'
    UNION
    SELECT b.id FROM departments d
    JOIN memberships m ON m.organisation_id = d.id
    JOIN obligations b ON b.holder_person_id = m.person_id
    WHERE b.area_kind = 'paired'
"""
_PEOPLE: LiteralString = """
    SELECT person_id AS id FROM posts WHERE id = ANY(%(posts)s)
    UNION
    SELECT unnest(CAST(%(people)s AS uuid[]))
"""


@dataclass
class Touched:
    """What an import changed that duties are judged by: ids, by stem of the file."""

    rows: dict[str, list[UUID]] = field(default_factory=dict)
    holders: set[UUID] = field(default_factory=set)
    """People whose exemptions were others'."""
    everything: bool = False

    def add(self, stem: str, ids: Iterable[Any]) -> None:
        """Rows that changed or ended."""
        known = (each if isinstance(each, UUID) else UUID(each) for each in ids)
        self.rows.setdefault(stem, []).extend(known)

    def add_new(self, stem: str, ids: Sequence[str], stored: Collection[str], many: int) -> None:
        """Those `many` rows that were not there before, where that decides anything."""
        if stem in _NEW_DECIDE and many:
            if many > _MANY and stem != "patrols":
                self.everything = True
            else:
                self.add(stem, (identity for identity in ids if identity not in stored))

    def add_changed(self, stem: str, rows: Iterable[Any]) -> None:
        """Rows as `writing.upsert` gives them: with whom they were about before."""
        for id_, *before in rows:
            self.add(stem, [id_])
            if stem == "posts":
                self.add("people", before)
            elif stem == "exemptions":
                person, organisation = before
                self.holders |= {person} - {None}
                self.add("organisations", {organisation} - {None})


def has_moved(sheet: Sheet, columns: Columns, register: Register) -> bool:
    """Whether an organisation or a cell that was there has another parent now."""
    if sheet.table.stem not in ("organisations", "grid_cells") or not columns["parent_id"].updates:
        return False
    stored = register.stored[sheet.table.stem].rows
    return any(
        identity in stored and _text(stored[identity].parent_id) != parent
        for identity, parent in zip(sheet.ids, columns["parent_id"].values, strict=True)
    )


async def judge(session: AsyncSession, touched: Touched, *, now: datetime) -> None:
    """Bring the credits to what was imported; the books are had alone from here on.

    To be called last: whoever records something waits from here to the end of the transaction.
    """
    rows = {stem: touched.rows.get(stem, []) for stem in DECISIVE}
    if not touched.everything and not any(rows.values()) and not touched.holders:
        return
    await credits.hold_alone(session)
    patrols = rows.pop("patrols")
    if touched.everything or sum(map(len, rows.values())) > _MANY:
        await credits.judge_everything(session, now=now)
        return
    found, people = await at_once(
        session, (_OBLIGATIONS, {**rows, "holders": list(touched.holders)}), (_PEOPLE, rows)
    )
    if found:
        await credits.judge_obligations(session, [row.id for row in found], now=now)
    if people:
        await credits.judge_people(session, [row.id for row in people], now=now)
    await credits.judge(session, patrols, now=now)


def _text(identity: object) -> str | None:
    return None if identity is None else str(identity)
