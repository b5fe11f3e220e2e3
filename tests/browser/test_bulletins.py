"""Bulletins in a browser: begun, written, signed, and what the office's template makes of it."""

import io

import pytest
from docx import Document
from playwright.async_api import expect

from app import clock
from app.domain import bulletin_periods
from tests.browser.conftest import Look, Size, Visit

SIZES: tuple[Size, ...] = ("desktop", "phone")


@pytest.mark.parametrize("size", SIZES)
async def test_a_month_is_drafted_edited_and_signed(visit: Visit, look: Look, size: Size) -> None:
    period = bulletin_periods.of_day(clock.day_of(clock.now())).previous
    if size == "phone":
        period = period.previous
    page = await visit("/dashboard/bulletins", size)
    await look(page, "bulletins")
    await page.get_by_role("link", name=period.title, exact=True).click()
    await page.get_by_role("button", name="起草这一期").click()
    await page.get_by_label("开头的话").fill("按照要求，现将情况通报如下。")
    await page.get_by_label("的说明").first.fill("已补齐")
    await look(page, "bulletin-draft")
    await page.get_by_role("button", name="保存文字").click()
    await expect(page.get_by_role("status")).to_have_text("已保存")
    await page.get_by_role("button", name="签发定稿").click()
    await expect(page.get_by_role("status")).to_have_text("已定稿")
    await expect(page.get_by_role("button", name="签发定稿")).to_have_count(0)
    await expect(page.get_by_text("按照要求，现将情况通报如下。")).to_be_visible()
    await look(page, "bulletin-final")
    rate = await page.locator("tfoot td[data-label=完成率]").inner_text()
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Word").click()
    path = await (await downloading.value).path()
    document = Document(io.BytesIO(path.read_bytes()))
    assert document.paragraphs[1].text == "按照要求，现将情况通报如下。"
    assert f"完成率{rate}；" in document.paragraphs[2].text
