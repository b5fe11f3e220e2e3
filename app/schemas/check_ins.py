"""Check-ins as the mini-program sends and receives them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, Field

from app import clock
from app.domain import datum as datums
from app.domain.datum import Datum
from app.models import Verdict
from app.schemas.fields import (
    Code,
    Device,
    Instant,
    NewPosition,
    Note,
    Position,
    Reason,
    Strict,
    answer_datum,
)
from app.services.check_in_lists import Recorded
from app.services.check_in_pages import Listed


class NamedStele(Strict):
    """The stele that was scanned or chosen; `token` is what its QR code carried."""

    code: Code
    token: Device | None = None


class NewCheckIn(Strict):
    """What the mini-program sends: "I was here at this time"."""

    at: Instant
    position: NewPosition
    patrol_id: UUID | None = None
    stele: NamedStele | None = None
    note: Note | None = None
    photos_expected: Annotated[int, Field(strict=True, ge=0, le=30)] | None = None
    device: Device | None = None


class Named(BaseModel):
    """Something with a code and a name."""

    code: str
    name: str


class CellShown(Named):
    """The innermost covering cell, and its ancestors from the outermost down to itself."""

    path: list[Named]


class SteleShown(Named):
    """The stele named, or the one that stands here; `within` its radius plus the allowance."""

    distance_m: float
    within: bool


class ReachShown(Named):
    """The nearest reach within 200 m."""

    distance_m: float


class Evidence(BaseModel):
    """One check: `passed` is null where it cannot be known. docs/evidence.md lists the names."""

    check: str
    passed: bool | None
    value: float | str | None
    limit: float | str | None


class PhotoCount(BaseModel):
    """How many photos are stored, and how many the phone said it would send."""

    received: int
    expected: int | None


class Counted(BaseModel):
    """An obligation that the check-in counts for, and how it stands now."""

    obligation: str
    done: int
    owed: int
    behind: int


class Review(BaseModel):
    """What a manager decided, and why."""

    verdict: Verdict
    reason: str | None
    at: Instant


class CheckIn(BaseModel):
    """A check-in as it now stands.

    `ask_for`: the templates to ask for with `wx.requestSubscribeMessage` now; only ever in the
    answer to a PUT.
    """

    id: UUID
    at: Instant
    received_at: Instant
    position: Position
    grid_cell: CellShown | None
    stele: SteleShown | None
    reach: ReachShown | None
    patrol_id: UUID
    person: str
    note: str | None
    verdict: Verdict
    review: Review | None
    evidence: list[Evidence]
    photos: PhotoCount
    withdrawn_at: Instant | None
    counts_for: list[Counted]
    ask_for: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, recorded: Recorded) -> Self:
        """From what a service answers; the place is what it was then."""
        row, review = recorded.check_in, recorded.review
        place: dict[str, Any] = row.place
        return cls(
            id=row.id,
            at=row.at,
            received_at=row.received_at,
            position=Position.of(row.lon, row.lat, row.accuracy_m),
            grid_cell=place["grid_cell"],
            stele=place["stele"],
            reach=place["reach"],
            patrol_id=row.patrol_id,
            person=recorded.person_code,
            note=row.note,
            verdict=row.verdict,
            review=Review(verdict=review.verdict, reason=review.reason, at=review.recorded_at)
            if review
            else None,
            evidence=[Evidence.model_validate(entry) for entry in row.evidence],
            photos=PhotoCount(received=recorded.photos_received, expected=row.photos_expected),
            withdrawn_at=row.withdrawn_at,
            counts_for=[
                Counted(obligation=each.code, done=each.done, owed=each.owed, behind=each.behind)
                for each in recorded.counts_for
            ],
            ask_for=list(recorded.ask_for),
        )


def listing(page: Listed) -> Callable[[Any], Mapping[str, Any]]:
    """How a row of the page is shown: what `CheckIn` of it would be, ready to be written as JSON.

    A thousand models take twenty times as long as their JSON; a test holds the two together.
    """
    in_gcj02 = answer_datum.get() is Datum.gcj02
    datum = Datum.gcj02 if in_gcj02 else Datum.wgs84

    def show(row: Any) -> Mapping[str, Any]:
        lon, lat = datums.to_gcj02(row.lon, row.lat) if in_gcj02 else (row.lon, row.lat)
        return {
            "id": row.id,
            "at": row.at.astimezone(clock.LAKE),
            "received_at": row.received_at.astimezone(clock.LAKE),
            "position": {
                "lon": lon,
                "lat": lat,
                "accuracy_m": row.accuracy_m,
                "datum": datum,
            },
            "grid_cell": orjson.Fragment(row.grid_cell),
            "stele": orjson.Fragment(row.stele),
            "reach": orjson.Fragment(row.reach),
            "patrol_id": row.patrol_id,
            "person": row.person,
            "note": row.note,
            "verdict": row.verdict,
            "review": {
                "verdict": row.review,
                "reason": row.review_reason,
                "at": row.reviewed_at.astimezone(clock.LAKE),
            }
            if row.review
            else None,
            "evidence": orjson.Fragment(row.evidence),
            "photos": {"received": row.photos_received, "expected": row.photos_expected},
            "withdrawn_at": row.withdrawn_at and row.withdrawn_at.astimezone(clock.LAKE),
            "counts_for": [
                {
                    "obligation": each.code,
                    "done": each.done,
                    "owed": each.owed,
                    "behind": each.behind,
                }
                for each in page.counts_for.get(row.id, ())
            ],
            "ask_for": [],
        }

    return show


class NewReview(Strict):
    """A manager's verdict with its reason, which the sender is told."""

    verdict: Literal["accepted", "rejected", "flagged"]
    reason: Reason


class NewAnswer(Strict):
    """The sender's one answer to a review."""

    text: Reason
