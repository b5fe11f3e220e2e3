"""What `xunhe doctor` finds, part by part."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import App, CallbackReceipt, WechatCircuit
from app.services import alarms, chain
from app.services.diagnosis import Finding, Level, of_settings, of_tokens, of_variables
from app.services.diagnosis.databases import of_database
from app.services.diagnosis.records import of_records
from app.settings import MessageTemplate, MiniProgram, ServiceAccount, Settings
from app.wechat.client import WeChat
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform
from tests import databases

NOW = datetime(2026, 6, 3, 2, 0, tzinfo=UTC)
KEY = "a" * 42 + "A"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An operator's shell with nothing in it, in a folder without `.env`."""
    for name in list(os.environ):
        if name.startswith("XUNHE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def by_name(found: list[Finding]) -> dict[str, tuple[Level, str]]:
    return {finding.what: (finding.level, finding.said) for finding in found}


def test_every_variable_is_set_unset_malformed_or_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XUNHE_SERVICE_ACCOUNT_SECRET", "very-secret-1")
    monkeypatch.setenv("XUNHE_SERVICE_ACCOUNT_AES_KEY", "very-secret-2")
    monkeypatch.setenv("XUNHE_CALLBACK_SILENT_H", "very-secret-3")
    monkeypatch.setenv("XUNHE_DATABASE_URL", "mysql://very-secret-4")
    monkeypatch.setenv("XUNHE_TRUSTED_PROXIES", "10.0.0.0/8,very-secret-5")
    (tmp_path / ".env").write_text(
        "XUNHE_OFFICE_PHONE=0871\nXUNHE_ALERT_WEBHOK=very-secret-6\nOTHER=1\n"
    )
    found = by_name(of_variables())
    assert {what: level for what, (level, _) in found.items() if level is not Level.ok} == {
        "XUNHE_SERVICE_ACCOUNT_AES_KEY": Level.fail,
        "XUNHE_CALLBACK_SILENT_H": Level.fail,
        "XUNHE_DATABASE_URL": Level.fail,
        "XUNHE_TRUSTED_PROXIES": Level.fail,
        "XUNHE_ALERT_WEBHOK": Level.warn,
    }
    given = {what for what, (_, said) in found.items() if said == "已设置"}
    assert given == {"XUNHE_SERVICE_ACCOUNT_SECRET", "XUNHE_OFFICE_PHONE"}
    assert "very-secret" not in str(found)


def of(settings: Settings, what: str, now: datetime = NOW) -> tuple[Level, str]:
    return by_name(of_settings(settings, now=now))[what]


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("https://xunhe.example.cn", Level.ok),
        ("http://xunhe.example.cn", Level.fail),
        ("http://127.0.0.1:8000", Level.warn),
    ],
)
def test_the_public_address_has_to_be_https(settings: Settings, url: str, level: Level) -> None:
    assert of(settings.model_copy(update={"public_url": url}), "对外网址")[0] is level


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({}, Level.warn),
        ({"app_id": "wx1"}, Level.fail),
        ({"app_id": "wx1", "secret": "s"}, Level.warn),
        ({"app_id": "wx1", "secret": "s", "token": "t"}, Level.warn),
        ({"app_id": "wx1", "secret": "s", "token": "t", "aes_key": KEY}, Level.ok),
    ],
)
def test_a_half_configured_app_is_named(
    settings: Settings, given: dict[str, str], level: Level
) -> None:
    app = ServiceAccount(_env_file=None, **given)  # type: ignore[arg-type]  # pydantic wraps them
    assert of(settings.model_copy(update={"service_account": app}), "服务号")[0] is level


def test_an_account_without_a_template_for_reminders_is_named(settings: Settings) -> None:
    app = ServiceAccount(_env_file=None, app_id="wx1", secret="s", token="t", aes_key=KEY)
    mute = settings.model_copy(update={"service_account": app}, deep=True)

    assert of(mute, "提醒模板")[0] is Level.warn
    mute.templates.reminder = MessageTemplate(id="T")
    assert "提醒模板" not in {each.what for each in of_settings(mute, now=NOW)}


def test_a_key_that_others_can_read(settings: Settings, tmp_path: Path) -> None:
    here = settings.model_copy(update={"data_dir": tmp_path})
    assert of(here, "密钥")[0] is Level.warn
    path = tmp_path / "secret_key"
    path.write_text("x" * 40)
    path.chmod(0o640)
    assert of(here, "密钥") == (
        Level.fail,
        f"文件权限是 640，别人也能读：请运行 chmod 600 {path}",
    )
    path.chmod(0o600)
    assert of(here, "密钥")[0] is Level.ok


def test_an_area_that_is_no_area(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "area.geojson"
    here = settings.model_copy(update={"area_of_interest": file})
    assert of(here, "关注范围")[0] is Level.fail
    file.write_text('{"type": "Point", "coordinates": [103, 24.9]}')
    assert of(here, "关注范围")[0] is Level.fail
    file.write_text('{"type":"Polygon","coordinates":[[[103,24],[104,24],[104,25],[103,24]]]}')
    assert of(here, "关注范围")[0] is Level.ok


def test_the_database_and_its_schema(
    server_url: str, database_url: str, settings: Settings
) -> None:
    external = settings.model_copy(deep=True)
    external.database.url = database_url
    now = datetime.now(UTC)
    well = by_name(of_database(database_url, external, now=now))
    assert {what: level for what, (level, _) in well.items()} == dict.fromkeys(
        (
            "数据库",
            "数据库 fsync",
            "数据库 full_page_writes",
            "数据库 synchronous_commit",
            "数据库结构",
            "数据库大小",
            "时钟",
        ),
        Level.ok,
    )
    late = by_name(of_database(database_url, external, now=now - timedelta(minutes=2)))
    assert late["时钟"][0] is Level.fail
    with databases.empty(server_url) as url:
        assert by_name(of_database(url, external, now=now))["数据库结构"] == (
            Level.fail,
            "不是最新，请运行 xunhe migrate。",
        )
        assert by_name(of_database(url, settings, now=now))["数据库结构"][0] is Level.warn
    gone = of_database("postgresql://a:password@127.0.0.1:1/x", external, now=now)
    assert [finding.level for finding in gone] == [Level.fail]
    assert "password" not in str(gone[0])


async def test_what_the_records_tell(session: AsyncSession, settings: Settings) -> None:
    configured = settings.model_copy(
        update={
            "service_account": ServiceAccount(
                _env_file=None, app_id="wx1", secret=SecretStr("s"), token=SecretStr("t")
            )
        }
    )

    async def found() -> dict[str, tuple[Level, str]]:
        return by_name([each async for each in of_records(session, configured, now=NOW)])

    assert await found() == {
        "后台任务": (
            Level.warn,
            "后台程序没有运行，请启动 xunhe worker 或 serve --with-worker。",
        ),
        "备份": (Level.warn, "还没有备份过，请运行 xunhe backup 文件名，并设成每天自动运行。"),
        "存证链": (
            Level.warn,
            "还没有开始，启动服务后开始；一直没有的话请查日志里的 chain_broken。",
        ),
        "服务号回调": (
            Level.warn,
            "近一个月没有收到过，请在公众平台启用服务器配置后发一条消息试试。",
        ),
        "聊天照片": (Level.ok, "都已取到"),
    }

    await session.execute(
        text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at)"), {"at": NOW}
    )
    await alarms.reach(session, "backup", NOW - timedelta(hours=9))
    await chain.begin(session, now=NOW)
    session.add_all(
        [
            CallbackReceipt(
                app=App.service_account, key="m:1", received_at=NOW, reply=None, failures=0
            ),
            WechatCircuit(
                app_id="wx1",
                path="cgi-bin/message/template/send#secret-template",
                errcode=40037,
                opened_at=NOW,
                closes_at=NOW + timedelta(hours=1),
            ),
        ]
    )
    await session.commit()
    assert await found() == {
        "后台任务": (Level.ok, "后台程序在运行，0 件待做"),
        "备份": (Level.ok, "最近一次 2026-06-03 01:00"),
        "存证链": (Level.ok, "共 0 环，最近一次封存 2026-06-03 10:00"),
        "服务号回调": (Level.ok, "最近一次 2026-06-03 10:00"),
        "微信接口": (
            Level.fail,
            "cgi-bin/message/template/send 已暂停（错误码 40037），请运行 xunhe wechat check。",
        ),
        "聊天照片": (Level.ok, "都已取到"),
    }

    await session.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at)"
            " VALUES ('default', 'tell', '{}', 'todo', :at), ('default', 'tell', '{}', 'failed', :at)"
        ),
        {"at": NOW - timedelta(minutes=7)},
    )
    await alarms.reach(session, "backup", NOW)
    later = NOW + timedelta(days=3)
    again = by_name([each async for each in of_records(session, configured, now=later)])
    assert {what: level for what, (level, _) in again.items()} == {
        "后台任务": Level.fail,
        "失败的任务": Level.warn,
        "备份": Level.fail,
        "存证链": Level.ok,
        "服务号回调": Level.ok,
        "聊天照片": Level.ok,
    }


async def test_online_it_asks_for_a_token_of_each_app(
    wechat: WeChat, platform: Platform, settings: Settings
) -> None:
    configured = settings.model_copy(
        update={
            "service_account": ServiceAccount(
                _env_file=None, app_id="wx00000000000000aa", secret=SecretStr("service-secret")
            ),
            "mini_program": MiniProgram(
                _env_file=None, app_id="wx00000000000000bb", secret=SecretStr("mini-secret")
            ),
        }
    )
    found = by_name([each async for each in of_tokens(wechat, configured)])
    assert found == {"服务号凭据": (Level.ok, "拿到了"), "小程序凭据": (Level.ok, "拿到了")}

    platform.faults.add(Fault("/cgi-bin/stable_token", errcode=40164, nth=1))
    found = by_name([each async for each in of_tokens(wechat, configured)])
    assert found == {
        "服务号凭据": (
            Level.fail,
            "拿不到（40164），请核对 AppID、AppSecret、IP 白名单和网络。",
        ),
        "小程序凭据": (Level.ok, "拿到了"),
    }


@pytest.mark.parametrize(
    ("now", "level", "said"),
    [
        (datetime(2026, 9, 30, tzinfo=UTC), Level.ok, "有 2026 年的放假安排"),
        (
            datetime(2026, 10, 1, tzinfo=UTC),
            Level.warn,
            "还没有 2027 年的放假安排，元旦前请升级 chinesecalendar，或写进 XUNHE_WORKDAYS_FILE。",
        ),
        (
            datetime(2027, 1, 1, tzinfo=UTC),
            Level.warn,
            "没有 2027 年的放假安排，按周一至周五算；"
            "请升级 chinesecalendar，或写进 XUNHE_WORKDAYS_FILE。",
        ),
    ],
)
def test_next_years_holidays_are_asked_for_from_october_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, now: datetime, level: Level, said: str
) -> None:
    # A later edition of the calendar knows 2027: this is about one that does not.
    monkeypatch.setattr(clock, "knows_workdays_of", lambda year: year <= 2026)

    assert of(settings, "工作日历", now) == (level, said)


def test_an_operators_table_of_workdays_is_looked_at(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock, "knows_workdays_of", lambda year: year <= 2026)
    file = tmp_path / "workdays.csv"
    given, autumn = (
        settings.model_copy(update={"workdays_file": file}),
        datetime(2026, 10, 1, tzinfo=UTC),
    )

    missing = of(given, "工作日历", autumn)
    file.write_text("day,workday\n2027-01-01,maybe\n")
    broken = of(given, "工作日历", autumn)
    file.write_text("day,workday\n2027-01-01,false\n")

    assert (
        missing
        == broken
        == (
            Level.fail,
            "XUNHE_WORKDAYS_FILE 读不出，请改成 day,workday 两列的 CSV 文件。",
        )
    )
    assert of(given, "工作日历", autumn) == (Level.ok, "有 2026 年的放假安排")
