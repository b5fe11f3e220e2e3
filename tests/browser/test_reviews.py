"""The review queue in a browser: look, say why, decide, and the next one opens."""

import re

from playwright.async_api import Page, expect
from sqlalchemy import select

from app.models import CheckIn
from tests.browser.conftest import Demo, Look, Visit


async def waiting(page: Page) -> list[str]:
    links = page.locator("tbody th a")
    return [str(await each.get_attribute("href")) for each in await links.all()]


async def resembling(demo: Demo) -> str:
    """A check-in of the demo whose photo was used before."""
    doubts = [
        CheckIn.evidence.contains([{"check": check, "passed": False}])
        for check in ("photo_near_same", "photo_reused")
    ]
    async with demo.sessions() as session:
        found = await session.scalar(
            select(CheckIn.id).where(doubts[0] | doubts[1]).order_by(CheckIn.at).limit(1)
        )
        assert found is not None
        return str(found)


async def test_the_queue_and_a_case(visit: Visit, demo: Demo, look: Look) -> None:
    case = await resembling(demo)
    for size in ("desktop", "phone"):
        page = await visit("/dashboard/reviews", size)
        await look(page, "reviews")
        assert len(await waiting(page)) >= 3

        page = await visit(f"/dashboard/reviews/{case}", size)
        await expect(page.locator(".side-by-side img")).to_have_count(2)
        await expect(page.locator(".place-map .visit-mark").first).to_be_visible()
        await look(page, "review")


async def test_accepting_and_rejecting_goes_down_the_queue(visit: Visit) -> None:
    page = await visit("/dashboard/reviews")
    first, second, third = (await waiting(page))[:3]
    await page.get_by_role("link", name="从第一条开始审核").click()
    await expect(page).to_have_url(re.compile(re.escape(first)))

    # Not without a reason: the browser asks for it.
    await page.get_by_role("button", name="有效").click()
    await expect(page).to_have_url(re.compile(re.escape(first)))
    await page.get_by_label("理由（会告诉本人）").fill("已电话核实")
    await page.get_by_role("button", name="有效").click()
    await expect(page).to_have_url(re.compile(re.escape(second)))
    await expect(page.get_by_role("status")).to_have_text("已审核为有效。")

    await page.get_by_label("理由（会告诉本人）").fill("位置与现场不符")
    await page.get_by_role("button", name="无效").click()
    await expect(page).to_have_url(re.compile(re.escape(third)))
    await expect(page.get_by_role("status")).to_have_text("已审核为无效。")

    page = await visit("/dashboard/reviews")
    assert (await waiting(page))[0] == third
    page = await visit(first.replace("reviews", "check-ins"))
    await expect(page.get_by_text("审核：已电话核实")).to_be_visible()
