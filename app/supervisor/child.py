"""A process that is kept alive, and ended when its time has come."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import CommandFailed

log = logging.getLogger(__name__)

_ROOT = str(Path(__file__).parents[2])
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_S = 0.25, 30, 60


@dataclass
class Child:
    """One child: `python -m module arguments`, told to go, restarted when it dies.

    `drain_s` is how long it may take to end after SIGTERM before it is killed.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    inherited: tuple[int, ...] = ()
    drain_s: float = 30
    _process: asyncio.subprocess.Process | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _keeping: asyncio.Task[None] | None = None
    _listening: asyncio.Task[None] | None = None

    async def spawn(self) -> None:
        """Start the process; it loads its code and then waits for `go`."""
        path = [_ROOT, os.environ.get("PYTHONPATH", "")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # never the code that happens to lie in the working folder
            "-m",
            self.module,
            *self.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self.environment | {"PYTHONPATH": os.pathsep.join(filter(None, path))},
            pass_fds=self.inherited,
            start_new_session=True,  # Ctrl-C is for the parent, which ends us in good order
        )
        self._ready.clear()
        self._listening = asyncio.create_task(self._listen(self._process))

    def go(self) -> None:
        """Let the process begin."""
        process = self._running()
        assert process.stdin is not None  # noqa: S101 - made with a pipe
        with contextlib.suppress(OSError):
            process.stdin.write(b"\n")

    async def ready(self) -> None:
        """Return when the process works; raise `CommandFailed` if it ends before that."""
        ended = asyncio.create_task(self._running().wait())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, ready):
            task.cancel()
        if not self._ready.is_set():
            raise CommandFailed(f"{self.name} 没有启动成功，原因见上面的日志。")

    def keep(self) -> None:
        """From now on, start the process again whenever it dies."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the process: SIGTERM, patience, SIGKILL."""
        self._stopping.set()
        if self._keeping is not None:
            await self._keeping
        elif self._process is not None:
            await self._end(self._process)
        if self._listening is not None:
            await self._listening

    def hurry(self) -> None:
        """End it without patience, now or as soon as `stop` is called."""
        self._hurry.set()

    async def _keep(self) -> None:
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            process, started = self._running(), loop.time()
            await _first_of(process.wait(), self._stopping.wait())
            if self._stopping.is_set():
                await self._end(process)
                return
            log.error("child %s ended with code %s", self.name, process.returncode)
            pause = _FIRST_PAUSE_S if loop.time() - started > _STEADY_S else pause
            await _first_of(asyncio.sleep(pause), self._stopping.wait())
            if self._stopping.is_set():
                return
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            await self.spawn()
            self.go()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        _signal(process, signal.SIGTERM)
        await _first_of(process.wait(), asyncio.sleep(self.drain_s), self._hurry.wait())
        if process.returncode is None:
            if not self._hurry.is_set():
                log.warning("child %s had to be killed", self.name)
            _signal(process, signal.SIGKILL)
        await process.wait()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """The first byte means ready; what follows is read and dropped, so that nobody blocks."""
        assert process.stdout is not None  # noqa: S101 - made with a pipe
        while await process.stdout.read(1024):
            self._ready.set()

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("not spawned")
        return self._process


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for whichever comes first, and give the others up."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
