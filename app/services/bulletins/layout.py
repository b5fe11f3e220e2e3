"""Word: a DOCX template with placeholders, filled; and the template that ships.

Templates come from offices: they are filled in a sandbox that reaches nothing but the placeholders.
"""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from zipfile import BadZipFile

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt
from docxtpl import DocxTemplate
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.services.bulletins.faults import BadTemplate

_FONT = "仿宋"
_HEADINGS = (
    ("number", "序号"),
    ("name", "单位"),
    ("owed", "应巡"),
    ("done", "已巡"),
    ("met", "完成"),
    ("missing", "缺"),
    ("rate", "完成率"),
    ("change_previous", "比上期"),
    ("change_year_ago", "比去年同期"),
    ("remark", "说明"),
)


_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Getattr,
    nodes.If,
    nodes.For,
    nodes.Not,
    nodes.And,
    nodes.Or,
)


class _Placeholders(ImmutableSandboxedEnvironment):
    """Names, `if` and `for` and no more: what could take for ever is not even compiled."""

    def compile(self, source: Any, *given: Any, **named: Any) -> Any:
        """As jinja's. Raises `SecurityError` for anything but placeholders."""
        tree = self.parse(source) if isinstance(source, str) else source
        if any(not isinstance(node, _ALLOWED) for node in _below(tree)):
            raise SecurityError
        if any(loop.find(nodes.For) is not None for loop in tree.find_all(nodes.For)):
            raise SecurityError
        return super().compile(source, *given, **named)


def _below(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _below(child)


def lay_out(template: bytes, words: Mapping[str, Any]) -> bytes:
    """The template with its placeholders filled. Raises `BadTemplate`."""
    environment = _Placeholders(undefined=StrictUndefined, autoescape=True)
    environment.globals.clear()
    try:
        document = DocxTemplate(io.BytesIO(template))
        document.render(dict(words), environment, autoescape=True)
        filled = io.BytesIO()
        document.save(filled)
    except UndefinedError as error:
        raise BadTemplate(f"模板里有不认识的占位符：{_name_in(error)}。") from None
    except SecurityError:
        raise BadTemplate("模板里有不允许的写法，占位符只能是名称。") from None
    except TemplateSyntaxError:
        raise BadTemplate("模板里的占位符写得不完整，例如少了 }} 或 endfor。") from None
    except TemplateError:
        raise BadTemplate("模板里的占位符无法填写，请检查写法。") from None
    except (KeyError, ValueError, BadZipFile, OverflowError, TypeError):
        raise BadTemplate("文件不是完整的 Word 文档（.docx）。") from None
    return filled.getvalue()


def _name_in(error: UndefinedError) -> str:
    """The name between the quotes of jinja's sentence."""
    parts = str(error).split("'")
    return parts[-2] if len(parts) > 2 else str(error)


@cache
def default() -> bytes:
    """The template that ships: title, opening, one table of units, corrections, closing."""
    document = Document()
    style = document.styles["Normal"]
    style.font.name, style.font.size = _FONT, Pt(14)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), _FONT)
    title = document.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = title.add_run("{{ title }}")
    run.bold, run.font.size = True, Pt(20)
    document.add_paragraph("{{ opening }}")
    document.add_paragraph(
        "{{ from_on }}至{{ to_on }}，应巡{{ owed }}次，完成{{ met }}次，完成率{{ rate }}；"
        "比上期{{ change_previous }}，比去年同期{{ change_year_ago }}。"
    )
    document.add_paragraph("未完成的单位（{{ short_count }}个）：{{ short_units }}。")
    document.add_paragraph(
        "网格{{ cells }}个，到访{{ visited }}个，覆盖率{{ coverage }}；"
        "无人到访{{ cold_count }}个：{{ cold_cells }}。"
    )
    _table(document, "units", "unit", _HEADINGS)
    document.add_paragraph("{%p if corrections_count %}")
    document.add_paragraph("更正：上期定稿以后到达的记录使以下的数有了变化。")
    _table(
        document,
        "corrections",
        "correction",
        (
            ("period", "期号"),
            ("name", "单位"),
            ("figure", "项目"),
            ("said", "原为"),
            ("now", "现为"),
        ),
    )
    document.add_paragraph("{%p endif %}")
    document.add_paragraph("{{ closing }}")
    end = document.add_paragraph("{{ organisation }}　签发：{{ signed_by }}")
    end.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    small = document.add_paragraph().add_run("数据截至{{ known_at }}。口径：{{ definition }}")
    small.font.size = Pt(9)
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def _table(document: Any, rows: str, row: str, headings: tuple[tuple[str, str], ...]) -> None:
    table = document.add_table(rows=4, cols=len(headings))
    table.style = "Table Grid"
    for cell, (_, heading) in zip(table.rows[0].cells, headings, strict=True):
        cell.paragraphs[0].add_run(heading).bold = True
    table.rows[1].cells[0].text = f"{{%tr for {row} in {rows} %}}"
    for cell, (name, _) in zip(table.rows[2].cells, headings, strict=True):
        cell.text = f"{{{{ {row}.{name} }}}}"
    table.rows[3].cells[0].text = "{%tr endfor %}"
    for line in table.rows:
        for cell in line.cells:
            for paragraph in cell.paragraphs:
                for run in paragraph.runs:
                    run.font.size = Pt(10)
