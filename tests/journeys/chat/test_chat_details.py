"""Commands, notes, companions, and photos that come early, late or not at all."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text, update

from app.domain import replies
from app.models import (
    App,
    ChatMedia,
    Companion,
    Consent,
    HeldMessage,
    MediaKind,
    MediaState,
    Message,
    Patrol,
    Person,
    Photo,
    WechatUser,
)
from app.services import conversations
from app.services.chat_media import attachment_key
from app.wechat import messages as pushed
from app.wechat.callback import Incoming, Nonce
from app.wechat.messages import Message as Pushed
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.photos import sample
from tests.conftest import Lake, Member
from tests.factories import a_person
from tests.journeys.chat.conftest import EAST, NOW, WEST, Chat, heard

DAY = timedelta(days=1)
FORGET_JOBS = text("DELETE FROM procrastinate_jobs")


@pytest.fixture
async def walker(chat: Chat, li: Member) -> Member:
    """Li, bound and agreed."""
    await chat.bind("li", li.person)
    return li


async def joined(chat: Chat) -> list[Any]:
    """The check-in of each photo, in the order in which they were sent."""
    return [media.check_in_id for media in await chat.rows(ChatMedia, ChatMedia.sent_at)]


# -- photos ----------------------------------------------------------------------------------


async def test_a_photo_may_come_ten_minutes_before_its_location(chat: Chat, walker: Member) -> None:
    assert await chat.photo("li", sample(1)) == replies.PHOTO_WAITS
    await chat.work()
    chat.wait(minutes=10)
    assert await chat.locate("li") == (
        "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。照片1张已附上。"
    )
    (check_in,) = await chat.check_ins()
    (photo,) = await chat.rows(Photo)
    assert (photo.check_in_id, photo.person_id) == (check_in.id, walker.person.id)


@pytest.mark.usefixtures("walker")
async def test_a_late_photo_joins_the_newest_record_that_has_none(chat: Chat) -> None:
    await chat.locate("li")
    chat.wait(hours=1)
    await chat.locate("li", WEST)
    await chat.photo("li", sample(1))
    chat.wait(hours=5)
    assert await chat.photo("li", sample(2)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。这次巡河已计入。"
    )
    chat.wait(hours=1)
    assert await chat.photo("li", sample(3)) == replies.PHOTO_WAITS
    first, second = await chat.check_ins()
    assert await joined(chat) == [second.id, first.id, None]


@pytest.mark.usefixtures("walker")
async def test_a_photo_without_a_place_is_asked_about(chat: Chat) -> None:
    await chat.locate("li")
    await chat.photo("li", sample(1))
    chat.wait(hours=2)
    await chat.photo("li", sample(2))
    chat.wait(minutes=10)
    await chat.sweep()
    assert await chat.news("li") == []
    chat.wait(minutes=1)
    for _ in range(2):
        await chat.sweep()
    assert await chat.news("li") == [
        "6月1日12:05的照片还没有位置。请回复数字：\n"
        "1 附在6月1日10:05东岸一号碑\n2 我现在发位置\n3 只留存"
    ]
    chat.wait(hours=3)
    assert await chat.say("li", "1") == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共2张）。这次巡河已计入。"
    )
    (check_in,) = await chat.check_ins()
    assert [photo.check_in_id for photo in await chat.rows(Photo)] == [check_in.id] * 2


@pytest.mark.usefixtures("walker")
async def test_the_place_may_follow_when_asked(chat: Chat) -> None:
    await chat.photo("li", sample(1))
    chat.wait(minutes=30)
    await chat.sweep()
    await chat.news("li")
    assert await chat.say("li", "1") == replies.PHOTO_AWAITS_NEXT
    chat.wait(minutes=2)
    await chat.locate("li")
    (check_in,) = await chat.check_ins()
    assert await joined(chat) == [check_in.id]


@pytest.mark.usefixtures("walker")
async def test_a_photo_that_wechat_does_not_give_now_is_fetched_later(chat: Chat) -> None:
    fault = chat.platform.faults.add(Fault(path="*/media/get", errcode=45011))
    await chat.locate("li")
    await chat.photo("li", sample(1))
    await chat.work()
    (media,) = await chat.rows(ChatMedia)
    assert (media.state, media.attempts) == (MediaState.waiting, 1)
    chat.wait(hours=20)
    await chat.work()
    assert fault.fired == 2
    chat.platform.faults.clear()
    chat.wait(hours=20)
    await chat.work()
    (media,) = await chat.rows(ChatMedia)
    (photo,) = await chat.rows(Photo)
    assert (media.state, media.photo_id) == (MediaState.fetched, photo.id)
    assert await chat.news("li") == []


async def test_a_photo_that_never_comes_is_told(chat: Chat, walker: Member) -> None:
    chat.platform.faults.add(Fault(path="*/media/get", errcode=45011))
    await chat.locate("li")
    for n in range(3):
        await chat.photo("li", sample(n))
    for _ in range(100):
        chat.wait(hours=1)
        await chat.work()
    assert {media.state for media in await chat.rows(ChatMedia)} == {MediaState.failed}
    messages = await chat.rows(Message)
    assert [(each.text, each.person_id) for each in messages] == [
        (replies.PHOTO_FAILED, walker.person.id)
    ]


@pytest.mark.usefixtures("walker")
async def test_a_photo_that_is_gone_is_told_at_once(chat: Chat) -> None:
    chat.platform.faults.add(Fault(path="*/media/get", errcode=40007))
    await chat.locate("li")
    await chat.photo("li", sample(1))
    assert await chat.news("li") == [replies.PHOTO_FAILED]
    # It no longer counts, so the next one may take its place.
    chat.platform.faults.clear()
    chat.wait(hours=1)
    answer = await chat.photo("li", sample(1))
    assert answer == "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。这次巡河已计入。"


@pytest.mark.usefixtures("walker")
async def test_what_is_no_picture_is_told(chat: Chat) -> None:
    await chat.locate("li")
    await chat.photo("li", b"\xff\xd8\xff" + b"rubbish" * 100)
    assert await chat.news("li") == [replies.PHOTO_UNREADABLE]
    assert await chat.rows(Photo) == []


@pytest.mark.usefixtures("walker")
async def test_a_job_that_was_lost_is_replaced(chat: Chat) -> None:
    await chat.locate("li")
    await chat.photo("li", sample(1))
    async with chat.sessions() as session, session.begin():
        await session.execute(FORGET_JOBS)
    chat.wait(minutes=20)
    await chat.sweep()
    await chat.work()
    assert len(await chat.rows(Photo)) == 1


@pytest.mark.usefixtures("walker")
async def test_voice_and_video_are_kept(chat: Chat) -> None:
    await chat.locate("li")
    phone = chat.phone("li")
    assert heard(await phone.send_voice(b"#!AMR\nsound")) == replies.MEDIA_KEPT
    await chat.work()
    (media,) = await chat.rows(ChatMedia)
    (check_in,) = await chat.check_ins()
    assert (media.kind, media.state, media.check_in_id) == (
        MediaKind.voice,
        MediaState.fetched,
        check_in.id,
    )
    assert media.sha256 is not None
    kept = await chat.state["store"].get(attachment_key(media.sha256))
    assert kept == b"#!AMR\nsound"
    assert await chat.rows(Photo) == []


# -- commands --------------------------------------------------------------------------------


@pytest.mark.usefixtures("walker")
async def test_a_record_is_taken_back_within_the_hour(chat: Chat) -> None:
    await chat.locate("li")
    chat.wait(minutes=30)
    await chat.locate("li", (EAST[0], EAST[1] + 0.005))
    chat.wait(minutes=10)
    await chat.photo("li", sample(1))
    (patrol,) = await chat.rows(Patrol)
    assert (round(patrol.distance_m / 10), patrol.duration_s) == (55, 1800)
    assert await chat.say("li", "取消") == (
        "已取消6月1日10:35东岸网格的记录。要重新记录，请再发位置。"
    )
    assert await chat.say("li", "取消") == replies.CANCELLED_BEFORE
    (patrol,) = await chat.rows(Patrol)
    assert (patrol.distance_m, patrol.duration_s, patrol.finished_at) == (0, 0, NOW)
    await chat.work()
    # The photo of a withdrawn record is kept, and belongs to none.
    assert await chat.rows(Photo) == []
    first, second = await chat.check_ins()
    assert (first.withdrawn_at, second.withdrawn_at) == (None, NOW + timedelta(minutes=40))
    assert await chat.say("li", "进度") == (
        "本月巡河记录1条（有效1），今年1条。最近：6月1日10:05东岸一号碑。任务下达后会显示应巡次数。"
    )


@pytest.mark.usefixtures("walker")
async def test_after_an_hour_it_stays(chat: Chat) -> None:
    await chat.locate("li")
    chat.wait(minutes=61)
    assert await chat.say("li", "取消") == replies.NOTHING_TO_CANCEL
    (check_in,) = await chat.check_ins()
    assert check_in.withdrawn_at is None


@pytest.mark.usefixtures("walker")
async def test_no_photo_and_why(chat: Chat) -> None:
    assert await chat.say("li", "无照片 手机没电") == replies.NO_RECORD
    await chat.locate("li")
    assert await chat.say("li", "无照片") == replies.ASK_REASON
    assert await chat.say("li", "无照片 手机没电") == (
        "已记下：6月1日10:05的记录没有照片，原因：手机没电。"
    )
    (check_in,) = await chat.check_ins()
    assert check_in.no_photo_reason == "手机没电"
    chat.wait(hours=1)
    assert await chat.photo("li", sample(1)) == replies.PHOTO_WAITS


@pytest.mark.usefixtures("walker")
async def test_a_text_after_a_record_is_its_note_once(chat: Chat) -> None:
    assert await chat.say("li", "水面干净") == replies.CHOICES
    await chat.locate("li")
    chat.wait(minutes=30)
    assert await chat.say("li", "水面干净，无垃圾") == (
        "已作为备注记在这次巡河里：水面干净，无垃圾"
    )
    assert await chat.say("li", "再说一句") == replies.CHOICES
    (check_in,) = await chat.check_ins()
    assert check_in.note == "水面干净，无垃圾"
    chat.wait(hours=1)
    await chat.locate("li")
    chat.wait(minutes=31)
    assert await chat.say("li", "太晚了") == replies.CHOICES


@pytest.mark.usefixtures("walker")
async def test_three_choices_work_for_ten_minutes(chat: Chat) -> None:
    answers = []
    for number in ("1", "２", "3"):
        await chat.say("li", "嗯")
        chat.wait(minutes=9)
        answers.append(await chat.say("li", number))
    assert answers == [
        replies.HOW_TO_RECORD,
        "今年还没有巡河记录。任务下达后，这里会显示应巡次数。",
        replies.HELP,
    ]
    await chat.say("li", "嗯")
    chat.wait(minutes=11)
    assert await chat.say("li", "3") == replies.CHOICES


@pytest.mark.usefixtures("walker")
async def test_companions_are_added_and_told(chat: Chat, zhou: Member, lake: Lake) -> None:
    async with chat.sessions() as session:
        doubles = [
            await a_person(session, code=code, name="示例双", organisation_id=organisation.id)
            for code, organisation in (("S1", lake.west_branch), ("S2", lake.village))
        ]
    assert await chat.say("li", "同行 示例周") == replies.NO_RECORD
    await chat.locate("li")
    await chat.bind("zhou", zhou.person)
    assert await chat.say("li", "同行 示例双 示例周、示例无") == (
        "有几位示例双，请回复数字：\n1 西岸党支部\n2 示例村"
    )
    assert await chat.say("li", "2") == (
        "已记下同行：示例双、示例周，已通知本人。名册里没有找到：示例无，请核对姓名。"
    )
    along = await chat.rows(Companion)
    assert {each.person_id for each in along} == {doubles[1].id, zhou.person.id}
    told = {message.person_id for message in await chat.rows(Message)}
    assert told == {doubles[1].id, zhou.person.id}


@pytest.mark.usefixtures("walker")
async def test_the_menu_says_what_is_still_to_come(chat: Chat) -> None:
    phone = chat.phone("li")
    answers = {}
    for key in ("activities", "sign_in", "learning", "letters", "problem", "help", "progress"):
        answers[key] = heard(await phone.click(key))
    kind = "功能正在准备，稍后开放。有事请先联系您的管理员。"
    assert answers == {
        "activities": "活动" + kind,
        "sign_in": "签到" + kind,
        "learning": "学习" + kind,
        "letters": "您名下没有目标责任书。有疑问请联系您的管理员。",
        "problem": "报问题" + kind,
        "help": replies.HELP,
        "progress": "今年还没有巡河记录。任务下达后，这里会显示应巡次数。",
    }
    assert await chat.say("li", "问题 河边有垃圾") == "报问题" + kind


# -- who is not, or no longer, one of us -----------------------------------------------------


async def test_who_left_the_roster_is_nobody(chat: Chat, walker: Member) -> None:
    async with chat.sessions() as session, session.begin():
        await session.execute(
            update(Person).where(Person.id == walker.person.id).values(to_on=NOW.date() - DAY)
        )
    assert await chat.locate("li") == replies.HELD_POSITION
    assert await chat.say("li", "进度") == replies.UNBOUND
    assert await chat.check_ins() == []


async def test_what_is_held_is_forgotten_after_a_week(chat: Chat, li: Member, lake: Lake) -> None:
    await chat.locate("guest")
    await chat.photo("guest", sample(1))
    await chat.work()
    chat.wait(days=6)
    await chat.sweep()
    await chat.locate("guest", WEST)
    assert len(await chat.rows(HeldMessage)) == 3
    chat.wait(days=1)
    await chat.sweep()
    assert len(await chat.rows(HeldMessage)) == 1
    assert await chat.rows(ChatMedia) == []
    code, _ = await chat.invite(li.person)
    await chat.say("guest", f"绑定 {code}")
    (check_in,) = await chat.check_ins()
    assert check_in.grid_cell_id == lake.west.id


async def test_a_stranger_cannot_fill_the_house(chat: Chat) -> None:
    for _ in range(100):
        await chat.locate("guest")
    assert await chat.locate("guest") == replies.HELD_FULL
    assert await chat.photo("guest", sample(1)) == replies.HELD_FULL
    assert len(await chat.rows(HeldMessage)) == 100


async def test_many_held_messages_are_released_in_turn_by_a_job(chat: Chat, li: Member) -> None:
    for _ in range(50):
        await chat.locate("guest")
        chat.wait(minutes=1)
    code, _ = await chat.invite(li.person)
    assert await chat.say("guest", code) == (
        "绑定成功。您之前发来的40个位置（有效40条）已计入巡河记录。回复“我的记录”可查看。"
    )
    assert await chat.news("guest") == [
        "您之前发来的10个位置（有效10条）已计入巡河记录。回复“我的记录”可查看。"
    ]
    times = [check_in.at for check_in in await chat.check_ins()]
    assert times == [NOW + timedelta(minutes=n) for n in range(50)]


async def test_binding_elsewhere_releases_what_was_sent_here(
    chat: Chat, li: Member, wang: Member
) -> None:
    await chat.locate("guest")
    await chat.say("guest", "绑定 示例李 19900000001")
    items = (await wang.client.get("/api/v1/applications")).json()["items"]
    answer = await wang.client.post(
        f"/api/v1/applications/{items[0]['id']}/join", json={"person_code": "LI"}
    )
    assert answer.status_code == 200
    news = await chat.news("guest")
    assert sorted(news) == sorted(
        [
            "绑定成功：您是示例李，现在可以巡河了。",
            "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。请再发照片；没有照片请回复“无照片 原因”。",
        ]
    )
    (check_in,) = await chat.check_ins()
    assert (check_in.person_id, check_in.at) == (li.person.id, NOW)


async def test_consent_given_before_binding_counts(chat: Chat, li: Member) -> None:
    await chat.nobody_agreed()
    await chat.locate("guest")
    assert await chat.say("guest", "同意") == replies.AGREED_UNBOUND
    code, _ = await chat.invite(li.person)
    answer = await chat.say("guest", code)
    assert answer is not None
    assert answer.startswith("绑定成功。已记录：东岸一号网格")
    async with chat.sessions() as session:
        consent = (await session.scalars(select(Consent))).one()
    assert consent.person_id == li.person.id


async def test_a_stele_scanned_before_binding_is_named_by_what_was_held(
    chat: Chat, chen: Member, lake: Lake
) -> None:
    heard(await chat.phone("guest").scan("s_JB-01"))
    await chat.locate("guest")
    code, _ = await chat.invite(chen.person)
    await chat.say("guest", code)
    (check_in,) = await chat.check_ins()
    assert (check_in.stele_id, check_in.stele_within) == (lake.stele.id, True)


# -- one person, two doors -------------------------------------------------------------------


async def test_a_photo_in_the_chat_joins_a_record_of_the_mini_program(
    chat: Chat, walker: Member
) -> None:
    id_ = "0198b3a0-0000-7000-8000-000000000001"
    body = {
        "at": NOW.isoformat(),
        "position": {"lon": EAST[0], "lat": EAST[1], "accuracy_m": 10, "datum": "wgs84"},
        "photos_expected": 2,
    }
    answer = await walker.client.put(f"/api/v1/check-ins/{id_}", json=body)
    assert answer.status_code == 201
    chat.wait(minutes=20)
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（已收1/2张）。这次巡河已计入。"
    )
    await chat.work()
    answer = await walker.client.get(f"/api/v1/check-ins/{id_}")
    assert answer.json()["photos"] == {"received": 1, "expected": 2}
    # It was not made here, so it is not taken back here.
    assert await chat.say("li", "取消") == replies.NOTHING_TO_CANCEL


@pytest.mark.usefixtures("walker")
async def test_a_photo_answered_before_its_location_changes_over(chat: Chat) -> None:
    await chat.locate("li")
    chat.wait(hours=2, seconds=5)
    # By itself it can only belong to the record of two hours ago.
    await chat.photo("li", sample(1))
    chat.wait(seconds=-5)
    await chat.locate("li", WEST)
    first, second = await chat.check_ins()
    assert await joined(chat) == [second.id]
    await chat.work()
    assert [photo.check_in_id for photo in await chat.rows(Photo)] == [second.id]
    chat.wait(minutes=30)
    await chat.photo("li", sample(2))
    assert await joined(chat) == [second.id, first.id]


@pytest.mark.usefixtures("walker")
async def test_thirty_photos_are_enough(chat: Chat) -> None:
    await chat.locate("li")
    for n in range(30):
        await chat.photo("li", bytes([n]))
    assert await chat.photo("li", b"one more") == replies.PHOTO_TOO_MANY
    (check_in,) = await chat.check_ins()
    assert (await joined(chat)).count(check_in.id) == 30


# -- events that say nothing -----------------------------------------------------------------


def incoming(app: App, message: Pushed) -> Incoming:
    nonce = Nonce("1", "n", b"")
    return Incoming(
        app=app, message=message, to_user="gh_service", sealed=True, nonce=nonce, received_at=NOW
    )


async def test_silent_events_leave_nothing(chat: Chat) -> None:
    common = {"openid": "o-silent", "sent_at": NOW, "key": "k"}
    answer = conversations.answering(chat.state["settings"], chat.state["keys"])
    for message in (
        pushed.LocationEvent(**common, lon=103, lat=24.9, accuracy_m=30),
        pushed.LocationSelect(**common, menu_key="location", lon=103, lat=24.9, label=""),
        pushed.PicPhoto(**common, menu_key="photo", count=2),
        pushed.View(**common, target="https://example.com/"),
        pushed.TemplateSent(**common, msg_id="1", status="success"),
        pushed.SubscribePopup(**common, items=()),
        pushed.SubscribeChange(**common, items=()),
        pushed.SubscribeSent(**common, items=()),
        pushed.MediaCheck(**common, trace_id="1", suggest="pass"),
        pushed.OtherEvent(**common, event="kf_create_session"),
        pushed.Unsubscribe(**common),
        pushed.AuthorizationRevoked(**common, info="1"),
    ):
        for app in App:
            async with chat.sessions() as session, session.begin():
                assert await answer(session, [incoming(app, message)]) == [None]
    assert await chat.rows(WechatUser) == []


async def test_revoking_in_the_mini_program_erases_that_identity(chat: Chat, li: Member) -> None:
    (user,) = await chat.rows(WechatUser)
    message = pushed.AuthorizationRevoked(openid=user.openid, sent_at=NOW, key="k", info="1")
    answer = conversations.answering(chat.state["settings"], chat.state["keys"])
    async with chat.sessions() as session, session.begin():
        app = App.mini_program
        assert await answer(session, [incoming(app, message)]) == [None]
    (user,) = await chat.rows(WechatUser)
    assert (user.openid, user.person_id, user.erased_at) == (None, None, NOW)
    assert (await li.client.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize("agreed", [True, False])
async def test_an_answer_in_the_mini_program_counts_here(
    chat: Chat, li: Member, agreed: bool
) -> None:
    await chat.nobody_agreed()
    await chat.bind("li", li.person, consents=False)
    await chat.locate("li")
    await chat.photo("li", sample(1))
    await chat.sweep()
    assert (len(await chat.check_ins()), len(await chat.rows(HeldMessage))) == (0, 2)
    answer = await li.client.post(
        "/api/v1/me/consents", json={"notice": "position", "agreed": agreed}
    )
    assert answer.is_success
    await chat.sweep()
    assert len(await chat.check_ins()) == (1 if agreed else 0)
    kinds = [row.kind for row in await chat.rows(HeldMessage, HeldMessage.kind)]
    assert kinds == (["image", "location"] if agreed else ["image"])
    assert await chat.news("li") == (
        ["已记录：东岸一号网格，东岸河段，距东岸一号碑0米。照片1张已附上。"] if agreed else []
    )


async def test_a_strangers_voice_is_held_too(chat: Chat, li: Member) -> None:
    await chat.locate("guest")
    chat.wait(minutes=1)
    assert heard(await chat.phone("guest").send_voice()) == replies.HELD_MEDIA
    await chat.work()
    code, _ = await chat.invite(li.person)
    await chat.say("guest", code)
    (check_in,) = await chat.check_ins()
    assert await joined(chat) == [check_in.id]
