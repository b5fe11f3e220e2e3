"""Stele sheets: a page a stele, to be cut in stone or printed on a board."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.services.sheets import A4_WIDTH_MM, Paper

_QR_MM = 130.0
_MARGIN_MM = 20.0


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands on one page; `qr` is what its one QR code says."""

    name: str
    code: str
    organisation: str
    qr: str
    hint: str


def draw(sheets: Sequence[Sheet], *, now: datetime) -> bytes:
    """The sheets as a PDF, in their order."""
    paper = Paper("界碑二维码", now)
    width = A4_WIDTH_MM - 2 * _MARGIN_MM
    for sheet in sheets:
        paper.add_page()
        paper.line_of(sheet.name, x=_MARGIN_MM, y=24, width=width, points=40)
        paper.line_of(sheet.code, x=_MARGIN_MM, y=46, width=width, points=22)
        paper.qr(sheet.qr, x=(A4_WIDTH_MM - _QR_MM) / 2, y=66, width=_QR_MM)
        paper.line_of(sheet.hint, x=_MARGIN_MM, y=206, width=width, points=22)
        paper.line_of(
            f"责任单位：{sheet.organisation}", x=_MARGIN_MM, y=230, width=width, points=22
        )
    return paper.pdf()
