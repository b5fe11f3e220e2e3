"""Many managers at once, patrols coming in meanwhile, and an import that takes its time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app import clock
from app.database import connect
from app.models import AuditEntry, Credit, LateEntry, Membership, Obligation, Patrol, Role
from app.services import credits, edits, turns
from app.settings import Settings
from tests import databases
from tests.conftest import Client, Lake, Member
from tests.factories import a_person, a_token
from tests.pictures import a_jpeg

TODAY = clock.day_of(datetime.now(UTC)).isoformat()
DUTY: dict[str, Any] = {
    "holder_kind": "person",
    "holder_code": "LI",
    "area_kind": "any",
    "times": 2,
    "period": "month",
    "starts_on": "2026-01-01",
    "reason": "年度任务",
}
PAPER = {"person_code": "LI", "on": TODAY, "area_kind": "any", "reason": "手机进水"}
YES = {"verdict": "accepted", "reason": "一致"}
NO = {"verdict": "declined", "reason": "看不清"}


@pytest.fixture
async def engine(server_url: str, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """In place of the savepoints: a database of its own, and a real pool of ten connections."""
    with databases.empty(server_url) as url:
        databases.migrate(url)
        engine, _ = connect(url, settings.database)
        yield engine
        await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, expire_on_commit=False)


async def outcomes(*calls: Awaitable[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in await asyncio.gather(*calls))


@pytest.mark.usefixtures("li")
async def test_one_of_many_decisions_wins(
    session: AsyncSession, client: Client, lake: Lake, wang: Member
) -> None:
    id_ = str(uuid4())
    path = f"/api/v1/late-entries/{id_}"
    assert await outcomes(*(wang.client.put(path, json=PAPER) for _ in range(8))) == [
        *[200] * 7,
        201,
    ]
    photos = (
        wang.client.post(f"{path}/photo", files={"file": ("1.jpg", a_jpeg(seed))})
        for seed in (1, 1, 2)
    )
    stored = await outcomes(*photos)
    others = [
        await a_person(session, organisation_id=lake.committee.id, role=Role.manager)
        for _ in range(6)
    ]
    clients = [client(await a_token(session, other)) for other in others]

    answers = await outcomes(
        *(
            each.post(f"{path}/decision", json=YES if n % 2 else NO)
            for n, each in enumerate(clients)
        )
    )

    assert stored in ([200, 201, 409], [201, 409, 409])
    assert answers == [200, *[409] * 5]
    entry = (await session.scalars(select(LateEntry))).one()
    patrols = (await session.scalars(select(Patrol.id))).all()
    assert patrols == ([entry.patrol_id] if entry.state == "accepted" else [])
    decided = await session.scalars(select(AuditEntry.id).where(AuditEntry.action == "decide"))
    assert len(decided.all()) == 1


@pytest.mark.usefixtures("li")
async def test_one_code_is_one_obligation(
    session: AsyncSession, wang: Member, qian: Member
) -> None:
    path = "/api/v1/obligations/O-1"
    calls = [each.client.put(path, json=DUTY) for each in (wang, qian) * 5]

    assert await outcomes(*calls) == [*[200] * 9, 201]
    assert len((await session.scalars(select(Obligation.id))).all()) == 1
    assert len((await session.scalars(select(AuditEntry.id))).all()) == 1


@pytest.mark.usefixtures("li")
async def test_of_two_edits_of_one_version_one_is_told(wang: Member, qian: Member) -> None:
    path = "/api/v1/obligations/O-1"
    etag = (await wang.client.put(path, json=DUTY)).headers["etag"]
    calls = [
        each.client.put(path, json=DUTY | {"times": times}, headers={"If-Match": etag})
        for each, times in ((wang, 3), (qian, 4))
    ]

    assert await outcomes(*calls) == [200, 412]


async def test_what_is_walked_while_rules_change_counts_by_the_last_of_them(
    session: AsyncSession,
    sessions: async_sessionmaker[AsyncSession],
    li: Member,
    zhou: Member,
    wang: Member,
    qian: Member,
) -> None:
    """Check-ins, moves between branches and new terms, all at once: the books stay right."""
    noon = clock.start_of(clock.day_of(datetime.now(UTC))) - timedelta(hours=12)
    branch = {"holder_kind": "organisation", "holder_code": "EAST"}
    person = {
        "name": "示例李",
        "role": "member",
        "party_member": True,
        "reason": "调动",
        "from": "2026-01-01",
    }

    async def walks(member: Member, n: int) -> httpx.Response:
        at = (noon - timedelta(days=n % 5, minutes=n)).isoformat()
        position = {"lon": 103.01, "lat": 24.9, "accuracy_m": 10, "datum": "wgs84"}
        return await member.client.put(
            f"/api/v1/check-ins/{uuid4()}", json={"at": at, "position": position}
        )

    def moves(n: int) -> Awaitable[httpx.Response]:
        to = ("EAST", "WEST")[n % 2]
        return wang.client.put("/api/v1/people/LI", json=person | {"organisation_code": to})

    def terms(n: int) -> Awaitable[httpx.Response]:
        area = {"area_kind": "grid_cell", "area_code": ("G-1", "G-2")[n % 2]}
        return qian.client.put("/api/v1/obligations/O-2", json=DUTY | branch | area)

    await qian.client.put("/api/v1/obligations/O-1", json=DUTY)
    answers = await outcomes(
        *(walks(each, n) for n in range(10) for each in (li, zhou)),
        *(moves(n) for n in range(6)),
        *(terms(n) for n in range(6)),
    )

    assert answers == [*[200] * 11, *[201] * 21]
    async with sessions() as checking:
        assert [each async for each in credits.differences(checking)] == []
    days = await session.scalars(
        select(Credit.counted_on)
        .join(Obligation, Obligation.id == Credit.obligation_id)
        .where(Obligation.code == "O-1", Credit.revoked_at.is_(None), ~Credit.pending)
        .distinct()
    )
    assert len(days.all()) == 5
    in_force = await session.scalars(
        select(Membership.organisation_id).where(
            Membership.person_id == li.person.id,
            Membership.revoked_at.is_(None),
            Membership.to_on.is_(None),
        )
    )
    await session.refresh(li.person)
    assert in_force.all() == [li.person.organisation_id]


@pytest.mark.usefixtures("li")
async def test_an_edit_does_not_wait_for_a_long_import(
    sessions: async_sessionmaker[AsyncSession], wang: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edits, "_PATIENCE", "100ms")
    async with sessions() as importing, importing.begin():
        await turns.take_all(importing)
        busy = await wang.client.put("/api/v1/obligations/O-1", json=DUTY)
        read = await wang.client.get("/api/v1/obligations")

    assert (busy.status_code, busy.json()["code"], busy.headers["retry-after"]) == (
        503, "busy", "60",
    )  # fmt: skip
    assert (read.status_code, read.json()["items"]) == (200, [])
    assert (await wang.client.put("/api/v1/obligations/O-1", json=DUTY)).status_code == 201
