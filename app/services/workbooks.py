"""Workbooks: XLSX files of any length, written in constant memory into a folder of their own."""

import errno
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app import clock
from app.errors import NoRoom

ROWS_A_SHEET = 1_000_000
# Excel's own limits: of a cell, of a sheet's name, of the links on a sheet.
_CELL, _NAME, _LINKS = 32_767, 31, 65_000
_CUT = "…（后面太长，请看 CSV）"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Whatever is older than this was left by a process that was killed.
_LEFT_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that opens a file beside the workbook."""

    path: str
    text: str


@contextmanager
def folder_in(data_dir: Path) -> Iterator[Path]:
    """A folder for files in the making; gone afterwards, whatever happens.

    Raises `NoRoom` when the disk is full.
    """
    from xlsxwriter.exceptions import XlsxFileError  # noqa: PLC0415 - a fifth of a web framework

    parent = data_dir / "making"
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(parent)
        with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as made:
            yield Path(made)
    except (OSError, XlsxFileError) as error:
        reason = error.args[0] if isinstance(error, XlsxFileError) and error.args else error
        if isinstance(reason, OSError) and reason.errno in _FULL:
            raise NoRoom from None
        raise


def _sweep(parent: Path) -> None:
    for each in parent.iterdir():
        with suppress(FileNotFoundError):
            if each.stat().st_mtime < time.time() - _LEFT_S:
                shutil.rmtree(each, ignore_errors=True)


class Workbook:
    """A workbook in the making; whole when it was finished."""

    def __init__(self, file: Path) -> None:
        import xlsxwriter  # noqa: PLC0415 - as above

        options = {
            "constant_memory": True,
            "tmpdir": str(file.parent),
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "use_zip64": True,
        }
        self._book = xlsxwriter.Workbook(str(file), options)
        self.head = self._book.add_format({"bold": True, "bg_color": "#E8EEF4", "border": 1})
        self.day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self.instant = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.link = self._book.add_format({"font_color": "#0563C1", "underline": 1})
        self._names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for sheet in self._book.worksheets():
            with suppress(OSError):
                sheet.row_data_fh.close()

    def finish(self) -> None:
        """Put the sheets together into the file."""
        self._book.close()

    def sheet(self, title: str) -> Any:
        """A new sheet of this name, numbered if there is one already."""
        name, number = title[:_NAME], 1
        while name in self._names:
            number += 1
            name = f"{title[: _NAME - 4]}{number}"
        self._names.add(name)
        return self._book.add_worksheet(name)


class Table:
    """Rows under headings; goes on on a further sheet after a million of them."""

    def __init__(
        self, book: Workbook, title: str, headings: Sequence[str], widths: Sequence[float] = ()
    ) -> None:
        self._book, self._title = book, title
        self._headings, self._widths = headings, widths
        self._begin()

    def _begin(self) -> None:
        self._sheet = self._book.sheet(self._title)
        self._row, self._links = 1, 0
        self._sheet.freeze_panes(1, 0)
        for n, heading in enumerate(self._headings):
            width = self._widths[n] if n < len(self._widths) else max(10, 2 * len(heading) + 2)
            self._sheet.set_column(n, n, width)
            self._sheet.write_string(0, n, heading, self._book.head)

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Write these below."""
        for row in rows:
            if self._row > ROWS_A_SHEET:
                self._begin()
            for n, value in enumerate(row):
                if value is not None:
                    self._write(n, value)
            self._row += 1

    def _write(self, column: int, value: Any) -> None:
        sheet, row, book = self._sheet, self._row, self._book
        match value:
            case bool():
                sheet.write_string(row, column, "是" if value else "否")
            case int() | float():
                sheet.write_number(row, column, value)
            case datetime():
                local = value.astimezone(clock.LAKE).replace(tzinfo=None)
                sheet.write_datetime(row, column, local, book.instant)
            case date():
                sheet.write_datetime(row, column, value, book.day)
            case Link():
                self._link(column, value)
            case _:
                said = str(value)
                if len(said) > _CELL:
                    said = said[: _CELL - len(_CUT)] + _CUT
                sheet.write_string(row, column, said)

    def _link(self, column: int, link: Link) -> None:
        if self._links < _LINKS:
            from xlsxwriter.url import Url  # noqa: PLC0415 - as above

            url = Url(f"external:{link.path}")
            url.text = link.text
            # As Excel writes it: the library's own turns the slashes round, for Windows alone.
            url._relationship_link = link.path
            self._sheet.write_url(self._row, column, url, self._book.link)
        else:
            formula = f'=HYPERLINK("{link.path}","{link.text}")'
            self._sheet.write_formula(self._row, column, formula, self._book.link, link.text)
        self._links += 1
