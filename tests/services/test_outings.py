"""Outings: the line and times of a patrol without track, whatever order its check-ins come in."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from pyproj.geod import Geod
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import XunheError
from app.keys import Keys
from app.models import CheckIn, Patrol, PatrolKind, PatrolOrigin, Source
from app.services import check_ins, outings
from app.services.check_in_lists import Recorded
from app.services.new_check_in import NewCheckIn
from app.services.patrols import NewPatrol, finish, start
from app.settings import Settings
from tests.conftest import Member

GEOD = Geod(ellps="WGS84")
START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
KEYS = Keys(b"a secret for tests only")

Visit = tuple[int, float, float]
visits = st.lists(
    st.tuples(st.integers(0, 300), st.floats(102.9, 103.1), st.floats(24.8, 25.0)),
    min_size=1,
    max_size=12,
)


def a_visit(member: Member, visit: Visit, patrol_id: UUID | None) -> NewCheckIn:
    minutes, lon, lat = visit
    at = START + timedelta(minutes=minutes)
    return NewCheckIn(
        id=uuid4(),
        person=member.person,
        source=Source.mini_program,
        at=at,
        received_at=START + timedelta(hours=8),
        lon=lon,
        lat=lat,
        accuracy_m=10,
        datum="wgs84",
        raw_lon=lon,
        raw_lat=lat,
        patrol_id=patrol_id,
    )


async def record(
    session: AsyncSession, news: list[NewCheckIn], settings: Settings
) -> list[Recorded | XunheError]:
    recorded = await check_ins.record_many(session, news, settings, KEYS)
    await session.commit()
    return recorded


async def line_of(session: AsyncSession, patrol_id: UUID) -> tuple[list[datetime], float]:
    """From scratch: the instants, and the geodesics between one and the next."""
    rows = (
        await session.execute(
            select(CheckIn.at, CheckIn.lon, CheckIn.lat)
            .where(CheckIn.patrol_id == patrol_id, CheckIn.withdrawn_at.is_(None))
            .order_by(CheckIn.at, CheckIn.id)
        )
    ).all()
    line = float(GEOD.line_length([row.lon for row in rows], [row.lat for row in rows]))
    return [row.at for row in rows], line if len(rows) > 1 else 0.0


async def patrol_of(session: AsyncSession, id_: UUID) -> Patrol:
    return await session.get_one(Patrol, id_, populate_existing=True)


@pytest.mark.parametrize("origin", ["self_made", "open", "finished", "finished first"])
async def test_the_line_is_what_it_would_be_from_scratch(
    li: Member, session: AsyncSession, settings: Settings, origin: str
) -> None:
    """Any order, any batches, check-ins of one instant among them."""
    examples: list[tuple[list[Visit], list[int]]] = []

    @how(
        max_examples=25,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(visits, st.lists(st.integers(1, 5), min_size=12, max_size=12))
    def collect(found: list[Visit], sizes: list[int]) -> None:
        examples.append((found, sizes))

    collect()
    for day, (found, sizes) in enumerate(examples):
        away = timedelta(days=day)
        patrol_id = None
        if origin != "self_made":
            patrol_id = uuid4()
            new = NewPatrol(patrol_id, START - away, PatrolKind.foot, None, ())
            await start(session, li.person, new, now=START)
        finishing: dict[str, Any] = {
            "finished_at": START - away + timedelta(hours=6),
            "findings": "none",
            "note": None,
            "now": START,
        }
        if origin == "finished first" and patrol_id is not None:
            await finish(session, li.person, patrol_id, **finishing)
        news = [
            a_visit(li, (minutes - day * 1440, lon, lat), patrol_id) for minutes, lon, lat in found
        ]
        recorded: list[Recorded | XunheError] = []
        rest = news
        for size in sizes:
            if rest:
                recorded += await record(session, rest[:size], settings)
            rest = rest[size:]
        if origin == "finished" and patrol_id is not None:
            await finish(session, li.person, patrol_id, **finishing)
            await session.commit()

        joined = {each.check_in.patrol_id for each in recorded if isinstance(each, Recorded)}
        assert len(joined) == 1
        patrol = await patrol_of(session, joined.pop())
        instants, line = await line_of(session, patrol.id)
        assert len(instants) == len(found)
        assert patrol.distance_m == pytest.approx(line, abs=1e-3)
        seconds = int((instants[-1] - instants[0]).total_seconds())
        assert patrol.duration_s == (None if origin == "open" else seconds)
        if origin == "self_made":
            assert patrol.origin is PatrolOrigin.self_made
            assert (patrol.started_at, patrol.finished_at) == (instants[0], instants[-1])


async def test_what_was_withdrawn_is_taken_out_again(
    li: Member, session: AsyncSession, settings: Settings
) -> None:
    news = [
        a_visit(li, visit, None)
        for visit in ((0, 103.01, 24.9), (60, 103.02, 24.9), (90, 103.01, 24.91))
    ]
    recorded = await record(session, news, settings)
    there = [each.check_in for each in recorded if isinstance(each, Recorded)]

    for gone in (2, 0, 1):
        check_in = await session.get_one(CheckIn, there[gone].id)
        check_in.withdrawn_at = START
        await session.flush()
        patrol = await patrol_of(session, check_in.patrol_id)
        await outings.shorten(session, patrol)
        await session.commit()
        instants, line = await line_of(session, patrol.id)
        assert patrol.distance_m == pytest.approx(line, abs=1e-3)
        first, last = (instants[0], instants[-1]) if instants else (START, START)
        assert patrol.duration_s == int((last - first).total_seconds())
        if instants:
            assert (patrol.started_at, patrol.finished_at) == (first, last)


async def test_a_lost_race_leaves_no_trace(
    li: Member, session: AsyncSession, settings: Settings
) -> None:
    """What `join_many` stretched for a check-in that somebody else's insert forestalled."""
    (kept,) = await record(session, [a_visit(li, (60, 103.01, 24.9), None)], settings)
    assert isinstance(kept, Recorded)
    steps = [
        outings.Step(uuid4(), li.person.id, li.person.organisation_id, at, 103.01, 24.9, None)
        for at in (START, START + timedelta(days=3))
    ]

    stretched, made = await outings.join_many(
        session, steps, [], open_for=timedelta(hours=12), now=START
    )
    assert stretched is not None
    assert made is not None
    await outings.take_back(session, [stretched.patrol_id, made.patrol_id])
    await session.commit()

    (patrol,) = (
        await session.scalars(select(Patrol).execution_options(populate_existing=True))
    ).all()
    assert patrol.id == kept.check_in.patrol_id == stretched.patrol_id
    assert (patrol.started_at, patrol.finished_at, patrol.duration_s) == (
        kept.check_in.at,
        kept.check_in.at,
        0,
    )
