"""Template: a workbook to fill in, with headings, drop-downs and examples."""

from pathlib import Path

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from app.services.dataset import values
from app.services.dataset.faults import BadDataset
from app.services.dataset.reading import NOTES
from app.services.dataset.tables import EXAMPLE, TABLES, Column, Table

_ROWS = 100_000
_NOTES = (
    "怎样填写",
    "1. 每个工作表是一张表，第一行是表头，带“*”的列必须填。鼠标停在表头上可以看到说明。",
    f"2. 灰色的两行是示例（编码以“{EXAMPLE}”开头），导入时会跳过，可以删掉，也可以留着。",
    "3. 不用的工作表留空即可，不会影响已有的数据。",
    "4. 填好后另存为 dataset.xlsx，放进一个文件夹，先运行 xunhe import 文件夹 --dry-run 检查，"
    "没有错误再去掉 --dry-run 正式导入。",
    "5. 水体、河段、网格、界碑带有图形，请用 QGIS 画好，存为 waterbodies.geojson、"
    "reaches.geojson、grid_cells.geojson、steles.geojson，放在同一个文件夹里。",
    "6. 日期写成 2026-06-01；手机号、编码的列已设为文本，请不要改成数字。",
)


def write_template(path: Path) -> None:
    """Write the empty workbook; what was at `path` is replaced.

    Raises `BadDataset` where nothing can be written.
    """
    book = xlsxwriter.Workbook(str(path))
    head = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1})
    text = book.add_format({"num_format": "@"})
    grey = book.add_format({"num_format": "@", "font_color": "#7F7F7F", "italic": True})
    notes = book.add_worksheet(NOTES)
    notes.set_column(0, 0, 110, book.add_format({"text_wrap": True}))
    notes.write_column(0, 0, _NOTES)
    for table in TABLES:
        if table.shapes:
            continue
        sheet = book.add_worksheet(table.stem)
        sheet.freeze_panes(1, 0)
        for position, column in enumerate(table.columns):
            heading = column.headings[0] + (" *" if column.required else "")
            sheet.set_column(position, position, max(12, 2 * len(heading) + 4), text)
            sheet.write_string(0, position, heading, head)
            sheet.write_comment(0, position, _explanation(table, column))
            if options := _options(column):
                _drop_down(sheet, position, options)
        for number, example in enumerate(table.examples, start=1):
            for position, column in enumerate(table.columns):
                sheet.write_string(number, position, example.get(column.name, ""), grey)
    try:
        book.close()
    except FileCreateError:
        raise BadDataset(reason=f"写不了 {path}，请检查文件夹是否存在、文件是否正被打开") from None


def _options(column: Column) -> list[str]:
    """What a drop-down offers; none where a cell may hold anything, or several of them."""
    if column.read is values.truth:
        return ["是", "否"]
    return list(column.labels.values()) if column.labels and not column.several else []


def _drop_down(sheet: Worksheet, position: int, options: list[str]) -> None:
    sheet.data_validation(
        1, position, _ROWS, position,
        {
            "validate": "list",
            "source": options,
            "error_title": "不在可选范围内",
            "error_message": "请从下拉列表里选择。",
        },
    )  # fmt: skip


def _explanation(table: Table, column: Column) -> str:
    parts = [f"{table.title}：{column.name}", "必填" if column.required else "可以不填"]
    if column.refers_to:
        parts.append(f"填 {column.refers_to} 里的编码")
    if column.read is values.truth:
        parts.append("填 是 或 否")
    if column.labels:
        parts.append("可填：" + "、".join(column.labels.values()))
    if column.read is values.day:
        parts.append("日期，如 2026-06-01")
    return "\n".join(parts)
