"""What is set up at WeChat: `wechat menu|check`."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.shell import app, read_settings, with_state
from app.errors import CommandFailed

if TYPE_CHECKING:
    from app.state import State

T = TypeVar("T")


wechat = typer.Typer(help="微信公众平台：菜单与检查。", no_args_is_help=True)
app.add_typer(wechat, name="wechat")


@wechat.command("menu")
def wechat_menu(
    *, dry_run: Annotated[bool, typer.Option("--dry-run", help="只看有什么不同，不修改。")] = False
) -> None:
    """显示菜单的不同之处，并把服务号菜单改成应有的样子。"""
    from app.services import wechat_setup
    from app.wechat.errors import WeChatError

    async def put(state: "State") -> None:
        difference = await wechat_setup.menu_difference(state["wechat"])
        for line in difference:
            typer.echo(line)
        if not difference:
            typer.echo("菜单已是最新。")
        elif not dry_run:
            await wechat_setup.put_menu(state["wechat"])
            typer.echo("菜单已更新。")

    try:
        with_state(read_settings(), put)
    except WeChatError as error:
        raise CommandFailed(f"菜单：{wechat_setup.advice(error)}") from None


@wechat.command("check")
def wechat_check() -> None:
    """逐项检查凭据、菜单、模板和回调；有异常时退出码为 1。"""
    from app.clock import now
    from app.services import wechat_setup

    settings = read_settings()

    async def check(state: "State") -> bool:
        well = True
        async for finding in wechat_setup.check(
            state["wechat"], settings, state["sessions"], now=now()
        ):
            typer.echo(str(finding))
            well = well and finding.well is not False
        return well

    if not with_state(settings, check):
        raise typer.Exit(1)
