"""A browser before the running demo: `visit` opens a page as somebody, `look` examines what is there.

Screenshots go where `XUNHE_SCREENSHOTS` says (`docs/screenshots` to renew the documentation's), else
into pytest's own folder.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from playwright.async_api import Request as BrowserRequest
from playwright.async_api import Response as BrowserResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app import clock
from app.database import connect
from app.embedded_postgres.cluster import Cluster
from app.models import Person
from app.opening import opened
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.settings import Settings
from tests.faults.processes import ROOT, Running, command

READY = "示例记录已备好。"
# Of the demo: the committee's deputy head, its admin, the secretary of one village.
MANAGER, ADMIN, SECRETARY = "P003", "P005", "P051"

Size = Literal["desktop", "phone"]
_SIZES: dict[Size, tuple[int, int]] = {"desktop": (1366, 768), "phone": (390, 844)}
_TALLEST = 2600
_CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
_GRAVE = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations
    .filter((fault) => ["serious", "critical"].includes(fault.impact))
    .map((fault) => `${fault.id}: ${fault.nodes.map((node) => node.target).join(" ; ")}`);
}"""
_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass(frozen=True)
class Demo:
    """The running demo: its address, what it printed, and a way into its database."""

    web: str
    printed: str
    data_dir: Path
    settings: Settings
    sessions: async_sessionmaker[AsyncSession]

    async def cookie(self, person_code: str) -> str:
        """A sign-in of the person, as the cookie holds it."""
        async with self.sessions.begin() as session:
            person = await session.scalar(select(Person).where(Person.code == person_code))
            assert person is not None
            return await web_sessions.begin(session, person, via="link", now=clock.now())


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's chromium; where there is none, tests in a browser say that they did not run."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or not _AXE.exists():
        pytest.skip("no chromium (or node_modules) here: tests in a browser not run / 没有浏览器")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=list(_CHROMIUM_FLAGS)
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def demo(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:  # noqa: ARG001  not started where nobody could look at it
    """`xunhe serve --demo`, once its year is written; one for all tests of this process."""
    data_dir = tmp_path_factory.mktemp("browser") / "data"
    running = Running(
        command("serve", "--port=0", "--workers=1", "--demo", "--with-worker"), data_dir
    )
    try:
        lines: list[str] = []
        while READY not in lines:
            assert running.process.poll() is None, "\n".join(lines)
            lines.append(await asyncio.to_thread(running.line))
        settings = Settings(_env_file=None, data_dir=data_dir)
        with opened(settings) as url:
            engine, sessions = connect(url, settings.database)
            yield Demo(lines[0], "\n".join(lines), data_dir, settings, sessions)
            await engine.dispose()
    finally:
        running.end()
        Cluster(data_dir).stop()


class Visit(Protocol):
    """Open a page of the demo's web; `by` is a person's code, None for nobody signed in."""

    async def __call__(
        self, path: str, size: Size = "desktop", *, by: str | None = MANAGER
    ) -> Page: ...


@pytest.fixture
async def visit(chromium: Browser, demo: Demo) -> AsyncIterator[Visit]:
    """Pages in one browser for each size and person. In the end: no errors, nobody else was asked."""
    contexts: dict[tuple[Size, str | None], BrowserContext] = {}
    faults: list[str] = []

    def asked(request: BrowserRequest) -> None:
        if not request.url.startswith((f"{demo.web}/", "data:", "blob:")):
            faults.append(f"left the origin: {request.url}")

    def answered(response: BrowserResponse) -> None:
        # Pages that refuse (a form with what is wrong in it, a limit) are for the tests to judge.
        if response.status >= 400 and response.request.resource_type != "document":
            faults.append(f"{response.status}: {response.url}")

    def logged(said: ConsoleMessage) -> None:
        if said.type == "error" and "Failed to load resource" not in said.text:
            faults.append(said.text)

    def failed(request: BrowserRequest) -> None:
        # Whoever goes on to another page gives up what they were still waiting for.
        if "ERR_ABORTED" not in (request.failure or ""):
            faults.append(f"{request.failure}: {request.url}")

    async def entered(size: Size, by: str | None) -> BrowserContext:
        width, height = _SIZES[size]
        context = await chromium.new_context(
            base_url=demo.web,
            viewport={"width": width, "height": height},
            is_mobile=size == "phone",
            has_touch=size == "phone",
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        context.set_default_timeout(20_000)
        context.on("request", asked)
        context.on("response", answered)
        context.on("requestfailed", failed)
        context.on("console", logged)
        context.on("weberror", lambda error: faults.append(str(error.error)))
        if by is not None:
            value = await demo.cookie(by)
            await context.add_cookies([{"name": WEB_COOKIE, "value": value, "url": demo.web}])
        return context

    async def visit(path: str, size: Size = "desktop", *, by: str | None = MANAGER) -> Page:
        if (size, by) not in contexts:
            contexts[size, by] = await entered(size, by)
        page = await contexts[size, by].new_page()
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        return page

    yield visit
    for context in contexts.values():
        await context.close()
    assert faults == []


class Look(Protocol):
    """Examine the page and take a picture of it, `name` without the size."""

    async def __call__(self, page: Page, name: str) -> None: ...


@pytest.fixture
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    """A picture; nothing that axe finds serious; nothing wider than the screen."""
    asked_for = os.environ.get("XUNHE_SCREENSHOTS")
    folder = Path(asked_for) if asked_for else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    async def look(page: Page, name: str) -> None:
        await page.wait_for_load_state("networkidle")
        width, _ = _SIZES["desktop"] if _is_wide(page) else _SIZES["phone"]
        tall = cast(int, await page.evaluate("() => document.documentElement.scrollHeight"))
        await page.screenshot(
            path=folder / f"{name}-{'desktop' if _is_wide(page) else 'phone'}.png",
            full_page=True,
            clip={"x": 0, "y": 0, "width": width, "height": min(tall, _TALLEST)},
        )
        assert not await page.evaluate(_TOO_WIDE), f"{name}: wider than the screen"
        # By the debugger and not as a script of the page, which its policy rightly forbids.
        await page.evaluate(_AXE.read_text(encoding="utf-8"))
        assert await page.evaluate(_GRAVE) == [], f"{name}, {urlsplit(page.url).path}"

    return look


def _is_wide(page: Page) -> bool:
    return page.viewport_size is not None and page.viewport_size["width"] == _SIZES["desktop"][0]
