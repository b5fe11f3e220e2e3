"""What the chat says about duties: what now counts, what is still owed, and the signed letter."""

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
import shapely
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import replies
from app.models import (
    AreaKind,
    Letter,
    Obligation,
    Organisation,
    Period,
    Person,
    PhotoRule,
    Post,
    PostKind,
    SendPermit,
)
from app.services.conversations import counting
from app.settings import MessageTemplate, Settings
from app.wechat.simulator.photos import sample
from tests.conftest import Lake, Member
from tests.factories import a_reach
from tests.journeys.chat.conftest import NOW, WEST, Chat, heard

WHERE = "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。"
ASK = "请再发照片；没有照片请回复“无照片 原因”。"
LINK = "http://127.0.0.1:8000/my/obligations"


async def owes(
    session: AsyncSession, holder: Person | Organisation, code: str, **given: Any
) -> Obligation:
    """Twice a month on the east bank's reach or anywhere, unless told otherwise."""
    whose = "holder_person_id" if isinstance(holder, Person) else "holder_organisation_id"
    defaults = {
        "code": code,
        "area_kind": AreaKind.reach if "reach_id" in given else AreaKind.any,
        "times": 2,
        "period": Period.month,
        "starts_on": date(2026, 1, 1),
        whose: holder.id,
    }
    row = Obligation(**defaults | given)
    session.add(row)
    await session.commit()
    return row


@pytest.fixture
async def walker(chat: Chat, li: Member) -> Member:
    """Li, bound and agreed."""
    await chat.bind("li", li.person)
    return li


async def test_a_location_and_a_photo_say_what_now_counts(
    chat: Chat, session: AsyncSession, lake: Lake, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", reach_id=lake.reach.id)
    counts = "已计入：东岸河段 1/2，还差1次，下次请在6月30日前。"
    assert await chat.locate("li") == WHERE + counts + ASK
    chat.wait(minutes=1)
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。" + counts
    )
    # A second visit on one day is no second day.
    chat.wait(hours=3)
    assert await chat.locate("li") == WHERE + counts + ASK
    # Elsewhere it counts for nothing.
    chat.wait(days=1)
    assert await chat.locate("li", WEST) == "已记录：西岸网格，距西岸一号碑0米。" + ASK
    chat.wait(days=1)
    done = "已计入：东岸河段 2/2，本期已完成。"
    assert await chat.locate("li") == WHERE + done + ASK


async def test_who_was_behind_hears_what_is_still_missing(
    chat: Chat, session: AsyncSession, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", times=6, period=Period.year)
    assert await chat.locate("li") == WHERE + "已计入：巡河 1/6，还差5次，请尽快安排。" + ASK


async def test_a_flagged_record_says_what_a_review_would_count(
    chat: Chat, session: AsyncSession, lake: Lake, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", reach_id=lake.reach.id)
    await chat.locate("li", WEST)
    # Six kilometres in a minute.
    chat.wait(minutes=1)
    counts = "核对后计入：东岸河段 1/2，还差1次，下次请在6月30日前。"
    assert await chat.locate("li") == (
        f"已收到，先记为待核：东岸一号网格，东岸河段，距东岸一号碑0米。{counts}{ASK}"
    )
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:06东岸一号碑的记录（共1张）。" + counts
    )
    assert await chat.say("li", "进度") == (
        "东岸河段 0/2 进度正常。本期应巡2次，还没有开始；第一次请在6月15日前。另有1天待核。"
        f"点开查看：{LINK}"
    )


async def test_a_photo_completes_a_duty_that_asks_for_one(
    chat: Chat, session: AsyncSession, lake: Lake, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", reach_id=lake.reach.id, photo=PhotoRule.required)
    await owes(session, lake.east_branch, "BRANCH")
    progress = "东岸河段 {}/2 进度正常，{}前\n东岸党支部巡河 1/2 进度正常，6月30日前\n" + LINK
    assert await chat.locate("li") == (
        f"{WHERE}已计入：东岸党支部巡河 1/2，还差1次，下次请在6月30日前。"
        "发照片后计入：东岸河段 1/2，还差1次，下次请在6月30日前。"
    )
    assert await chat.say("li", "进度") == progress.format(0, "6月15日")
    chat.wait(minutes=1)
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。"
        "已计入：东岸党支部巡河 1/2，还差1次，下次请在6月30日前。"
        "照片存好后计入：东岸河段 1/2，还差1次，下次请在6月30日前。"
    )
    await chat.work()
    assert await chat.say("li", "进度") == progress.format(1, "6月30日")
    chat.wait(minutes=1)
    assert await chat.photo("li", sample(2)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共2张）。"
        "已计入：东岸河段 1/2、东岸党支部巡河 1/2。"
    )


async def test_photos_that_came_first_are_counted_with_the_location(
    chat: Chat, session: AsyncSession, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", photo=PhotoRule.required)
    assert await chat.photo("li", sample(1)) == replies.PHOTO_WAITS
    await chat.work()
    chat.wait(minutes=2)
    assert await chat.locate("li") == (
        f"{WHERE}已计入：巡河 1/2，还差1次，下次请在6月30日前。照片1张已附上。"
    )


async def test_what_a_companion_owes_is_not_the_senders_business(
    chat: Chat, session: AsyncSession, walker: Member, zhou: Member
) -> None:
    await owes(session, zhou.person, "HIS")
    await owes(session, walker.person, "OWN")
    await chat.locate("li")
    await chat.say("li", "同行 示例周")
    chat.wait(minutes=1)
    assert await chat.photo("li", sample(1)) == (
        "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。"
        "已计入：巡河 1/2，还差1次，下次请在6月30日前。"
    )
    visits = await zhou.client.get("/api/v1/me/obligations")
    assert [item["done"] for item in visits.json()["items"]] == [1]


async def test_progress_lists_the_most_pressing_first(
    chat: Chat, session: AsyncSession, lake: Lake, walker: Member
) -> None:
    lake.east_branch.short_name = "东岸"
    session.add(lake.east_branch)
    reach = await a_reach(
        session,
        shapely.LineString([(102.97, 24.89), (102.97, 24.91)]),
        name="很长很长的西岸湿地观测河段上段",
        short_name="西岸河段",
    )
    await owes(session, walker.person, "A", times=6, period=Period.year)
    await owes(session, walker.person, "B", reach_id=reach.id, times=1, period=Period.week)
    await owes(session, lake.east_branch, "C", reach_id=reach.id, times=12, period=Period.year)
    await owes(session, lake.committee, "D", times=2)
    await owes(session, lake.committee, "E", times=1)
    spelled = ("进度", " 進 度！", "我的进度", "查进度")
    said = {await chat.say("li", each) for each in spelled}
    clicked = heard(await chat.phone("li").click("progress"))
    assert {clicked} == said
    # Of twelve a year five are due by June, of six two.
    assert clicked == (
        "东岸西岸河段 0/12 进度落后\n"
        "巡河 0/6 进度落后\n"
        "西岸河段 0/1 即将到期，6月7日前\n"
        f"还有2项：{LINK}"
    )


async def test_progress_of_one_duty_says_where_the_pace_leads(
    chat: Chat, session: AsyncSession, walker: Member
) -> None:
    await owes(session, walker.person, "OWN", times=4, period=Period.half_year)
    await chat.locate("li")
    # Slices of 181 days end on days 46, 91, 136 and 181; the 1st of June is day 152.
    assert await chat.say("li", "进度") == (
        "巡河 1/4 进度落后。照现在的进度，到6月底能完成1/4次；已比进度少2次，下一次请尽快安排。"
        f"点开查看：{LINK}"
    )


async def test_progress_without_duties_counts_records(chat: Chat, walker: Member) -> None:
    assert walker.person.code == "LI"
    await chat.locate("li")
    assert await chat.say("li", "进度") == (
        "本月巡河记录1条（有效1），今年1条。最近：6月1日10:05东岸一号碑。任务下达后会显示应巡次数。"
    )


async def test_who_is_not_bound_is_told_nothing(
    chat: Chat, session: AsyncSession, li: Member
) -> None:
    await owes(session, li.person, "OWN")
    await a_letter(session, li.person, li.person.organisation_id)
    for typed in ("进度", "责任书", "确认责任书", "确认责任书 ZR-2026-01"):
        assert await chat.say("guest", typed) == replies.UNBOUND


# -- leave to remind ----------------------------------------------------------------------------


ASKED = (
    "想在微信里收到巡河提醒，请点开并选“允许”，一次允许提醒一条：http://127.0.0.1:8000/my/permits"
)


@pytest.fixture
def one_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    template = MessageTemplate(id="TPL-ONCE", thing1="task")
    monkeypatch.setattr(settings.templates, "reminder_service_account", template)


@pytest.mark.usefixtures("one_time")
async def test_who_has_no_permit_left_is_asked_once_a_month(
    chat: Chat, session: AsyncSession, walker: Member, zhou: Member
) -> None:
    await chat.bind("zhou", zhou.person)
    user = await chat.user("zhou")
    session.add(
        SendPermit(wechat_user_id=user.id, template_id="TPL-ONCE", event_key="1", granted_at=NOW)
    )
    await session.commit()
    assert walker.person.name == "示例李"
    assert await chat.locate("li") == WHERE + ASK
    assert await chat.locate("zhou") == WHERE + ASK
    assert await chat.news("li") == [ASKED]
    assert await chat.news("zhou") == []
    chat.wait(days=29)
    await chat.locate("li")
    assert await chat.news("li") == []
    chat.wait(days=2)
    await chat.say("li", "进度")
    assert await chat.news("li") == []
    await chat.locate("li")
    assert await chat.news("li") == [ASKED]


@pytest.mark.usefixtures("one_time", "walker")
async def test_nobody_is_asked_where_followers_need_no_permit(
    chat: Chat, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = MessageTemplate(id="TPL", thing1="task")
    monkeypatch.setattr(settings.templates, "reminder", template)
    await chat.locate("li")
    assert await chat.news("li") == []


@pytest.mark.usefixtures("walker")
async def test_nobody_is_asked_without_a_template(chat: Chat) -> None:
    await chat.locate("li")
    assert await chat.news("li") == []


# -- letters ---------------------------------------------------------------------------------


async def a_letter(
    session: AsyncSession, person: Person, organisation_id: Any, **given: Any
) -> Letter:
    defaults = {
        "number": "ZR-2026-01",
        "signed_on": date(2026, 1, 5),
        "starts_on": date(2026, 1, 1),
        "ends_on": date(2026, 12, 31),
    }
    row = Letter(person_id=person.id, organisation_id=organisation_id, **defaults | given)
    session.add(row)
    await session.commit()
    return row


async def test_a_chief_reads_the_letter_and_confirms_it(
    chat: Chat, session: AsyncSession, lake: Lake, chen: Member
) -> None:
    await chat.bind("chen", chen.person)
    letter = await a_letter(session, chen.person, lake.enterprise.id)
    await owes(
        session,
        chen.person,
        "D-1",
        area_kind=AreaKind.stele,
        stele_id=lake.stele.id,
        times=12,
        period=Period.year,
        letter_id=letter.id,
    )
    shown = (
        "责任书ZR-2026-01：2026年1月1日至12月31日，东岸一号碑每年12次。{}"
        "http://127.0.0.1:8000/my/letters/ZR-2026-01"
    )
    waits = shown.format("读后请回复“确认责任书”。")
    assert await chat.say("chen", "责任书") == waits
    assert heard(await chat.phone("chen").click("letters")) == waits
    chat.wait(minutes=1)
    assert await chat.say("chen", " 確認 責任書。") == "责任书ZR-2026-01已确认，谢谢。"
    (kept,) = await chat.rows(Letter)
    assert kept.confirmed_at == NOW + timedelta(minutes=1)
    chat.wait(minutes=1)
    assert await chat.say("chen", "确认责任书") == "责任书ZR-2026-01已经确认过了。"
    (kept,) = await chat.rows(Letter)
    assert kept.confirmed_at == NOW + timedelta(minutes=1)
    assert await chat.say("chen", "责任书") == shown.format("已确认。")


async def test_of_several_letters_the_number_says_which(
    chat: Chat, session: AsyncSession, lake: Lake, chen: Member, li: Member
) -> None:
    await chat.bind("chen", chen.person)
    await a_letter(
        session,
        chen.person,
        lake.enterprise.id,
        number="阳管责〔2025〕3号",
        signed_on=date(2025, 1, 5),
    )
    await a_letter(session, chen.person, lake.enterprise.id, number="ZR-2026-01")
    await a_letter(session, chen.person, lake.enterprise.id, number="ZR-2026-02")
    await a_letter(session, li.person, lake.enterprise.id, number="ZR-2026-09")
    # Its number would take 63 characters of an address.
    assert await chat.say("chen", "责任书") == (
        "责任书阳管责〔2025〕3号：2026年1月1日至12月31日。共3份待确认。读后请回复“确认责任书”。"
    )
    assert await chat.say("chen", "确认责任书：zr 2026 02") == (
        "责任书ZR-2026-02已确认，谢谢。还有2份待确认，请再回复“确认责任书”。"
    )
    assert await chat.say("chen", "确认责任书 ZR-2026-09") == (
        "您名下没有编号为ZR-2026-09的责任书。请回复“责任书”查看。"
    )
    assert await chat.say("chen", "责任书确认") == (
        "责任书阳管责〔2025〕3号已确认，谢谢。还有1份待确认，请再回复“确认责任书”。"
    )
    # Shown, and then simply yes.
    await chat.say("chen", "责任书")
    assert await chat.say("chen", "是") == "责任书ZR-2026-01已确认，谢谢。"
    confirmed = {letter.number: letter.confirmed_at for letter in await chat.rows(Letter)}
    assert confirmed == {
        "阳管责〔2025〕3号": NOW,
        "ZR-2026-01": NOW,
        "ZR-2026-02": NOW,
        "ZR-2026-09": None,
    }


async def test_who_signed_nothing_has_nothing_to_confirm(
    chat: Chat, session: AsyncSession, lake: Lake, walker: Member, chen: Member
) -> None:
    await a_letter(session, chen.person, lake.enterprise.id)
    await a_letter(
        session,
        walker.person,
        lake.enterprise.id,
        number="ZR-2024-01",
        retired_on=NOW.date(),
    )
    none = "您名下没有目标责任书。有疑问请联系您的管理员。"
    for typed in ("责任书", "确认责任书", "确认责任书 ZR-2026-01"):
        assert await chat.say("li", typed) == none
    assert {letter.confirmed_at for letter in await chat.rows(Letter)} == {None}


# -- many at once ----------------------------------------------------------------------------


async def test_three_records_ask_as_much_as_one(
    chat: Chat,
    session: AsyncSession,
    lake: Lake,
    walker: Member,
    zhou: Member,
    chen: Member,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for key, member, given in (
        ("li", walker, {"photo": PhotoRule.required}),
        ("zhou", zhou, {"photo": PhotoRule.required, "times": 3}),
        ("chen", chen, {"reach_id": lake.reach.id, "times": 4}),
    ):
        await owes(session, member.person, f"OWN-{key}", **given)
        await owes(session, member.person, f"MORE-{key}", times=1, period=Period.week)
        if key != "li":
            await chat.bind(key, member.person)
        await chat.locate(key)
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noting)
    check_ins = await chat.check_ins()
    trips = []
    for some in (check_ins[:1], check_ins):
        sent.clear()
        async with chat.sessions() as asking:
            found = await counting.of(asking, some, NOW.date())
        trips.append(len(sent))
    assert trips[0] == trips[1]
    by_sender = {check_in.person_id: found[check_in.id] for check_in in check_ins}
    assert {
        member.person.code: [
            (each.done, each.owed, each.how) for each in by_sender[member.person.id]
        ]
        for member in (walker, zhou, chen)
    } == {
        "LI": [(1, 1, "counted"), (1, 2, "photo")],
        "ZHOU": [(1, 1, "counted"), (1, 3, "photo")],
        "CHEN": [(1, 1, "counted"), (1, 4, "counted")],
    }


async def test_a_deputy_hears_for_whom_it_counts(
    chat: Chat, session: AsyncSession, walker: Member, chen: Member
) -> None:
    await owes(session, chen.person, "HIS")
    session.add(
        Post(
            code="POST",
            person_id=chen.person.id,
            kind=PostKind.enterprise_chief,
            deputy_id=walker.person.id,
        )
    )
    await session.commit()
    assert await chat.locate("li") == (
        f"{WHERE}已计入：示例陈巡河 1/2，还差1次，下次请在6月30日前。{ASK}"
    )
