from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import httpx
import pytest
import time_machine
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.database import connect
from app.models import Alarm, WechatCircuit
from app.services import alarms
from app.settings import S3, Database, ServiceAccount
from app.state import State
from app.storage import open_store
from tests.conftest import Client, Member

NOW = datetime(2026, 6, 3, 2, 0, tzinfo=UTC)
READY = {"status": "ready", "database": "ok", "schema": "ok", "queue": "ok", "storage": "ok"}


async def asked(client: Client, path: str = "/readyz") -> tuple[int, Any]:
    response = await client(None).get(path)
    return response.status_code, response.json()


async def a_job(session: AsyncSession, due_at: datetime) -> None:
    await session.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, scheduled_at)"
            " VALUES ('default', 'tell', '{}', 'todo', :at)"
        ),
        {"at": due_at},
    )
    await session.commit()


async def a_worker(session: AsyncSession, seen_at: datetime) -> None:
    await session.execute(
        text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at)"), {"at": seen_at}
    )
    await session.commit()


async def test_the_process_says_that_it_lives(client: Client) -> None:
    assert await asked(client, "/healthz") == (200, {"status": "ok"})


async def test_an_unknown_path_is_a_problem_document(client: Client) -> None:
    response = await client(None).get("/api/v1/nothing-here")

    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:xunhe:problem:not-found",
        "title": "没有找到您要的内容。",
        "status": 404,
        "code": "not-found",
    }


async def test_an_idle_system_is_ready_without_a_worker(client: Client) -> None:
    assert await asked(client) == (200, READY)


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("due_s", "seen_s", "queue"),
    [
        (10, None, "no-worker"),
        (10, 121, "no-worker"),
        (10, 5, "ok"),
        (299, 5, "ok"),
        (301, 5, "late"),
        (-10, None, "ok"),  # not due yet
    ],
)
async def test_work_that_nobody_does_is_not_ready(
    client: Client, session: AsyncSession, due_s: int, seen_s: int | None, queue: str
) -> None:
    await a_job(session, NOW - timedelta(seconds=due_s))
    if seen_s is not None:
        await a_worker(session, NOW - timedelta(seconds=seen_s))
    ready = queue == "ok"
    answer = READY | {"queue": queue, "status": "ready" if ready else "not-ready"}
    assert await asked(client) == (200 if ready else 503, answer)


async def test_an_old_schema_is_not_ready(client: Client, session: AsyncSession) -> None:
    await session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    await session.commit()
    answer = READY | {"status": "not-ready", "schema": "old", "queue": "unknown"}
    assert await asked(client) == (503, answer)


async def test_without_its_photo_store_it_is_not_ready(
    client: Client, state: State, tmp_path: Any
) -> None:
    folder = tmp_path / "media"
    state["store"] = open_store(folder.as_uri(), S3(_env_file=None))
    folder.rmdir()
    folder.write_text("not a folder")
    assert await asked(client) == (503, READY | {"status": "not-ready", "storage": "unavailable"})


async def test_without_its_database_it_says_so_and_still_gives_its_own_counters(
    client: Client, state: State
) -> None:
    engine, state["sessions"] = connect(
        "postgresql://nobody@127.0.0.1:1/x", Database(_env_file=None)
    )
    answer = READY | {
        "status": "not-ready",
        "database": "unavailable",
        "schema": "unknown",
        "queue": "unknown",
    }
    assert await asked(client) == (503, answer)
    assert await asked(client, "/healthz") == (200, {"status": "ok"})
    samples = await scraped(client(None))
    assert samples["xunhe_database_up"] == {(): 0.0}
    assert "xunhe_queue_due" not in samples
    assert (
        samples["xunhe_http_requests_total"][
            (("method", "GET"), ("route", "/readyz"), ("status", "503"))
        ]
        > 0
    )
    await engine.dispose()


async def scraped(client: httpx.AsyncClient) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


@time_machine.travel(NOW, tick=False)
async def test_metrics_show_the_whole_system_and_nobody_in_it(
    client: Client, session: AsyncSession, state: State, li: Member
) -> None:
    state["settings"] = state["settings"].model_copy(
        update={
            "service_account": ServiceAccount(
                _env_file=None, app_id="wx-ours", secret=SecretStr("s"), token=SecretStr("t")
            )
        }
    )
    await a_job(session, NOW - timedelta(seconds=90))
    await a_worker(session, NOW - timedelta(seconds=7))
    for n, path in enumerate(
        ["cgi-bin/message/template/send#t1", "cgi-bin/message/template/send#t2"]
    ):
        session.add(
            WechatCircuit(
                app_id="wx-ours",
                path=path,
                errcode=40037,
                opened_at=NOW,
                closes_at=NOW + timedelta(hours=n + 1),
            )
        )
    session.add_all(
        Alarm(name=name, text="示例", raised_at=NOW)
        for name in ("queue", "circuit:a:b", "circuit:a:c")
    )
    await alarms.reach(session, "backup", NOW - timedelta(hours=1))
    await session.commit()
    await li.client.get("/api/v1/me")

    samples = await scraped(client(None))

    ours = {
        name: values
        for name, values in samples.items()
        if name.startswith(("xunhe_queue", "xunhe_worker", "xunhe_backup", "xunhe_alarms"))
        or name in {"xunhe_database_up", "xunhe_wechat_circuits_open"}
    }
    assert ours == {
        "xunhe_database_up": {(): 1.0},
        "xunhe_queue_due": {(): 1.0},
        "xunhe_queue_lag_seconds": {(): 90.0},
        "xunhe_queue_failed": {(): 0.0},
        "xunhe_worker_silent_seconds": {(): 7.0},
        "xunhe_backup_age_seconds": {(): 3600.0},
        "xunhe_wechat_circuits_open": {
            (("app", "service_account"), ("path", "cgi-bin/message/template/send")): 2.0
        },
        "xunhe_alarms": {(("kind", "circuit"),): 2.0, (("kind", "queue"),): 1.0},
    }
    assert samples["xunhe_chat_media_failed"] == {(): ANY}
    everything = str(samples)
    for private in (li.person.name, li.person.phone, str(li.person.id), li.person.code + "'"):
        assert private is not None
        assert private not in everything
