"""Alarms: each told once while it stands, again when it comes back, lost by no webhook."""

import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import (
    Alarm,
    App,
    CallbackReceipt,
    ChatMedia,
    MediaKind,
    MediaState,
    Milestone,
    WechatCircuit,
)
from app.models.base import uuid7
from app.services import alarms
from app.settings import ServiceAccount, Settings
from tests.factories import a_wechat_user
from tests.robots import Robot, robot

WEDNESDAY = datetime(2026, 6, 3, 2, 0, tzinfo=UTC)  # 10:00 at the lake
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """This machine's own disk is none of these tests' concern."""
    disk = SimpleNamespace(total=100, free=50)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk)
    return disk


@pytest.fixture
def listening() -> Iterator[Robot]:
    with robot() as listening:
        yield listening


@pytest.fixture
def alerted(settings: Settings, listening: Robot) -> Settings:
    return settings.model_copy(
        update={
            "alert_webhook": SecretStr(listening.address),
            "service_account": ServiceAccount(
                _env_file=None,
                app_id="wx00000000000000aa",
                secret=SecretStr("service-secret"),
                token=SecretStr("service-token"),
            ),
        }
    )


async def a_late_job(session: AsyncSession, since: datetime) -> None:
    await session.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at)"
            " VALUES ('default', 'tell', '{}', 'todo', :since)"
        ),
        {"since": since},
    )
    await session.commit()


async def standing(session: AsyncSession) -> dict[str, datetime | None]:
    rows = await session.execute(select(Alarm.name, Alarm.told_at))
    return {row.name: row.told_at for row in rows}


LATE = """\
【巡河告警】后台任务积压：1 件到期未做，最早的已等 6 分钟。
怎么办：查看 xunhe worker 的日志并重启它；用 xunhe doctor 看是否恢复。
时间：2026年06月03日 10:00"""


async def test_tells_once_while_it_stands_and_again_when_it_comes_back(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    await a_late_job(session, WEDNESDAY - 6 * MINUTE)
    for minute in range(3):
        await alarms.watch(sessions, alerted, now=WEDNESDAY + minute * MINUTE)
    assert listening.told == [{"msgtype": "text", "text": {"content": LATE}}]
    assert await standing(session) == {"queue": WEDNESDAY}

    await session.execute(text("DELETE FROM procrastinate_jobs"))
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 3 * MINUTE)
    assert await standing(session) == {}
    assert len(listening.told) == 1

    await a_late_job(session, WEDNESDAY)
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 10 * MINUTE)
    assert len(listening.told) == 2


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, {}), (200, {"errcode": 93000, "errmsg": "invalid webhook url"}), (302, {})],
)
async def test_a_webhook_that_refuses_loses_nothing(
    session: AsyncSession,
    sessions: Sessions,
    alerted: Settings,
    listening: Robot,
    caplog: pytest.LogCaptureFixture,
    status: int,
    answer: dict[str, object],
) -> None:
    await a_late_job(session, WEDNESDAY - 6 * MINUTE)
    well = listening.answer
    listening.status, listening.answer = status, answer
    with caplog.at_level(logging.DEBUG):
        await alarms.watch(sessions, alerted, now=WEDNESDAY)
    assert await standing(session) == {"queue": None}
    assert "robot-key" not in "".join(
        record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING
    )

    listening.status, listening.answer = 200, well
    await alarms.watch(sessions, alerted, now=WEDNESDAY + MINUTE)
    assert await standing(session) == {"queue": WEDNESDAY + MINUTE}
    assert listening.texts == [LATE]  # as it was raised


async def test_a_webhook_that_is_gone_or_unset_loses_nothing(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    await a_late_job(session, WEDNESDAY - 6 * MINUTE)
    unset = alerted.model_copy(update={"alert_webhook": None})
    gone = alerted.model_copy(update={"alert_webhook": SecretStr("http://127.0.0.1:1/")})
    await alarms.watch(sessions, unset, now=WEDNESDAY)
    await alarms.watch(sessions, gone, now=WEDNESDAY + MINUTE)
    assert await standing(session) == {"queue": None}
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 2 * MINUTE)
    assert len(listening.told) == 1


async def test_processes_take_turns(
    session: AsyncSession,
    sessions: Sessions,
    alerted: Settings,
    listening: Robot,
    database_url: str,
) -> None:
    await a_late_job(session, WEDNESDAY - 6 * MINUTE)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('xunhe alarms', 0))")
        await alarms.watch(sessions, alerted, now=WEDNESDAY)
        assert await standing(session) == {}
    await alarms.watch(sessions, alerted, now=WEDNESDAY)
    await session.execute(text("DELETE FROM procrastinate_jobs"))
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + timedelta(seconds=20))
    assert await standing(session) == {"queue": WEDNESDAY}  # nobody looked again so soon
    assert len(listening.told) == 1


async def test_a_worker_that_stops_giving_signs(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    await alarms.watch(sessions, alerted, now=WEDNESDAY)
    assert await standing(session) == {}  # there never was one: nothing is due

    await session.execute(
        text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at)"), {"at": WEDNESDAY}
    )
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 2 * MINUTE)
    assert await standing(session) == {}

    # The row of a worker that is gone is removed by the next one, or by its own farewell.
    await session.execute(text("DELETE FROM procrastinate_workers"))
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 3 * MINUTE)
    assert [each.splitlines()[0] for each in listening.texts] == [
        "【巡河告警】后台程序（worker）没有动静，最后一次是 2026年06月03日 10:00。"
    ]


async def test_a_refused_token_is_told_until_it_stays_well(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    circuit = WechatCircuit(
        app_id="wx00000000000000aa",
        path="cgi-bin/stable_token",
        errcode=40164,
        opened_at=WEDNESDAY,
        closes_at=WEDNESDAY + HOUR,
    )
    session.add_all(
        [
            circuit,
            WechatCircuit(
                app_id="wx-of-somebody-else",
                path="cgi-bin/stable_token",
                errcode=40125,
                opened_at=WEDNESDAY,
                closes_at=WEDNESDAY + HOUR,
            ),
        ]
    )
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY)
    # Over, tried again, refused again: that is one fault, not one an hour.
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 61 * MINUTE)
    circuit.closes_at = WEDNESDAY + 2 * HOUR
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 70 * MINUTE)
    assert [each.splitlines()[:2] for each in listening.texts] == [
        [
            "【巡河告警】服务号：微信拒绝发放凭据（错误码 40164），相关功能已暂停。",
            "怎么办：本机出口 IP 不在白名单：请在公众平台「基本配置」把服务器出口 IP 加入 IP 白名单。",
        ]
    ]
    assert list(await standing(session)) == ["circuit:service_account:cgi-bin/stable_token"]

    await alarms.watch(sessions, alerted, now=WEDNESDAY + 5 * HOUR)
    assert await standing(session) == {}


@pytest.mark.parametrize(
    ("heard_at", "now", "is_silent"),
    [
        (WEDNESDAY - 23 * HOUR, WEDNESDAY, False),
        (WEDNESDAY - 25 * HOUR, WEDNESDAY, True),
        # Friday 10:00 to Monday 09:00: a weekend is no silence.
        (datetime(2026, 6, 5, 2, tzinfo=UTC), datetime(2026, 6, 8, 1, tzinfo=UTC), False),
        (datetime(2026, 6, 5, 2, tzinfo=UTC), datetime(2026, 6, 8, 3, tzinfo=UTC), True),
        # Nobody is there on a Saturday to put it right.
        (datetime(2026, 6, 4, 2, tzinfo=UTC), datetime(2026, 6, 6, 4, tzinfo=UTC), False),
        # The State's holiday of October, and the Saturday that is worked instead.
        (datetime(2026, 9, 30, 8, tzinfo=UTC), datetime(2026, 10, 7, 8, tzinfo=UTC), False),
        (datetime(2026, 10, 9, 1, tzinfo=UTC), datetime(2026, 10, 10, 2, tzinfo=UTC), True),
        # Heard so long ago that its receipt is forgotten, see below.
        (None, WEDNESDAY, False),
    ],
)
async def test_silence_counts_on_workdays_only(
    session: AsyncSession,
    sessions: Sessions,
    alerted: Settings,
    heard_at: datetime | None,
    now: datetime,
    is_silent: bool,
) -> None:
    if heard_at is not None:
        session.add(
            CallbackReceipt(
                app=App.service_account, key="m:1", received_at=heard_at, reply=None, failures=0
            )
        )
        await session.commit()
    await alarms.watch(sessions, alerted, now=now)
    assert list(await standing(session)) == ["callback:service_account"] * is_silent


async def test_silence_outlives_the_receipts_and_can_be_switched_off(
    session: AsyncSession, sessions: Sessions, alerted: Settings
) -> None:
    session.add(Milestone(name="callback:service_account", at=WEDNESDAY - 90 * DAY))
    await session.commit()
    off = alerted.model_copy(update={"callback_silent_h": 0})
    await alarms.watch(sessions, off, now=WEDNESDAY)
    assert await standing(session) == {}
    await alarms.watch(sessions, alerted, now=WEDNESDAY + MINUTE)
    assert list(await standing(session)) == ["callback:service_account"]


async def test_a_full_disk_is_well_again_only_with_some_room(
    session: AsyncSession,
    sessions: Sessions,
    alerted: Settings,
    roomy_disk: SimpleNamespace,
) -> None:
    seen = []
    for minute, free in enumerate([15, 14, 16, 17, 16]):
        roomy_disk.free = free
        await alarms.watch(sessions, alerted, now=WEDNESDAY + minute * MINUTE)
        seen.append(list(await standing(session)))
    assert seen == [[], ["disk"], ["disk"], [], []]


async def test_an_old_backup(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    await alarms.watch(sessions, alerted, now=WEDNESDAY)
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 2 * DAY)
    assert listening.told == []
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 2 * DAY + MINUTE)
    await alarms.reach(session, "backup", WEDNESDAY + 2 * DAY + MINUTE)
    await session.commit()
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 2 * DAY + 2 * MINUTE)
    assert await standing(session) == {}
    await alarms.watch(sessions, alerted, now=WEDNESDAY + 5 * DAY)
    assert [each.splitlines()[0] for each in listening.texts] == [
        "【巡河告警】系统运行以来还没有备份过。",
        "【巡河告警】最近一次备份是 2026年06月05日 10:01。",
    ]


async def test_photos_of_the_chat_that_were_not_to_be_had(
    session: AsyncSession, sessions: Sessions, alerted: Settings, listening: Robot
) -> None:
    user = await a_wechat_user(session, app=App.service_account)
    now = datetime.now(UTC)  # our ids say when they were made
    session.add_all(
        ChatMedia(
            id=uuid7(),
            wechat_user_id=user.id,
            kind=MediaKind.image,
            media_id=f"media-{n}",
            state=state,
            sent_at=sent_at,
            received_at=sent_at,
        )
        for n, (state, sent_at) in enumerate(
            [
                (MediaState.failed, now - DAY),
                (MediaState.waiting, now - 13 * HOUR),
                (MediaState.waiting, now - HOUR),
                (MediaState.fetched, now - DAY),
            ]
        )
    )
    await session.commit()
    await alarms.watch(sessions, alerted, now=now)
    assert [each.splitlines()[0] for each in listening.texts] == [
        "【巡河告警】聊天里发来的照片：近四天有 1 张没有取到，1 张等了半天还没取到。"
    ]
    await alarms.watch(sessions, alerted, now=now + 5 * DAY)
    assert "media" not in await standing(session)
