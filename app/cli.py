"""The `xunhe` command, thin: read the arguments, make one call, print.

Results go to stdout, logs and progress to stderr. Exit 0: done; 1: it failed, or what was looked at
is wrong; 2: the command line was. Every error is one line.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer

from app.errors import CommandFailed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.services.dataset import Progress as Told
    from app.settings import Settings
    from app.state import State

T = TypeVar("T")

app = typer.Typer(
    name="xunhe",
    help="巡河：党建与河长制巡河服务。",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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

    run(_settings())


@app.command()
def migrate() -> None:
    """把数据库结构更新到最新。"""
    from app.opening import held, migrate

    with held(_settings()) as url:
        typer.echo("数据库结构已更新。" if migrate(url) else "数据库结构已是最新。")


@app.command("import")
def import_(
    folder: Annotated[Path | None, typer.Argument(help="数据集文件夹。")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入。")] = False,
    datum: Annotated[
        Literal["wgs84", "gcj02"], typer.Option(help="图形的坐标系；国内网络地图上画的用 gcj02。")
    ] = "wgs84",
    deactivate_missing: Annotated[
        bool, typer.Option("--deactivate-missing", help="停用文件里已经没有的行（不删除）。")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="停用超过一成也照办。")] = False,
    template: Annotated[Path | None, typer.Option(help="不导入，只写一份 XLSX 模板。")] = None,
) -> None:
    """导入数据集；有一处不对就什么都不写，并逐行列出。"""
    from app.clock import now
    from app.domain.datum import Datum
    from app.services import dataset

    if (folder is None) == (template is None):
        raise typer.BadParameter("请给出数据集文件夹，或用 --template 给出模板的文件名。")
    with _refusals():
        if template is not None:
            dataset.write_template(template)
            typer.echo(f"模板已写入 {template}")
        if folder is None:
            return
        settings = _settings()
        place = settings.area_of_interest
        area = dataset.read_area_of_interest(place) if place else None

        async def load(session: "AsyncSession") -> dataset.Summary:
            with _progress() as progress:
                return await dataset.import_folder(
                    session,
                    folder,
                    documents_dir=settings.data_dir / "documents",
                    now=now(),
                    datum=Datum(datum),
                    dry_run=dry_run,
                    deactivate_missing=deactivate_missing,
                    yes=yes,
                    area_of_interest=area,
                    progress=progress,
                )

        summary = _in_one_transaction(settings, load)
    for warning in summary.warnings:
        typer.echo(warning, err=True)
    typer.echo("\n".join(summary.lines()))


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="要写入的文件夹。")]) -> None:
    """导出成数据集文件夹；原样再导入不会有任何变化。"""
    from app.services import dataset

    settings = _settings()

    async def write(session: "AsyncSession") -> list[str]:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return await dataset.export_folder(
            session, folder, documents_dir=settings.data_dir / "documents"
        )

    with _refusals():
        lines = _in_one_transaction(settings, write)
    typer.echo("\n".join([*lines, "导出完成。"]))


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

    settings = _settings()
    at, days = now(), settings.invitation_days
    if person_code is not None and organisation is None and pdf is None:

        async def one(state: "State") -> str:
            async with state["sessions"].begin() as session:
                return await printing.invitation_code(
                    session, state["keys"], person_code, now=at, days=days
                )

        typer.echo(_with_state(settings, one))
        return
    if person_code is not None or organisation is None or pdf is None:
        raise typer.BadParameter("请给出人员编码，或者同时给出 --organisation 和 --pdf。")

    async def many(state: "State") -> tuple[bytes, int]:
        wechat = state["wechat"] if settings.service_account.is_configured else None
        return await printing.invitation_slips(
            state["sessions"], state["keys"], wechat, organisation, now=at, days=days
        )

    content, count = _with_state(settings, many)
    _write_private(pdf, content)
    typer.echo(f"{count} 张邀请条已写入 {pdf}")


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

    settings = _settings()
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

    content, count = _with_state(settings, draw)
    pdf.write_bytes(content)
    typer.echo(f"{count} 页已写入 {pdf}")


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

    typer.echo(f"已解除 {_in_one_transaction(_settings(), part)} 个绑定。")


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

    typer.echo(_in_one_transaction(_settings(), create))


@api_key.command("list")
def list_api_keys() -> None:
    """列出全部密钥（不含密钥本身）。"""
    from app.clock import LAKE
    from app.services import api_keys

    for key, organisation in _in_one_transaction(_settings(), api_keys.every):
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

    typer.echo(f"已作废 {_in_one_transaction(_settings(), revoke)}…")


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
        _with_state(_settings(), put)
    except WeChatError as error:
        raise CommandFailed(f"菜单：{wechat_setup.advice(error)}") from None


@wechat.command("check")
def wechat_check() -> None:
    """逐项检查凭据、菜单、模板和回调；有异常时退出码为 1。"""
    from app.clock import now
    from app.services import wechat_setup

    settings = _settings()

    async def check(state: "State") -> bool:
        well = True
        async for finding in wechat_setup.check(
            state["wechat"], settings, state["sessions"], now=now()
        ):
            typer.echo(str(finding))
            well = well and finding.well is not False
        return well

    if not _with_state(settings, check):
        raise typer.Exit(1)


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

    settings = _settings()
    with _refusals(), held(settings) as url, _progress() as told:
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

    settings = _settings()
    with _refusals(), held(settings) as url:
        with _progress() as told:
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
    """核对记录是否连得上、照片内容是否没变；有问题逐行列出。"""
    from app.opening import opened

    settings = _settings()
    with _refusals(), opened(settings) as url:
        faults = _verify(settings, url)
    raise typer.Exit(1 if faults else 0)


def _verify(settings: "Settings", url: str) -> int:
    """Print what is wrong, or that nothing is; how many lines of the former."""
    from app.database import connect
    from app.services import verification
    from app.storage import open_store

    async def look() -> int:
        engine, _ = connect(url, settings.database)
        store, faults = open_store(settings.media, settings.s3), 0
        try:
            with _progress() as told:
                async for fault in verification.verify(
                    engine, store, lambda step, done: told(step, done, 0)
                ):
                    typer.echo(fault)
                    faults += 1
        finally:
            await engine.dispose()
        return faults

    faults = asyncio.run(look())
    if not faults:
        typer.echo("核对完毕，没有发现问题。")
    return faults


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


def _with_state(settings: "Settings", work: "Callable[[State], Awaitable[T]]") -> "T":
    """Open the database and all else that a process of ours has, and do the work."""
    from app.opening import opened
    from app.state import open_state

    async def run(url: str) -> "T":
        database = settings.database.model_copy(update={"url": url})
        async with open_state(settings.model_copy(update={"database": database})) as state:
            return await work(state)

    with opened(settings) as url:
        return asyncio.run(run(url))


def _write_private(path: Path, content: bytes) -> None:
    """A file for nobody else on this machine: it holds codes that are still good."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _in_one_transaction(
    settings: "Settings", work: "Callable[[AsyncSession], Awaitable[T]]"
) -> "T":
    """Open the database, do the work, commit."""
    from app.database import connect
    from app.opening import opened

    async def run(url: str) -> "T":
        engine, sessions = connect(url, settings.database)
        try:
            async with sessions.begin() as session:
                return await work(session)
        finally:
            await engine.dispose()

    with opened(settings) as url:
        return asyncio.run(run(url))


@contextmanager
def _refusals() -> Iterator[None]:
    """Print what is wrong with a dataset, a line a fault; a database's error without its rows."""
    from sqlalchemy.exc import DBAPIError

    from app.services.dataset import BadDataset

    try:
        yield
    except BadDataset as error:
        typer.echo(str(error), err=True)
        if error.faults and not error.reason:
            typer.echo(f"共 {len(error.faults)} 处错误，什么都没有写入。", err=True)
        raise typer.Exit(1) from None
    except DBAPIError as error:
        raise CommandFailed(f"数据库出错（{type(error.orig).__name__}），请稍后再试。") from None


@contextmanager
def _progress() -> "Iterator[Told]":
    """A bar on a terminal, silence elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None)
        yield lambda step, done, total: bar.update(
            task, description=step, completed=done, total=total or None
        )


def _settings() -> "Settings":
    from app import logs
    from app.settings import BadSettings, get_settings

    try:
        settings = get_settings()
    except BadSettings as error:
        raise CommandFailed(str(error)) from None
    logs.configure(settings.log_level)
    return settings


def main() -> None:
    """Run the command that the arguments name, and turn whatever happens into an exit code."""
    # Otherwise SIGTERM would skip the `finally` that lets go of the database.
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        _fail("已中断。", 130)
    except CommandFailed as error:
        _fail(str(error))
    except BrokenPipeError:  # `xunhe … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or '系统'}：{error.strerror}")
    except Exception as error:  # noqa: BLE001 - the last door: one line, whatever it was
        if hasattr(error, "format_message"):  # the command line itself was wrong
            _fail(error.format_message(), getattr(error, "exit_code", 2))
        # The first line only: a database's error goes on with the statement and its rows.
        _fail(f"{type(error).__name__}：{str(error).partition(chr(10))[0]}")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(why: str, code: int = 1) -> NoReturn:
    sys.stderr.write(" ".join(why.split()) + "\n")
    sys.exit(code)


def _stop(_number: int, _frame: Any) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    main()
