"""Signing in as a manager does it: the QR code and the telephone, the shell's link, and out again."""

import re

from playwright.async_api import Page, expect

from app import clock
from app.services import login_links
from tests.browser.conftest import MANAGER, Demo, Look, Visit


async def act(page: Page, act: str, **given: str) -> None:
    """Do something on the manager's web phone, and wait for all that it brings about."""
    answer = await page.request.post(
        f"/simulator/api/people/{MANAGER}/acts?settle=1", data={"act": act, **given}
    )
    assert answer.ok, await answer.text()


async def last_reply(page: Page) -> str:
    answer = await page.request.get(f"/simulator/api/people/{MANAGER}/chat")
    return str([item for item in (await answer.json())["items"] if not item["mine"]][-1]["text"])


async def test_a_manager_scans_and_sends_the_number(visit: Visit, look: Look) -> None:
    page = await visit("/dashboard/sign-in?next=/dashboard/behind", by=None)
    number = page.locator(".number")
    await expect(number).to_have_text(re.compile(r"^\d{4}$"))
    await look(page, "sign-in")

    # What the picture says is below it as a line, for telephones without a camera.
    await act(page, "scan", content=await page.locator("input[readonly]").input_value())
    assert "4位数字" in await last_reply(page)
    await expect(page.get_by_text("已扫码")).to_be_visible()
    await act(page, "say", text=await number.inner_text())
    await page.wait_for_url("**/dashboard/behind")

    await page.get_by_role("button", name="退出").click()
    await expect(page.get_by_text("已退出")).to_be_visible()
    await page.goto("/dashboard")
    await expect(page).to_have_url(re.compile("/dashboard/sign-in"))


async def test_on_a_phone_it_is_as_whole(visit: Visit, look: Look) -> None:
    page = await visit("/dashboard/sign-in", "phone", by=None)
    await expect(page.locator("img.code")).to_be_visible()
    await look(page, "sign-in")


async def test_a_link_from_the_shell(visit: Visit, look: Look, demo: Demo) -> None:
    # One stands ready for visitors; by now it may be too old.
    assert re.search(rf"{demo.web}{login_links.PATH}/\S{{40,}}\n", demo.printed)
    async with demo.sessions.begin() as session:
        token = await login_links.create(session, MANAGER, now=clock.now())
    page = await visit(f"{login_links.PATH}/{token}", by=None)
    await look(page, "sign-in-link")
    await page.get_by_role("button", name="登录").click()
    await page.wait_for_url("**/dashboard")
    await expect(page.get_by_role("button", name="退出")).to_be_visible()
