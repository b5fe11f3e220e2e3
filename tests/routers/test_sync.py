"""An offline queue in one request: any order, nothing lost, nothing doubled."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from httpx import AsyncClient, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.database import connect
from app.models import CheckIn, Patrol
from app.settings import Settings
from tests import databases
from tests.conftest import Client, Member
from tests.factories import a_consent, a_person, a_token

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def today(clock: str) -> str:
    return f"2026-11-23T{clock}:00+08:00"


def put_patrol(id_: str, clock: str = "08:00", **more: Any) -> dict[str, Any]:
    return {"op": "put_patrol", "id": id_, "body": {"started_at": today(clock)} | more}


def put_check_in(id_: str, clock: str = "08:30", lon: float = 103.01, **more: Any) -> Any:
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
    return {
        "op": "put_check_in",
        "id": id_,
        "body": {"at": today(clock), "position": position} | more,
    }


def append_track(id_: str, *lons: float) -> dict[str, Any]:
    points = [
        {"seq": n, "at": today(f"08:{n:02}"), "lon": lon, "lat": 24.9, "datum": "wgs84"}
        for n, lon in enumerate(lons)
    ]
    return {"op": "append_track", "id": id_, "body": {"points": points}}


def finish_patrol(id_: str, clock: str = "10:00") -> dict[str, Any]:
    return {
        "op": "finish_patrol",
        "id": id_,
        "body": {"finished_at": today(clock), "findings": "none"},
    }


async def post(client: AsyncClient, operations: Any) -> Response:
    return await client.post("/api/v1/sync", json={"operations": operations})


async def statuses(client: AsyncClient, operations: list[Any]) -> list[int]:
    response = await post(client, operations)
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [(each["id"], each["op"]) for each in results] == [
        (each["id"], each["op"]) for each in operations
    ]
    return [each["status"] for each in results]


@pytest.mark.parametrize("seed", range(4))
@time_machine.travel(NOW, tick=False)
async def test_a_day_offline_in_any_order_twice(li: Member, seed: int) -> None:
    patrol, visit, alone = (str(uuid4()) for _ in range(3))
    operations = [
        put_check_in(visit, patrol_id=patrol),
        finish_patrol(patrol),
        append_track(patrol, 103.01, 103.011, 103.012),
        put_patrol(patrol),
        put_check_in(alone, "11:00"),
    ]
    random.Random(seed).shuffle(operations)  # noqa: S311
    new = {"put_patrol": 201, "put_check_in": 201, "append_track": 200, "finish_patrol": 200}

    first = await statuses(li.client, operations)
    before = [(await li.client.get(f"/api/v1/{path}")).json() for path in ("check-ins", "patrols")]
    again = await statuses(li.client, operations)
    after = [(await li.client.get(f"/api/v1/{path}")).json() for path in ("check-ins", "patrols")]

    assert first == [new[each["op"]] for each in operations]
    assert again == [200] * 5
    assert after == before
    assert [(row["id"], row["verdict"]) for row in before[0]["items"]] == [
        (alone, "accepted"),
        (visit, "accepted"),
    ]
    shown = (await li.client.get(f"/api/v1/patrols/{patrol}")).json()
    assert (shown["state"], shown["check_in_ids"], shown["points"], shown["duration_s"]) == (
        "finished",
        [visit],
        {"kept": 3, "marked": 0},
        7200,
    )


@time_machine.travel(NOW, tick=False)
async def test_check_ins_join_what_was_open_when_they_happened(li: Member) -> None:
    """Two patrols of a day, and check-ins that name none of them before, between and after."""
    morning, afternoon = str(uuid4()), str(uuid4())
    times = ["07:00", "08:30", "10:00", "10:30", "11:15", "11:45"]
    visits = [str(uuid4()) for _ in times]

    await statuses(
        li.client,
        [
            finish_patrol(afternoon, "11:30"),
            *(put_check_in(id_, at) for id_, at in zip(visits, times, strict=True)),
            finish_patrol(morning, "10:00"),
            put_patrol(afternoon, "11:00"),
            put_patrol(morning, "08:00"),
        ],
    )

    rows = (await li.client.get("/api/v1/check-ins")).json()["items"]
    joined = {row["id"]: row["patrol_id"] for row in rows}
    own = joined[visits[0]]
    assert [joined[id_] for id_ in visits] == [own, morning, morning, own, afternoon, own]
    assert own not in {morning, afternoon}


@time_machine.travel(NOW, tick=False)
async def test_one_bad_of_a_hundred_harms_no_other(li: Member) -> None:
    ids = [str(uuid4()) for _ in range(100)]
    operations = [put_check_in(id_, f"08:{n % 60:02}") for n, id_ in enumerate(ids)]
    operations[41]["body"]["position"]["lon"] = 181

    response = await post(li.client, operations)

    results = response.json()["results"]
    assert [each["status"] for each in results] == [201] * 41 + [422] + [201] * 58
    assert results[41] == {
        "id": ids[41],
        "op": "put_check_in",
        "status": 422,
        "problem": {
            "type": "urn:xunhe:problem:invalid",
            "title": "填写的内容有误，请检查后再提交。",
            "status": 422,
            "code": "invalid",
            "errors": [{"pointer": "/body/position/lon", "detail": "不能大于 180.0"}],
        },
    }
    assert all(each["problem"] is None for each in results if each["status"] == 201)
    listed = (await li.client.get("/api/v1/check-ins?limit=1000")).json()["items"]
    assert {row["id"] for row in listed} == {*ids} - {ids[41]}


@time_machine.travel(NOW, tick=False)
async def test_each_answer_is_that_of_its_own_request(
    li: Member, zhou: Member, session: AsyncSession
) -> None:
    """Whatever is wrong with an operation, it has the status and problem its own call has."""
    theirs, their_patrol = str(uuid4()), str(uuid4())
    await zhou.client.put(f"/api/v1/check-ins/{theirs}", json=put_check_in(theirs)["body"])
    await zhou.client.put(f"/api/v1/patrols/{their_patrol}", json=put_patrol(theirs)["body"])
    mine, conflicting = str(uuid4()), str(uuid4())
    await li.client.put(f"/api/v1/patrols/{mine}", json=put_patrol(mine)["body"])
    await li.client.put(f"/api/v1/check-ins/{conflicting}", json=put_check_in(mine)["body"])
    bad: list[dict[str, Any]] = [
        put_patrol(their_patrol),
        put_patrol(mine, kind="boat"),
        put_patrol(str(uuid4()), reach_code="R-9"),
        put_patrol(str(uuid4()), companions=["NONE"]),
        put_check_in(theirs),
        put_check_in(conflicting, note="另一句"),
        put_check_in(str(uuid4()), stele={"code": "NONE"}),
        put_check_in(str(uuid4()), patrol_id=their_patrol),
        put_check_in(str(uuid4()), patrol_id=str(uuid4())),
        append_track(their_patrol, 103.01),
        append_track(str(uuid4()), 103.01),
        finish_patrol(their_patrol),
        finish_patrol(mine, "07:00"),
    ]
    routes = {
        "put_patrol": ("PUT", "patrols/{}"),
        "put_check_in": ("PUT", "check-ins/{}"),
        "append_track": ("POST", "patrols/{}/track"),
        "finish_patrol": ("POST", "patrols/{}/finish"),
    }

    together = (await post(li.client, bad)).json()["results"]
    alone = []
    for operation in bad:
        method, path = routes[operation["op"]]
        url = f"/api/v1/{path.format(operation['id'])}"
        response = await li.client.request(method, url, json=operation["body"])
        alone.append((response.status_code, response.json()))

    assert [(each["status"], each["problem"]) for each in together] == alone
    assert [each["status"] for each in together] == [
        409, 409, 422, 422, 409, 409, 422, 422, 422, 404, 404, 404, 422,
    ]  # fmt: skip
    assert len((await session.scalars(select(CheckIn))).all()) == 2
    assert len((await session.scalars(select(Patrol))).all()) == 3


@pytest.mark.parametrize(
    ("operation", "told", "pointer"),
    [
        ({"op": "drop_table", "id": str(uuid4()), "body": {}}, True, "/op"),
        ({"op": "put_patrol", "id": "1", "body": {}}, True, "/id"),
        ({"op": "put_patrol", "id": str(uuid4()), "body": []}, True, "/body"),
        ({"op": "put_patrol", "id": str(uuid4())}, True, "/body"),
        ({"op": "put_patrol", "id": str(uuid4()), "body": {}}, True, "/body/started_at"),
        ({"op": ["put_patrol"], "id": 7, "body": {}}, False, "/op"),
        ({}, False, "/op"),
        ("put_patrol", False, ""),
        (None, False, ""),
        (1, False, ""),
        ([], False, ""),
    ],
)
@time_machine.travel(NOW, tick=False)
async def test_what_is_no_operation(li: Member, operation: Any, told: bool, pointer: str) -> None:
    good = put_check_in(str(uuid4()))

    response = await post(li.client, [operation, good])

    bad, fine = response.json()["results"]
    assert (bad["status"], bad["problem"]["code"]) == (422, "invalid")
    assert bad["problem"]["errors"][0]["pointer"] == pointer
    expected = (operation["id"], operation["op"]) if told else (None, None)
    assert (bad["id"], bad["op"]) == expected
    assert fine["status"] == 201


async def test_texts_that_are_none(li: Member) -> None:
    """Half a surrogate pair is valid JSON and no text: it may not break the answer either."""
    body = (
        rb'{"operations": [{"op": "put_patrol", "id": "\ud800", "body": {}},'
        rb' {"op": "\udfff", "id": "x", "body": {}}, "\ud800",'
        rb' {"op": "put_patrol", "id": "00000000-0000-4000-8000-000000000001",'
        rb' "body": {"started_at": "\ud800", "reach_code": "\ud800"}}]}'
    )

    response = await li.client.post(
        "/api/v1/sync", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 200
    assert [each["status"] for each in response.json()["results"]] == [422] * 4


async def test_how_many_operations(li: Member) -> None:
    none = await post(li.client, [])
    many = await post(li.client, [{} for _ in range(1000)])
    too_many = await post(li.client, [{} for _ in range(1001)])
    wrong: list[Any] = [None, {}, "x"]
    others = [await post(li.client, each) for each in wrong]
    missing = await li.client.post("/api/v1/sync", json={})

    assert none.json() == {"results": []}
    assert [each["status"] for each in many.json()["results"]] == [422] * 1000
    assert (too_many.status_code, too_many.json()["errors"]) == (
        422,
        [{"pointer": "/operations", "detail": "太多，最多 1000 项"}],
    )
    assert [each.status_code for each in (*others, missing)] == [422] * 4


@time_machine.travel(NOW, tick=False)
async def test_the_same_id_twice_in_one_queue(li: Member) -> None:
    visit, patrol = str(uuid4()), str(uuid4())

    found = await statuses(
        li.client,
        [
            put_check_in(visit),
            put_check_in(visit),
            put_check_in(visit, note="另一句"),
            put_patrol(patrol),
            put_patrol(patrol),
            put_patrol(patrol, kind="boat"),
            # The id of a patrol is no check-in's.
            put_check_in(patrol),
        ],
    )

    assert found == [201, 200, 409, 201, 200, 409, 201]


@time_machine.travel(NOW, tick=False)
async def test_without_consents(client: Client, session: AsyncSession) -> None:
    """Patrols start; neither positions nor tracks are read."""
    person = await a_person(session)
    phone = client(await a_token(session, person, consents=False))
    patrol, visit = str(uuid4()), str(uuid4())
    operations = [
        put_patrol(patrol),
        put_check_in(visit),
        append_track(patrol, 103.01),
        finish_patrol(patrol),
    ]

    results = (await post(phone, operations)).json()["results"]
    await a_consent(session, person)
    later = await statuses(phone, operations)

    assert [each["status"] for each in results] == [201, 403, 403, 200]
    assert [results[n]["problem"]["notice"] for n in (1, 2)] == ["position", "track"]
    assert later == [200, 201, 403, 200]


async def test_who_may_not_sync(
    client: Client, stranger: AsyncClient, program: AsyncClient
) -> None:
    answers = [await post(each, []) for each in (client(None), stranger, program)]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (401, "unauthenticated"),
        (403, "not-bound"),
        (403, "forbidden"),
    ]


class TestTwoPhones:
    """On real connections, because there have to be two."""

    @pytest.fixture
    async def sessions(
        self, server_url: str, settings: Settings
    ) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
        with databases.empty(server_url) as url:
            databases.migrate(url)
            engine, sessions = connect(url, settings.database)
            yield sessions
            await engine.dispose()

    async def test_sync_the_same_and_different_things_at_once(
        self, li: Member, zhou: Member, session: AsyncSession
    ) -> None:
        patrol, shared = str(uuid4()), [str(uuid4()) for _ in range(20)]
        with time_machine.travel(NOW, tick=False):
            common = [
                put_patrol(patrol, companions=["ZHOU"]),
                *(
                    put_check_in(id_, f"08:{n:02}", 103.01 + n * 1e-4)
                    for n, id_ in enumerate(shared)
                ),
                append_track(patrol, 103.01, 103.011),
            ]
            own = [[put_check_in(str(uuid4()), f"09:{n:02}") for n in range(10)] for _ in range(3)]
            queues = [common + own[0], common[::-1] + own[1], own[2]]
            phones = [li.client, li.client, zhou.client]
            answers = await asyncio.gather(
                *(statuses(phone, queue) for phone, queue in zip(phones, queues, strict=True))
            )
            again = [
                await statuses(phone, queue) for phone, queue in zip(phones, queues, strict=True)
            ]
            shown = (await li.client.get(f"/api/v1/patrols/{patrol}")).json()

        first, second = answers[0][:22], answers[1][21::-1]
        assert [sorted(pair) for pair in zip(first, second, strict=True)] == [[200, 201]] * 21 + [
            [200, 200]
        ]
        assert again == [[200] * 32, [200] * 32, [200] * 10]
        assert [answer[-10:] for answer in answers] == [[201] * 10] * 3
        rows = (await session.scalars(select(CheckIn).order_by(CheckIn.at))).all()
        assert sorted(str(row.id) for row in rows) == sorted(
            [*shared, *(each["id"] for queue in own for each in queue)]
        )
        assert (shown["points"], len(shown["check_in_ids"])) == ({"kept": 2, "marked": 0}, 40)
