"""The `xunhe` command, thin: read the arguments, make one call, print.

Results go to stdout, logs and progress to stderr. Exit 0: done; 1: it failed, or what was looked at
is wrong; 2: the command line was. Every error is one line.
"""

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from app.errors import CommandFailed

if TYPE_CHECKING:
    from app.settings import Settings

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
        _fail(f"{type(error).__name__}：{error}")
    sys.exit(code if isinstance(code, int) else 0)


def _fail(why: str, code: int = 1) -> NoReturn:
    sys.stderr.write(" ".join(why.split()) + "\n")
    sys.exit(code)


def _stop(_number: int, _frame: Any) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    main()
