"""The map: what is drawn and where, by mouse and by keyboard, with tiles of either datum."""

import re
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Page, Route, expect
from sqlalchemy import select

from app.domain import datum
from app.models import GridCell, Patrol, Stele
from tests.browser.conftest import SECRETARY, Demo, Look, Visit

# Where a marker's point is drawn, in degrees.
_DRAWN_AT = """(title) => {
  const map = document.getElementById("map").map;
  let found = null;
  map.eachLayer((layer) => { if (layer.options.title === title) found = layer; });
  const box = found.getElement().getBoundingClientRect();
  const frame = map.getContainer().getBoundingClientRect();
  const foot = L.point(box.left + box.width / 2 - frame.left, box.bottom - frame.top);
  const here = map.containerPointToLatLng(foot);
  return {at: [here.lng, here.lat], metres: map.distance(here, found.getLatLng())};
}"""


async def ready(page: Page) -> None:
    await expect(page.locator("#map")).to_have_attribute("data-ready", "true")


async def a_stele(demo: Demo) -> Stele:
    async with demo.sessions() as session:
        found = await session.scalar(select(Stele).order_by(Stele.code).limit(1))
        assert found is not None
        return found


async def a_walk(demo: Demo) -> str:
    async with demo.sessions() as session:
        found = await session.scalar(
            select(Patrol.id)
            .where(Patrol.points_kept > 20)
            .order_by(Patrol.started_at.desc())
            .limit(1)
        )
        assert found is not None
        return str(found)


async def test_cells_and_steles_are_drawn_and_listed(visit: Visit, look: Look) -> None:
    for size in ("desktop", "phone"):
        page = await visit("/dashboard/map", size)
        await ready(page)
        await expect(page.locator("#map-status")).to_be_hidden()
        fills = await page.locator("#map .leaflet-cells-pane path").evaluate_all(
            "(all) => all.map((each) => each.getAttribute('fill'))"
        )
        assert len(fills) > 100
        assert set(fills) <= {
            f"url(#cell-{band})" for band in ("never", "cold", "weeks", "week", "fresh")
        }
        rows = page.locator("#cells tbody tr")
        assert await rows.count() == len(fills)
        await look(page, "map")
        await page.get_by_text(re.compile(r"列表：\d+ 个网格")).click()
        await expect(rows.first).to_be_visible()
        # Never visited comes first, and says so in words.
        await expect(rows.first).to_contain_text("从未到访")


async def test_a_stele_is_where_it_is_and_says_whose(visit: Visit, demo: Demo) -> None:
    stele = await a_stele(demo)
    page = await visit(f"/dashboard/map?stele={stele.code}")
    await ready(page)

    popup = page.locator(".leaflet-popup-content")
    await expect(popup.get_by_role("link", name=stele.name)).to_have_attribute(
        "href", f"/dashboard/steles/{stele.code}"
    )
    drawn = await page.evaluate(_DRAWN_AT, stele.name)
    assert drawn["metres"] < 10
    assert abs(drawn["at"][0] - stele.lon) < 1e-4
    assert abs(drawn["at"][1] - stele.lat) < 1e-4


async def test_a_cell_opens_with_its_figures(visit: Visit, demo: Demo, look: Look) -> None:
    async with demo.sessions() as session:
        within = select(GridCell.parent_id).where(GridCell.parent_id.is_not(None))
        cell = await session.scalar(
            select(GridCell).where(GridCell.id.not_in(within)).order_by(GridCell.code).limit(1)
        )
    assert cell is not None
    page = await visit(f"/dashboard/map?cell={cell.code}")
    await ready(page)

    popup = page.locator(".leaflet-popup-content")
    await expect(popup.get_by_role("link", name=cell.name)).to_be_visible()
    await expect(popup).to_contain_text("未到访：")
    await look(page, "map-cell")


async def test_layers_are_put_away_and_kinds_chosen(visit: Visit) -> None:
    page = await visit("/dashboard/map")
    await ready(page)
    cells = page.locator("#map .leaflet-cells-pane path")
    every = await cells.count()

    await page.get_by_role("checkbox", name="网格").uncheck()
    await expect(cells).to_have_count(0)
    await page.get_by_label("网格类别").select_option("sanitation")
    await page.get_by_role("button", name="查看").click()
    await ready(page)

    assert 0 < await cells.count() < every
    kinds = await page.locator("#cells tbody td:nth-child(2)").all_text_contents()
    assert set(kinds) == {"环境保洁"}


async def test_a_walk_is_replayed_by_keyboard(visit: Visit, demo: Demo, look: Look) -> None:
    page = await visit(f"/dashboard/map?patrol={await a_walk(demo)}")
    await ready(page)
    play, slider, clock = (
        page.get_by_role("button", name="播放"),
        page.get_by_role("slider", name="回放"),
        page.locator("#clock"),
    )
    began = await clock.inner_text()
    walker = page.locator(".walker-mark")
    start = await walker.get_attribute("style")

    await slider.focus()
    await page.keyboard.press("End")
    assert await clock.inner_text() > began
    assert await walker.get_attribute("style") != start
    await expect(slider).to_have_attribute("aria-valuetext", await clock.inner_text())
    await page.keyboard.press("Home")
    assert (await clock.inner_text(), await walker.get_attribute("style")) == (began, start)

    await play.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="暂停")).to_have_attribute("aria-pressed", "true")
    await expect(clock).not_to_have_text(began)
    await page.keyboard.press("Enter")
    held = await clock.inner_text()
    await page.wait_for_timeout(400)
    assert await clock.inner_text() == held
    await look(page, "map-track")


async def test_a_walk_on_a_phone(visit: Visit, demo: Demo, look: Look) -> None:
    page = await visit(f"/dashboard/map?patrol={await a_walk(demo)}", "phone")
    await ready(page)
    await look(page, "map-track")


async def test_steles_of_others_are_drawn_without_their_visits(visit: Visit) -> None:
    page = await visit("/dashboard/map", by=SECRETARY)
    await ready(page)

    states = await page.locator("#steles tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [row.cells[2].textContent, row.cells[3].textContent])"
    )
    elsewhere = [last for state, last in states if state == "其他单位的"]
    assert elsewhere
    assert set(elsewhere) == {"—"}


async def _on_tiles(page: Page, base: str, tile_datum: str) -> list[str]:
    """The same page as a deployment with a base map has it; which tiles were asked for."""
    asked: list[str] = []

    async def redrawn(route: Route) -> None:
        answer = await route.fetch()
        text = (await answer.text()).replace('data-tiles=""', f'data-tiles="{base}"')
        await route.fulfill(
            response=answer,
            body=text.replace('data-datum="wgs84"', f'data-datum="{tile_datum}"'),
        )

    async def a_tile(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(
            content_type="image/svg+xml", body='<svg xmlns="http://www.w3.org/2000/svg"/>'
        )

    await page.route("**/tiles/**", a_tile)
    await page.route("**/dashboard/map?*", redrawn)
    return asked


async def test_on_tiles_of_either_datum_everything_lies_right(visit: Visit, demo: Demo) -> None:
    stele = await a_stele(demo)
    for tile_datum in ("wgs84", "gcj02"):
        page = await visit("/dashboard/search")
        asked = await _on_tiles(page, f"{demo.web}/tiles/{{z}}/{{x}}/{{y}}.png", tile_datum)
        await page.goto("/dashboard/map?" + urlencode({"stele": stele.code}))
        await ready(page)

        drawn: dict[str, Any] = await page.evaluate(_DRAWN_AT, stele.name)
        here = (stele.lon, stele.lat)
        lon, lat = datum.to_gcj02(*here) if tile_datum == "gcj02" else here
        assert abs(drawn["at"][0] - lon) < 1e-4
        assert abs(drawn["at"][1] - lat) < 1e-4
        # The cells moved along with it: the stele's own cell still lies below it.
        assert await page.evaluate(
            """([lon, lat]) => {
              const map = document.getElementById("map").map;
              let under = false;
              map.eachLayer((layer) => {
                if (layer.feature?.properties.days_since !== undefined
                    && layer.getBounds().contains([lat, lon])) under = true;
              });
              return under;
            }""",
            [lon, lat],
        )
        assert asked
        await page.close()
