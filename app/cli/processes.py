"""The web, the worker, the schema: `serve`, `worker`, `migrate`."""

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.shell import app, read_settings

if TYPE_CHECKING:
    from app.settings import Settings

T = TypeVar("T")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="监听的地址。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口，0 为任选一个空闲的。")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="网页进程数。")] = 2,
    *,
    with_worker: Annotated[bool, typer.Option("--with-worker", help="同时运行后台任务。")] = False,
    demo: Annotated[bool, typer.Option("--demo", help="演示：示例数据与模拟微信。")] = False,
) -> None:
    """启动网页服务；就绪后在标准输出打印网址。"""
    from app.supervisor.serving import serve

    serve(host, port, workers=workers, with_worker=with_worker, demo=demo)


@app.command()
def worker() -> None:
    """运行后台任务，直到收到停止信号。"""
    from app.worker import run

    run(read_settings())


@app.command()
def migrate() -> None:
    """把数据库结构更新到最新；有存证链启用以前的记录时接管它们。"""
    import asyncio

    from app.opening import held, migrate

    settings = read_settings()
    with held(settings) as url:
        typer.echo("数据库结构已更新。" if migrate(url) else "数据库结构已是最新。")
        if taken_over := asyncio.run(_take_over(settings, url)):
            typer.echo(f"已接管存证链启用以前的 {taken_over} 条记录。")


async def _take_over(settings: "Settings", url: str) -> int:
    """Vouch for what was recorded before there was a chain; how many rows."""
    from app import clock
    from app.database import connect
    from app.keys import open_keys
    from app.services import chain

    chain.use(open_keys(settings))
    engine, sessions = connect(url, settings.database)
    try:
        return await chain.take_over(sessions, now=clock.now())
    finally:
        await engine.dispose()
