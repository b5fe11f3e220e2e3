"""Importing: a folder into the database, all or nothing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import Table, func, select, text, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from app.clock import day_of
from app.domain.datum import Datum
from app.models import AuditEntry, GridCell
from app.services import pairing_duties, rulebook, turns
from app.services.dataset import books, documents, doubts, roster
from app.services.dataset.books import Touched
from app.services.dataset.checking import check
from app.services.dataset.columns import Columns, Values, complete, resolved
from app.services.dataset.conflicts import Conflict, leave_alone
from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.folder import Contents, read_folder
from app.services.dataset.register import TABLE_OF, Register, load
from app.services.dataset.remembering import remember
from app.services.dataset.selecting import among
from app.services.dataset.sheets import Progress, Sheet
from app.services.dataset.summary import Counts, Summary
from app.services.dataset.writing import upsert
from app.settings import Settings


def _silent(_step: str, _done: int, _total: int) -> None:
    pass


async def import_folder(
    session: AsyncSession,
    folder: Path,
    settings: Settings,
    *,
    documents_dir: Path,
    now: datetime,
    datum: Datum = Datum.wgs84,
    dry_run: bool = False,
    deactivate_missing: bool = False,
    yes: bool = False,
    written_at: datetime | None = None,
    area_of_interest: BaseGeometry | None = None,
    progress: Progress = _silent,
) -> Summary:
    """Bring the database to what the folder says; the caller commits.

    `datum` is that of the drawings; `deactivate_missing` retires rows that a file no longer has,
    beyond 10 % of a table only with `yes`; `settings` say how duties count. Rows that managers
    edited after their file was written (`written_at`, if given) are left alone and listed. Raises
    `BadDataset` with every fault; then, and with `dry_run`, nothing was written, neither to the
    database nor to `documents_dir`.
    """
    with _without_collecting():
        return await _import(
            session,
            folder,
            settings,
            documents_dir=documents_dir,
            now=now,
            datum=datum,
            dry_run=dry_run,
            deactivate_missing=deactivate_missing,
            yes=yes,
            written_at=written_at,
            area_of_interest=area_of_interest,
            progress=progress,
        )


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Hold the collector off: it would walk millions of new lists again and again, for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


async def _import(
    session: AsyncSession,
    folder: Path,
    settings: Settings,
    *,
    documents_dir: Path,
    now: datetime,
    datum: Datum,
    dry_run: bool,
    deactivate_missing: bool,
    yes: bool,
    written_at: datetime | None,
    area_of_interest: BaseGeometry | None,
    progress: Progress,
) -> Summary:
    contents = read_folder(folder, datum, area_of_interest, progress)
    if written_at is not None:
        contents.written_at = dict.fromkeys(contents.written_at, written_at)
    async with session.begin_nested() as savepoint:
        await _hold_off_others(session, contents.sheets)
        touched = Touched()
        touched.add("people", await roster.retire_the_departed(session, day_of(now)))
        register = await load(session, contents.sheets)
        register.unread = contents.unread
        columns, papers = _judge(contents, register, folder, now)
        retiring = _missing(contents.sheets, register) if deactivate_missing else {}
        found: list[Conflict] = []
        if not contents.faults:
            found = await leave_alone(session, contents, columns, register, retiring, day_of(now))
        _refuse(contents, register, columns, retiring, yes)
        summary = Summary(warnings=contents.warnings, dry_run=dry_run)
        summary.conflicts, is_news = await remember(
            session, found, columns.keys(), with_missing=deactivate_missing, now=now
        )
        for sheet in contents.sheets:
            ids = retiring.get(sheet.table.stem, [])
            await _retire(session, sheet, ids, day_of(now))
            touched.add(sheet.table.stem, ids)
        for sheet in contents.sheets:
            stem = sheet.table.stem
            summary.files[sheet.file] = await _write(
                session, sheet, columns[stem], register, now, len(retiring.get(stem, [])),
                touched, progress,
            )  # fmt: skip
        summary.warnings += await doubts.find(session, contents.sheets, day_of(now))
        if dry_run:
            await savepoint.rollback()
            return summary
        documents.keep(papers, documents_dir)
        if not summary.changes_nothing or is_news:
            after: dict[str, Any] = {file: asdict(n) for file, n in summary.files.items()}
            if summary.conflicts:
                after["conflicts"] = list(map(str, summary.conflicts))
            session.add(
                AuditEntry(at=now, via="cli", action="dataset.import", subject="dataset",
                           after=after)
            )  # fmt: skip
            await session.flush()
        await _keep_books(session, touched, settings, now, progress)
    return summary


async def _keep_books(
    session: AsyncSession, touched: Touched, settings: Settings, now: datetime, progress: Progress
) -> None:
    """Judge what the import changed. Last of all: until the commit nobody can record anything."""
    progress("核算履职", 0, 0)
    if not await rulebook.keep(session, settings, now=now):
        await pairing_duties.settle(session, settings, now=now)
        await books.judge(session, touched, now=now)


async def _hold_off_others(session: AsyncSession, sheets: list[Sheet]) -> None:
    """Keep other imports and the roster's editors out until the end; readers are not disturbed."""
    await turns.take_all(session)
    names = [
        TABLE_OF[sheet.table.stem].__tablename__
        for sheet in sheets
        # Patrols come in from the river all the time; paper ones only by an import.
        if sheet.table.stem != "patrols"
    ]
    if names:
        # The names are our own tables', in an order that is always the same.
        await session.execute(text(f"LOCK TABLE {', '.join(names)} IN SHARE ROW EXCLUSIVE MODE"))


def _judge(
    contents: Contents, register: Register, folder: Path, now: datetime
) -> tuple[dict[str, Columns], list[documents.Document]]:
    """Find what is wrong between rows (added to the faults) and what they are as columns."""
    today = day_of(now)
    columns: dict[str, Columns] = {}
    papers: list[documents.Document] = []
    for sheet in contents.sheets:
        if sheet.table.stem != "pairings":
            contents.faults += register.add(sheet)
    for sheet in contents.sheets:
        stem = sheet.table.stem
        columns[stem], faults = resolved(sheet, register)
        contents.faults += faults
        contents.faults += check(sheet, register, today)
        if stem == "letters":
            papers, faults = documents.find_documents(sheet, folder, columns[stem])
            contents.faults += faults
        if stem == "people":
            roster.merge_people(sheet, columns[stem], register, today)
        else:
            columns[stem]["retired_on"] = Values([None] * sheet.size)
    if not contents.faults:
        for sheet in contents.sheets:
            complete(sheet, columns[sheet.table.stem], register, now)
    return columns, papers


def _missing(sheets: list[Sheet], register: Register) -> dict[str, list[str]]:
    """By stem of each file: the ids of the live rows that it does not have."""
    return {
        sheet.table.stem: sorted(register.stored[sheet.table.stem].live - set(sheet.ids))
        for sheet in sheets
    }


def _refuse(
    contents: Contents,
    register: Register,
    columns: dict[str, Columns],
    retiring: dict[str, list[str]],
    yes: bool,
) -> None:
    """Raise `BadDataset` if anything is wrong, or too much would be retired."""
    for sheet in contents.sheets:
        if sheet.table.stem == "people":
            gone = set(retiring.get("people", []))
            contents.faults += roster.check_phones(sheet, columns["people"], register, gone)
    if contents.faults:
        raise BadDataset(contents.faults)
    too_many = []
    for sheet in contents.sheets:
        live = len(register.stored[sheet.table.stem].live)
        missing = len(retiring.get(sheet.table.stem, []))
        if missing * 10 > live and not yes:
            too_many.append(Fault(sheet.file, 1, "", f"要停用 {missing} 行，而在用的共 {live} 行"))
    if too_many:
        raise BadDataset(too_many, reason="停用的超过一成；确认无误请加 --yes 再运行。")


async def _retire(session: AsyncSession, sheet: Sheet, ids: list[str], today: date) -> None:
    if ids:
        table = _table(sheet.table.stem)
        await session.execute(update(table).where(among(table.c.id, ids)).values(retired_on=today))


async def _write(
    session: AsyncSession,
    sheet: Sheet,
    columns: Columns,
    register: Register,
    now: datetime,
    retired: int,
    touched: Touched,
    progress: Progress,
) -> Counts:
    stem = sheet.table.stem
    stored = set(register.stored[stem].ids.values())
    if stem == "people":
        await roster.free_phones(session, sheet, columns, register)
    if stem == "patrols":
        await roster.add_organisations_then(session, sheet, columns)

    def told(done: int) -> None:
        progress("写入 " + sheet.file, done, sheet.size)

    written = await upsert(
        session, _table(stem), sheet.ids, columns, stored, told,
        decisive=books.DECISIVE.get(stem, ()), watched=books.WATCHED.get(stem, ()),
    )  # fmt: skip
    new, changed = written.new, written.changed
    touched.add_new(stem, sheet.ids, stored, new)
    touched.add_changed(stem, written.decisive)
    if stem == "people":
        moved = await roster.record_terms(session, sheet, columns, register, now, day_of(now))
        touched.add(stem, moved)
    if changed and books.has_moved(sheet, columns, register):
        touched.everything = True
    if stem == "grid_cells" and changed:
        await _mend_lineages(session)
    return Counts(new, changed, sheet.size - new - changed, retired)


async def _mend_lineages(session: AsyncSession) -> None:
    """Cells below one that moved have new ancestors, also those that no file names."""
    tree = (
        select(GridCell.id, array([GridCell.id]).label("lineage"))
        .where(GridCell.parent_id.is_(None))
        .cte("tree", recursive=True)
    )
    below = select(GridCell.id, func.array_append(tree.c.lineage, GridCell.id)).where(
        GridCell.parent_id == tree.c.id
    )
    tree = tree.union_all(below)
    await session.execute(
        update(GridCell)
        .where(GridCell.id == tree.c.id, GridCell.lineage.is_distinct_from(tree.c.lineage))
        .values(lineage=tree.c.lineage)
        .execution_options(synchronize_session=False)
    )


def _table(stem: str) -> Table:
    table = TABLE_OF[stem].__table__
    assert isinstance(table, Table)  # noqa: S101  a mapped class has one
    return table
