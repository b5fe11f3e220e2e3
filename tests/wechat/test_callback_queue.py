"""Pushes that wait at one moment: one transaction for all, and nobody's trouble is another's."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.errors import Busy, DatabaseUnavailable, Forbidden, Unexpected
from app.models import Alarm, CallbackReceipt
from app.services import callback_queue
from app.services.callback_queue import CallbackQueue
from app.wechat import callback
from app.wechat.callback import Incoming
from app.wechat.simulator.xml import document
from tests.wechat.pushes import NOW, PLAIN, SAFE, fields, plain, safe

Sessions = async_sessionmaker[AsyncSession]


class Chat:
    """Says each text back with its number, leaves a row for it, and stumbles where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.poison: set[str] = set()
        self.slow: set[str] = set()
        self.entered = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def __call__(self, session: AsyncSession, pushes: Sequence[Incoming]) -> list[str | None]:
        words = [getattr(push.message, "content", "") for push in pushes]
        self.batches.append(words)
        count = len(self.batches)
        replies: list[str | None] = []
        for n, said in enumerate(words):
            session.add(Alarm(name=f"{said} {count}.{n}", text=said, raised_at=NOW))
            await session.flush()
            if said in self.slow:
                self.entered.set()
                await self.may_go_on.wait()
            if said in self.poison:
                raise KeyError(said)
            replies.append(f"{said}{count}")
        return replies


@pytest.fixture
def chat() -> Chat:
    return Chat()


@pytest.fixture
def queue(real_sessions: Sessions, chat: Chat) -> CallbackQueue:
    return CallbackQueue(real_sessions, chat)


def push(number: int, said: str = "", *, sender: str = "", nonce: str = "") -> Incoming:
    """A text; what it says, who sent it and its nonce follow from its number unless given."""
    inner = fields(
        MsgId=number, Content=said or f"第{number}条", FromUserName=sender or f"o-{number}"
    )
    return callback.read(SAFE, *safe(document(inner), nonce=nonce or f"n{number}"), now=NOW)


async def together(queue: CallbackQueue, *pushes: Incoming) -> list[str | BaseException | None]:
    """The replies to pushes of one moment."""
    return await asyncio.gather(*map(queue.receive, pushes), return_exceptions=True)


def plainly(outcomes: Sequence[object]) -> list[object]:
    """Errors by their class."""
    return [type(each) if isinstance(each, BaseException) else each for each in outcomes]


async def effects(sessions: Sessions) -> list[str]:
    async with sessions() as session:
        return sorted((await session.scalars(select(Alarm.text))).all())


async def test_those_of_one_moment_share_one_transaction(
    queue: CallbackQueue, chat: Chat, real_sessions: Sessions
) -> None:
    replies = await together(queue, *(push(n) for n in range(1, 11)))
    assert replies == [f"第{n}条1" for n in range(1, 11)]
    assert chat.batches == [[f"第{n}条" for n in range(1, 11)]]
    # Each keeps its own reply for WeChat's retries.
    again = await together(queue, *(push(n, nonce=f"m{n}") for n in range(1, 11)))
    assert again == replies
    assert len(chat.batches) == 1
    assert len(await effects(real_sessions)) == 10


async def test_no_more_than_32_go_together(queue: CallbackQueue, chat: Chat) -> None:
    replies = await together(queue, *(push(n) for n in range(1, 41)))
    assert replies == [f"第{n}条{1 if n <= 32 else 2}" for n in range(1, 41)]
    assert [len(batch) for batch in chat.batches] == [32, 8]


async def test_a_retry_in_the_same_batch_has_the_same_reply(
    queue: CallbackQueue, chat: Chat, real_sessions: Sessions
) -> None:
    first = push(1)
    retry, signed_anew, other = first, push(1, nonce="again"), push(2)
    replies = await together(queue, first, retry, other, signed_anew)
    assert replies == ["第1条1", "第1条1", "第2条1", "第1条1"]
    assert chat.batches == [["第1条", "第2条"]]
    assert await effects(real_sessions) == ["第1条", "第2条"]


async def test_a_signature_used_twice_in_one_batch_is_refused(
    queue: CallbackQueue, chat: Chat
) -> None:
    query, body = plain(document(fields(MsgId=1, Content="进度")))
    _, forged = plain(document(fields(MsgId=2, Content="取消")))
    _, again = plain(document(fields(MsgId=1, Content="取消")))
    pushes = [callback.read(PLAIN, query, each, now=NOW) for each in (body, forged, again)]
    outcomes = await together(queue, *pushes, push(3))
    assert plainly(outcomes) == ["进度1", Forbidden, Forbidden, "第3条1"]
    assert chat.batches == [["进度", "第3条"]]
    # What was refused claimed nothing: the true message of that number is still heard.
    assert await together(queue, push(2)) == ["第2条2"]


async def test_a_poison_message_harms_no_other(
    queue: CallbackQueue, chat: Chat, real_sessions: Sessions
) -> None:
    chat.poison = {"第5条"}
    outcomes = await together(queue, *(push(n) for n in range(1, 11)))
    well = [n for n in range(1, 11) if n != 5]
    assert type(outcomes[4]) is Unexpected
    assert [str(outcomes[n - 1]).rstrip("0123456789") for n in well] == [f"第{n}条" for n in well]
    assert await effects(real_sessions) == sorted(f"第{n}条" for n in well)
    async with real_sessions() as session:
        rows = await session.execute(select(CallbackReceipt.key, CallbackReceipt.failures))
        assert sorted(failures for _, failures in rows) == [0] * 9 + [1]
    # Twice more, in company: then it is given up, and its company never hears of it.
    for n, expected in ((11, Unexpected), (12, None)):
        poisoned, healthy = await together(queue, push(5), push(n))
        assert plainly([poisoned]) == [expected]
        assert str(healthy).startswith(f"第{n}条")
    assert len(await effects(real_sessions)) == 11


async def test_messages_of_one_sender_stay_in_order_when_answered_apart(
    queue: CallbackQueue, chat: Chat
) -> None:
    chat.poison = {"毒"}
    outcomes = await together(
        queue,
        push(1, "先", sender="o-a"),
        push(2, "毒", sender="o-b"),
        push(3, "毒", sender="o-a"),
        push(4, "后", sender="o-a"),
    )
    assert plainly(outcomes)[1:3] == [Unexpected, Unexpected]
    alone = [words for batch in chat.batches[1:] for words in batch]
    assert [each for each in alone if each in {"先", "后"}] == ["先", "后"]
    assert sorted(alone) == sorted(["先", "毒", "毒", "后"])


async def test_fifty_at_two_processes_have_one_effect_each(
    real_sessions: Sessions, chat: Chat
) -> None:
    """Each message at both, as when WeChat is impatient; in opposite orders."""
    one, two = CallbackQueue(real_sessions, chat), CallbackQueue(real_sessions, chat)
    here = [push(n) for n in range(1, 51)]
    there = [push(n, nonce=f"m{n}") for n in range(50, 0, -1)]
    heard, heard_again = await asyncio.gather(together(one, *here), together(two, *there))
    assert heard == heard_again[::-1]
    assert [str(each).partition("条")[0] for each in heard] == [f"第{n}" for n in range(1, 51)]
    assert await effects(real_sessions) == sorted(f"第{n}条" for n in range(1, 51))


async def test_a_batch_that_waits_for_somebodys_message_goes_on_without_it(
    real_sessions: Sessions, chat: Chat
) -> None:
    """The same message is being answered by another process, which takes its time."""
    chat.slow = {"第1条"}
    elsewhere = asyncio.create_task(CallbackQueue(real_sessions, chat).receive(push(1)))
    await chat.entered.wait()
    here = CallbackQueue(real_sessions, chat)
    retry = asyncio.create_task(here.receive(push(1, nonce="again")))
    others = [asyncio.create_task(here.receive(push(n))) for n in (2, 3)]
    assert [reply and reply[:3] for reply in await asyncio.gather(*others)] == ["第2条", "第3条"]
    assert not retry.done()
    chat.may_go_on.set()
    assert await retry == await elsewhere == "第1条1"


async def test_those_behind_a_batch_that_hangs_set_out_beside_it(
    queue: CallbackQueue, chat: Chat
) -> None:
    chat.slow = {"第1条"}
    hanging = asyncio.create_task(queue.receive(push(1)))
    await chat.entered.wait()
    assert await queue.receive(push(2)) == "第2条2"
    assert not hanging.done()
    chat.may_go_on.set()
    assert await hanging == "第1条1"


async def test_a_batch_is_let_go_only_when_nobody_listens(
    queue: CallbackQueue, chat: Chat, real_sessions: Sessions
) -> None:
    chat.slow = {"第2条", "第4条"}
    first, second = (asyncio.create_task(queue.receive(push(n))) for n in (1, 2))
    await chat.entered.wait()
    first.cancel()
    await asyncio.wait({first})
    chat.may_go_on.set()
    assert await second == "第2条1"
    assert await queue.receive(push(1, nonce="again")) == "第1条1"
    chat.may_go_on.clear()
    chat.entered.clear()
    both = [asyncio.create_task(queue.receive(push(n))) for n in (3, 4)]
    await chat.entered.wait()
    for each in both:
        each.cancel()
    await asyncio.wait(both)
    await asyncio.gather(*queue._at_work, return_exceptions=True)
    assert await effects(real_sessions) == ["第1条", "第2条"]


async def test_connections_that_died_in_their_sleep_are_replaced(
    real_sessions: Sessions, database_url: str, chat: Chat
) -> None:
    """As after a restart of the database: not one of the pool's is of any use."""
    del real_sessions
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+psycopg://"), pool_size=3
    )
    sessions: Sessions = async_sessionmaker(engine)
    pids = []
    async with sessions() as one, sessions() as two, sessions() as three:
        for session in (one, two, three):
            connection = await (await session.connection()).get_raw_connection()
            assert connection.driver_connection is not None
            pids.append(connection.driver_connection.info.backend_pid)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [pids])
    replies = await together(CallbackQueue(sessions, chat), push(1), push(2))
    assert replies == ["第1条1", "第2条1"]
    await engine.dispose()


async def test_a_database_that_dies_under_a_batch_loses_nothing(
    real_sessions: Sessions, database_url: str, chat: Chat
) -> None:
    """Nobody hears `success`; when WeChat comes again, each message has one effect."""
    engine = create_async_engine(
        database_url.replace("postgresql://", "postgresql+psycopg://"),
        connect_args={"application_name": "dies"},
    )
    queue = CallbackQueue(async_sessionmaker(engine), chat)
    chat.slow = {"第2条"}
    batch = asyncio.create_task(together(queue, push(1), push(2)))
    await chat.entered.wait()
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'dies'"
        )
    chat.may_go_on.set()
    assert plainly(await batch) == [DatabaseUnavailable, DatabaseUnavailable]
    assert await effects(real_sessions) == []
    assert await together(queue, push(1), push(2)) == ["第1条2", "第2条2"]
    assert await effects(real_sessions) == ["第1条", "第2条"]
    await engine.dispose()


async def test_a_database_that_is_down_is_told_to_all(chat: Chat) -> None:
    engine = create_async_engine("postgresql+psycopg://x@127.0.0.1:1/x")
    outcomes = await together(CallbackQueue(async_sessionmaker(engine), chat), push(1), push(2))
    assert plainly(outcomes) == [DatabaseUnavailable, DatabaseUnavailable]
    assert chat.batches == []
    await engine.dispose()


async def test_too_many_are_told_to_come_again(
    queue: CallbackQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_queue, "_MOST_WAITING", 2)
    outcomes = await together(queue, *(push(n) for n in (1, 2, 3)))
    assert plainly(outcomes) == ["第1条1", "第2条1", Busy]
