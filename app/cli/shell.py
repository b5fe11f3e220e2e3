"""What every command needs: the Typer app, the settings, a session, a bar, one line for errors."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from app.errors import CommandFailed

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.services.dataset.sheets import Progress as Told
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


def with_state(settings: "Settings", work: "Callable[[State], Awaitable[T]]") -> "T":
    """Open the database and all else that a process of ours has, and do the work."""
    from app.opening import opened
    from app.state import open_state

    async def run(url: str) -> "T":
        database = settings.database.model_copy(update={"url": url})
        async with open_state(settings.model_copy(update={"database": database})) as state:
            return await work(state)

    with opened(settings) as url:
        return asyncio.run(run(url))


def write_private(path: Path, content: bytes) -> None:
    """A file for nobody else on this machine: it holds codes that are still good."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def in_one_transaction(settings: "Settings", work: "Callable[[AsyncSession], Awaitable[T]]") -> "T":
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
def refusals() -> Iterator[None]:
    """Print what is wrong with a dataset, a line a fault; a database's error without its rows."""
    from sqlalchemy.exc import DBAPIError

    from app.services.dataset.faults import BadDataset

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
def progress() -> "Iterator[Told]":
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


def read_settings() -> "Settings":
    from app import logs
    from app.settings import BadSettings, get_settings

    try:
        settings = get_settings()
    except BadSettings as error:
        raise CommandFailed(str(error)) from None
    logs.configure(settings.log_level)
    return settings
