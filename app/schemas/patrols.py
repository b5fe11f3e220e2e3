"""Patrols as the mini-program sends and receives them."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.domain.datum import Datum
from app.models import Findings, PatrolKind, PatrolState
from app.schemas.fields import Accuracy, Code, Instant, Latitude, Longitude, Note, Strict
from app.services.patrol_lists import Shown


class NewPatrol(Strict):
    """Setting out; on foot and alone, unless it says otherwise."""

    started_at: Instant
    reach_code: Code | None = None
    companions: Annotated[list[Code], Field(max_length=50)] | None = None
    kind: PatrolKind | None = None


class NewPoint(Strict):
    """One fix of the track; `seq` is the phone's running number."""

    seq: Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
    at: Instant
    lon: Longitude
    lat: Latitude
    accuracy_m: Accuracy | None = None
    datum: Datum


class NewPoints(Strict):
    """Up to a thousand fixes."""

    points: Annotated[list[NewPoint], Field(max_length=1000)]


class Appended(BaseModel):
    """How many points of the patrol are stored, and the highest `seq` of them."""

    received: int
    last_seq: int | None


class NewFinish(Strict):
    """Coming back; `none` is a full result."""

    finished_at: Instant
    findings: Findings
    note: Note | None = None


class PointCount(BaseModel):
    """Points that make the line, and points kept aside with a mark."""

    kept: int
    marked: int


class ReachNamed(BaseModel):
    """The reach that the patrol is about."""

    code: str
    name: str


class Patrol(BaseModel):
    """A patrol as it now stands; people are named by their codes."""

    id: UUID
    person: str
    kind: PatrolKind
    state: PatrolState
    started_at: Instant
    finished_at: Instant | None
    reach: ReachNamed | None
    companions: list[str]
    findings: Findings | None
    note: str | None
    distance_m: float
    duration_s: int | None
    points: PointCount
    check_in_ids: list[UUID]

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """From what a service found."""
        row = shown.patrol
        return cls(
            id=row.id,
            person=shown.person_code,
            kind=row.kind,
            state=row.state,
            started_at=row.started_at,
            finished_at=row.finished_at,
            reach=ReachNamed(code=shown.reach.code, name=shown.reach.name) if shown.reach else None,
            companions=list(shown.companions),
            findings=row.findings,
            note=row.note,
            distance_m=round(row.distance_m, 2),
            duration_s=row.duration_s,
            points=PointCount(kept=row.points_kept, marked=row.points_marked),
            check_in_ids=list(shown.check_in_ids),
        )
