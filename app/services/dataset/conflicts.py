"""Conflicts: rows that managers edited after a file was written, which its import leaves alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import LAKE
from app.database import at_once
from app.services.dataset import rows
from app.services.dataset.columns import Columns
from app.services.dataset.folder import Contents
from app.services.dataset.register import TABLE_OF, Register
from app.services.dataset.rows import Row
from app.services.dataset.selecting import among
from app.services.dataset.sheets import Sheet
from app.services.dataset.tables import BY_STEM

# What managers may edit, by stem, and what the audit log calls it.
NOUNS: Mapping[str, str] = {
    "people": "person",
    "posts": "post",
    "pairings": "pairing",
    "letters": "letter",
    "obligations": "obligation",
    "exemptions": "exemption",
}
IN_USE = "in_use"
_MORE_LABELS = {IN_USE: "是否在用", "state": "是否获准"}

_EDITS: LiteralString = """
    SELECT a.subject, a.at, a.actor_id, a.before, p.name
    FROM audit_entries a LEFT JOIN people p ON p.id = a.actor_id
    WHERE a.action IN ('create', 'edit') AND a.at > %(since)s
      AND split_part(a.subject, ':', 1) = ANY(CAST(%(nouns)s AS text[]))
    ORDER BY a.at
"""


@dataclass(frozen=True)
class Edit:
    """The last time that somebody edited a row after its file was written."""

    at: datetime
    by_id: UUID | None
    by: str


@dataclass(frozen=True)
class Conflict:
    """A row that stays as it was edited; `said` is the file's, null where it has none."""

    stem: str
    row_id: UUID
    code: str
    place: str
    said: Mapping[str, Any] | None
    differing: Sequence[str]
    written_at: datetime
    edit: Edit

    def __str__(self) -> str:
        """For the operator: where and about what, but nobody's phone."""
        labels = "、".join(label_of(self.stem, name) for name in self.differing)
        return (
            f"{self.place}: {self.code}：{self.edit.by}于 "
            f"{self.edit.at.astimezone(LAKE):%Y-%m-%d %H:%M} 改过，晚于文件，没有覆盖"
            f"（{labels if self.said is not None else '文件里没有这一行'}）"
        )


@dataclass
class _Edits:
    """What was edited since the files were written: by stem, then by the id of the row."""

    of: dict[str, dict[str, Edit]]
    former: dict[tuple[Any, ...], str]
    """Pairings are told apart by what they name: their ids, by what they named before."""


async def leave_alone(
    session: AsyncSession,
    contents: Contents,
    columns: dict[str, Columns],
    register: Register,
    retiring: dict[str, list[str]],
    today: date,
) -> list[Conflict]:
    """Take out of the sheets and of `retiring` what was edited after its file was written.

    Where the file says the same as the row there is no conflict. Nobody edits meanwhile.
    """
    written_at = {stem: at for stem, at in contents.written_at.items() if stem in NOUNS}
    edits = await _edits(session, written_at, register)
    conflicts: list[Conflict] = []
    for number, sheet in enumerate(contents.sheets):
        stem = sheet.table.stem
        edited = edits.of.get(stem, {})
        if not edited:
            continue
        ours = await _ours(session, stem, list(edited))
        found: dict[str, Conflict] = {}
        dropped: set[int] = set()
        for row, identity in _edited_rows(sheet, edits):
            there, said = ours[identity], _said(sheet, row)
            if differing := differences(stem, said, there, today):
                dropped.add(row)
                found[identity] = Conflict(
                    stem, there.id, code_of(stem, there), f"{sheet.file}:{sheet.line_of(row)}",
                    said, differing, written_at[stem], edited[identity],
                )  # fmt: skip
        for identity in retiring.get(stem, ()):
            if identity in edited and identity not in found:
                there = ours[identity]
                found[identity] = Conflict(
                    stem, there.id, code_of(stem, there), sheet.file,
                    None, (), written_at[stem], edited[identity],
                )  # fmt: skip
        conflicts += found.values()
        if stem in retiring:
            retiring[stem] = [each for each in retiring[stem] if each not in edited]
        if dropped:
            contents.sheets[number] = _without(sheet, dropped)
            columns[stem] = {
                name: replace(column, values=_left(column.values, dropped))
                for name, column in columns[stem].items()
            }
    return conflicts


def differences(stem: str, said: Mapping[str, Any], there: Row, today: date) -> list[str]:
    """The columns in which a file's row is not what is there."""
    ours = plain(there)
    names = [*(column.name for column in BY_STEM[stem].columns), "state"]
    found = [name for name in names if name in said and ours[name] != said[name]]
    last = said.get("to", ours.get("to")) if stem == "people" else None
    is_over = last is not None and date.fromisoformat(last) < today
    return found if is_over == (there.retired_on is not None) else [*found, IN_USE]


def plain(there: Row) -> dict[str, Any]:
    """A row of ours as `said` has one: plain JSON by the file's columns."""
    return {
        name: ",".join(value) if isinstance(value, list) else value
        for name, value in there.audited.items()
    }


def label_of(stem: str, column: str) -> str:
    """What people call a column."""
    if column in _MORE_LABELS:
        return _MORE_LABELS[column]
    return BY_STEM[stem].column(column).headings[0]


def code_of(stem: str, there: Row) -> str:
    """What people call a row by: its code, of a pairing the codes of whom it pairs."""
    said = there.said
    return " ".join(said[name] for name in BY_STEM[stem].key if said[name])


def subject_of(stem: str, there: Row) -> str:
    """What the audit log calls the row; pairings have no code."""
    key = there.id if stem == "pairings" else there.said[BY_STEM[stem].key[0]]
    return f"{NOUNS[stem]}:{key}"


async def _edits(
    session: AsyncSession, written_at: Mapping[str, datetime], register: Register
) -> _Edits:
    edits = _Edits(defaultdict(dict), {})
    if not written_at:
        return edits
    stems = {NOUNS[stem]: stem for stem in written_at}
    asked = {"since": min(written_at.values()), "nouns": list(stems)}
    (found,) = await at_once(session, (_EDITS, asked))
    for subject, at, by_id, before, by in found:
        noun, _, key = subject.partition(":")
        stem = stems[noun]
        identity = key if stem == "pairings" else register.stored[stem].ids.get(key)
        if at <= written_at[stem] or identity is None:
            continue
        edits.of[stem][identity] = Edit(at, by_id, by or "管理人员")
        if stem == "pairings" and before is not None:
            edits.former[tuple(before[name] for name in BY_STEM[stem].key)] = identity
    return edits


async def _ours(session: AsyncSession, stem: str, ids: Sequence[str]) -> Mapping[str, Row]:
    """The rows as they stand."""
    theirs = among(TABLE_OF[stem].__table__.c.id, ids)
    found = await rows.page(session, stem, theirs, limit=len(ids))
    return {str(row.id): row for row in found}


def _edited_rows(sheet: Sheet, edits: _Edits) -> Iterator[tuple[int, str]]:
    """The rows of the file that somebody edited, with their ids."""
    edited = edits.of[sheet.table.stem]
    for row, identity in enumerate(sheet.ids):
        if identity in edited:
            yield row, identity
        elif edits.former and sheet.table.stem == "pairings":
            # As the file has it, it was named before somebody changed whom it pairs.
            key = tuple(sheet[name][row] for name in sheet.table.key)
            if key in edits.former:
                yield row, edits.former[key]


def _said(sheet: Sheet, row: int) -> dict[str, Any]:
    """What the file says of a row, as plain JSON; columns that it does not have are left out."""
    said: dict[str, Any] = {}
    for column in sheet.table.columns:
        if column.name not in sheet.headings:
            continue
        value = sheet[column.name][row]
        if value is None:
            value = column.default
        elif isinstance(value, date):
            value = value.isoformat()
        elif column.several:
            value = value.strip("{}")
        said[column.name] = value
    return said | {"state": "granted"} if sheet.table.stem == "exemptions" else said


def _without(sheet: Sheet, dropped: set[int]) -> Sheet:
    kept = [row for row in range(sheet.size) if row not in dropped]
    line_of = sheet.line_of
    return replace(
        sheet,
        values={name: _left(values, dropped) for name, values in sheet.values.items()},
        size=len(kept),
        line_of=lambda row: line_of(kept[row]),
        ids=_left(sheet.ids, dropped),
    )


def _left(values: Sequence[Any], dropped: set[int]) -> list[Any]:
    return [value for row, value in enumerate(values) if row not in dropped]
