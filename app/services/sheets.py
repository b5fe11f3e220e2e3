"""Sheets: A4 paper with Chinese type and QR codes, as PDF."""

import logging
from datetime import datetime

A4_WIDTH_MM, A4_HEIGHT_MM = 210.0, 297.0
_FONT = "noto"

# What the subsetter drops from the font is nobody's business at the operator's shell.
logging.getLogger("fontTools").setLevel(logging.ERROR)


class Paper:
    """A4 pages; the font is embedded with the characters that are used and no others."""

    def __init__(self, title: str, now: datetime) -> None:
        import fpdf  # noqa: PLC0415 - with its fonts twice what a bare web framework loads
        import pylopdf_fonts_zh_cn  # noqa: PLC0415

        self._by_character = fpdf.enums.WrapMode.CHAR
        self._pdf = fpdf.FPDF(unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.add_font(_FONT, fname=pylopdf_fonts_zh_cn.sans_path())
        self._pdf.set_title(title)
        self._pdf.set_creation_date(now)

    def add_page(self) -> None:
        """Go on on a new page."""
        self._pdf.add_page()

    def line_of(
        self, text: str, *, x: float, y: float, width: float, points: float, align: str = "C"
    ) -> None:
        """One line of text in a box; what is too long for it is set smaller, to a third."""
        self._pdf.set_font(_FONT, size=points)
        natural = self._pdf.get_string_width(text)
        if natural > width:
            self._pdf.set_font_size(max(points / 3, points * width / natural))
        while self._pdf.get_string_width(text) > width and len(text) > 1:
            text = text[:-2] + "…"
        self._pdf.set_xy(x, y)
        self._pdf.cell(width, self._pdf.font_size * 1.3, text, align=align)

    def lines_of(
        self, text: str, *, x: float, y: float, width: float, points: float, align: str = "L"
    ) -> None:
        """A paragraph, broken where it must be."""
        self._pdf.set_font(_FONT, size=points)
        self._pdf.set_xy(x, y)
        self._pdf.multi_cell(
            width, self._pdf.font_size * 1.5, text, align=align, wrapmode=self._by_character
        )

    def qr(self, content: str, *, x: float, y: float, width: float) -> None:
        """A QR code with its quiet zone, as lines and not as pixels."""
        import segno  # noqa: PLC0415 - as the PDF's

        rows = list(segno.make(content, error="m", micro=False).matrix_iter(border=4))
        module = width / len(rows)
        self._pdf.set_fill_color(0)
        for row, values in enumerate(rows):
            start = None
            for column, dark in enumerate([*values, 0]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    # A hair taller than it is, so that no reader sees a seam between rows.
                    self._pdf.rect(
                        x + start * module,
                        y + row * module,
                        (column - start) * module,
                        module * 1.02,
                        style="F",
                    )
                    start = None

    def cut_line(self, y: float) -> None:
        """Where to cut across the page."""
        self._pdf.set_draw_color(150)
        self._pdf.set_dash_pattern(dash=2, gap=2)
        self._pdf.line(5, y, A4_WIDTH_MM - 5, y)
        self._pdf.set_dash_pattern()

    def pdf(self) -> bytes:
        """The whole document."""
        return bytes(self._pdf.output())
