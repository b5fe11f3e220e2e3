from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import time_machine
from httpx import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from tests.conftest import Client, Member
from tests.factories import a_person, a_token

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
AT_THE_STELE = {"lon": 103.01, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}


def a_check_in(**given: Any) -> dict[str, Any]:
    return {"at": "2026-11-23T09:00:00+08:00", "position": AT_THE_STELE} | given


async def put(client: AsyncClient, **given: Any) -> dict[str, Any]:
    response = await client.put(f"/api/v1/check-ins/{uuid4()}", json=a_check_in(**given))
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


@time_machine.travel(NOW, tick=False)
async def test_a_check_in_at_the_stele(li: Member) -> None:
    id_ = str(uuid4())
    body = a_check_in(stele={"code": "JB-01"}, note="  水清岸绿 ", photos_expected=2)

    response = await li.client.put(f"/api/v1/check-ins/{id_}", json=body)

    assert response.status_code == 201
    answer = response.json()
    evidence = {entry.pop("check"): entry for entry in answer.pop("evidence")}
    patrol_id = answer.pop("patrol_id")
    assert answer == {
        "id": id_,
        "at": "2026-11-23T09:00:00+08:00",
        "received_at": "2026-11-23T09:00:00+08:00",
        "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": 15.0, "datum": "wgs84"},
        "grid_cell": {
            "code": "G-1-1",
            "name": "东岸一号网格",
            "path": [
                {"code": "G-0", "name": "环湖网格"},
                {"code": "G-1", "name": "东岸网格"},
                {"code": "G-1-1", "name": "东岸一号网格"},
            ],
        },
        "stele": {"code": "JB-01", "name": "东岸一号碑", "distance_m": 0.0, "within": True},
        "reach": {"code": "R-1", "name": "东岸河段", "distance_m": 0.0},
        "person": "LI",
        "note": "水清岸绿",
        "verdict": "accepted",
        "review": None,
        "photos": {"received": 0, "expected": 2},
        "withdrawn_at": None,
        "counts_for": [],
        "ask_for": [],
    }
    assert evidence == {
        "area_of_interest": {"passed": None, "value": None, "limit": None},
        "accuracy": {"passed": True, "value": 15.0, "limit": 200.0},
        "stele_distance": {"passed": True, "value": 0.0, "limit": 115.0},
        "stele_nearest": {"passed": True, "value": 0.0, "limit": 30.0},
        "stele_code": {"passed": None, "value": None, "limit": None},
        "stele_print": {"passed": None, "value": None, "limit": None},
        "clock": {"passed": True, "value": 0.0, "limit": 300.0},
        "age": {"passed": True, "value": 0.0, "limit": 604800.0},
        "patrol_time": {"passed": None, "value": None, "limit": 300.0},
        "speed": {"passed": None, "value": None, "limit": 120.0},
        "companion_elsewhere": {"passed": None, "value": None, "limit": 1000.0},
        "identical_coordinates": {"passed": True, "value": 0.0, "limit": 5.0},
        "device": {"passed": None, "value": None, "limit": None},
        "photo_type": {"passed": None, "value": None, "limit": None},
        "photo_taken": {"passed": None, "value": None, "limit": 86400.0},
        "photo_reused": {"passed": None, "value": None, "limit": 0.0},
        "photo_near_same": {"passed": None, "value": None, "limit": 0.0},
    }
    patrol = (await li.client.get(f"/api/v1/patrols/{patrol_id}")).json()
    assert (patrol["state"], patrol["check_in_ids"]) == ("finished", [id_])
    assert (await li.client.get(f"/api/v1/check-ins/{id_}")).json() == response.json()


@time_machine.travel(NOW, tick=False)
async def test_gcj02_is_understood_and_answered(li: Member) -> None:
    # 103.01 E, 24.9 N as the phone's Chinese map shows it.
    position = {"lon": 103.011442, "lat": 24.897, "datum": "gcj02"}

    answer = await put(li.client, position=position)
    chinese = (await li.client.get(f"/api/v1/check-ins/{answer['id']}?datum=gcj02")).json()

    assert answer["position"]["datum"] == "wgs84"
    assert abs(answer["position"]["lon"] - 103.01) < 0.0005
    assert abs(answer["position"]["lat"] - 24.9) < 0.0005
    assert chinese["position"]["datum"] == "gcj02"
    assert abs(chinese["position"]["lon"] - 103.011442) < 1e-8


@time_machine.travel(NOW, tick=False)
async def test_the_same_again_is_answered_as_it_stands(li: Member) -> None:
    url, body = f"/api/v1/check-ins/{uuid4()}", a_check_in(note="x")
    first = await li.client.put(url, json=body)
    # The same values, spelled otherwise.
    again = await li.client.put(
        url, json=body | {"at": "2026-11-23T01:00:00.000Z", "stele": None, "device": None}
    )

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


@time_machine.travel(NOW, tick=False)
async def test_the_same_id_with_other_content_or_by_another_is_a_conflict(
    li: Member, zhou: Member
) -> None:
    url, body = f"/api/v1/check-ins/{uuid4()}", a_check_in()
    await li.client.put(url, json=body)

    other = await li.client.put(url, json=body | {"note": "另一句"})
    foreign = await zhou.client.put(url, json=body)

    for response in (other, foreign):
        assert response.status_code == 409
        assert response.json() == {
            "type": "urn:xunhe:problem:conflict",
            "title": "这条记录与已保存的内容不一致，没有覆盖。",
            "status": 409,
            "code": "conflict",
        }


async def test_who_may_not_check_in(
    client: Client, stranger: AsyncClient, program: AsyncClient, session: AsyncSession
) -> None:
    silent = client(await a_token(session, await a_person(session), consents=False))
    url, body = f"/api/v1/check-ins/{uuid4()}", a_check_in()

    answers = [
        (response.status_code, response.json()["code"])
        for response in [
            await each.put(url, json=body) for each in (client(None), stranger, program, silent)
        ]
    ]

    assert answers == [
        (401, "unauthenticated"),
        (403, "not-bound"),
        (403, "forbidden"),
        (403, "consent-needed"),
    ]


@time_machine.travel(NOW, tick=False)
async def test_who_sees_a_check_in(
    li: Member,
    zhou: Member,
    chen: Member,
    zhao: Member,
    wang: Member,
    qian: Member,
    stranger: AsyncClient,
    program: AsyncClient,
    west_program: AsyncClient,
    client: Client,
) -> None:
    id_ = (await put(li.client, stele={"code": "JB-01"}))["id"]

    statuses = [
        (await each.get(f"/api/v1/check-ins/{id_}")).status_code
        for each in (
            *(member.client for member in (li, zhou, chen, zhao, wang, qian)),
            stranger,
            program,
            west_program,
            client(None),
        )
    ]
    listed = [
        [row["id"] for row in (await each.get("/api/v1/check-ins")).json()["items"]]
        for each in (li.client, zhou.client, zhao.client, wang.client, program, west_program)
    ]

    assert statuses == [200, 404, 404, 404, 200, 200, 403, 200, 404, 401]
    assert listed == [[id_], [], [], [id_], [id_], []]


@time_machine.travel(NOW, tick=False)
async def test_the_place_opens_a_record_to_its_managers(
    zhou: Member, west_program: AsyncClient, li: Member
) -> None:
    """Li, of the east, checks in on the west bank: the west's program reads it."""
    position = {"lon": 102.97, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}

    id_ = (await put(li.client, position=position))["id"]

    assert [row["id"] for row in (await west_program.get("/api/v1/check-ins")).json()["items"]] == [
        id_
    ]
    assert (await zhou.client.get(f"/api/v1/check-ins/{id_}")).status_code == 404


@time_machine.travel(NOW, tick=False)
async def test_pages_survive_inserts(li: Member) -> None:
    ids = [(await put(li.client, at=f"2026-11-2{n}T09:00:00+08:00"))["id"] for n in range(3)]

    first = (await li.client.get("/api/v1/check-ins?limit=2")).json()
    newest = (await put(li.client, at="2026-11-23T08:59:00+08:00"))["id"]
    second = (await li.client.get(f"/api/v1/check-ins?limit=2&cursor={first['next']}")).json()

    assert [row["id"] for row in first["items"]] == [ids[2], ids[1]]
    assert [row["id"] for row in second["items"]] == [ids[0]]
    assert second["next"] is None
    assert newest not in {row["id"] for row in second["items"]}


async def test_bad_fields_are_named(li: Member) -> None:
    body = {
        "at": "2026-11-23T09:00:00",
        "position": {"lon": 181, "lat": -91, "accuracy_m": -1, "datum": "bd09"},
        "note": "x\u0000y",
        "photos_expected": 31,
        "stele": {},
    }

    response = await li.client.put(f"/api/v1/check-ins/{uuid4()}", json=body)

    assert response.status_code == 422
    assert response.json()["code"] == "invalid"
    assert response.json()["errors"] == [
        {"pointer": "/at", "detail": "时间要写成带时区的格式，例如 2026-06-01T08:30:00+08:00"},
        {"pointer": "/position/lon", "detail": "不能大于 180.0"},
        {"pointer": "/position/lat", "detail": "不能小于 -90.0"},
        {"pointer": "/position/accuracy_m", "detail": "不能小于 0.0"},
        {"pointer": "/position/datum", "detail": "只能是以下之一：'gcj02'、'wgs84'"},
        {"pointer": "/stele/code", "detail": "必填项没有填写"},
        {"pointer": "/note", "detail": "文字里有无法保存的控制字符"},
        {"pointer": "/photos_expected", "detail": "不能大于 30"},
    ]
    assert (await li.client.get("/api/v1/check-ins")).json() == {"items": [], "next": None}


async def test_unreadable_requests(li: Member) -> None:
    url = f"/api/v1/check-ins/{uuid4()}"
    headers = {"content-type": "application/json"}

    broken = await li.client.put(url, content=b'{"at": ', headers=headers)
    deep = await li.client.put(url, content=b"[" * 100_000, headers=headers)
    large = await li.client.put(url, content=b" " * (1 << 20) + b"{}", headers=headers)
    no_uuid = await li.client.put("/api/v1/check-ins/1", json=a_check_in())
    no_method = await li.client.request("PATCH", url, json={})
    cursor = await li.client.get("/api/v1/check-ins?cursor=%00")

    assert [
        (each.status_code, each.json()["code"], each.headers["content-type"])
        for each in (broken, deep, large, no_uuid, no_method, cursor)
    ] == [
        (400, "bad-request", "application/problem+json"),
        (400, "bad-request", "application/problem+json"),
        (413, "too-large", "application/problem+json"),
        (422, "invalid", "application/problem+json"),
        (405, "method-not-allowed", "application/problem+json"),
        (400, "bad-request", "application/problem+json"),
    ]


@time_machine.travel(NOW, tick=False)
async def test_an_unknown_stele_or_patrol_is_named(li: Member, zhou: Member) -> None:
    url = f"/api/v1/check-ins/{uuid4()}"
    patrol = f"/api/v1/patrols/{uuid4()}"
    await zhou.client.put(patrol, json={"started_at": "2026-11-23T08:30:00+08:00"})

    stele = await li.client.put(url, json=a_check_in(stele={"code": "NONE"}))
    foreign = await li.client.put(url, json=a_check_in(patrol_id=patrol.rsplit("/", 1)[1]))

    assert (stele.status_code, stele.json()["errors"][0]["pointer"]) == (422, "/stele/code")
    assert (foreign.status_code, foreign.json()["errors"][0]["pointer"]) == (422, "/patrol_id")


async def flagged_for(client: AsyncClient, **given: Any) -> list[str]:
    answer = await put(client, **given)
    assert answer["verdict"] == ("accepted" if not _failed(answer) else "flagged")
    return _failed(answer)


def _failed(answer: dict[str, Any]) -> list[str]:
    return [entry["check"] for entry in answer["evidence"] if entry["passed"] is False]


@time_machine.travel(NOW, tick=False)
async def test_doubtful_check_ins_are_stored_and_flagged(li: Member, zhou: Member) -> None:
    def at(lon: float, lat: float = 24.9, accuracy_m: float = 10) -> dict[str, Any]:
        return {"lon": lon, "lat": lat, "accuracy_m": accuracy_m, "datum": "wgs84"}

    far = {"code": "JB-01"}
    assert await flagged_for(li.client, position=at(103.01, accuracy_m=0)) == ["accuracy"]
    assert await flagged_for(li.client, position=at(103.01, accuracy_m=500)) == ["accuracy"]
    assert await flagged_for(li.client, position=at(103.0125), stele=far) == ["stele_distance"]
    assert await flagged_for(li.client, at="2026-11-23T09:06:00+08:00") == ["clock"]
    assert await flagged_for(zhou.client, at="2026-11-15T08:59:00+08:00") == ["age"]
    # Kunming's other side of the world, a minute later.
    assert "speed" in await flagged_for(
        li.client, at="2026-11-23T08:59:30+08:00", position=at(102.97)
    )
    assert len((await li.client.get("/api/v1/check-ins")).json()["items"]) == 5


@time_machine.travel(NOW, tick=False)
async def test_one_device_for_two_people_is_flagged_at_the_second(li: Member, zhou: Member) -> None:
    assert await flagged_for(li.client, device="phone-1") == []
    assert await flagged_for(li.client, device="phone-1") == []
    assert await flagged_for(zhou.client, device="phone-1") == ["device"]


@time_machine.travel(NOW, tick=False)
async def test_identical_coordinates_again_and_again_are_flagged(li: Member) -> None:
    failed = [
        await flagged_for(li.client, at=(NOW - timedelta(days=7 - n)).isoformat()) for n in range(8)
    ]

    assert failed == [[], [], [], [], [], [], ["identical_coordinates"], ["identical_coordinates"]]


@time_machine.travel(NOW, tick=False)
async def test_a_bad_code_is_rejected_and_a_named_patrol_has_its_times(li: Member) -> None:
    patrol = str(uuid4())
    await li.client.put(
        f"/api/v1/patrols/{patrol}", json={"started_at": "2026-11-23T08:30:00+08:00"}
    )

    bad = await put(li.client, stele={"code": "JB-01", "token": "1.forged"})
    early = await put(li.client, patrol_id=patrol, at="2026-11-23T08:20:00+08:00")
    within = await put(li.client, patrol_id=patrol, at="2026-11-23T08:26:00+08:00")

    assert (bad["verdict"], _failed(bad)) == ("rejected", ["stele_code"])
    assert (early["verdict"], _failed(early)) == ("flagged", ["patrol_time"])
    assert within["verdict"] == "accepted"
    assert early["patrol_id"] == patrol


async def test_etags(li: Member) -> None:
    id_ = (await put(li.client, at=datetime.now(UTC).isoformat()))["id"]
    first = await li.client.get(f"/api/v1/check-ins/{id_}")

    again = await li.client.get(
        f"/api/v1/check-ins/{id_}", headers={"If-None-Match": first.headers["etag"]}
    )

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_locate(li: Member, client: Client) -> None:
    url = "/api/v1/locate?lon=103.01&lat=24.901&datum=wgs84&accuracy_m=5"

    answer = (await li.client.get(url)).json()
    outside = await li.client.get("/api/v1/locate?lon=0&lat=0&datum=wgs84")
    edge = (await li.client.get("/api/v1/locate?lon=103.02&lat=24.9&datum=wgs84")).json()

    assert answer == {
        "position": {"lon": 103.01, "lat": 24.901, "accuracy_m": 5.0, "datum": "wgs84"},
        "grid_cells": [
            {"code": "G-0", "name": "环湖网格", "kind": "general"},
            {"code": "G-1", "name": "东岸网格", "kind": "general"},
            {"code": "G-1-1", "name": "东岸一号网格", "kind": "general"},
        ],
        "steles": [
            {
                "code": "JB-01",
                "name": "东岸一号碑",
                "position": {"lon": 103.01, "lat": 24.9, "accuracy_m": None, "datum": "wgs84"},
                "radius_m": 100.0,
                "distance_m": 110.8,
            }
        ],
        "reach": {"code": "R-1", "name": "东岸河段", "distance_m": 0.0},
    }
    assert (outside.status_code, outside.json()["grid_cells"], outside.json()["reach"]) == (
        200,
        [],
        None,
    )
    assert [cell["code"] for cell in edge["grid_cells"]] == ["G-0", "G-1"]
    assert (await client(None).get(url)).status_code == 401
