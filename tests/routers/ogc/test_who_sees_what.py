"""Who reads what of the map data, and what of it is written down."""

import base64
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.models import AuditEntry
from app.routers.deps import WEB_COOKIE
from app.services import web_sessions
from app.state import State
from tests.conftest import Client, Lake, Member
from tests.factories import a_grid_cell, a_reach, a_stele, a_waterbody, an_api_key, rectangle
from tests.routers.ogc.world import COLLECTIONS, LAKE, PUBLIC, World

CHECK_INS = "/ogc/collections/check_ins/items"


async def shown(reader: httpx.AsyncClient) -> list[str]:
    """The ids of the check-ins that the reader is given; each can be read by itself too."""
    answer = await reader.get(CHECK_INS)
    assert answer.status_code == 200
    ids = [feature["id"] for feature in answer.json()["features"]]
    assert answer.json()["numberMatched"] == len(ids)
    for each in ids:
        assert (await reader.get(f"{CHECK_INS}/{each}")).status_code == 200
    return ids


def names(reader_answer: httpx.Response) -> list[str]:
    return [each["id"] for each in reader_answer.json()["collections"]]


async def test_managers_and_programs_are_given_their_subtree(
    world: World,
    wang: Member,
    qian: Member,
    zhao: Member,
    program: httpx.AsyncClient,
    west_program: httpx.AsyncClient,
) -> None:
    east, west = str(world.east.id), str(world.west.id)
    for reader in (wang.client, qian.client, program):
        assert await shown(reader) == [east, west]
    assert await shown(west_program) == [west]
    assert (await west_program.get(f"{CHECK_INS}/{east}")).status_code == 404
    assert await shown(zhao.client) == []


async def test_a_check_in_belongs_to_its_place_too(
    session: AsyncSession, client: Client, world: World
) -> None:
    """The stele is the enterprise's, the cell is the east branch's, whoever was there."""
    assert await shown(client(await an_api_key(session, world.lake.enterprise))) == [
        str(world.east.id)
    ]
    world.west.grid_cell_ids = [world.lake.shore.id, world.lake.east.id]
    session.add(world.west)
    await session.commit()
    east_program = client(await an_api_key(session, world.lake.east_branch))
    assert await shown(east_program) == [str(world.east.id), str(world.west.id)]


async def test_without_a_key_the_guarded_collections_are_not_there(
    client: Client, world: World, li: Member, stranger: httpx.AsyncClient
) -> None:
    for reader in (client(None), li.client, stranger):
        assert names(await reader.get("/ogc/collections")) == list(PUBLIC)
        page = (await reader.get("/ogc/collections?f=html")).text
        assert "巡河记录</a>" not in page
    for path in ("check_ins", "check_ins/items", f"check_ins/items/{world.east.id}", "problems"):
        refused = await client(None).get(f"/ogc/collections/{path}")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "challenge" not in refused.json()
        challenge = 'Basic realm="xunhe", charset="UTF-8"'
        assert refused.headers["www-authenticate"] == challenge
        assert (await li.client.get(f"/ogc/collections/{path}")).status_code == 403
        assert (await stranger.get(f"/ogc/collections/{path}")).json()["code"] == "not-bound"


async def test_a_token_that_is_none_is_told_so_everywhere(client: Client, lake: Lake) -> None:
    assert lake.stele.code == "JB-01"
    for path in ("/ogc/collections", "/ogc/collections/steles/items/JB-01"):
        assert (await client("xk_forged").get(path)).status_code == 401
        assert (await client(None).get(path)).status_code == 200


def basic(user: str, password: str) -> dict[str, str]:
    word = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}"}


async def test_a_key_may_come_as_the_password_of_basic(
    session: AsyncSession, client: Client, world: World, wang: Member
) -> None:
    key = await an_api_key(session, world.lake.west_branch)
    door = client(None)
    for user in ("", "qgis", "谁"):
        answer = await door.get(CHECK_INS, headers=basic(user, key))
        assert [each["id"] for each in answer.json()["features"]] == [str(world.west.id)]
    persons = wang.client.headers["Authorization"].removeprefix("Bearer ")
    for headers in (
        basic(key, ""),
        basic("qgis", persons),
        basic("qgis", "xk_" + "x" * 20),
        {"Authorization": "Basic"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
    ):
        assert (await door.get(CHECK_INS, headers=headers)).status_code == 401


async def test_whoever_is_signed_in_to_the_dashboard_reads_by_browser(
    session: AsyncSession, client: Client, world: World, wang: Member
) -> None:
    browser = client(None)
    token = await web_sessions.begin(session, wang.person, via="link", now=clock.now())
    await session.commit()
    browser.cookies.set(WEB_COOKIE, token)

    page = await browser.get(CHECK_INS, headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert str(world.east.id) in page.text
    assert page.headers["cache-control"] == "private, no-cache"
    browser.cookies.set(WEB_COOKIE, "expired")
    assert names(await browser.get("/ogc/collections")) == list(PUBLIC)
    assert (await browser.get(CHECK_INS)).status_code == 401


async def test_a_revoked_key_is_no_key(session: AsyncSession, client: Client, lake: Lake) -> None:
    key = await an_api_key(session, lake.committee, revoked_at=clock.now())
    assert (await client(key).get("/ogc/collections/check_ins/items")).status_code == 401


async def test_a_map_tells_of_a_check_in_where_and_when_and_no_more(
    world: World, program: httpx.AsyncClient
) -> None:
    feature = (await program.get(f"{CHECK_INS}/{world.east.id}")).json()

    assert feature["geometry"] == {"type": "Point", "coordinates": [103.01, 24.9]}
    assert feature["properties"] == {
        "at": "2026-06-01T12:00:00+08:00",
        "received_at": "2026-06-01T12:01:00+08:00",
        "verdict": "flagged",
        "source": "mini_program",
        "person": "LI",
        "organisation": "EAST",
        "patrol": str(world.east.patrol_id),
        "grid_cell": "G-1-1",
        "reach": "R-1",
        "stele": "JB-01",
        "stele_distance_m": 3.14,
        "accuracy_m": 12.5,
    }


async def test_nobody_is_named_in_what_is_public(
    session: AsyncSession, client: Client, world: World, li: Member
) -> None:
    """Whoever answers for a cell, or is written on a stele, is not handed out in bulk."""
    lake = world.lake
    li.person.phone, li.person.public_name = "19900012345", "公示李"
    lake.committee.phone = "0871-7654321"
    lake.east.person_id = li.person.id
    lake.stele.text = "河长：示例李 19900012345"
    session.add_all([li.person, lake.committee, lake.east, lake.stele])
    await session.commit()

    for collection in PUBLIC:
        for path in ("", "/items", "/items?f=html"):
            answer = await client(None).get(f"/ogc/collections/{collection}{path}")
            assert answer.status_code == 200
            for secret in ("李", "LI", "19900012345", "7654321", "datum", "person"):
                assert secret not in answer.text, (collection, path, secret)


async def test_what_is_retired_is_gone(session: AsyncSession, client: Client, world: World) -> None:
    yesterday = clock.day_of(clock.now()) - timedelta(days=1)
    far = rectangle(110, 30, 111, 31)
    gone = [
        await a_waterbody(session, LAKE, code="OLD", retired_on=yesterday),
        await a_reach(
            session, far.exterior, code="OLD", retired_on=yesterday, waterbody_id=world.water.id
        ),
        await a_grid_cell(session, far, code="OLD", retired_on=yesterday),
        await a_stele(session, code="OLD", lon=110, lat=30, retired_on=yesterday),
    ]
    assert len(gone) == len(PUBLIC)
    for collection in PUBLIC:
        listed = (await client(None).get(f"/ogc/collections/{collection}/items")).json()
        assert "OLD" not in [each["id"] for each in listed["features"]]
        assert len(listed["features"]) == listed["numberMatched"] > 0
        one = await client(None).get(f"/ogc/collections/{collection}/items/OLD")
        assert one.status_code == 404
        extent = (await client(None).get(f"/ogc/collections/{collection}")).json()["extent"]
        assert extent["spatial"]["bbox"][0][2] < 104


async def seen(session: AsyncSession) -> list[tuple[str, str | None, str]]:
    rows = await session.execute(
        select(AuditEntry.subject, AuditEntry.reason, AuditEntry.via)
        .where(AuditEntry.action == "see", AuditEntry.subject.startswith("ogc:"))
        .order_by(AuditEntry.id)
    )
    return [(subject, reason, via) for subject, reason, via in rows]


async def test_who_looks_at_check_ins_is_written_down_once_a_look(
    session: AsyncSession, world: World, wang: Member, client: Client
) -> None:
    key = await an_api_key(session, world.lake.committee, prefix="xk_map")
    asked = {"bbox": "102,24,104,25", "datetime": "../2026-12-31T00:00:00Z", "limit": "1"}
    first = (await client(key).get(CHECK_INS, params=asked)).json()
    (following,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    for _ in range(2):
        await client(key).get(following.removeprefix("http://127.0.0.1:8000"))
    await wang.client.get(CHECK_INS)
    await wang.client.get(f"{CHECK_INS}/{world.east.id}")
    await wang.client.get("/ogc/collections/check_ins")
    await client(key).get("/ogc/collections/steles/items")

    assert await seen(session) == [
        ("ogc:check_ins", "bbox=102,24,104,25&datetime=../2026-12-31T00:00:00Z", "key:xk_map"),
        ("ogc:check_ins", None, "api"),
        ("ogc:check_ins", str(world.east.id), "api"),
    ]


async def test_the_same_look_much_later_is_another(
    session: AsyncSession, world: World, program: httpx.AsyncClient
) -> None:
    assert world.east.verdict == "flagged"
    await program.get(CHECK_INS)
    for entry in await session.scalars(select(AuditEntry)):
        entry.at -= timedelta(minutes=11)
    await session.commit()
    await program.get(CHECK_INS)
    await program.get(CHECK_INS)

    assert len(await seen(session)) == 2


async def test_those_without_a_key_are_limited_by_their_address(
    client: Client, state: State, world: World
) -> None:
    assert world.water.code == "YZH"
    state["settings"] = state["settings"].model_copy(deep=True)
    state["settings"].rate_limit.per_address = 2
    for path in ("/ogc/collections/steles/items", "/ogc"):
        assert (await client(None).get(path)).status_code == 200
    for path in ("/ogc", "/ogc/api", "/ogc/collections", "/ogc/collections/steles/items"):
        assert (await client(None).get(path)).status_code == 429


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_is_written_here(
    program: httpx.AsyncClient, collection: str, method: str
) -> None:
    for path in ("", "/items", "/items/1"):
        answer = await program.request(method, f"/ogc/collections/{collection}{path}")
        assert answer.status_code == 405
