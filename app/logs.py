"""JSON lines on stderr, each with its request id, none with a secret or a person in it."""

import logging
import sys
import traceback

import structlog
from structlog.typing import ExcInfo

_SILENCED = (
    "PIL",
    "aiohttp",
    "alembic.runtime.plugins",
    "fontTools",
    "httpcore",
    "httpx",
    "procrastinate",
    "uvicorn.access",
)


def configure(level: str = "INFO", *, console: bool = False) -> None:
    """Send our own and every library's records through structlog.

    `httpx` logs full URLs (with access tokens) at INFO, therefore only its warnings pass.
    `console` prints for people instead of machines.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if console
        else [
            structlog.processors.ExceptionRenderer(_traceback),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.WARNING)


def _traceback(exc_info: ExcInfo) -> str:
    """Where it went wrong, and of each message its first line only.

    Below that a database names the values of the row it refused: positions, notes, phones.
    """
    parts = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        message = str(error).partition("\n")[0]
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        parts.append("".join(traceback.format_tb(error.__traceback__)) + f"{name}: {message}")
        hidden = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or hidden
    return "\n\nafter\n\n".join(parts)
