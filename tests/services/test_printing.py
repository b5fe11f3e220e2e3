"""Slips and sheets: every QR code on every page is read again."""

from datetime import UTC, datetime
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.domain.stele_code import version_of
from app.errors import CommandFailed
from app.models import App, Invitation
from app.services import invitations, printing
from app.services.stele_codes import PURPOSE
from app.state import State
from app.wechat.client import WeChat
from app.wechat.simulator import scenes
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests.conftest import Lake
from tests.factories import a_person, a_stele, a_wechat_user

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
Sessions = async_sessionmaker[AsyncSession]


def pages_of(pdf: bytes) -> list[tuple[list[str], str]]:
    """What the QR codes of each page say, from top to bottom, and the page's text."""
    pages = []
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page in document:
            codes = zxingcpp.read_barcodes(page.render(scale=2).to_pil())
            codes.sort(key=lambda code: code.position.top_left.y)
            pages.append(([code.text for code in codes], page.get_textpage().get_text_range()))
    finally:
        document.close()
    return pages


async def sheets(
    state: State, *, wechat: WeChat | None = None, **given: Any
) -> list[tuple[list[str], str]]:
    wanted: dict[str, Any] = {"codes": [], "anew": [], "now": NOW} | given
    pdf, count = await printing.stele_code_sheets(
        state["sessions"], state["keys"], wechat, "https://xunhe.example", **wanted
    )
    pages = pages_of(pdf)
    assert len(pages) == count
    assert len(pdf) < 100_000
    return pages


async def test_a_sheet_a_stele_each_with_its_own_code(state: State, lake: Lake) -> None:
    pages = await sheets(state)

    key = state["keys"].key(PURPOSE)
    expected = [(lake.stele, "示例度假村"), (lake.west_stele, "西岸党支部")]
    assert len(pages) == len(expected)
    for (codes, text), (stele, keeper) in zip(pages, expected, strict=True):
        (address,) = codes
        page, token = address.split("?t=")
        assert page == f"https://xunhe.example/s/{stele.code}"
        assert version_of(key, stele.code, token) == 1
        for said in (stele.name, stele.code, f"责任单位：{keeper}"):
            assert said in text


async def test_sheets_of_some_steles_only(state: State, lake: Lake) -> None:
    (page,) = await sheets(state, codes=[lake.west_stele.code])

    assert "JB-02" in page[0][0]


async def test_a_sheet_printed_again_bears_the_same_code(state: State, lake: Lake) -> None:
    first, second = [await sheets(state, codes=[lake.stele.code]) for _ in range(2)]

    assert first[0][0] == second[0][0]


async def test_a_new_print_bears_a_new_code(state: State, lake: Lake) -> None:
    (before,) = await sheets(state, codes=[lake.stele.code])
    (after,) = await sheets(state, anew=[lake.stele.code])

    key = state["keys"].key(PURPOSE)
    versions = [
        version_of(key, "JB-01", codes[0].split("?t=")[1]) for codes in (before[0], after[0])
    ]
    assert versions == [1, 2]


async def test_the_service_accounts_code_names_the_stele(
    state: State, wechat: WeChat, lake: Lake
) -> None:
    pages = await sheets(state, wechat=wechat)

    assert [codes for codes, _ in pages] == [
        [scenes.address(scenes.ticket(f"s_{stele.code}"))]
        for stele in (lake.stele, lake.west_stele)
    ]


async def test_a_very_long_name_still_stands_on_the_sheet(
    state: State, session: AsyncSession
) -> None:
    name = "阳宗海示例河段左岸示例度假村有限责任公司湿地入口一号责任界碑"
    await a_stele(session, code="X-1", name=name)

    (page,) = await sheets(state)

    assert name in page[1]


async def test_unknown_steles_are_named(state: State, lake: Lake) -> None:
    with pytest.raises(CommandFailed, match="没有这些界碑：NONE"):
        await sheets(state, codes=[lake.stele.code, "NONE"])


async def test_without_steles_there_is_nothing_to_print(state: State) -> None:
    with pytest.raises(CommandFailed, match="还没有界碑"):
        await sheets(state)


async def slips(
    state: State, wechat: WeChat | None, organisation: str = "GWH"
) -> list[tuple[list[str], str]]:
    pdf, _ = await printing.invitation_slips(
        state["sessions"], state["keys"], wechat, organisation, now=NOW, days=30
    )
    return pages_of(pdf)


async def test_a_slip_each_for_whoever_is_not_in_the_chat(
    state: State, session: AsyncSession, wechat: WeChat, platform: Platform, lake: Lake
) -> None:
    people = [
        await a_person(session, code=f"P-{n}", name=f"示例{n}", organisation_id=lake.village.id)
        for n in range(1, 8)
    ]
    here = await a_person(session, name="在聊天里", organisation_id=lake.village.id)
    await a_wechat_user(session, app=App.service_account, person_id=here.id)
    await a_person(session, name="别处的人")
    mini = await a_wechat_user(session, person_id=people[0].id)
    assert mini.app is App.mini_program

    pages = await slips(state, wechat)

    assert [len(codes) for codes, _ in pages] == [5, 2]
    text = "".join(text for _, text in pages)
    for person in people:
        assert person.name in text
    assert "在聊天里" not in text
    assert "别处的人" not in text
    invited = []
    for address in [code for codes, _ in pages for code in codes]:
        (scene,) = [
            str(scene)
            for scene in platform.service_account.permanent_scenes
            if scenes.address(scenes.ticket(str(scene))) == address
        ]
        assert len(scene) <= 64
        person, place = await invitations.find_by_scene(session, state["keys"], scene, now=NOW)
        invited.append((person.name, place.name))
    assert invited == [(person.name, "示例村") for person in people]


async def test_a_slip_without_a_service_account_bears_the_code(
    state: State, session: AsyncSession, lake: Lake
) -> None:
    await a_person(session, name="示例甲", organisation_id=lake.village.id)

    ((codes, text),) = await slips(state, None, "VILLAGE")

    assert codes == []
    assert "示例甲" in text
    assert "2026年7月1日前有效" in text
    digits = text.split("绑定 ")[1][:8]
    assert f"{digits[:4]} {digits[4:]}" in text
    invitation = (await session.scalars(select(Invitation))).one()
    assert invitation.code_hash == state["keys"].digest("invitation-code", digits)


async def test_when_everybody_is_in_nothing_is_printed(
    state: State, session: AsyncSession, lake: Lake
) -> None:
    assert lake.village.code == "VILLAGE"
    with pytest.raises(CommandFailed, match="示例村没有需要邀请的人"):
        await slips(state, None, "VILLAGE")
    with pytest.raises(CommandFailed, match="没有这个组织：NONE"):
        await slips(state, None, "NONE")
    assert (await session.scalars(select(Invitation))).all() == []


async def test_wechat_away_is_one_line(
    state: State, session: AsyncSession, wechat: WeChat, platform: Platform, lake: Lake
) -> None:
    await a_person(session, organisation_id=lake.village.id)
    platform.faults.add(Fault("*qrcode/create", errcode=45029))

    with pytest.raises(CommandFailed, match="微信没有给出二维码"):
        await slips(state, wechat)


async def test_a_code_for_one_person(state: State, session: AsyncSession, lake: Lake) -> None:
    await a_person(session, code="LI", organisation_id=lake.village.id)

    code = await printing.invitation_code(session, state["keys"], "LI", now=NOW, days=30)

    assert (len(code), code.isdigit()) == (8, True)
    with pytest.raises(CommandFailed, match="名册上没有这位人员：NOBODY"):
        await printing.invitation_code(session, state["keys"], "NOBODY", now=NOW, days=30)
