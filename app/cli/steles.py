"""Sheets for the stones: `stele-codes`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from app.cli.shell import app, read_settings, with_state
from app.errors import CommandFailed

if TYPE_CHECKING:
    from app.state import State

T = TypeVar("T")


@app.command("stele-codes")
def stele_codes(
    pdf: Annotated[Path, typer.Argument(metavar="FILE.pdf", help="写入的 PDF 文件。")],
    *,
    stele: Annotated[
        list[str] | None, typer.Option(help="界碑编码，可重复；不给则印全部。")
    ] = None,
    code: Annotated[
        Literal["url", "scene"], typer.Option(help="二维码：url 网页，scene 服务号。")
    ] = "url",
    new_print: Annotated[
        list[str] | None, typer.Option(help="作废该界碑的旧码并印新码，可重复。")
    ] = None,
) -> None:
    """印界碑二维码，一碑一页。"""
    from app.clock import now
    from app.services import printing

    settings = read_settings()
    if code == "scene" and new_print:
        raise typer.BadParameter("服务号的二维码不分新旧，--new-print 只用于 --code url。")
    if code == "scene" and not settings.service_account.is_configured:
        raise CommandFailed("还没有配置服务号（XUNHE_SERVICE_ACCOUNT_APP_ID 和 _SECRET）。")

    async def draw(state: "State") -> tuple[bytes, int]:
        return await printing.stele_code_sheets(
            state["sessions"],
            state["keys"],
            state["wechat"] if code == "scene" else None,
            settings.public_url,
            codes=stele or [],
            anew=new_print or [],
            now=now(),
        )

    content, count = with_state(settings, draw)
    pdf.write_bytes(content)
    typer.echo(f"{count} 页已写入 {pdf}")
