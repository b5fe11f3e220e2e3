"""The parent: binds the port, holds the database, keeps the children, and ends them in order."""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Generator
from dataclasses import dataclass

from app.errors import CommandFailed
from app.supervisor import demonstration
from app.supervisor.child import Child

_BACKLOG = 2048


def serve(host: str, port: int, *, workers: int, with_worker: bool, demo: bool) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP.

    Prints the web's address on stdout once it answers. Raises `CommandFailed` when it cannot
    begin: the port is taken, a setting is wrong, the database is not to be had, a child does not
    come up.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_bound(host, port))
        address = _address_of(listener)
        environment = dict(os.environ)
        web = [_child("web", environment, listener) for _ in range(workers)]
        others, printed = [], [address]
        if demo:
            simulator = stack.enter_context(_bound("127.0.0.1", 0))
            environment |= demonstration.environment(address, _address_of(simulator))
            printed.append(f"{address}/simulator/")
            others.append(_child("simulator", environment, simulator))
        worker = Child("worker", "app.worker", environment=environment)
        if with_worker and not demo:
            others.append(worker)
        story = None
        if demo:
            # The worker would remind people of duties whose fulfilment is yet to be written.
            story = _Story(Child("demo", "app.demo.seeding", environment=environment), worker)
        asyncio.run(_Serving(listener, web, others, printed, story).run())


@dataclass(frozen=True, slots=True)
class _Story:
    """The demo's year, which is written once, and the worker that begins after it."""

    year: Child
    worker: Child


class _Serving:
    """One run of `serve`, from the first child to the last."""

    def __init__(
        self,
        listener: socket.socket,
        web: list[Child],
        others: list[Child],
        printed: list[str],
        story: _Story | None = None,
    ) -> None:
        self._listener = listener
        self._web = web
        self._children = [*web, *others]
        self._printed = printed
        self._story = story
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, print, wait, end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            # The first child loads its code while we load ours and the database starts; the
            # others would only take the processor from it.
            await self._web[0].spawn()
            database, url = await asyncio.to_thread(_enter_database)
            try:
                if self._story is not None:
                    self._printed += await asyncio.to_thread(_prepare_demo, url, self._printed[0])
                await self._begin()
                writing = asyncio.create_task(self._write_year())
                await self._stopping.wait()
                writing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
            finally:
                await self._end()
                await asyncio.to_thread(database.close)
        finally:
            for child in self._everybody():
                child.hurry()
                await child.stop()

    async def _begin(self) -> None:
        first, *others = self._children
        first.go()
        up = asyncio.create_task(first.ready())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((up, stopping), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        stopping.cancel()
        if self._stopping.is_set():
            return
        await up  # raises if it did not come up
        first.keep()
        _print(*self._printed)
        for child in others:
            await child.spawn()
            child.go()
            child.keep()

    async def _write_year(self) -> None:
        """Let the demo's history be written while everybody may look on; say when it is there."""
        if self._story is None or self._stopping.is_set():
            return
        year, worker = self._story.year, self._story.worker
        await year.spawn()
        year.go()
        try:
            await year.ready()
        except CommandFailed:
            said = "示例记录没有写完，原因见上面的日志；再次启动时会接着写。"
        else:
            said = "示例记录已备好。"
        await worker.spawn()
        worker.go()
        worker.keep()
        _print(said)

    def _everybody(self) -> list[Child]:
        if self._story is None:
            return self._children
        return [self._story.year, self._story.worker, *self._children]

    async def _end(self) -> None:
        """The web first, so that what it has accepted is finished; then the others."""
        self._listener.close()
        await asyncio.gather(*(child.stop() for child in self._web))
        await asyncio.gather(*(child.stop() for child in self._everybody()))

    def _asked_to_stop(self) -> None:
        if self._stopping.is_set():  # asked twice
            for child in self._everybody():
                child.hurry()
        self._stopping.set()


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _prepare_demo(url: str, web: str) -> list[str]:
    """Import the demo's dataset; the words that tell a visitor where to click."""
    from app.demo import welcome  # noqa: PLC0415 - as below, and for the demo alone
    from app.settings import get_settings  # noqa: PLC0415

    return asyncio.run(welcome.prepare(get_settings(), url, web))


def _enter_database() -> tuple[contextlib.ExitStack, str]:
    """Read the settings and open the database, whose address is given as well.

    Who closes the stack lets go of it.
    """
    # Imported now and not above, because the children are already on their way meanwhile: it is
    # a third of the time until the first answer.
    from app import logs  # noqa: PLC0415
    from app.opening import opened  # noqa: PLC0415
    from app.settings import BadSettings, get_settings  # noqa: PLC0415

    try:
        settings = get_settings()
    except BadSettings as error:
        raise CommandFailed(str(error)) from None
    logs.configure(settings.log_level)
    if settings.area_of_interest is not None:
        from app.services.facts import area_of_interest  # noqa: PLC0415 - where there is one

        area_of_interest(settings.area_of_interest)
    stack = contextlib.ExitStack()
    return stack, stack.enter_context(opened(settings))


def _child(kind: str, environment: dict[str, str], listener: socket.socket) -> Child:
    descriptor = listener.fileno()
    return Child(
        kind,
        f"app.supervisor.{kind}",
        (str(descriptor),),
        environment,
        inherited=(descriptor,),
    )


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
