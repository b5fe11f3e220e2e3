"""Who is behind, in a browser: found, telephoned, reminded."""

import re

import pytest
from playwright.async_api import expect
from sqlalchemy import func, select

from app import clock
from app.models import Call, Person, Reminder
from app.services.reminders import claiming
from tests.browser.conftest import SECRETARY, Demo, Look, Size, Visit


@pytest.mark.parametrize("size", ["desktop", "phone"])
async def test_the_list(visit: Visit, look: Look, size: Size) -> None:
    page = await visit("/dashboard/behind", size)
    rows = page.locator("tbody tr")
    assert await rows.count() > 5
    await look(page, "behind")
    await page.get_by_label("能否提醒到").select_option("no")
    await page.get_by_role("button", name="筛选").click()
    await expect(page).to_have_url(re.compile("reachable=no"))
    await expect(page.get_by_text("收不到")).to_have_count(await rows.count())


async def test_it_downloads(visit: Visit) -> None:
    page = await visit("/dashboard/behind")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="CSV").click()
    path = await (await started.value).path()
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 2 + await page.locator("tbody tr").count()


async def test_somebody_is_telephoned(visit: Visit, look: Look, demo: Demo) -> None:
    page = await visit("/dashboard/behind", "phone")
    await page.get_by_role("link", name="联系").first.click()
    await expect(page.get_by_role("link", name="拨打")).to_have_attribute(
        "href", re.compile(r"^tel:\d{11}$")
    )
    await look(page, "behind-contact")
    await page.get_by_label("说了什么").fill("下周补巡")
    await page.get_by_role("button", name="登记已电话").click()
    await expect(page.get_by_role("status")).to_have_text("已登记：已电话")
    async with demo.sessions() as session:
        last = select(Call.note).order_by(Call.phoned_at.desc().nulls_last()).limit(1)
        assert await session.scalar(last) == "下周补巡"


async def test_somebody_is_reminded_or_the_page_says_why_not(
    visit: Visit, look: Look, demo: Demo
) -> None:
    """By the clock of the day it is: nobody is disturbed by night or on days off."""
    page = await visit("/dashboard/behind?reachable=yes")
    await page.get_by_role("link", name="联系").first.click()
    await look(page, "behind-contact")
    code = page.url.rsplit("/", 1)[1]
    async with demo.sessions() as session:
        of_person = (
            select(func.count()).select_from(Reminder).join(Person).where(Person.code == code)
        )
        before = await session.scalar(of_person)
    goes_out = claiming.is_sending_time(demo.settings, clock.now())
    await page.get_by_role("button", name="现在提醒").click()
    said = page.locator("main")
    if goes_out:
        await expect(said).to_contain_text(re.compile("提醒已排队|已经提醒过|请打电话"))
    else:
        await expect(said).to_contain_text("现在不是提醒时间，没有发。")
        async with demo.sessions() as session:
            assert await session.scalar(of_person) == before


async def test_a_secretary_sees_the_own_village_only(visit: Visit, demo: Demo) -> None:
    page = await visit("/dashboard/behind", by=SECRETARY)
    shown = await page.locator("tbody th").all_inner_texts()
    everybody = await visit("/dashboard/behind")
    theirs = set(await everybody.locator("tbody th").all_inner_texts())
    assert set(shown) < theirs
    async with demo.sessions() as session:
        outside = await session.scalar(select(Person.code).where(Person.code == "P123").limit(1))
    answer = await page.request.get(f"/dashboard/behind/{outside}")
    assert answer.status == 404
