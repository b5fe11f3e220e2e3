"""Obligations as managers send and see them: rows of obligations.csv, and how they stand."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from app.domain.duties import State
from app.models import AreaKind, HolderKind, PatrolKind, Period, PhotoRule
from app.schemas.edits import Cell, Edited, Whole, one_of
from app.schemas.fields import AnyDay
from app.services.dataset import labels
from app.services.dataset.tables import OBLIGATIONS
from app.services.obligations import Standing

_AREAS = OBLIGATIONS.column("area_kind").labels or {}


class NewObligation(Edited):
    """A row of obligations.csv."""

    holder_kind: Annotated[Cell, one_of(labels.HOLDER_KINDS)]
    holder_code: Cell
    area_kind: Annotated[Cell, one_of(_AREAS)]
    area_code: Cell | None = None
    times: Whole
    period: Annotated[Cell, one_of(labels.PERIODS)]
    starts_on: AnyDay
    ends_on: AnyDay | None = None
    months: Cell | None = None
    min_minutes: Whole | None = None
    min_metres: Whole | None = None
    kinds: Annotated[list[Cell], Field(max_length=20)] | None = None
    photo: Annotated[Cell | None, one_of(labels.PHOTO_RULES)] = None
    letter_number: Cell | None = None


class Holder(BaseModel):
    """Who owes."""

    kind: HolderKind
    code: str
    name: str


class Area(BaseModel):
    """Where; `any` and `paired` have no code."""

    kind: AreaKind
    code: str | None
    name: str


class Days(BaseModel):
    """From a day to a day, both included."""

    from_on: date = Field(alias="from")
    to_on: date = Field(alias="to")


class DoneBy(BaseModel):
    """How the days that count came about: walked, walked by a deputy (代巡), from paper (补录)."""

    own: int
    proxy: int
    late_entry: int


class Obligation(BaseModel):
    """An obligation as obligations.csv has it, and how it stands in the window of a day."""

    code: str
    holder: Holder
    area: Area
    window: Days
    owed: int
    done: int
    done_by: DoneBy
    pending: int
    due_by_now: int
    behind: int
    next_due_on: date | None
    state: State
    holder_kind: HolderKind
    holder_code: str
    area_kind: AreaKind
    area_code: str | None
    times: int
    period: Period
    starts_on: date
    ends_on: date | None
    months: str | None
    min_minutes: int | None
    min_metres: int | None
    kinds: Sequence[PatrolKind] | None
    photo: PhotoRule
    letter_number: str | None
    retired_on: date | None
    explanation: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, standing: Standing, explanation: Mapping[str, Any] | None = None) -> Self:
        """From what a service found."""
        said, how = standing.row.said, standing.progress
        kind = said["area_kind"]
        return cls(
            **said,
            holder=Holder(
                kind=said["holder_kind"], code=said["holder_code"], name=standing.holder_name
            ),
            area=Area(
                kind=kind,
                code=said["area_code"],
                name=standing.area_name or labels.AREA_KINDS[kind],
            ),
            window=Days(**{"from": how.window.from_on, "to": how.window.to_on}),
            owed=how.window.owed,
            done=how.done,
            done_by=DoneBy(
                own=standing.ways.own,
                proxy=standing.ways.proxy,
                late_entry=standing.ways.late_entry,
            ),
            pending=how.pending,
            due_by_now=how.due_by_now,
            behind=how.behind,
            next_due_on=how.next_due_on,
            state=how.state,
            retired_on=standing.row.retired_on,
            explanation=explanation,
        )
