"""The roster in a browser, on the office's screen and on the secretary's phone."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page

from app import clock
from app.models import App, Application, ApplicationKind, WechatUser
from app.services.dataset.exporting import export_folder
from app.services.dataset.importing import import_folder
from tests.browser.conftest import SECRETARY, Demo, Look, Size, Visit

ROSTER = "/dashboard/roster"
SIZES: tuple[Size, ...] = ("desktop", "phone")
# Somebody with a telephone whom nobody has bound.
GUEST = "P139"
LISTS = ("people", "posts", "duties", "pairings", "exemptions", "letters")


@pytest.mark.parametrize("size", SIZES)
async def test_every_list_and_form_fits_the_screen(visit: Visit, look: Look, size: Size) -> None:
    await look(await visit(ROSTER, size), "roster")
    for name in LISTS:
        page = await visit(f"{ROSTER}/{name}", size)
        await look(page, f"roster-{name}")
        await page.locator("tbody th a").first.click()
        await page.wait_for_load_state()
        await look(page, f"roster-{name}-form")
        await page.close()
        new = await visit(f"{ROSTER}/new/{name}", size)
        await look(new, f"roster-{name}-new")
        await new.close()
    for name in ("applications", "conflicts", "slips"):
        await look(await visit(f"{ROSTER}/{name}", size), f"roster-{name}")


async def _reason(page: Page, button: str, reason: str) -> None:
    form = page.locator("form", has=page.get_by_role("button", name=button, exact=True))
    await form.locator("textarea[name=reason]").fill(reason)


async def test_a_secretary_adds_somebody_on_the_phone_who_binds_and_is_parted_again(
    visit: Visit, look: Look
) -> None:
    page = await visit(f"{ROSTER}/people", "phone", by=SECRETARY)
    await page.get_by_role("link", name="新增人员").click()
    code = await page.get_by_label("编码（必填）").input_value()
    await page.get_by_label("姓名（必填）").fill("示例新来的")
    await page.get_by_label("手机号").fill("12345")
    options = page.locator("#list-organisations option")
    place = await options.first.get_attribute("value")
    assert place is not None
    await page.get_by_label("单位（必填）").fill(place)
    await page.get_by_label("登记原因").fill("新入党的同志")
    await page.get_by_role("button", name="保存", exact=True).click()

    # What is wrong stands beside its field, and nothing is lost.
    await page.get_by_text("不是有效的大陆手机号，应为 11 位数字").first.wait_for()
    assert await page.get_by_label("姓名（必填）").input_value() == "示例新来的"
    assert await page.get_by_label("登记原因").input_value() == "新入党的同志"
    await look(page, "roster-fault")
    await page.get_by_label("手机号").fill("")
    await page.get_by_role("button", name="保存", exact=True).click()
    await page.get_by_role("status").filter(has_text="已保存").wait_for()

    await _reason(page, "打印邀请条（PDF）", "当面交给本人")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="打印邀请条（PDF）").click()
    slip = await (await download.value).path()
    assert Path(slip).read_bytes().startswith(b"%PDF-")

    await _reason(page, "生成邀请码", "电话告知")
    await page.get_by_role("button", name="生成邀请码").click()
    invitation = await page.locator("b.number").inner_text()
    assert re.fullmatch(r"\d{4} \d{4}", invitation)
    await look(page, "roster-invitation")

    await _bind(visit, invitation.replace(" ", ""))

    page = await visit(f"{ROSTER}/people/{code}", "phone", by=SECRETARY)
    await page.get_by_text("已绑定").first.wait_for()
    await _reason(page, "解除绑定", "换了手机")
    await look(page, "roster-bound")
    await page.get_by_role("button", name="解除绑定", exact=True).click()
    await page.get_by_role("status").filter(has_text="已解除绑定").wait_for()
    assert await page.get_by_text("还没有绑定微信。").count() == 1


async def _bind(visit: Visit, code: str) -> None:
    """A guest of the demo, whose WeChat is nobody's yet, follows the account and sends the code."""
    page = await visit("/simulator/", "phone", by=None)
    for act in ({"act": "follow"}, {"act": "say", "text": f"绑定 {code}"}):
        answer = await page.request.post(f"/simulator/api/people/{GUEST}/acts?settle=1", data=act)
        assert answer.ok, await answer.text()
    chat = await page.request.get(f"/simulator/api/people/{GUEST}/chat")
    replies = [item["text"] for item in (await chat.json())["items"] if not item["mine"]]
    assert any("示例新来的" in reply for reply in replies), replies
    await page.close()


async def test_a_conflict_is_decided(visit: Visit, look: Look, demo: Demo, tmp_path: Path) -> None:
    """Somebody is edited on the page, an older file comes, and a manager takes its word."""
    page = await visit(f"{ROSTER}/people/P051")
    before = await page.get_by_label("职务名称").input_value()
    await page.get_by_label("职务名称").fill("改过的职务")
    await page.get_by_label("修改原因").fill("更正")
    await page.get_by_role("button", name="保存", exact=True).click()
    await page.get_by_role("status").filter(has_text="已保存").wait_for()
    async with demo.sessions.begin() as session:
        await export_folder(session, tmp_path / "out", documents_dir=demo.data_dir / "documents")
    path = tmp_path / "out" / "people.csv"
    path.write_bytes(path.read_bytes().replace("改过的职务".encode(), before.encode()))
    async with demo.sessions.begin() as session:
        summary = await import_folder(
            session, tmp_path / "out", demo.settings, documents_dir=demo.data_dir / "documents",
            now=clock.now(), written_at=clock.now().replace(year=2020),
        )  # fmt: skip
    assert len(summary.conflicts) >= 1

    for size in ("phone", "desktop"):
        page = await visit(f"{ROSTER}/conflicts", size)
        await look(page, "roster-conflicts-open")
    mine = page.locator("article").filter(has_text="改过的职务")
    await mine.locator("textarea").fill("以文件为准")
    await mine.get_by_role("button", name="采用文件里的").click()
    await page.get_by_role("status").filter(has_text="已采用文件里的").wait_for()
    page = await visit(f"{ROSTER}/people/P051")
    assert await page.get_by_label("职务名称").input_value() == before


@pytest.mark.parametrize("size", SIZES)
async def test_two_who_change_one_row_both_see_what_the_other_said(
    visit: Visit, look: Look, size: Size
) -> None:
    mine, theirs = [await visit(f"{ROSTER}/people/P052", size) for _ in range(2)]
    title = f"先改的{size}"
    for page, text in ((theirs, title), (mine, "后改的")):
        await page.get_by_label("职务名称").fill(text)
        await page.get_by_label("修改原因").fill("更正")
    await theirs.get_by_role("button", name="保存", exact=True).click()
    await theirs.get_by_role("status").filter(has_text="已保存").wait_for()
    await mine.get_by_role("button", name="保存", exact=True).click()

    await mine.get_by_text(f"现在是：{title}").wait_for()
    assert await mine.get_by_label("职务名称").input_value() == "后改的"
    await look(mine, "roster-stale")


@pytest.mark.parametrize("size", SIZES)
async def test_an_application_waits_for_a_yes(
    visit: Visit, look: Look, demo: Demo, size: Size
) -> None:
    async with demo.sessions.begin() as session:
        user = WechatUser(app=App.mini_program, openid=f"new-{size}", created_at=clock.now())
        session.add(user)
        await session.flush()
        session.add(
            Application(
                wechat_user_id=user.id, kind=ApplicationKind.binding, name=f"示例来人{size}",
                phone="19900009999", organisation="CUN01", created_at=clock.now(),
            )
        )  # fmt: skip
    page = await visit(f"{ROSTER}/applications", size)
    await look(page, "roster-applications-open")
    mine = page.locator("article").filter(has_text=f"示例来人{size}")
    await mine.locator("textarea").fill("电话里没有这个人")
    await mine.get_by_role("button", name="不通过").click()
    await page.get_by_role("status").filter(has_text="已告诉申请人没有通过").wait_for()
