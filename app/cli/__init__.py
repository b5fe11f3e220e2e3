"""The `xunhe` command, thin: read the arguments, make one call, print.

Results go to stdout, logs and progress to stderr. Exit 0: done; 1: it failed, or what was looked at
is wrong; 2: the command line was. Every error is one line.
"""

import os
import signal
import sys
from typing import Any, NoReturn

import typer

from app.cli import api_keys, care, datasets, identities, processes, reminders, steles, wechat
from app.cli.shell import app
from app.errors import CommandFailed

COMMANDS = (processes, datasets, identities, steles, api_keys, wechat, reminders, care)
"""Importing them has registered their commands."""


def main() -> None:
    """Run the command that the arguments name, and turn whatever happens into an exit code."""
    # Otherwise SIGTERM would skip the `finally` that lets go of the database.
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        _fail("已中断。", 130)
    except typer.BadParameter as error:
        # Ours are whole sentences; those that name an option are the parser's.
        _fail(error.format_message() if error.param else error.message, error.exit_code)
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
