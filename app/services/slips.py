"""Invitation slips: a strip of paper a person, to be cut out and handed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.services.sheets import A4_HEIGHT_MM, A4_WIDTH_MM, Paper

_A_PAGE = 5
_HEIGHT_MM = A4_HEIGHT_MM / _A_PAGE
_QR_MM = 48.0
_MARGIN_MM = 12.0


@dataclass(frozen=True, slots=True)
class Slip:
    """Who is invited, and by what; without `qr` (no service account yet) the code has to do."""

    name: str
    organisation: str
    code: str
    qr: str | None
    good_until: date


def draw(slips: Sequence[Slip], *, now: datetime) -> bytes:
    """Five slips a page as a PDF, in their order."""
    paper = Paper("邀请条", now)
    for number, slip in enumerate(slips):
        place = number % _A_PAGE
        if place == 0:
            paper.add_page()
        top = place * _HEIGHT_MM
        if place > 0:
            paper.cut_line(top)
        _draw_one(paper, slip, top)
    return paper.pdf()


def spaced(code: str) -> str:
    """The digits in groups of four, as people read them out."""
    return " ".join(code[at : at + 4] for at in range(0, len(code), 4))


def _draw_one(paper: Paper, slip: Slip, top: float) -> None:
    beside = _QR_MM + 4 if slip.qr else 0.0
    width = A4_WIDTH_MM - 2 * _MARGIN_MM - beside
    x = _MARGIN_MM
    paper.line_of(slip.name, x=x, y=top + 5, width=width, points=20, align="L")
    paper.line_of(slip.organisation, x=x, y=top + 14.5, width=width, points=12, align="L")
    paper.line_of(spaced(slip.code), x=x, y=top + 21, width=width, points=34, align="L")
    how = (
        "微信扫右边的码，关注后回复“是”。或在服务号里发：绑定 "
        if slip.qr
        else "在巡河服务号里发：绑定 "
    )
    until = f"{slip.good_until.year}年{slip.good_until.month}月{slip.good_until.day}日"
    paper.lines_of(
        f"{how}{slip.code}。小程序里选“邀请码”，也填这 8 位数。"
        f"{until}前有效，只能用一次，请勿转给他人。",
        x=x,
        y=top + 39,
        width=width,
        points=11,
    )
    if slip.qr:
        paper.qr(
            slip.qr,
            x=A4_WIDTH_MM - _MARGIN_MM - _QR_MM,
            y=top + (_HEIGHT_MM - _QR_MM) / 2,
            width=_QR_MM,
        )
