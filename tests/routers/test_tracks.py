"""The line of a patrol: whose it is to look at, in which datum, and that a look is kept."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import clock
from app.domain import datum
from app.models import AuditEntry, Role, TrackPoint
from tests.conftest import Member

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
POINTS = [(103.010, 24.900), (103.011, 24.901), (103.012, 24.902)]


async def _walk(walker: Member, **given: object) -> str:
    """A patrol with a line of three points and one that nobody could have reached."""
    patrol = str(uuid4())
    body = {"started_at": START.isoformat(), **given}
    assert (await walker.client.put(f"/api/v1/patrols/{patrol}", json=body)).status_code == 201
    points = [
        {
            "seq": n,
            "at": (START + timedelta(minutes=5 * n)).isoformat(),
            "lon": lon,
            "lat": lat,
            "accuracy_m": 8,
            "datum": "wgs84",
        }
        for n, (lon, lat) in enumerate([*POINTS, (113.0, 24.9)], start=1)
    ]
    answer = await walker.client.post(f"/api/v1/patrols/{patrol}/track", json={"points": points})
    assert answer.json() == {"received": 4, "last_seq": 4}
    return patrol


async def test_the_line_leads_through_the_points_that_count_with_their_times(li: Member) -> None:
    patrol = await _walk(li)

    answer = await li.client.get(f"/api/v1/patrols/{patrol}/track")

    found = answer.json()
    assert answer.status_code == 200
    assert found["type"] == "Feature"
    assert found["geometry"] == {"type": "LineString", "coordinates": [list(p) for p in POINTS]}
    assert found["properties"]["times"] == [
        (START + timedelta(minutes=5 * n)).astimezone(clock.LAKE).isoformat() for n in (1, 2, 3)
    ]
    assert found["properties"]["patrol"] == patrol


async def test_the_line_is_answered_for_chinese_maps(li: Member) -> None:
    patrol = await _walk(li)

    found = (await li.client.get(f"/api/v1/patrols/{patrol}/track?datum=gcj02")).json()

    assert found["geometry"]["coordinates"] == [list(datum.to_gcj02(*point)) for point in POINTS]


async def test_a_patrol_without_points_has_no_line(li: Member) -> None:
    patrol = str(uuid4())
    await li.client.put(f"/api/v1/patrols/{patrol}", json={"started_at": START.isoformat()})

    found = (await li.client.get(f"/api/v1/patrols/{patrol}/track")).json()

    assert (found["geometry"], found["properties"]["times"]) == (None, [])


async def test_a_manager_who_looks_is_written_down_and_the_walker_is_not(
    session: AsyncSession, li: Member, wang: Member
) -> None:
    patrol = await _walk(li)
    await li.client.get(f"/api/v1/patrols/{patrol}/track")
    await wang.client.get(f"/api/v1/patrols/{patrol}/track")

    rows = await session.execute(
        select(AuditEntry.actor_id, AuditEntry.subject, AuditEntry.reason).where(
            AuditEntry.action == "see"
        )
    )
    assert [tuple(row) for row in rows] == [(wang.person.id, f"patrol:{patrol}", "查看轨迹")]


async def test_a_place_of_ours_does_not_open_the_lines_of_others(
    session: AsyncSession, li: Member, zhou: Member
) -> None:
    """Zhou's manager sees that Li was at the western stele, and not how Li got there."""
    patrol = await _walk(li)
    visit = {
        "at": (START + timedelta(minutes=20)).isoformat(),
        "position": {"lon": 102.97, "lat": 24.9, "accuracy_m": 8, "datum": "wgs84"},
        "patrol_id": patrol,
        "stele": {"code": "JB-02"},
    }
    answer = await li.client.put(f"/api/v1/check-ins/{uuid4()}", json=visit)
    assert answer.status_code == 201
    zhou.person.role = Role.manager
    session.add(zhou.person)
    await session.commit()

    assert (await zhou.client.get(f"/api/v1/patrols/{patrol}")).status_code == 200
    assert (await zhou.client.get(f"/api/v1/patrols/{patrol}/track")).status_code == 404


async def test_whoever_else_finds_nothing(
    session: AsyncSession, li: Member, zhou: Member, zhao: Member
) -> None:
    patrol = await _walk(li)

    for other in (zhou, zhao):
        answer = await other.client.get(f"/api/v1/patrols/{patrol}/track")
        assert answer.status_code == 404
    there = await session.scalars(
        select(TrackPoint.seq).where(TrackPoint.patrol_id == UUID(patrol))
    )
    assert sorted(there) == [1, 2, 3, 4]
