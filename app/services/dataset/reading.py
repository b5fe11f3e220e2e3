"""Reading: CSV files and workbooks as rows of text."""

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from app.services.dataset.faults import BadDataset, Fault
from app.services.dataset.sheets import Raw, place_headings
from app.services.dataset.tables import TABLES, Table
from app.services.dataset.values import Unreadable, as_text

WORKBOOK = "dataset.xlsx"
NOTES = "说明"

# A million rows of notes at their limit still are a cell each; more than this is a lost quote.
csv.field_size_limit(1_000_000)


def read_csv(path: Path, table: Table) -> Raw:
    """The rows of a CSV file in UTF-8 (with BOM or without) or GB18030.

    Raises `BadDataset` where the file cannot be read at all or its headings are wrong.
    """
    text = decoded(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    rows: list[list[str]] = []
    line = 1
    try:
        for row in reader:
            if any(row) and not all(cell.isspace() or not cell for cell in row):
                lines.append(line)
                rows.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        what = (
            "引号没有成对，或单元格过大" if "end of data" in str(error) else f"格式有误（{error}）"
        )
        raise BadDataset([Fault(table.file, line, "", what)]) from None
    return _raw(table, table.file, lines, rows)


def read_workbook(path: Path) -> list[Raw]:
    """The tables that a workbook holds, a sheet each, named like the file or in Chinese.

    Raises `BadDataset` for a file that is no workbook and for sheets that nobody knows.
    """
    import openpyxl  # noqa: PLC0415 - as much to load as a bare web framework
    from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415

    raws: list[Raw] = []
    faults: list[Fault] = []
    names = {name: table for table in TABLES for name in (table.stem, table.file, table.title)}
    try:
        with warnings.catch_warnings():
            # openpyxl warns of what it leaves out (drop-downs, styles); none of it are rows.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            for sheet in book.worksheets:
                title = sheet.title.strip()
                table = names.get(title) or names.get(title.lower())
                if title == NOTES:
                    continue
                file = f"{WORKBOOK}[{sheet.title}]"
                try:
                    lines, rows = _sheet_rows(sheet.iter_rows(values_only=True), file)
                except BadDataset as error:
                    faults += error.faults
                    continue
                if table is None or table.shapes:
                    if rows:
                        why = "须用 GeoJSON 文件导入" if table else "不认识这个工作表名"
                        faults.append(Fault(file, 1, "", why))
                    continue
                try:
                    raws.append(_raw(table, file, lines, rows))
                except BadDataset as error:
                    faults += error.faults
            book.close()
    except (
        InvalidFileException, zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError,
        AttributeError, IndexError, SyntaxError, OSError, EOFError,
    ):  # fmt: skip
        # Whatever openpyxl trips over in a broken workbook; XML's ParseError is a SyntaxError.
        raise BadDataset(
            [Fault(WORKBOOK, 1, "", "打不开，不是完好的 XLSX 文件；请用 Excel 另存后再试")]
        ) from None
    if faults:
        raise BadDataset(faults)
    return raws


def decoded(path: Path) -> str:
    """The text of a file that Excel or a program wrote."""
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise BadDataset(
        [Fault(path.name, 1, "", "文字编码看不懂，请在 Excel 里另存为“CSV UTF-8（逗号分隔）”")]
    )


def _sheet_rows(
    values: Sequence[tuple[object, ...]] | object, file: str
) -> tuple[list[int], list[list[str]]]:
    lines: list[int] = []
    rows: list[list[str]] = []
    for number, row in enumerate(values, start=1):  # type: ignore[arg-type, var-annotated]  # openpyxl's generator is untyped
        try:
            cells = [as_text(value) for value in row]
        except Unreadable as error:
            raise BadDataset([Fault(file, number, "", str(error))]) from None
        if any(cells):
            lines.append(number)
            rows.append(cells)
    return lines, rows


def _raw(table: Table, file: str, lines: list[int], rows: list[list[str]]) -> Raw:
    """Sort cells into columns; the first row holds the headings."""
    if not rows:
        return Raw(table, file, {c.name: c.name for c in table.columns}, _empty(table), lambda _: 1)
    given = [cell.strip() for cell in rows[0]]
    body, lines = rows[1:], lines[1:]
    while given and not given[-1] and not any(any(row[len(given) - 1 :]) for row in body):
        given.pop()
    positions, headings, faults = place_headings(table, file, given)
    width = len(given)
    even: list[list[str]] = []
    for line, row in zip(lines, body, strict=True):
        if len(row) < width:
            even.append(row + [""] * (width - len(row)))
        else:
            even.append(row)
            if len(row) > width and any(row[width:]):
                faults.append(Fault(file, line, "", f"有 {len(row)} 列，表头只有 {width} 列"))
    faults += [
        Fault(file, 1, column.name, f"缺少这一列（{column.headings[0]}）")
        for column in table.columns
        if column.required and column.name not in positions
    ]
    if faults:
        raise BadDataset(faults)
    if not even:
        cells: dict[str, list[str]] = {name: [] for name in positions}
    else:
        columns = list(zip(*even, strict=False))
        cells = {
            name: list(map(str.strip, columns[position])) for name, position in positions.items()
        }
    return Raw(table, file, headings, cells, lines.__getitem__)


def _empty(table: Table) -> dict[str, list[str]]:
    return {column.name: [] for column in table.columns}
