"""Excel: an XLSX template with placeholders, filled; and the template that ships.

`{{ title }}` in a cell stands for one value; a row with `{{ unit.name }}` is repeated for every
unit, one with `{{ correction.name }}` for every correction. Nothing else is understood.
"""

import io
import re
from collections.abc import Mapping, Sequence
from copy import copy
from functools import cache
from typing import Any
from zipfile import BadZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import MergedCell
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.worksheet.cell_range import CellRange

from app.services.bulletins.faults import BadTemplate

_PLACEHOLDER = re.compile(r"\{\{\s*([a-z_]+(?:\.[a-z_]+)?)\s*\}\}")
_ANYTHING = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_REPEATED = {"unit": "units", "correction": "corrections"}


def lay_out(template: bytes, words: Mapping[str, Any]) -> bytes:
    """The template with its placeholders filled. Raises `BadTemplate`."""
    try:
        workbook = load_workbook(io.BytesIO(template))
    except (KeyError, ValueError, BadZipFile, OSError, TypeError, AttributeError):
        raise BadTemplate("文件不是完整的 Excel 工作簿（.xlsx）。") from None
    for sheet in workbook.worksheets:
        _fill(sheet, words)
    filled = io.BytesIO()
    workbook.save(filled)
    return filled.getvalue()


def _fill(sheet: Any, words: Mapping[str, Any]) -> None:
    # From below, so that rows that are added move nothing that is still to be filled.
    for number in range(sheet.max_row, 0, -1):
        cells = [cell for cell in sheet[number] if isinstance(cell.value, str)]
        repeated = {
            name.split(".")[0]
            for cell in cells
            for name in _PLACEHOLDER.findall(cell.value)
            if "." in name
        }
        if not repeated:
            for cell in cells:
                _put(cell, cell.value, words)
        elif len(repeated) > 1 or (name := repeated.pop()) not in _REPEATED:
            raise BadTemplate(f"第{number}行的占位符不能放在一起，或者不认识。")
        else:
            _repeat(sheet, number, name, words[_REPEATED[name]], words)


def _repeat(
    sheet: Any, number: int, name: str, rows: Sequence[Mapping[str, Any]],
    words: Mapping[str, Any],
) -> None:  # fmt: skip
    """Fill a row once for each of `rows`, moving down what stands below it."""
    if any(isinstance(cell, MergedCell) for cell in sheet[number]):
        raise BadTemplate(f"第{number}行要重复填写，不能有合并的单元格。")
    pattern = [(copy(cell._style), cell.value) for cell in sheet[number]]
    height = sheet.row_dimensions[number].height
    _shift(sheet, number, len(rows) - 1)
    for offset, row in enumerate(rows):
        named = {**words, **{f"{name}.{key}": value for key, value in row.items()}}
        for column, (style, value) in enumerate(pattern, 1):
            cell = sheet.cell(number + offset, column)
            cell._style = copy(style)
            _put(cell, value, named)
        sheet.row_dimensions[number + offset].height = height
    if not rows:
        for cell in sheet[number]:
            cell.value = None


def _shift(sheet: Any, number: int, by: int) -> None:
    if by <= 0 or number >= sheet.max_row:
        return
    merged = [each for each in sheet.merged_cells.ranges if each.min_row > number]
    for each in merged:
        sheet.merged_cells.remove(each)
    below = CellRange(
        min_row=number + 1, max_row=sheet.max_row, min_col=1, max_col=sheet.max_column
    )
    heights = {
        row: sheet.row_dimensions[row].height for row in range(number + 1, sheet.max_row + 1)
    }
    sheet.move_range(below, rows=by, translate=True)
    for row, height in heights.items():
        sheet.row_dimensions[row + by].height = height
    for each in merged:
        each.shift(row_shift=by)
        sheet.merge_cells(each.coord)


def _filled(value: str, words: Mapping[str, Any]) -> Any:
    """A cell that is one placeholder keeps the number as a number."""
    whole = _PLACEHOLDER.fullmatch(value.strip())
    if whole:
        return _word(whole[1], words)
    filled = _PLACEHOLDER.sub(lambda found: str(_word(found[1], words)), value)
    if left := _ANYTHING.search(_PLACEHOLDER.sub("", value)):
        raise BadTemplate(f"模板里有不认识的占位符：{left[0]}。")
    return filled


def _put(cell: Any, template: Any, words: Mapping[str, Any]) -> None:
    """Fill one cell. A formula of the template's stays one; no name or remark becomes one."""
    cell.value = template
    if isinstance(template, str) and _ANYTHING.search(template):
        cell.value = _filled(template, words)
        if isinstance(cell.value, str):
            cell.data_type = "s"


def _word(name: str, words: Mapping[str, Any]) -> Any:
    if name not in words or isinstance(words[name], list):
        raise BadTemplate(f"模板里有不认识的占位符：{name}。")
    return words[name]


@cache
def default() -> bytes:
    """The template that ships: one sheet with totals, units and corrections."""
    workbook = Workbook()
    sheet: Any = workbook.active
    sheet.title = "通报"
    rows: Sequence[Sequence[str]] = (
        ("{{ title }}",),
        ("{{ opening }}",),
        (
            "合计",
            "",
            "{{ owed }}",
            "{{ done }}",
            "{{ met }}",
            "{{ missing }}",
            "{{ rate }}",
            "{{ change_previous }}",
            "{{ change_year_ago }}",
        ),
        ("序号", "单位", "应巡", "已巡", "完成", "缺", "完成率", "比上期", "比去年同期", "说明"),
        (
            "{{ unit.number }}",
            "{{ unit.name }}",
            "{{ unit.owed }}",
            "{{ unit.done }}",
            "{{ unit.met }}",
            "{{ unit.missing }}",
            "{{ unit.rate }}",
            "{{ unit.change_previous }}",
            "{{ unit.change_year_ago }}",
            "{{ unit.remark }}",
        ),
        ("网格", "{{ cells }}", "到访", "{{ visited }}", "覆盖率", "{{ coverage }}", "无人到访"),
        ("无人到访的网格：{{ cold_cells }}",),
        ("更正{{ corrections_count }}条",),
        (
            "{{ correction.period }}",
            "{{ correction.name }}",
            "{{ correction.figure }}",
            "{{ correction.said }}",
            "{{ correction.now }}",
        ),
        ("{{ closing }}",),
        ("{{ organisation }}　签发：{{ signed_by }}　数据截至{{ known_at }}",),
        ("口径：{{ definition }}",),
    )
    for row in rows:
        sheet.append(row)
    line = Side(style="thin", color="999999")
    for number in (3, 4, 5):
        for cell in sheet[number]:
            cell.border = Border(top=line, bottom=line, left=line, right=line)
    for cell in sheet[4]:
        cell.font = Font(bold=True)
    sheet["A1"].font = Font(bold=True, size=16)
    for number in (1, 2, 7, 10, 11, 12):
        sheet.merge_cells(start_row=number, end_row=number, start_column=1, end_column=10)
        sheet.cell(number, 1).alignment = Alignment(wrap_text=True, vertical="top")
    for column, width in zip("ABCDEFGHIJ", (11, 24, 9, 9, 9, 9, 10, 18, 18, 30), strict=True):
        sheet.column_dimensions[column].width = width
    sheet.row_dimensions[12].height = 90
    made = io.BytesIO()
    workbook.save(made)
    return made.getvalue()
