"""Pages of people, organisations, places and records in a browser, and the search for them."""

import re

import pytest
from playwright.async_api import expect
from sqlalchemy import func, select

from app.models import CheckIn, GridCell, Patrol, Person, Reach, Stele
from tests.browser.conftest import Demo, Look, Visit


async def address(demo: Demo, noun: str) -> str:
    """A page of this kind that has something to show."""
    accepted = select(CheckIn).where(CheckIn.verdict == "accepted").subquery()
    most = func.count().desc()
    found = {
        "people": select(Person.code)
        .join(accepted, accepted.c.person_id == Person.id)
        .group_by(Person.code)
        .order_by(most, Person.code),
        "organisations": select(func.min("GWH")),
        "reaches": select(Reach.code)
        .join(accepted, accepted.c.reach_id == Reach.id)
        .group_by(Reach.code)
        .order_by(most, Reach.code),
        "steles": select(Stele.code)
        .join(accepted, accepted.c.stele_id == Stele.id)
        .group_by(Stele.code)
        .order_by(most, Stele.code),
        "grid-cells": select(GridCell.code)
        .join(accepted, accepted.c.grid_cell_id == GridCell.id)
        .group_by(GridCell.code)
        .order_by(most, GridCell.code),
        "patrols": select(Patrol.id).where(Patrol.points_kept > 20).order_by(Patrol.id),
        "check-ins": select(CheckIn.id).where(CheckIn.verdict == "accepted").order_by(CheckIn.id),
    }[noun]
    async with demo.sessions() as session:
        code = await session.scalar(found.limit(1))
        assert code is not None
        return f"/dashboard/{noun}/{code}"


@pytest.mark.parametrize(
    ("noun", "picture"),
    [
        ("people", "person"),
        ("organisations", "organisation"),
        ("reaches", "reach"),
        ("steles", "stele"),
        ("grid-cells", "grid-cell"),
        ("patrols", "patrol"),
        ("check-ins", "check-in"),
    ],
)
async def test_every_page_in_both_sizes(
    visit: Visit, demo: Demo, look: Look, noun: str, picture: str
) -> None:
    path = await address(demo, noun)
    for size in ("desktop", "phone"):
        page = await visit(path, size)
        for each in await page.locator(".place-map").all():
            await expect(each.locator("path, .leaflet-marker-icon").first).to_be_attached()
        await look(page, picture)


async def test_from_the_search_to_a_person_and_their_records(
    visit: Visit, demo: Demo, look: Look
) -> None:
    path = await address(demo, "people")
    async with demo.sessions() as session:
        person = await session.scalar(select(Person).where(Person.code == path.rsplit("/", 1)[1]))
    assert person is not None
    page = await visit("/dashboard/search")
    await page.get_by_role("searchbox").fill(person.name)
    await page.keyboard.press("Enter")
    await look(page, "search")
    await page.get_by_role("link", name=person.name, exact=True).first.click()
    await expect(page).to_have_url(re.compile(f"{path}$"))

    await page.get_by_role("link", name="显示全部").click()
    await expect(page.get_by_text(person.phone or "—")).to_be_visible()
    await page.locator("#visits ~ .wide tbody th a").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("巡河记录")
    await page.get_by_role("link", name="所在的一次巡河").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text(person.name)
