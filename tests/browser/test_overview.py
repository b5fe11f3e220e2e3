"""The overview in a browser: its figures, its chart, and where they lead."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import SECRETARY, Look, Size, Visit


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_the_overview(visit: Visit, look: Look, size: Size) -> None:
    page = await visit("/dashboard", size)
    await expect(page.get_by_role("heading", name="总览")).to_be_visible()
    await expect(page.locator("a.card b")).to_have_count(5)
    # The chart was drawn: its canvas is not empty.
    drawn = await page.locator("#chart canvas").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.some(value => value !== 0)"
    )
    assert drawn
    await look(page, "overview")
    # And for whoever does not see it, a table, by keyboard alone.
    await page.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("details tbody tr")).to_have_count(12)
    await look(page, "overview-table")


async def test_figures_lead_to_what_is_behind_them(visit: Visit) -> None:
    page = await visit("/dashboard")
    for heading, address in (
        ("今年完成率", "/dashboard/reports/progress"),
        ("进度落后", "/dashboard/behind"),
        ("冷点网格", "/dashboard/reports/coverage"),
        ("待审核", "/dashboard/reviews"),
        ("今年已发提醒", "/dashboard/reports/reminders"),
    ):
        await page.goto("/dashboard")
        async with page.expect_response(re.compile(re.escape(address))) as shown:
            await page.locator("a.card", has_text=heading).click()
        assert (await shown.value).status == 200, heading


async def test_the_figures_of_one_organisation(visit: Visit) -> None:
    page = await visit("/dashboard")
    everybody = await page.locator("a.card b").all_inner_texts()
    await page.get_by_label("组织（含下级）").select_option("CUN01")
    await page.get_by_role("button", name="查看").click()
    await expect(page).to_have_url(re.compile("organisation=CUN01"))
    one = await page.locator("a.card b").all_inner_texts()
    assert one != everybody
    theirs = await visit("/dashboard", by=SECRETARY)
    assert await theirs.locator("a.card b").all_inner_texts() == one
