"""The parent: binds the port, holds the database, keeps the children, and ends them in order."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Generator

import structlog

from app import embedded_postgres
from app.errors import CommandFailed
from app.opening import opened
from app.settings import Settings
from app.supervisor import demonstration
from app.supervisor.child import Child

log = structlog.get_logger(__name__)

_BACKLOG = 2048


def serve(
    settings: Settings, *, host: str, port: int, workers: int, with_worker: bool, demo: bool
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Prints the web's address on stdout once it answers. Raises `CommandFailed` when it cannot
    begin: the port is taken, the database is not to be had, a child does not come up.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_bound(host, port))
        address = _address_of(listener)
        environment = _environment_of(settings)
        children: list[Child] = []
        if demo:
            settings = settings.model_copy(update={"demo": True})
            simulator = stack.enter_context(_bound("127.0.0.1", 0))
            environment |= demonstration.environment(address, _address_of(simulator))
            children.append(_child("simulator", environment, simulator))
        web = [_child("web", environment, listener) for _ in range(workers)]
        children += web
        if with_worker or demo:
            children.append(Child("worker", "app.worker", environment=environment))
        asyncio.run(_Serving(settings, address, listener, web, children).run())


class _Serving:
    """One run of `serve`, from the first child to the last."""

    def __init__(
        self,
        settings: Settings,
        address: str,
        listener: socket.socket,
        web: list[Child],
        children: list[Child],
    ) -> None:
        self._settings = settings
        self._address = address
        self._listener = listener
        self._web = web
        self._children = children
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, print, wait, end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            # The children load their code while the database starts.
            for child in self._children:
                await child.spawn()
            database = opened(self._settings)
            await asyncio.to_thread(database.__enter__)
            try:
                await self._begin()
                await self._stopping.wait()
            finally:
                await self._end()
                await asyncio.to_thread(database.__exit__, None, None, None)
        finally:
            for child in self._children:
                child.hurry()
                await child.stop()

    async def _begin(self) -> None:
        for child in self._children:
            child.go()
        beginning = asyncio.gather(*(child.ready() for child in self._web))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((beginning, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._stopping.is_set():
            beginning.cancel()
            return
        await beginning
        for child in self._children:
            child.keep()
        sys.stdout.write(f"{self._address}\n")
        if self._settings.demo:
            sys.stdout.write(f"{self._address}/simulator\n")
        sys.stdout.flush()
        log.info("serving", address=self._address, web=len(self._web))

    async def _end(self) -> None:
        """The web first, so that what it has accepted is finished; then the others."""
        self._listener.close()
        await asyncio.gather(*(child.stop() for child in self._web))
        await asyncio.gather(*(child.stop() for child in self._children))

    def _asked_to_stop(self) -> None:
        if self._stopping.is_set():  # asked twice
            for child in self._children:
                child.hurry()
        self._stopping.set()


def _child(kind: str, environment: dict[str, str], listener: socket.socket) -> Child:
    descriptor = listener.fileno()
    return Child(
        kind,
        f"app.supervisor.{kind}",
        (str(descriptor),),
        environment,
        inherited=(descriptor,),
    )


def _environment_of(settings: Settings) -> dict[str, str]:
    """The children's: the database is held by us, so to them it is just an address."""
    url = settings.database.url or embedded_postgres.url_of(settings.data_dir)
    return os.environ | {"XUNHE_DATABASE_URL": url}


@contextlib.contextmanager
def _bound(host: str, port: int) -> Generator[socket.socket]:
    """A listening socket; `port` 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        why = {
            errno.EADDRINUSE: "端口已被占用，请用 --port 换一个，或先停止占用它的程序",
            errno.EACCES: "没有权限使用这个端口，请用 1024 以上的端口",
        }.get(number or 0, "这个地址在本机用不了，请检查 --host 和 --port")
        raise CommandFailed(f"{host}:{port}：{why}。") from None
    with listener:
        yield listener


def _address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only read
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
