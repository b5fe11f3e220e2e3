"""Looking after it: `backup`, `restore`, `verify`, `erase`, `doctor`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from app.cli.shell import (
    app,
    in_one_transaction,
    progress,
    read_settings,
    refusals,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.settings import Settings

T = TypeVar("T")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="要写的备份文件。")],
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="文件已存在时替换它。")] = False,
) -> None:
    """备份数据库、照片、文件和密钥到一个文件；系统不必停。含密钥，请妥善保管。"""
    from app import clock
    from app.opening import held
    from app.services import backups
    from app.storage import open_store

    settings = read_settings()
    with refusals(), held(settings) as url, progress() as told:
        written = asyncio.run(
            backups.write(
                url,
                open_store(settings.media, settings.s3),
                settings,
                file,
                now=clock.now(),
                overwrite=overwrite,
                progress=lambda step, done: told(step, done, 0),
            )
        )
    for fault in written.faults:
        typer.echo(fault, err=True)
    megabytes = written.size / 1_000_000
    typer.echo(f"备份完成：{file}，{written.objects} 个照片文件，{megabytes:.1f} MB，内含密钥。")
    raise typer.Exit(1 if written.faults else 0)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="xunhe backup 写的文件。")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="替换已有的记录。")] = False,
) -> None:
    """先检查备份文件，再恢复到空的数据库和数据目录，然后逐条核对。请先停止服务。"""
    from app import clock
    from app.opening import held, migrate
    from app.services import backups
    from app.storage import open_store

    settings = read_settings()
    with refusals(), held(settings) as url:
        with progress() as told:
            manifest = asyncio.run(
                backups.restore(
                    url,
                    open_store(settings.media, settings.s3),
                    settings,
                    file,
                    now=clock.now(),
                    replace=yes,
                    progress=lambda step, done: told(step, done, 0),
                )
            )
        migrate(url)
        typer.echo(f"已恢复 {manifest.made_at} 的备份。")
        faults = _verify(settings, url)
    raise typer.Exit(1 if faults else 0)


@app.command()
def verify() -> None:
    """核对记录是否连得上、履职计数是否正确、照片内容是否没变；有问题逐行列出。"""
    from app.opening import opened

    settings = read_settings()
    with refusals(), opened(settings) as url:
        faults = _verify(settings, url)
    raise typer.Exit(1 if faults else 0)


def _verify(settings: "Settings", url: str) -> int:
    """Print what is wrong, or that nothing is; how many lines of the former."""
    from app import clock
    from app.database import connect
    from app.keys import open_keys
    from app.services import bookkeeping, chain, verification
    from app.storage import open_store

    chain.use(open_keys(settings))

    async def look() -> int:
        engine, sessions = connect(url, settings.database)
        store, faults = open_store(settings.media, settings.s3), 0
        try:
            with progress() as told:
                async for fault in verification.verify(
                    engine,
                    store,
                    settings,
                    now=clock.now(),
                    progress=lambda step, done: told(step, done, 0),
                ):
                    typer.echo(fault)
                    faults += 1
            async with sessions() as session:
                remarks = await bookkeeping.remarks(session, settings)
                for remark in remarks + await chain.remarks(session):
                    typer.echo(remark, err=True)
        finally:
            await engine.dispose()
        return faults

    faults = asyncio.run(look())
    if not faults:
        typer.echo("核对完毕，没有发现问题。")
    return faults


@app.command()
def erase(
    check_in: Annotated[UUID, typer.Argument(help="巡河记录的编号。")],
    *,
    reason: Annotated[str, typer.Option(help="为什么删除，记入日志。")],
) -> None:
    """删除一条巡河记录里的备注、设备标识和无照片原因；记录本身保留，存证链不受影响。"""
    from app import clock
    from app.keys import open_keys
    from app.services import chain, erasing

    settings = read_settings()
    chain.use(open_keys(settings))

    async def work(session: "AsyncSession") -> None:
        await erasing.erase(session, check_in, reason=reason, now=clock.now())

    in_one_transaction(settings, work)
    typer.echo("已删除，备份里的旧内容请按保存期限清理。")


@app.command()
def doctor(
    *, online: Annotated[bool, typer.Option("--online", help="也向微信要一次凭据。")] = False
) -> None:
    """逐项检查设置、数据库、照片库、后台任务、备份等；不显示任何密码。"""
    from app import clock, logs
    from app.services import diagnosis
    from app.settings import BadSettings, get_settings

    logs.configure("ERROR")
    worst = diagnosis.Level.ok

    def tell(finding: diagnosis.Finding) -> None:
        nonlocal worst
        worst = max(worst, finding.level, key=list(diagnosis.Level).index)
        typer.echo(str(finding))

    tell(diagnosis.of_python())
    for finding in diagnosis.of_variables():
        tell(finding)
    try:
        settings = get_settings()
    except BadSettings:
        raise typer.Exit(1) from None
    asyncio.run(diagnosis.look(settings, tell, online=online, now=clock.now()))
    raise typer.Exit(1 if worst is diagnosis.Level.fail else 0)
