"""Tracks: the points of a patrol, which of them count, and how far they lead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import datum as datums
from app.domain import geometry, track
from app.domain.datum import Datum
from app.errors import NotFound, TooLarge, TooLate
from app.models import CheckIn, NoticeKind, Patrol, PatrolState, Person, TrackPoint
from app.services import consents, credits

LATE_WITHIN = timedelta(days=7)
# Twelve hours at one a second are fewer; every call walks through all of them.
_MOST_POINTS = 50_000

_INSERT = text(
    """
    INSERT INTO track_points
      (patrol_id, seq, at, lon, lat, accuracy_m, datum, raw_lon, raw_lat, received_at)
    SELECT :patrol_id, p.seq, p.at, p.lon, p.lat, p.accuracy_m, p.datum, p.raw_lon, p.raw_lat, :now
    FROM json_to_recordset(CAST(:points AS json)) AS p (seq int, at timestamptz, lon float8,
      lat float8, accuracy_m float8, datum text, raw_lon float8, raw_lat float8)
    ORDER BY p.seq
    ON CONFLICT (patrol_id, seq) DO NOTHING
    RETURNING seq
    """
)

_MARK = text(
    """
    UPDATE track_points t SET mark = m.mark
    FROM json_to_recordset(CAST(:marks AS json)) AS m (seq int, mark text)
    WHERE t.patrol_id = :patrol_id AND t.seq = m.seq
    """
)


@dataclass(frozen=True, slots=True)
class NewPoint:
    """One fix as the phone sent it, in `datum`."""

    seq: int
    at: datetime
    lon: float
    lat: float
    accuracy_m: float | None
    datum: Datum


@dataclass(frozen=True, slots=True)
class Appended:
    """How many points of the patrol are stored, and the highest `seq` of them."""

    received: int
    last_seq: int | None


async def append(
    session: AsyncSession,
    person: Person,
    patrol_id: UUID,
    points: Sequence[NewPoint],
    *,
    now: datetime,
) -> Appended:
    """Store new points (a repeated `seq` is ignored) and walk the line anew.

    Raises `NotFound`, `ConsentNeeded` for tracks, `TooLate` seven days after the finish, `TooLarge`
    beyond 50,000 points.
    """
    await credits.hold(session)
    patrol = await session.get(
        Patrol, patrol_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if patrol is None or patrol.person_id != person.id:
        raise NotFound
    await consents.require(session, person, NoticeKind.track)
    if patrol.finished_at is not None and now - patrol.finished_at > LATE_WITHIN:
        raise TooLate("巡河结束已超过7天，轨迹不能再补传。")
    if points:
        new = await session.scalars(
            _INSERT,
            {"patrol_id": patrol_id, "now": now, "points": _as_json(points)},
        )
        if patrol.points_kept + patrol.points_marked + len(new.all()) > _MOST_POINTS:
            raise TooLarge("一次巡河最多保存5万个轨迹点。")
        await measure(session, patrol)
        await credits.judge(session, [patrol_id], now=now)
    received, last_seq = (
        await session.execute(
            select(func.count(), func.max(TrackPoint.seq)).where(TrackPoint.patrol_id == patrol_id)
        )
    ).one()
    return Appended(received, last_seq)


def _as_json(points: Sequence[NewPoint]) -> str:
    rows = []
    for point in points:
        lon, lat = datums.to_wgs84(point.lon, point.lat, point.datum)
        rows.append(
            {
                "seq": point.seq,
                "at": point.at,
                "lon": lon,
                "lat": lat,
                "accuracy_m": point.accuracy_m,
                "datum": point.datum,
                "raw_lon": point.lon,
                "raw_lat": point.lat,
            }
        )
    return orjson.dumps(rows).decode()


async def measure(session: AsyncSession, patrol: Patrol) -> None:
    """Mark the points that do not count, and measure the line through those that do.

    The line of a patrol none of whose points count leads through its check-ins.
    """
    rows = (
        await session.execute(
            select(
                TrackPoint.seq,
                TrackPoint.at,
                TrackPoint.lon,
                TrackPoint.lat,
                TrackPoint.accuracy_m,
                TrackPoint.received_at,
                TrackPoint.mark,
            )
            .where(TrackPoint.patrol_id == patrol.id)
            .order_by(TrackPoint.at, TrackPoint.seq)
        )
    ).all()
    fixes = [track.Fix(*row[:5]) for row in rows]
    marks = track.marks(fixes, [row.received_at for row in rows], started_at=patrol.started_at)
    changed = [
        {"seq": row.seq, "mark": mark}
        for row, mark in zip(rows, marks, strict=True)
        if row.mark != mark
    ]
    if changed:
        await session.execute(
            _MARK, {"patrol_id": patrol.id, "marks": orjson.dumps(changed).decode()}
        )
    kept = [fix for fix, mark in zip(fixes, marks, strict=True) if mark is None]
    patrol.points_kept, patrol.points_marked = len(kept), len(fixes) - len(kept)
    patrol.last_seq = max((fix.seq for fix in fixes), default=None)
    line = [(fix.lon, fix.lat) for fix in kept] or await _visits(session, patrol)
    patrol.distance_m = geometry.path_length_m([lon for lon, _ in line], [lat for _, lat in line])
    if patrol.state is PatrolState.finished:
        if patrol.closed_by_us and patrol.finished_at and kept:
            # Nobody said when it ended: what arrives late shows that it went on.
            patrol.finished_at = max(patrol.finished_at, kept[-1].at)
        patrol.duration_s = await duration_s(session, patrol)
    await session.flush()


async def _visits(session: AsyncSession, patrol: Patrol) -> Sequence[tuple[float, float]]:
    rows = await session.execute(
        select(CheckIn.lon, CheckIn.lat)
        .where(CheckIn.patrol_id == patrol.id, CheckIn.withdrawn_at.is_(None))
        .order_by(CheckIn.at, CheckIn.id)
    )
    return [(lon, lat) for lon, lat in rows]


async def duration_s(session: AsyncSession, patrol: Patrol) -> int:
    """Seconds out: start to finish with a track; without one, first to last check-in."""
    if patrol.points_kept == 0:
        first, last = (
            await session.execute(
                select(func.min(CheckIn.at), func.max(CheckIn.at)).where(
                    CheckIn.patrol_id == patrol.id, CheckIn.withdrawn_at.is_(None)
                )
            )
        ).one()
        if first is not None:
            return seconds_between(first, last)
    end = patrol.finished_at or patrol.started_at
    return seconds_between(patrol.started_at, end)


def seconds_between(first: datetime, last: datetime) -> int:
    """Whole seconds, as many as the column holds: a phone's clock may be decades off."""
    return min(int((last - first).total_seconds()), 2**31 - 1)
