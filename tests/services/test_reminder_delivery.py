"""Reminders on their way: once, by the first channel that takes them, or with the reason why not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from app.models import Obligation, Person, ReminderKind, SendLease
from app.services import alarms, messages, wechat_setup
from app.services.reminders import delivering, leases
from app.wechat.client import WeChat
from app.wechat.errors import TryAgain
from app.wechat.simulator.faults import Fault
from tests.factories import an_organisation
from tests.services.delivery_desk import (
    TUESDAY,
    Desk,
    client_of,
    database,
    open_desk,
    settings_with,
)


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with database(server_url) as url:
        yield url


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    """An account that has a template for followers, and nothing else."""
    async with open_desk(url, settings_with("reminder")) as desk:
        yield desk


@pytest.fixture
async def ladder(url: str) -> AsyncIterator[Desk]:
    """An account that has all four templates."""
    settings = settings_with(
        "reminder", "reminder_long_term", "reminder_mini_program", "reminder_service_account"
    )
    async with open_desk(url, settings) as desk:
        yield desk


# -- what arrives ----------------------------------------------------------------------------


async def test_a_follower_gets_the_template_with_a_link_to_the_duty(desk: Desk) -> None:
    reminder = await desk.behind("li")

    await desk.deliver()

    assert desk.cards("li") == [["巡河", "0/6", "2026年3月2日 18:00", "本期还差2次，点开查看"]]
    (item,) = desk.platform.users["li"].outbox
    assert (item.url, item.page) == (
        "https://xunhe.example.gov.cn/my/obligations/OB-li-0",
        "pages/obligations/index?code=OB-li-0",
    )
    assert await desk.stands(reminder) == ("sent", "template", None)
    await desk.hear()
    assert await desk.stands(reminder) == ("confirmed", "template", None)
    assert await desk.deliveries(reminder) == [("template", "confirmed", None)]


@pytest.mark.parametrize(("home", "task"), [("below", "巡河"), ("above", "示例支部 巡河")])
async def test_whose_duty_it_is_is_said_to_whoever_is_not_of_them(
    desk: Desk, home: str, task: str
) -> None:
    """A branch's duty, told to somebody of a group below it, or of the village above it."""
    await desk.behind("li")
    async with desk.sessions() as session:
        village = await an_organisation(session)
        branch = await an_organisation(session, name="示例支部", parent_id=village.id)
        group = await an_organisation(session, parent_id=branch.id)
        theirs = {"holder_person_id": None, "holder_organisation_id": branch.id}
        await session.execute(update(Obligation).values(theirs))
        of = {"below": group, "above": village}[home]
        await session.execute(update(Person).values(organisation_id=of.id))
        await session.commit()

    await desk.deliver()

    assert [card[0] for card in desk.cards("li")] == [task]


async def test_several_duties_are_one_message(desk: Desk) -> None:
    await desk.behind("li", n=3)

    await desk.deliver()

    (card,) = desk.cards("li")
    assert card == ["3项巡河任务待完成", "0/18", "2026年3月2日 18:00", "点开查看各项进度"]
    (item,) = desk.platform.users["li"].outbox
    assert item.url == "https://xunhe.example.gov.cn/my/obligations"


async def test_it_is_sent_once_however_often_delivery_runs(desk: Desk) -> None:
    await desk.behind("li")
    for _ in range(3):
        await desk.deliver()
        desk.wait(minutes=10)
    assert desk.got("li") == ["template"]


async def test_what_is_answered_while_another_is_booked_is_booked_as_well(desk: Desk) -> None:
    quick, slow = await desk.behind("li"), await desk.behind("zhou")
    # Longer than the booker waits for company.
    desk.platform.faults.add(Fault("*/template/send", stall=0.8, people=["zhou"]))

    async with asyncio.timeout(20):
        await desk.deliver()

    assert [await desk.stands(each) for each in (quick, slow)] == [("sent", "template", None)] * 2


async def test_whoever_catches_up_between_plan_and_send_gets_nothing(desk: Desk) -> None:
    reminder = await desk.behind("li")
    await desk.catch_up("li")

    await desk.deliver()

    assert desk.got("li") == []
    assert await desk.stands(reminder) == ("dropped", None, "发送前已完成，不再提醒")


async def test_of_two_duties_only_the_one_that_still_stands_is_told(desk: Desk) -> None:
    person = await desk.person("li", n=2)
    await desk.reminder(person)
    async with desk.sessions() as session, session.begin():
        await session.execute(
            update(Obligation)
            .where(Obligation.code == "OB-li-0")
            .values(ends_on=TUESDAY.date() - timedelta(days=30))
        )

    await desk.deliver()

    (item,) = desk.platform.users["li"].outbox
    assert item.url.endswith("/OB-li-1")


async def test_a_digest_stands_by_its_figures(desk: Desk) -> None:
    person = await desk.person("wang", n=0)
    reminder = await desk.reminder(
        person, kind=ReminderKind.digest, figures={"behind": 3, "people": 2, "calls": 1}
    )

    await desk.deliver()

    assert desk.cards("wang") == [
        ["本周巡河情况汇总", "4", "2026年6月2日 18:00", "3项落后，1人待电话"]
    ]
    assert (await desk.stands(reminder))[0] == "sent"


async def test_a_digest_of_what_closed_last_week_says_so(desk: Desk) -> None:
    person = await desk.person("wang", n=0)
    figures = {"behind": 0, "people": 0, "calls": 0, "reviews": 0, "unmet": 3}
    reminder = await desk.reminder(person, kind=ReminderKind.digest, figures=figures)

    await desk.deliver()

    assert desk.cards("wang") == [
        ["本周巡河情况汇总", "3", "2026年6月2日 18:00", "上周有3项未完成"]
    ]
    assert (await desk.stands(reminder))[0] == "sent"


async def test_a_digest_is_nothing_to_telephone_about(desk: Desk) -> None:
    person = await desk.person("wang", n=0, follows=False)
    reminder = await desk.reminder(person, kind=ReminderKind.digest, figures={"behind": 3})

    await desk.deliver()

    assert await desk.stands(reminder) == ("call_list", None, "未绑定微信")
    assert await desk.to_call() == []


async def test_whoever_has_left_reads_no_digest(desk: Desk) -> None:
    person = await desk.person("wang", n=0)
    reminder = await desk.reminder(person, kind=ReminderKind.digest, figures={"behind": 3})
    async with desk.sessions() as session, session.begin():
        row = await session.get_one(Person, person.id)
        row.to_on = TUESDAY.date() - timedelta(days=1)

    await desk.deliver()

    assert desk.got("wang") == []
    assert (await desk.stands(reminder))[0] == "dropped"


# -- when ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hours",
    [
        timedelta(hours=2),  # 12:00, the midday break
        timedelta(hours=8),  # 18:00
        timedelta(days=4),  # Saturday
        timedelta(hours=-1, minutes=-1),  # 8:59
    ],
)
async def test_outside_the_hours_nothing_goes_out(desk: Desk, hours: timedelta) -> None:
    reminder = await desk.behind("li")
    desk.now += hours
    async with desk.sessions() as session, session.begin():
        row = await session.get_one(type(reminder), reminder.id)
        row.try_at = desk.now

    await desk.deliver()
    assert (await desk.stands(reminder))[0] == "queued"

    desk.now = TUESDAY + timedelta(days=6)
    await desk.deliver()
    assert desk.got("li") == ["template"]


async def test_what_an_operator_plans_as_at_another_time_goes_at_once(desk: Desk) -> None:
    person = await desk.person("li")
    planned_as_of = desk.now
    desk.now += timedelta(days=4)
    reminder = await desk.reminder(person, as_of=planned_as_of, day=planned_as_of.date())

    await desk.deliver(only=[reminder.id])

    assert desk.got("li") == ["template"]


async def test_two_reminders_of_one_person_do_not_come_on_one_day(desk: Desk) -> None:
    person = await desk.person("li")
    first = await desk.reminder(person, day=desk.now.date() - timedelta(days=1))
    second = await desk.reminder(person)

    await desk.deliver()
    assert [(await desk.stands(each))[0] for each in (first, second)] == ["sent", "queued"]

    desk.wait(days=1)
    await desk.deliver()
    assert desk.got("li") == ["template", "template"]


async def test_only_those_that_were_asked_for(desk: Desk) -> None:
    wanted, other = await desk.behind("li"), await desk.behind("zhou")
    await desk.deliver(only=[wanted.id])
    assert [(await desk.stands(each))[0] for each in (wanted, other)] == ["sent", "queued"]


# -- the ladder ------------------------------------------------------------------------------


async def test_the_ladder_in_its_order(ladder: Desk) -> None:
    everything = await ladder.person("li", mini=True, wrote=True)
    phone = ladder.platform.phone("li")
    await phone.answer_subscription({"T-LONG": "accept", "T-SERVICE": "accept"})
    await phone.answer_subscription({"T-MINI": "accept"}, account=ladder.platform.mini_program)
    await ladder.hear()
    for n, fault in enumerate((43101, 43004, 43101, 43101, 45015)):
        ladder.fault(nth=n + 1, errcode=fault)
    reminder = await ladder.reminder(everything)
    await ladder.deliver()
    paths = [call.path for call in ladder.platform.calls if "message" in call.path]
    assert paths == [
        "/cgi-bin/message/subscribe/bizsend",
        "/cgi-bin/message/template/send",
        "/cgi-bin/message/subscribe/send",
        "/cgi-bin/message/subscribe/bizsend",
    ]
    assert await ladder.deliveries(reminder) == [
        ("long_term", "refused", 43101),
        ("template", "refused", 43004),
        ("mini_program", "refused", 43101),
        ("service_account", "refused", 43101),
    ]
    # 43004 said that they unfollowed, so there is no window to speak in either.
    assert await ladder.stands(reminder) == (
        "call_list",
        "service_account",
        "没有可发次数，或本人已关闭订阅",
    )
    assert await ladder.to_call() == [("LI", "没有可发次数，或本人已关闭订阅")]


async def test_inside_the_window_one_plain_sentence(url: str) -> None:
    async with open_desk(url, settings_with()) as desk:
        reminder = await desk.behind("li", wrote=True)
        await desk.deliver()
        (item,) = [each for each in desk.platform.users["li"].outbox if each.kind == "customer"]
        assert item.text == (
            "进度提示：巡河已巡0/6次，比进度少2次，请尽快安排。"
            "点开查看：https://xunhe.example.gov.cn/my/obligations/OB-li-0"
        )
        assert (await desk.stands(reminder))[:2] == ("sent", "customer_service")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"follows": False}, "未绑定微信"),
        ({"follows": False, "mini": True}, "没有关注服务号，小程序也没有可发次数"),
        ({"follows": True}, "服务号没有设置消息模板，48小时内也没有来信"),
    ],
)
async def test_whoever_cannot_be_reached_is_listed_with_the_reason(
    url: str, given: dict[str, bool], reason: str
) -> None:
    async with open_desk(url, settings_with()) as desk:
        reminder = await desk.behind("li", **given)
        await desk.deliver()
        assert await desk.stands(reminder) == ("call_list", None, reason)
        assert await desk.to_call() == [("LI", reason)]


async def test_a_permit_is_saved_for_whoever_cannot_be_reached_otherwise(ladder: Desk) -> None:
    await ladder.behind("li", mini=True)
    phone = ladder.platform.phone("li")
    await phone.answer_subscription({"T-MINI": "accept"}, account=ladder.platform.mini_program)
    await ladder.hear()

    await ladder.deliver()

    assert ladder.got("li") == ["template"]
    assert phone.mini_contact.permits["T-MINI"] == 1


async def test_one_accept_is_one_message(ladder: Desk) -> None:
    person = await ladder.person("li", follows=False, mini=True)
    phone = ladder.platform.phone("li")
    await phone.answer_subscription({"T-MINI": "accept"}, account=ladder.platform.mini_program)
    await ladder.hear()
    reminders = []
    for _ in range(2):
        reminders.append(await ladder.reminder(person))
        await ladder.deliver()
        await ladder.hear()
        ladder.wait(days=1)

    assert [(await ladder.stands(each))[:2] for each in reminders] == [
        ("confirmed", "mini_program"),
        ("call_list", None),
    ]
    assert ladder.calls() == 1


async def test_a_long_term_accept_is_good_for_many_until_it_is_taken_back(ladder: Desk) -> None:
    person = await ladder.person("li")
    phone = ladder.platform.phone("li")
    await phone.answer_subscription({"T-LONG": "accept"})
    await ladder.hear()
    seen = []
    for _ in range(3):
        reminder = await ladder.reminder(person)
        await ladder.deliver()
        await ladder.hear()
        seen.append((await ladder.stands(reminder))[:2])
        ladder.wait(days=1)
        if len(seen) == 2:
            await phone.cancel_subscription("T-LONG")
            await ladder.hear()
    assert seen == [
        ("confirmed", "long_term"),
        ("confirmed", "long_term"),
        ("confirmed", "template"),
    ]


# -- what WeChat says ------------------------------------------------------------------------


async def test_43101_for_half_of_the_people(ladder: Desk) -> None:
    reminders = {}
    for n in range(20):
        key = f"p{n}"
        person = await ladder.person(key, follows=False, mini=True)
        phone = ladder.platform.phone(key)
        await phone.answer_subscription({"T-MINI": "accept"}, account=ladder.platform.mini_program)
        if n % 2:
            phone.mini_contact.permits.clear()  # what WeChat knows and did not tell
        reminders[key] = await ladder.reminder(person)
    await ladder.hear()

    await ladder.deliver()

    for n, (key, reminder) in enumerate(reminders.items()):
        assert (await ladder.stands(reminder))[0] == ("call_list" if n % 2 else "sent"), key
        assert len(ladder.cards(key)) == (0 if n % 2 else 1)
    assert await ladder.to_call() == sorted(
        (f"P{n}", "没有可发次数，或本人已关闭订阅") for n in range(20) if n % 2
    )


async def test_unfollowed_is_remembered(desk: Desk) -> None:
    person = await desk.person("li")
    reminder = await desk.reminder(person)
    desk.platform.phone("li").contact.follows = False

    await desk.deliver()

    assert await desk.stands(reminder) == ("call_list", "template", "已取消关注服务号")
    assert (await desk.user("li")).subscribed is False
    desk.wait(days=7)
    again = await desk.reminder(person)
    await desk.deliver()
    assert await desk.stands(again) == ("call_list", None, "已取消关注服务号")
    assert desk.calls() == 1


async def test_43108_is_tried_again_in_a_minute(desk: Desk) -> None:
    reminder = await desk.behind("li")
    desk.fault(errcode=43108, times=1)

    await desk.deliver()
    assert await desk.stands(reminder) == ("queued", "template", "微信暂时不通，稍后再发")
    await desk.deliver()
    assert desk.calls() == 1

    desk.wait(minutes=1)
    await desk.deliver()
    assert desk.got("li") == ["template"]


async def test_43117_waits_for_hours_and_gives_up_after_two(desk: Desk) -> None:
    reminder = await desk.behind("li")
    desk.fault(errcode=43117)

    await desk.deliver()
    desk.wait(hours=5)
    await desk.deliver()
    assert desk.calls() == 1

    for _ in range(3):
        desk.wait(days=1)
        await desk.deliver()
    assert desk.calls() == 2
    assert (await desk.stands(reminder))[0] == "call_list"
    assert await desk.to_call() == [("LI", "微信限制了发给本人的次数，过几小时再发")]


async def test_45009_waits_for_the_next_day(desk: Desk) -> None:
    reminders = [await desk.behind(f"p{n}") for n in range(5)]
    desk.fault(errcode=45009, times=1)

    await desk.deliver()
    states = [(await desk.stands(each))[0] for each in reminders]
    assert set(states) <= {"queued", "sent"}
    assert "queued" in states
    desk.wait(hours=5)
    await desk.deliver()
    assert [(await desk.stands(each))[0] for each in reminders] == states

    desk.wait(hours=19)
    await desk.deliver()
    assert [(await desk.stands(each))[0] for each in reminders] == ["sent"] * 5
    assert [desk.got(f"p{n}") for n in range(5)] == [["template"]] * 5


async def test_47003_is_set_aside_with_the_name_of_the_field(desk: Desk) -> None:
    reminder = await desk.behind("li")
    template = desk.settings.templates.reminder
    assert template is not None
    # An operator's map that names a field which the template does not have.
    object.__setattr__(template, "__pydantic_extra__", {**template.fields, "thing9": "task"})

    await desk.deliver()

    assert await desk.stands(reminder) == (
        "call_list",
        "template",
        "消息模板字段不符：thing9",
    )
    assert await desk.deliveries(reminder) == [("template", "refused", 47003)]


async def test_a_malformed_template_is_one_alarm_and_seen_by_the_check(desk: Desk) -> None:
    for n in range(3):
        await desk.behind(f"p{n}")
    template = desk.settings.templates.reminder
    assert template is not None
    object.__setattr__(template, "__pydantic_extra__", {**template.fields, "time3": "hint"})

    await desk.deliver()

    async def faults() -> list[str]:
        async with desk.sessions() as session, session.begin():
            found = await alarms.standing(session, desk.settings, now=desk.now)
        return [words for name, words in found.items() if name.startswith("template:")]

    assert await faults() == [
        "微信不接受提醒的内容（XUNHE_TEMPLATE_REMINDER）：消息模板字段不符：time3，这些提醒没有发出。\n"
        "怎么办：请运行 xunhe wechat check，按提示改好该设置里的字段对应，然后重启。"
    ]
    checked = wechat_setup.check(desk.wechat, desk.settings, desk.sessions, now=desk.now)
    assert [str(each) async for each in checked if "TEMPLATE" in each.what] == [
        "[异常] 消息模板 XUNHE_TEMPLATE_REMINDER：填不进这些字段的内容 time3"
    ]
    desk.wait(days=1)
    assert await faults() == []


async def test_a_token_that_ends_in_mid_batch(desk: Desk) -> None:
    reminders = [await desk.behind(f"p{n}") for n in range(30)]
    desk.fault(errcode=40001, nth=11)

    await desk.deliver()

    assert [(await desk.stands(each))[0] for each in reminders] == ["sent"] * 30
    assert [len(desk.cards(f"p{n}")) for n in range(30)] == [1] * 30


async def test_whoever_refuses_such_messages_is_telephoned(desk: Desk) -> None:
    reminder = await desk.behind("li")
    desk.platform.users["li"].template_outcome = "failed:user block"

    await desk.deliver()
    await desk.hear()
    assert (await desk.stands(reminder))[0] == "queued"
    desk.wait(minutes=1)
    await desk.deliver()

    assert await desk.stands(reminder) == ("call_list", "template", "本人拒收服务号消息")
    assert desk.calls() == 1


# -- answers that never come -----------------------------------------------------------------


async def test_wechat_down_for_two_days(desk: Desk) -> None:
    waiting = [await desk.behind(f"p{n}") for n in range(10)]
    desk.fault("*", status=503)
    for _ in range(2 * 24 * 6):
        await desk.deliver()
        desk.wait(minutes=10)
    assert {(await desk.stands(each))[0] for each in waiting} == {"queued"}
    assert await desk.to_call() == []
    for n in range(5):
        await desk.catch_up(f"p{n}")

    desk.platform.faults.clear()
    for _ in range(3):
        await desk.deliver()
        desk.wait(minutes=15)

    assert [(await desk.stands(each))[0] for each in waiting] == ["dropped"] * 5 + ["sent"] * 5
    assert [len(desk.cards(f"p{n}")) for n in range(10)] == [0] * 5 + [1] * 5


@pytest.mark.parametrize("after", [False, True])
async def test_a_template_whose_answer_is_lost_is_asked_for_again(desk: Desk, after: bool) -> None:
    reminder = await desk.behind("li")
    desk.fault(drop=True, after=after)

    await desk.deliver()
    assert (await desk.stands(reminder))[0] == "sending"
    desk.platform.faults.clear()
    desk.wait(minutes=2)
    await desk.deliver()

    assert (await desk.stands(reminder))[0] == "sent"
    assert desk.got("li") == ["template"]


async def test_after_ten_minutes_it_is_unknown_and_said_so(desk: Desk) -> None:
    reminder = await desk.behind("li")
    desk.fault(drop=True, after=True)
    await desk.deliver()
    desk.platform.faults.clear()
    desk.wait(minutes=10)

    await desk.deliver()

    assert desk.got("li") == ["template"]
    assert await desk.stands(reminder) == (
        "unknown",
        "template",
        "微信没有回音，不知道是否送达",
    )
    assert await desk.to_call() == [("LI", "微信没有回音，不知道是否送达")]

    # Then WeChat's event comes after all.
    await desk.hear()
    assert await desk.stands(reminder) == ("confirmed", "template", None)
    assert await desk.to_call() == []


async def test_the_event_of_a_lost_answer_comes_first(desk: Desk) -> None:
    reminder = await desk.behind("li")
    desk.fault(drop=True, after=True)
    await desk.deliver()

    await desk.hear()

    assert await desk.stands(reminder) == ("confirmed", "template", None)
    desk.platform.faults.clear()
    desk.wait(minutes=5)
    await desk.deliver()
    assert desk.got("li") == ["template"]


@pytest.mark.parametrize("after", [False, True])
async def test_a_permit_whose_answer_is_lost_is_unknown(ladder: Desk, after: bool) -> None:
    reminder = await ladder.behind("li", follows=False, mini=True)
    phone = ladder.platform.phone("li")
    await phone.answer_subscription({"T-MINI": "accept"}, account=ladder.platform.mini_program)
    await ladder.hear()
    ladder.fault("*subscribe/send", drop=True, after=after)

    await ladder.deliver()
    for _ in range(3):
        ladder.wait(minutes=20)
        await ladder.deliver()

    assert len(ladder.cards("li")) == (1 if after else 0)
    assert (await ladder.stands(reminder))[0] == "unknown"
    assert await ladder.to_call() == [("LI", "微信没有回音，不知道是否送达")]


# -- several at once -------------------------------------------------------------------------


async def test_two_workers_send_nothing_twice(desk: Desk) -> None:
    reminders = [await desk.behind(f"p{n}") for n in range(40)]
    one, other = desk.wechat, client_of(desk)

    async def work(wechat: WeChat) -> None:
        await delivering.deliver_due(desk.sessions, wechat, desk.settings, now=desk.now)

    await asyncio.gather(*(work(each) for each in (one, other, one, other)))

    assert [len(desk.cards(f"p{n}")) for n in range(40)] == [1] * 40
    assert [(await desk.stands(each))[0] for each in reminders] == ["sent"] * 40
    assert desk.calls() == 40


async def test_news_and_a_reminder_do_not_go_to_one_person_at_once(desk: Desk) -> None:
    reminder = await desk.behind("li")
    user = await desk.user("li")
    holder = uuid4()
    async with desk.sessions() as session, session.begin():
        message = await messages.tell(
            session, kind="test", text="示例", person_id=user.person_id, now=desk.now
        )
        assert await leases.take(session, {user.id}, holder=holder, now=desk.now) == {user.id}

    await desk.deliver()
    assert (await desk.stands(reminder))[0] == "queued"
    with pytest.raises(TryAgain):
        await messages.deliver(desk.sessions, desk.wechat, message.id, now=desk.now)
    assert desk.calls() == 0

    async with desk.sessions() as session, session.begin():
        await leases.release(session, {user.id}, holder=holder)
    desk.wait(minutes=1)
    await desk.deliver()
    assert desk.got("li") == ["template"]


async def test_everything_is_let_go_of(desk: Desk) -> None:
    for n in range(5):
        await desk.behind(f"p{n}", follows=n != 3)
    await desk.deliver()
    async with desk.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(SendLease)) == 0
