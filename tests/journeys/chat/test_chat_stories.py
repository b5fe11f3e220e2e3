"""Whole stories of the chat, as people live them."""

import asyncio
from datetime import timedelta

from sqlalchemy import select

from app.domain import replies
from app.models import (
    Application,
    ChatMedia,
    HeldMessage,
    MediaState,
    Patrol,
    Photo,
    Source,
    Verdict,
)
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.photos import sample
from tests.conftest import Lake, Member
from tests.journeys.chat.conftest import EAST, NOW, WEST, Chat, heard

RECORDED = (
    "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。请再发照片；没有照片请回复“无照片 原因”。"
)


async def test_a_member_binds_by_code_consents_and_is_counted(
    chat: Chat, lake: Lake, li: Member
) -> None:
    await chat.nobody_agreed()
    code, _ = await chat.invite(li.person)
    spaced = f"綁定　{code[:4]} {code[4:]}"
    assert await chat.say("li", spaced) == (
        "绑定成功，您是示例李（东岸党支部）。位置只用于记录巡河，同意请回复“同意”。"
    )
    assert await chat.say("li", "同意") == replies.AGREED
    assert await chat.locate("li") == RECORDED
    chat.wait(minutes=2)
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。这次巡河已计入。"
    )
    await chat.work()
    (check_in,) = await chat.check_ins()
    assert (
        check_in.person_id,
        check_in.source,
        check_in.at,
        check_in.grid_cell_id,
        check_in.reach_id,
        check_in.nearest_stele_id,
        check_in.accuracy_m,
        check_in.datum,
        check_in.verdict,
    ) == (
        li.person.id,
        Source.chat,
        NOW,
        lake.east_inner.id,
        lake.reach.id,
        lake.stele.id,
        None,
        "gcj02",
        Verdict.accepted,
    )
    assert abs(check_in.lon - EAST[0]) < 2e-6
    assert abs(check_in.lat - EAST[1]) < 2e-6
    (photo,) = await chat.rows(Photo)
    assert (photo.check_in_id, photo.person_id, photo.source) == (
        check_in.id,
        li.person.id,
        Source.chat,
    )
    answer = await li.client.get(f"/api/v1/check-ins/{check_in.id}")
    assert answer.json()["photos"] == {"received": 1, "expected": None}
    assert await chat.say("li", "进度") == (
        "本月巡河记录1条（有效1），今年1条。最近：6月1日10:05东岸一号碑。任务下达后会显示应巡次数。"
    )
    assert await chat.say("li", "我的记录") == "最近的记录：\n6月1日10:05 东岸一号碑 有效"


async def test_a_chief_scans_a_stele_and_is_counted_there(
    chat: Chat, lake: Lake, chen: Member
) -> None:
    await chat.bind("chen", chen.person)
    phone = chat.phone("chen")
    assert heard(await phone.scan("s_JB-01")) == ("您在东岸一号碑，请点“+”发送位置，30分钟内有效。")
    chat.wait(minutes=29)
    near = (EAST[0] + 0.0005, EAST[1])
    assert await chat.locate("chen", near) == (
        "已记录：东岸一号网格，东岸河段，距东岸一号碑50米。"
        "请再发照片；没有照片请回复“无照片 原因”。"
    )
    chat.wait(minutes=31)
    await chat.locate("chen", near)
    first, second = await chat.check_ins()
    assert (first.stele_id, first.stele_within) == (lake.stele.id, True)
    assert second.stele_id is None


async def test_a_page_address_read_by_the_menu_names_the_stele_with_its_token(
    chat: Chat, chen: Member
) -> None:
    await chat.bind("chen", chen.person)
    phone = chat.phone("chen")
    scanned = "https://xunhe.example.com/s/JB-01?t=1.AAAAAAAAAAAAAAAA"
    assert heard(await phone.scan_and_wait("scan_stele", scanned)) == (
        "您在东岸一号碑，请点“+”发送位置，30分钟内有效。"
    )
    # Nobody ever signed that token.
    assert (await chat.locate("chen")) == (
        "已收到，但界碑的码不对，先不计入，由人工核对：东岸一号网格，东岸河段，距东岸一号碑0米。"
        "请再发照片；没有照片请回复“无照片 原因”。"
    )
    answers = []
    for other in ("https://example.com/", "s_NONE", "JB-01", "https://[", "s_JB-01"):
        chat.wait(seconds=1)
        answers.append(heard(await phone.scan_and_wait("scan_stele", other)))
    assert answers == [
        replies.NOT_A_STELE,
        replies.STELE_UNKNOWN,
        replies.NOT_A_STELE,
        replies.NOT_A_STELE,
        "您在东岸一号碑，请点“+”发送位置，30分钟内有效。",
    ]


async def test_an_unbound_sender_is_held_and_then_counted(
    chat: Chat, lake: Lake, li: Member
) -> None:
    assert await chat.locate("guest") == replies.HELD_POSITION
    chat.wait(minutes=3)
    assert await chat.photo("guest", sample(1)) == replies.HELD_PHOTO
    await chat.work()
    (media,) = await chat.rows(ChatMedia)
    assert (media.state, media.check_in_id, media.photo_id) == (MediaState.fetched, None, None)
    chat.wait(days=2)
    assert await chat.locate("guest", WEST) == replies.HELD_POSITION
    assert await chat.check_ins() == []
    chat.wait(days=1)
    code, _ = await chat.invite(li.person)
    assert await chat.say("guest", code) == (
        "绑定成功。您之前发来的2个位置（有效2条）、1张照片已计入巡河记录。回复“我的记录”可查看。"
    )
    first, second = await chat.check_ins()
    assert (first.at, first.grid_cell_id) == (NOW, lake.east_inner.id)
    assert (second.at, second.grid_cell_id) == (
        NOW + timedelta(days=2, minutes=3),
        lake.west.id,
    )
    (photo,) = await chat.rows(Photo)
    assert photo.check_in_id == first.id
    # The job that binding deferred has nothing left to do, and nothing to tell.
    assert await chat.news("guest") == []
    assert len(await chat.check_ins()) == 2


async def test_consent_comes_first(chat: Chat, li: Member) -> None:
    await chat.nobody_agreed()
    await chat.bind("li", li.person, consents=False)
    assert await chat.locate("li") == replies.NOTICE
    assert await chat.photo("li", sample(1)) == replies.HELD_PHOTO_CONSENT
    assert await chat.say("li", "进度") == "今年还没有巡河记录。任务下达后，这里会显示应巡次数。"
    assert await chat.check_ins() == []
    assert await chat.say("li", "同意。") == (
        "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。照片1张已附上。"
    )
    await chat.work()
    (check_in,) = await chat.check_ins()
    (photo,) = await chat.rows(Photo)
    assert photo.check_in_id == check_in.id


async def test_who_refuses_is_left_in_peace(chat: Chat, li: Member) -> None:
    await chat.nobody_agreed()
    await chat.bind("li", li.person, consents=False)
    await chat.locate("li")
    assert await chat.say("li", "不同意") == replies.DISAGREED
    assert await chat.rows(HeldMessage) == []
    assert await chat.locate("li") == replies.REFUSED_POSITION
    assert await chat.rows(HeldMessage) == []
    assert await chat.say("li", "进度") == "今年还没有巡河记录。任务下达后，这里会显示应巡次数。"
    assert await chat.say("li", "同意") == replies.AGREED
    assert await chat.locate("li") == RECORDED
    assert await chat.say("li", "撤回同意") == replies.TAKEN_BACK
    assert await chat.locate("li") == replies.REFUSED_POSITION
    assert len(await chat.check_ins()) == 1


async def test_a_slip_asks_who_one_is(chat: Chat, li: Member) -> None:
    _, scene = await chat.invite(li.person)
    phone = chat.phone("guest")
    await phone.unfollow()
    question = "您是示例李（东岸党支部）吗？回复“是”就绑定；不是请回复“否”。"
    assert heard(await phone.scan(scene)) == question
    assert await chat.say("guest", "否") == replies.NOT_YOU
    assert await chat.say("guest", "是") == replies.NOBODY_ASKED
    chat.wait(seconds=2)
    assert heard(await phone.scan(scene)) == question
    answer = await chat.say("guest", "是的")
    assert answer is not None
    assert answer.startswith("绑定成功，您是示例李（东岸党支部）。")
    assert (await chat.user("guest")).person_id == li.person.id
    # A second telephone of the same person waits for a manager.
    code, _ = await chat.invite(li.person)
    assert await chat.say("zhou", f"绑定{code}") == replies.IDENTITY_TAKEN
    assert (await chat.user("zhou")).person_id is None


async def test_who_has_no_code_applies(chat: Chat) -> None:
    assert await chat.say("guest", "你好") == replies.UNBOUND
    assert await chat.say("guest", "绑定") == replies.ASK_NAME
    assert await chat.say("guest", "示例甲 199 0000 0001") == replies.APPLIED
    (application,) = await chat.rows(Application)
    assert (application.name, application.phone) == ("示例甲", "19900000001")
    assert await chat.say("guest", "绑定：示例乙，１９９０００００００２") == replies.APPLIED
    (application,) = await chat.rows(Application)
    assert (application.name, application.phone) == ("示例乙", "19900000002")
    assert await chat.say("guest", "12345678") == "邀请码不对或已过期，请核对后再输入。"


async def test_a_retry_makes_one_record_and_the_same_reply(chat: Chat, li: Member) -> None:
    await chat.bind("li", li.person)
    chat.platform.copies = 3
    assert await chat.locate("li") == RECORDED
    assert len(await chat.check_ins()) == 1


async def test_the_picker_and_its_location_count_once(chat: Chat, li: Member) -> None:
    await chat.bind("li", li.person)
    event, message = await chat.phone("li").choose_location("location", *EAST)
    assert (heard(event), heard(message)) == (None, RECORDED)
    assert len(await chat.check_ins()) == 1
    heard(await chat.phone("li").report_location(*WEST))
    assert len(await chat.check_ins()) == 1


async def test_location_and_photos_at_the_same_moment(chat: Chat, li: Member) -> None:
    await chat.bind("li", li.person)
    phone: Phone = chat.phone("li")
    await asyncio.gather(
        phone.send_photo(sample(1)),
        phone.send_location(*EAST),
        phone.send_photo(sample(2)),
        phone.send_photo(sample(3)),
    )
    await chat.work()
    (check_in,) = await chat.check_ins()
    assert [photo.check_in_id for photo in await chat.rows(Photo)] == [check_in.id] * 3


async def test_several_photos_get_one_reply(chat: Chat, li: Member) -> None:
    await chat.bind("li", li.person)
    await chat.locate("li")
    pushes = await chat.phone("li").take_photos("photo", [sample(n) for n in range(4)])
    answers = [heard(push) for push in pushes]
    assert len([answer for answer in answers if answer is not None]) == 1
    await chat.work()
    (check_in,) = await chat.check_ins()
    assert [photo.check_in_id for photo in await chat.rows(Photo)] == [check_in.id] * 4
    assert await chat.rows(Patrol.distance_m) == [0]


async def test_leaving_erases_the_identity_and_keeps_the_record(chat: Chat, li: Member) -> None:
    await chat.bind("li", li.person)
    await chat.locate("li")
    await chat.photo("guest", sample(1))
    for key in ("li", "guest"):
        assert heard(await chat.phone(key).unfollow()) is None
    assert len(await chat.check_ins()) == 1
    async with chat.sessions() as session:
        left = await session.scalars(select(ChatMedia))
        assert left.all() == []
    assert await chat.rows(HeldMessage) == []
    assert heard(await chat.phone("li").follow()) == replies.UNBOUND
