"""Who is who: `invite`, `unbind`, `login-link`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.shell import app, in_one_transaction, read_settings, with_state, write_private

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.state import State

T = TypeVar("T")


@app.command()
def invite(
    person_code: Annotated[str | None, typer.Argument(help="人员编码。")] = None,
    *,
    organisation: Annotated[
        str | None, typer.Option(help="组织编码：给它和下级还没进服务号的人印邀请条。")
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="邀请条写入的 PDF 文件。")] = None,
) -> None:
    """生成一次性邀请码并打印；或给一个组织印邀请条。"""
    from app.clock import now
    from app.services import printing

    settings = read_settings()
    at, days = now(), settings.invitation_days
    if person_code is not None and organisation is None and pdf is None:

        async def one(state: "State") -> str:
            async with state["sessions"].begin() as session:
                return await printing.invitation_code(
                    session, state["keys"], person_code, now=at, days=days
                )

        typer.echo(with_state(settings, one))
        return
    if person_code is not None or organisation is None or pdf is None:
        raise typer.BadParameter("请给出人员编码，或者同时给出 --organisation 和 --pdf。")

    async def many(state: "State") -> tuple[bytes, int]:
        wechat = state["wechat"] if settings.service_account.is_configured else None
        return await printing.invitation_slips(
            state["sessions"], state["keys"], wechat, organisation, now=at, days=days
        )

    content, count = with_state(settings, many)
    write_private(pdf, content)
    typer.echo(f"{count} 张邀请条已写入 {pdf}")


@app.command()
def unbind(
    person_code: Annotated[str, typer.Argument(help="人员编码。")],
    *,
    reason: Annotated[str, typer.Option(help="原因，记入审计。")],
) -> None:
    """解除一位人员的微信绑定，例如唯一的系统管理员换了微信。"""
    from app.clock import now
    from app.services import people

    async def part(session: "AsyncSession") -> int:
        person = await people.named(session, person_code)
        return len(await people.part(session, person, app=None, by=None, reason=reason, now=now()))

    typer.echo(f"已解除 {in_one_transaction(read_settings(), part)} 个绑定。")


@app.command("login-link")
def login_link(
    person_code: Annotated[str, typer.Argument(help="管理人员的人员编码。")],
) -> None:
    """打印一个登录管理页面的链接：十分钟内有效，只能用一次。"""
    from app.clock import now
    from app.services import login_links

    settings = read_settings()

    async def make(session: "AsyncSession") -> str:
        return await login_links.create(session, person_code, now=now())

    token = in_one_transaction(settings, make)
    typer.echo(f"{settings.public_url}{login_links.PATH}/{token}")
