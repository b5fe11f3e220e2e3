"""Several messages of one moment: answered in one transaction as if each had come alone."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import replies
from app.domain.datum import to_gcj02
from app.models import App, ChatMedia, CheckIn, HeldMessage, Patrol, Verdict, WechatUser
from app.services import conversations
from app.services.callback_queue import CallbackQueue
from app.wechat import messages as pushed
from app.wechat.callback import Incoming, Nonce
from app.wechat.messages import Message
from tests.conftest import Lake, Member
from tests.journeys.chat.conftest import EAST, NOW, WEST, Chat

RECORDED = (
    "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。请再发照片；没有照片请回复“无照片 原因”。"
)
_numbers = count(1)


class Batches:
    """Our conversations behind a queue of its own, which remembers what was answered together."""

    def __init__(self, chat: Chat) -> None:
        self.sizes: list[int] = []
        self._answer = conversations.answering(chat.state["settings"], chat.state["keys"])
        self._queue = CallbackQueue(chat.sessions, self._count)

    async def _count(self, session: AsyncSession, pushes: Sequence[Incoming]) -> list[str | None]:
        self.sizes.append(len(pushes))
        return await self._answer(session, pushes)

    async def answer(self, *messages: Message) -> list[str | None]:
        """The replies to messages of one moment, in their order."""
        return await asyncio.gather(*(self._queue.receive(_push(each)) for each in messages))


@pytest.fixture
def batches(chat: Chat) -> Batches:
    return Batches(chat)


def _push(message: Message) -> Incoming:
    return Incoming(
        app=App.service_account,
        message=message,
        to_user="gh_service",
        sealed=True,
        nonce=Nonce("1", f"n{next(_numbers)}", b"digest"),
        received_at=NOW + timedelta(seconds=5),
    )


def said(chat: Chat, who: str, seconds: float = 0) -> dict[str, Any]:
    """What is common to messages: their sender, when they were sent, a number of their own."""
    openid = chat.phone(who).contact.openid
    sent_at = NOW + timedelta(seconds=seconds)
    return {"openid": openid, "sent_at": sent_at, "key": f"k{next(_numbers)}"}


def location(
    chat: Chat, who: str, at: tuple[float, float] = EAST, seconds: float = 0
) -> pushed.Location:
    lon, lat = to_gcj02(*at)
    return pushed.Location(**said(chat, who, seconds), lon=lon, lat=lat, label="")


def words(chat: Chat, who: str, content: str, seconds: float = 0) -> pushed.Text:
    return pushed.Text(**said(chat, who, seconds), content=content)


async def test_all_kinds_together(
    chat: Chat, batches: Batches, lake: Lake, li: Member, chen: Member, zhou: Member
) -> None:
    for key, member in (("li", li), ("chen", chen), ("zhou", zhou)):
        await chat.bind(key, member.person)
    east, west = location(chat, "li"), location(chat, "zhou", WEST)
    heard = await batches.answer(
        words(chat, "chen", "帮助"),
        east,
        location(chat, "guest"),
        pushed.View(**said(chat, "guest"), target="https://example.com/"),
        west,
        pushed.OtherEvent(**said(chat, "li"), event="kf_create_session"),
    )
    assert heard == [
        replies.HELP,
        RECORDED,
        replies.HELD_POSITION,
        None,
        "已记录：西岸网格，距西岸一号碑0米。请再发照片；没有照片请回复“无照片 原因”。",
        None,
    ]
    assert batches.sizes == [6]
    assert {
        (each.person_id, each.grid_cell_id, each.at, each.verdict)
        for each in await chat.check_ins()
    } == {
        (li.person.id, lake.east_inner.id, NOW, Verdict.accepted),
        (zhou.person.id, lake.west.id, NOW, Verdict.accepted),
    }
    (held,) = await chat.rows(HeldMessage)
    assert held.kind == "location"


async def test_one_senders_messages_in_their_order(
    chat: Chat, batches: Batches, lake: Lake, li: Member, chen: Member
) -> None:
    del lake
    await chat.bind("li", li.person)
    await chat.bind("chen", chen.person)
    heard = await batches.answer(
        location(chat, "li"),
        words(chat, "li", "水面有垃圾", seconds=2),
        location(chat, "chen"),
        words(chat, "li", "取消", seconds=3),
        words(chat, "chen", "水清岸绿", seconds=3),
    )
    assert batches.sizes == [5]
    assert heard == [
        RECORDED,
        replies.noted("水面有垃圾"),
        RECORDED,
        "已取消6月1日10:05东岸一号碑的记录。要重新记录，请再发位置。",
        replies.noted("水清岸绿"),
    ]
    assert {
        (each.person_id, each.note, each.withdrawn_at is None) for each in await chat.check_ins()
    } == {(li.person.id, "水面有垃圾", False), (chen.person.id, "水清岸绿", True)}


@pytest.mark.parametrize("photo_first", [False, True])
async def test_a_location_and_its_photo_together(
    chat: Chat, batches: Batches, lake: Lake, li: Member, zhou: Member, photo_first: bool
) -> None:
    del lake
    await chat.bind("li", li.person)
    await chat.bind("zhou", zhou.person)
    photo = pushed.Image(**said(chat, "li", 1), media_id="media-1")
    place = location(chat, "li", seconds=2 if photo_first else 0)
    mine: list[Message] = [photo, place] if photo_first else [place, photo]
    # Somebody else's photo, which waits for a location that never comes.
    other = pushed.Image(**said(chat, "zhou", 1), media_id="media-2")
    heard = await batches.answer(*mine, other)
    assert batches.sizes == [3]
    with_photo = "照片已收到，附在6月1日10:05东岸一号碑的记录（共1张）。这次巡河已计入。"
    assert heard == (
        [
            replies.PHOTO_WAITS,
            "已记录：东岸一号网格，东岸河段，距东岸一号碑0米。照片1张已附上。",
            replies.PHOTO_WAITS,
        ]
        if photo_first
        else [RECORDED, with_photo, replies.PHOTO_WAITS]
    )
    (check_in,) = await chat.check_ins()
    assert {each.media_id: each.check_in_id for each in await chat.rows(ChatMedia)} == {
        "media-1": check_in.id,
        "media-2": None,
    }


async def test_each_waiting_photo_finds_its_own_senders_location(
    chat: Chat, batches: Batches, lake: Lake, li: Member, zhou: Member
) -> None:
    del lake
    for key, member in (("li", li), ("zhou", zhou)):
        await chat.bind(key, member.person)
        await batches.answer(pushed.Image(**said(chat, key, 1), media_id=key))
    await batches.answer(location(chat, "li", seconds=2), location(chat, "zhou", seconds=3))
    assert batches.sizes == [1, 1, 2]
    owners = {each.id: each.person_id for each in await chat.check_ins()}
    assert {each.media_id: owners[each.check_in_id] for each in await chat.rows(ChatMedia)} == {
        "li": li.person.id,
        "zhou": zhou.person.id,
    }


async def test_binding_and_what_follows_it_together(
    chat: Chat, batches: Batches, lake: Lake, li: Member
) -> None:
    """The second message is already the bound person's."""
    del lake
    code, _ = await chat.invite(li.person)
    heard = await batches.answer(words(chat, "guest", code), location(chat, "guest"))
    assert batches.sizes == [2]
    assert heard == [replies.bound("示例李", "东岸党支部", True), RECORDED]


async def test_leaving_and_coming_back_together(
    chat: Chat, batches: Batches, lake: Lake, li: Member
) -> None:
    del lake
    await chat.bind("li", li.person)
    heard = await batches.answer(
        location(chat, "li"),
        pushed.Unsubscribe(**said(chat, "li", 1)),
        pushed.Subscribe(**said(chat, "li", 2), scene=None),
    )
    assert (batches.sizes, heard) == ([3], [RECORDED, None, replies.UNBOUND])
    openid = chat.phone("li").contact.openid
    identities = [
        (each.openid, each.person_id)
        for each in await chat.rows(WechatUser, WechatUser.created_at)
        if each.app is App.service_account
    ]
    assert identities == [(None, None), (openid, None)]
    (check_in,) = await chat.check_ins()
    assert check_in.person_id == li.person.id


async def test_two_processes_at_the_same_senders(
    chat: Chat, lake: Lake, li: Member, chen: Member, zhou: Member
) -> None:
    """Every message at both, in opposite orders: one check-in each, and one patrol a person."""
    del lake
    keys = ("li", "chen", "zhou")
    for key, member in zip(keys, (li, chen, zhou), strict=True):
        await chat.bind(key, member.person)
    sent = [location(chat, key, seconds=n) for n in range(17) for key in keys]
    one, two = Batches(chat), Batches(chat)
    heard, again = await asyncio.gather(one.answer(*sent), two.answer(*reversed(sent)))
    assert heard == again[::-1]
    assert [str(each)[:4] for each in heard] == ["已记录："] * len(sent)
    records: list[CheckIn] = await chat.check_ins()
    assert sorted((each.person_id, each.at) for each in records) == sorted(
        (member.person.id, NOW + timedelta(seconds=n))
        for n in range(17)
        for member in (li, chen, zhou)
    )
    assert len(await chat.rows(Patrol)) == 3
