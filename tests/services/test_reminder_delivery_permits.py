"""The ledger of permits: from WeChat's signed events, once each, in whatever order they come."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.keys import Keys
from app.models import App, SendPermit
from app.services import conversations, subscriptions
from app.services.reminders import channels, permits
from app.wechat import callback
from app.wechat.callback import Incoming, Nonce
from app.wechat.pushes import recognise
from tests.services.delivery_desk import MINI as MINI_ACCOUNT
from tests.services.delivery_desk import SERVICE, TUESDAY, Desk, database, open_desk, settings_with
from tests.wechat import pushes

ALL = ("reminder_long_term", "reminder_mini_program", "reminder_service_account")


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with database(server_url) as url:
        yield url


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    async with open_desk(url, settings_with(*ALL)) as desk:
        yield desk


async def usable(desk: Desk) -> list[str]:
    """The templates of all permits that are left."""
    async with desk.sessions() as session:
        rows = await session.scalars(
            select(SendPermit.template_id)
            .where(SendPermit.used_at.is_(None), SendPermit.void_at.is_(None))
            .order_by(SendPermit.template_id)
        )
        return list(rows)


def event(
    desk: Desk, what: str, *rows: dict[str, Any], seconds: int = 0, app: App = App.service_account
) -> tuple[str, dict[str, Any]]:
    """An event as the platform tells it, about what happened so many seconds from now."""
    phone = desk.platform.phone("li")
    contact = phone.contact if app is App.service_account else phone.mini_contact
    account = SERVICE if app is App.service_account else MINI_ACCOUNT
    return account.app_id, {
        "ToUserName": "gh_000000000001",
        "FromUserName": contact.openid,
        "CreateTime": int(desk.now.timestamp()) + seconds,
        "MsgType": "event",
        "Event": f"subscribe_msg_{what}_event",
        f"SubscribeMsg{what.capitalize()}Event": {"List": list(rows)},
    }


def row(answer: str = "accept", template: str = "T-SERVICE") -> dict[str, Any]:
    return {"TemplateId": template, "SubscribeStatusString": answer, "PopupScene": 1}


async def test_an_accept_counts_once_however_often_it_is_told(desk: Desk) -> None:
    await desk.person("li")
    accepted = event(desk, "popup", row())
    for _ in range(3):
        await desk.told(accepted)
    assert await usable(desk) == ["T-SERVICE"]
    await desk.told(event(desk, "popup", row(), seconds=1))
    assert await usable(desk) == ["T-SERVICE", "T-SERVICE"]


async def test_only_an_accept_counts(desk: Desk) -> None:
    await desk.person("li")
    answers = ("reject", "ban", "filter", "acceptWithAudio", "acceptWithAlert", "")
    await desk.told(event(desk, "popup", *(row(each) for each in answers)))
    assert await usable(desk) == ["T-SERVICE", "T-SERVICE"]


async def test_what_the_phone_says_is_a_hint_only(desk: Desk) -> None:
    await desk.person("li", mini=True)
    user = await desk.user("li", App.mini_program)
    async with desk.sessions() as session, session.begin():
        await subscriptions.record(session, user, "T-MINI", "accept", now=desk.now)
    assert await usable(desk) == []


async def test_taking_it_back_ends_what_was_granted_before(desk: Desk) -> None:
    await desk.person("li")
    await desk.told(event(desk, "popup", row(), row(template="T-LONG")))
    await desk.told(event(desk, "change", row("reject"), seconds=60))
    assert await usable(desk) == ["T-LONG"]
    await desk.told(event(desk, "popup", row(), seconds=120))
    assert await usable(desk) == ["T-LONG", "T-SERVICE"]


async def test_events_out_of_order(desk: Desk) -> None:
    await desk.person("li")
    # Granted, taken back, granted again; told backwards.
    await desk.told(event(desk, "popup", row(), seconds=120))
    await desk.told(event(desk, "change", row("reject"), seconds=60))
    assert await usable(desk) == ["T-SERVICE"]
    await desk.told(event(desk, "popup", row()))
    assert await usable(desk) == ["T-SERVICE"]


async def test_43101_ends_all_of_the_template(desk: Desk) -> None:
    person = await desk.person("li")
    await desk.told(event(desk, "popup", row(), row(), row(template="T-LONG")))
    assert await usable(desk) == ["T-LONG", "T-SERVICE", "T-SERVICE"]
    # WeChat knows of none of them: its events and its ledger are not the same thing.
    desk.wait(minutes=1)
    reminder = await desk.reminder(person)
    await desk.deliver()
    assert await usable(desk) == []
    assert [each[:2] for each in await desk.deliveries(reminder)] == [
        ("long_term", "refused"),
        ("service_account", "refused"),
    ]


async def test_a_sent_event_with_an_error_takes_the_next_rung(desk: Desk) -> None:
    person = await desk.person("li", mini=True)
    phone = desk.platform.phone("li")
    await phone.answer_subscription({"T-SERVICE": "accept"})
    await phone.answer_subscription({"T-MINI": "accept"}, account=desk.platform.mini_program)
    await desk.hear()
    reminder = await desk.reminder(person)
    desk.platform.users["li"].subscription_error = 43101
    await desk.deliver()
    await desk.hear()
    assert (await desk.stands(reminder))[0] == "queued"
    desk.platform.users["li"].subscription_error = 0
    desk.wait(minutes=1)
    await desk.deliver()
    await desk.hear()
    assert await desk.deliveries(reminder) == [
        ("mini_program", "failed", 43101),
        ("service_account", "confirmed", None),
    ]
    assert (await desk.stands(reminder))[:2] == ("confirmed", "service_account")


async def test_whoever_leaves_takes_their_permits_along(desk: Desk) -> None:
    await desk.person("li")
    await desk.told(event(desk, "popup", row(), row(template="T-LONG")))
    await desk.platform.phone("li").unfollow()
    await desk.hear()
    assert await usable(desk) == []


async def test_one_permit_is_spent_by_one(desk: Desk) -> None:
    await desk.person("li")
    await desk.told(event(desk, "popup", row()))
    async with desk.sessions() as session:
        (permit,) = await session.scalars(select(SendPermit))

    async def spend() -> set[UUID]:
        async with desk.sessions() as session, session.begin():
            return await permits.take(session, {permit.id}, now=desk.now)

    spent = await asyncio.gather(*(spend() for _ in range(8)))
    assert sorted(len(each) for each in spent) == [0] * 7 + [1]


async def test_a_permit_is_good_again_when_nothing_was_sent(desk: Desk) -> None:
    person = await desk.person("li", follows=False, mini=True)
    phone = desk.platform.phone("li")
    await phone.answer_subscription({"T-MINI": "accept"}, account=desk.platform.mini_program)
    await desk.hear()
    reminder = await desk.reminder(person)
    desk.fault(errcode=45011, times=1)
    await desk.deliver()
    assert (await desk.stands(reminder))[0] == "queued"
    assert await usable(desk) == ["T-MINI"]
    desk.wait(minutes=2)
    await desk.deliver()
    assert (len(desk.cards("li")), await usable(desk)) == (1, [])


async def test_somebody_we_have_not_met_may_grant(desk: Desk) -> None:
    await desk.told(
        (
            SERVICE.app_id,
            {
                "ToUserName": "gh_000000000001",
                "FromUserName": "o-stranger",
                "CreateTime": int(desk.now.timestamp()),
                "MsgType": "event",
                "Event": "subscribe_msg_popup_event",
                "SubscribeMsgPopupEvent": {"List": row()},
            },
        )
    )
    assert await usable(desk) == ["T-SERVICE"]


@pytest.mark.parametrize("several", [False, True])
async def test_the_mini_programs_events_come_to_its_own_door_as_json(
    desk: Desk, several: bool
) -> None:
    """Sealed, and with `List` an object for one item, an array for more."""
    await desk.person("li", mini=True)
    given = [row(template="T-MINI"), row(template="T-OTHER")]
    fields = {
        "ToUserName": pushes.OURS,
        "FromUserName": desk.platform.phone("li").mini_contact.openid,
        "CreateTime": int(pushes.NOW.timestamp()),
        "MsgType": "event",
        "Event": "subscribe_msg_popup_event",
        "List": given if several else given[0],
    }
    query, body = pushes.safe(json.dumps(fields), as_json=True)
    incoming = callback.read(pushes.MINI, query, body, now=pushes.NOW)
    answer = conversations.answering(desk.settings, Keys(b"a secret for tests only"))
    async with desk.sessions() as session, session.begin():
        assert await answer(session, [incoming]) == [None]
    assert await usable(desk) == (["T-MINI", "T-OTHER"] if several else ["T-MINI"])


async def test_several_events_of_several_people_in_one_batch(desk: Desk) -> None:
    for key in ("li", "zhou"):
        await desk.person(key, mini=True)
    told = []
    for n in range(6):
        key = "li" if n % 2 else "zhou"
        fields = {
            "ToUserName": "gh",
            "FromUserName": desk.platform.phone(key).contact.openid,
            "CreateTime": int(TUESDAY.timestamp()) + n,
            "MsgType": "event",
            "Event": "subscribe_msg_popup_event",
            "SubscribeMsgPopupEvent": {"List": row()},
        }
        _, message = recognise(fields)
        told.append(
            Incoming(App.service_account, message, "gh", False, Nonce("1", str(n), b""), desk.now)
        )
    answer = conversations.answering(desk.settings, Keys(b"a secret for tests only"))
    async with desk.sessions() as session, session.begin():
        assert await answer(session, told) == [None] * 6
    assert len(await usable(desk)) == 6


async def test_the_channel_of_a_dry_run(desk: Desk) -> None:
    """What is listed is what a send would try, and nothing is spent by asking."""
    people = {
        "permit": await desk.person("li", follows=False, mini=True),
        "window": await desk.person("zhou", wrote=True),
        "nobody": await desk.person("wu", follows=False),
        "shut": await desk.person("sun"),
    }
    phone = desk.platform.phone("li")
    await phone.answer_subscription({"T-MINI": "accept"}, account=desk.platform.mini_program)
    await desk.hear()

    async def asked() -> dict[str, tuple[str | None, str]]:
        async with desk.sessions() as session:
            found = await channels.channel_of(
                session, [each.id for each in people.values()], desk.settings, now=desk.now
            )
        return {name: (found[person.id][0], found[person.id][1]) for name, person in people.items()}

    assert await asked() == {
        "permit": ("mini_program", ""),
        "window": ("customer_service", ""),
        "nobody": (None, "未绑定微信"),
        "shut": (None, "没有可发次数，48小时内也没有来信"),
    }
    desk.now += timedelta(hours=48)
    assert (await asked())["window"] == (None, "没有可发次数，48小时内也没有来信")
    assert await usable(desk) == ["T-MINI"]
