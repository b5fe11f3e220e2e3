"""A worker killed between send and commit: nobody is told twice, and nobody is forgotten."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from app.wechat.simulator.app import create_app
from tests.faults.processes import ROOT, environment
from tests.services.delivery_desk import Desk, database, open_desk, settings_with

PEOPLE = 12


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with database(server_url) as url:
        yield url


@contextlib.asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[str]:
    """The desk's platform on a socket; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(create_app(desk.platform), log_level="error", lifespan="off")
    )
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await running
        listener.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  the platform tells nobody
            await asyncio.sleep(0.02)


async def killed_in_the_middle(desk: Desk, data_dir: Path, *templates: str) -> None:
    """A worker has everybody's call out, WeChat has done what was asked, and no answer came."""
    fault = desk.fault("*message*send", stall=120, after=True)
    async with served(desk) as api:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.deliver_child",
                desk.url,
                api,
                desk.now.isoformat(),
                *templates,
            ],
            env=environment(data_dir),
            cwd=ROOT,
        )
        try:
            await until(lambda: fault.fired == PEOPLE)
        finally:
            worker.kill()
            worker.wait()
    desk.platform.faults.clear()


async def test_templates_are_sent_again_under_their_own_name(url: str, tmp_path: Path) -> None:
    async with open_desk(url, settings_with("reminder")) as desk:
        reminders = [await desk.behind(f"p{n}") for n in range(PEOPLE)]
        await killed_in_the_middle(desk, tmp_path, "reminder")
        assert {(await desk.stands(each))[0] for each in reminders} == {"sending"}

        desk.wait(minutes=1)
        await desk.deliver()  # too early: the worker might be alive
        assert {(await desk.stands(each))[0] for each in reminders} == {"sending"}
        desk.wait(minutes=3)
        await desk.deliver()

        assert [len(desk.cards(f"p{n}")) for n in range(PEOPLE)] == [1] * PEOPLE
        assert {(await desk.stands(each))[0] for each in reminders} == {"sent"}
        assert await desk.to_call() == []


async def test_when_wechat_has_forgotten_the_name_it_is_unknown(url: str, tmp_path: Path) -> None:
    async with open_desk(url, settings_with("reminder")) as desk:
        reminders = [await desk.behind(f"p{n}") for n in range(PEOPLE)]
        await killed_in_the_middle(desk, tmp_path, "reminder")

        desk.wait(minutes=15)
        await desk.deliver()

        assert [len(desk.cards(f"p{n}")) for n in range(PEOPLE)] == [1] * PEOPLE
        assert {(await desk.stands(each))[0] for each in reminders} == {"unknown"}
        assert len(await desk.to_call()) == PEOPLE
        # WeChat's events had come late: they did arrive, and nobody need telephone.
        await desk.hear()
        assert {(await desk.stands(each))[0] for each in reminders} == {"confirmed"}
        assert await desk.to_call() == []


async def test_a_sentence_in_the_chat_is_not_said_twice(url: str, tmp_path: Path) -> None:
    async with open_desk(url, settings_with()) as desk:
        reminders = [await desk.behind(f"p{n}", wrote=True) for n in range(PEOPLE)]
        await killed_in_the_middle(desk, tmp_path)

        desk.wait(minutes=4)
        await desk.deliver()

        assert [desk.got(f"p{n}") for n in range(PEOPLE)] == [["customer"]] * PEOPLE
        assert {(await desk.stands(each))[0] for each in reminders} == {"unknown"}
        assert await desk.to_call() == sorted(
            (f"P{n}", "微信没有回音，不知道是否送达") for n in range(PEOPLE)
        )
