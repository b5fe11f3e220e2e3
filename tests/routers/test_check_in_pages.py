"""Check-in pages: written without models, and the same as each check-in by itself."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from httpx import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import AreaKind, CheckIn, Obligation, Period
from tests.conftest import Member
from tests.pictures import a_jpeg
from tests.queries import counted

NOW = datetime(2026, 11, 23, 4, 0, 0, 250_000, tzinfo=UTC)


async def put(member: Member, at: str, lon: float, **given: Any) -> str:
    id_ = str(uuid4())
    position = {"lon": lon, "lat": 24.9, "accuracy_m": 15, "datum": "wgs84"}
    response = await member.client.put(
        f"/api/v1/check-ins/{id_}", json={"at": at, "position": position} | given
    )
    assert response.status_code == 201, response.text
    return id_


async def owes(session: AsyncSession, member: Member, code: str, period: Period) -> None:
    session.add(
        Obligation(
            code=code,
            area_kind=AreaKind.any,
            times=6,
            period=period,
            starts_on=date(2026, 1, 1),
            holder_person_id=member.person.id,
        )
    )
    await session.commit()


async def all_shapes(session: AsyncSession, li: Member, zhou: Member, wang: Member) -> list[str]:
    """Newest first: withdrawn, flagged, reviewed, with photos, with a stele, nowhere, another's."""
    for code, period in (("YEAR", Period.year), ("MONTH", Period.month)):
        await owes(session, li, code, period)
    everywhere = {"accuracy_m": 0, "lat": 24.9, "datum": "wgs84"}
    ids = [
        await put(li, "2026-11-23T11:00:00+08:00", 103.01),
        await put(li, "2026-11-23T10:00:00+08:00", 103.01, position={"lon": 103.01} | everywhere),
        await put(li, "2026-11-22T10:00:00+08:00", 103.01, position={"lon": 103.01} | everywhere),
        await put(
            li, "2026-11-21T10:00:00.5+08:00", 103.012, photos_expected=2, note='水"清\n岸绿'
        ),
        await put(li, "2026-11-20T10:00:00+08:00", 103.0101, stele={"code": "JB-01"}),
        await put(li, "2026-11-19T10:00:00+08:00", 100.0),
        await put(zhou, "2026-11-18T10:00:00+08:00", 102.97),
    ]
    await session.execute(
        update(CheckIn).where(CheckIn.id == UUID(ids[0])).values(withdrawn_at=NOW)
    )
    await session.commit()
    reviewed = await wang.client.post(
        f"/api/v1/check-ins/{ids[2]}/review", json={"verdict": "accepted", "reason": "核实过"}
    )
    sent = await li.client.post(
        f"/api/v1/check-ins/{ids[3]}/photos",
        data={"id": str(uuid4())},
        files={"file": ("1.jpg", a_jpeg(), "image/jpeg")},
    )
    assert (reviewed.status_code, sent.status_code) == (200, 201)
    return ids


async def singly(client: AsyncClient, ids: list[str], query: str) -> list[Any]:
    return [(await client.get(f"/api/v1/check-ins/{id_}{query}")).json() for id_ in ids]


@pytest.mark.parametrize("query", ["", "?datum=gcj02"])
@time_machine.travel(NOW, tick=False)
async def test_a_page_says_of_each_what_it_says_by_itself(
    session: AsyncSession, li: Member, zhou: Member, wang: Member, query: str
) -> None:
    ids = await all_shapes(session, li, zhou, wang)

    response = await wang.client.get(f"/api/v1/check-ins{query}")

    items = response.json()["items"]
    assert response.headers["content-type"] == "application/json"
    assert items == await singly(wang.client, ids, query)
    assert [list(item) for item in items] == [list(items[0])] * len(ids)
    # And every shape was there.
    assert {item["position"]["datum"] for item in items} == {query[-5:] or "wgs84"}
    assert [item["verdict"] for item in items].count("flagged") == 1
    assert [(item["review"] or {}).get("reason") for item in items][2] == "核实过"
    assert items[0]["withdrawn_at"] == "2026-11-23T12:00:00.250000+08:00"
    assert items[3]["photos"] == {"received": 1, "expected": 2}
    assert items[3]["at"] == "2026-11-21T10:00:00.500000+08:00"
    assert items[4]["stele"]["code"] == "JB-01"
    assert (items[5]["grid_cell"], items[5]["stele"], items[5]["reach"]) == (None, None, None)
    assert [[each["obligation"] for each in item["counts_for"]] for item in items] == [
        [],
        [],
        ["MONTH", "YEAR"],
        ["MONTH", "YEAR"],
        ["MONTH", "YEAR"],
        ["MONTH", "YEAR"],
        [],
    ]


@time_machine.travel(NOW, tick=False)
async def test_pages_follow_one_another(
    session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    ids = await all_shapes(session, li, zhou, wang)
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = (await wang.client.get(f"/api/v1/check-ins?limit=3{cursor}")).json()
        found += [item["id"] for item in page["items"]]
        cursor, pages = page["next"] and f"&cursor={page['next']}", pages + 1

    assert (found, pages) == (ids, 3)


@time_machine.travel(NOW, tick=False)
async def test_a_page_asks_as_often_for_three_as_for_one(
    session: AsyncSession, li: Member, zhou: Member, wang: Member
) -> None:
    await owes(session, li, "YEAR", Period.year)
    asked = []
    for n in (1, 2, 3):
        await put(li, f"2026-11-2{n}T09:00:00+08:00", 103.01)
        if n == 2:
            continue
        with counted(session) as seen:
            response = await wang.client.get("/api/v1/check-ins")
        assert len(response.json()["items"]) == n
        asked.append(seen.statements)

    assert asked[0] == asked[1] > 0
    assert (await zhou.client.get("/api/v1/check-ins")).json() == {"items": [], "next": None}
