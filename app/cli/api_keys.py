"""Keys for programs: `api-key create|list|revoke`."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.shell import app, in_one_transaction, read_settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession


T = TypeVar("T")


api_key = typer.Typer(help="管理程序的只读密钥。", no_args_is_help=True)
app.add_typer(api_key, name="api-key")


@api_key.command("create")
def create_api_key(
    organisation: Annotated[str, typer.Option(help="组织编码：只能读它和下级的记录。")],
    *,
    name: Annotated[str | None, typer.Option(help="用途，便于以后辨认。")] = None,
) -> None:
    """生成密钥并打印；只显示这一次。"""
    from app.clock import now
    from app.services import api_keys, printing

    async def create(session: "AsyncSession") -> str:
        place = await printing.organisation_named(session, organisation)
        return await api_keys.create(session, place, name=name, now=now())

    typer.echo(in_one_transaction(read_settings(), create))


@api_key.command("list")
def list_api_keys() -> None:
    """列出全部密钥（不含密钥本身）。"""
    from app.clock import LAKE
    from app.services import api_keys

    for key, organisation in in_one_transaction(read_settings(), api_keys.every):
        state = "已作废" if key.revoked_at else "有效"
        made = key.created_at.astimezone(LAKE).date().isoformat()
        typer.echo(
            "\t".join(
                [str(key.id), f"{key.prefix}…", organisation.code, made, state, key.name or ""]
            ).rstrip()
        )


@api_key.command("revoke")
def revoke_api_key(
    key: Annotated[str, typer.Argument(help="密钥的编号，或 list 里的开头几位。")],
) -> None:
    """作废一个密钥，立即生效。"""
    from app.clock import now
    from app.services import api_keys

    async def revoke(session: "AsyncSession") -> str:
        return (await api_keys.revoke(session, key.rstrip("…"), now=now())).prefix

    typer.echo(f"已作废 {in_one_transaction(read_settings(), revoke)}…")
