"""Sheets: A4 paper with Chinese type and QR codes, as PDF."""

import logging
from datetime import datetime

import fpdf
import pylopdf_fonts_zh_cn
import segno
from fpdf.enums import WrapMode

A4_WIDTH_MM, A4_HEIGHT_MM = 210.0, 297.0
_FONT = "noto"

# What the subsetter drops from the font is nobody's business at the operator's shell.
logging.getLogger("fontTools").setLevel(logging.ERROR)


class Paper(fpdf.FPDF):
    """A4 pages; the font is embedded with the characters that are used and no others."""

    def __init__(self, title: str, now: datetime) -> None:
        super().__init__(unit="mm", format="A4")
        self.set_auto_page_break(False)
        self.set_margin(0)
        self.add_font(_FONT, fname=pylopdf_fonts_zh_cn.sans_path())
        self.set_title(title)
        self.set_creation_date(now)

    def line_of(
        self, text: str, *, x: float, y: float, width: float, points: float, align: str = "C"
    ) -> None:
        """One line of text in a box; what is too long for it is set smaller, to a third."""
        self.set_font(_FONT, size=points)
        natural = self.get_string_width(text)
        if natural > width:
            self.set_font_size(max(points / 3, points * width / natural))
        while self.get_string_width(text) > width and len(text) > 1:
            text = text[:-2] + "…"
        self.set_xy(x, y)
        self.cell(width, self.font_size * 1.3, text, align=align)

    def lines_of(
        self, text: str, *, x: float, y: float, width: float, points: float, align: str = "L"
    ) -> None:
        """A paragraph, broken where it must be."""
        self.set_font(_FONT, size=points)
        self.set_xy(x, y)
        self.multi_cell(width, self.font_size * 1.5, text, align=align, wrapmode=WrapMode.CHAR)

    def qr(self, content: str, *, x: float, y: float, width: float) -> None:
        """A QR code with its quiet zone, as lines and not as pixels."""
        rows = list(segno.make(content, error="m", micro=False).matrix_iter(border=4))
        module = width / len(rows)
        self.set_fill_color(0)
        for row, values in enumerate(rows):
            start = None
            for column, dark in enumerate([*values, 0]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    # A hair taller than it is, so that no reader sees a seam between rows.
                    self.rect(
                        x + start * module,
                        y + row * module,
                        (column - start) * module,
                        module * 1.02,
                        style="F",
                    )
                    start = None

    def cut_line(self, y: float) -> None:
        """Where to cut across the page."""
        self.set_draw_color(150)
        self.set_dash_pattern(dash=2, gap=2)
        self.line(5, y, A4_WIDTH_MM - 5, y)
        self.set_dash_pattern()

    def pdf(self) -> bytes:
        """The whole document."""
        return bytes(self.output())
